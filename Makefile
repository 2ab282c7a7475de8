# alloctrace. `make help` lists what there is to make; V=1 shows the commands.

VERSION := 0.1.0

CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= $(firstword $(foreach f,clang-format-14 clang-format,$(shell command -v $(f) 2>/dev/null)) clang-format)
PREFIX ?= /usr/local
DESTDIR ?=
# Asked for only by the steps that need root.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

BUILD := build
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

# DEBUG=1: no optimization; SAN=1: address and undefined-behaviour sanitizers; WERROR=1: warnings are errors.
OPTIMIZE := $(if $(DEBUG),-O0,-O2)
SAN_FLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer
SANITIZE := $(if $(SAN),$(SAN_FLAGS))
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(if $(WERROR),-Werror)
CFLAGS ?= $(OPTIMIZE) -g
override CFLAGS += -std=gnu11 $(WARN) $(SANITIZE) -MMD -MP
override CPPFLAGS += -D_GNU_SOURCE -DALLOCTRACE_VERSION='"$(VERSION)"' -Iuser -Iuser/include -I.

# bpf_tracing.h wants the name of the register set; asm/ headers lie in the multiarch folder on Debian.
MACHINE := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(MACHINE)))
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-I/usr/include/$(MACHINE)-linux-gnu -MMD -MP

CORE_SRC := $(wildcard user/core/*.c)
USER_SRC := user/main.c $(wildcard user/cmd/*.c user/probe/*.c user/sym/*.c user/out/*.c)
DEMO_SRC := $(wildcard user/demo/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
WORKLOAD_SRC := $(wildcard tests/workloads/*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE_LIB := $(BUILD)/libcore.a
SKELETON := $(BUILD)/alloctrace.skel.h
LIBS := $(shell $(PKG_CONFIG) --libs libbpf libdw libelf jansson 2>/dev/null) -liberty -lm

PROGRAMS := $(BUILD)/alloctrace $(BUILD)/pool-demo
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
WORKLOADS := $(patsubst tests/workloads/%.c,$(BUILD)/workloads/%,$(WORKLOAD_SRC))

.PHONY: all help deps demo workloads test unit integration vm-test bench lint fmt install clean check-build-deps
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) ## build alloctrace and pool-demo (the default)

help: ## this list
	@awk -F':.*## ' '/^[a-z_.-]+:.*## / {printf "  %-24s %s\n", $$1, $$2}' Makefile
	@echo '  switches: DEBUG=1 SAN=1 WERROR=1 V=1, KERNEL=6.1 (vm-test), PREFIX= DESTDIR= (install)'

# What is missing is named in one sentence before the compiler trips over it.
check-build-deps:
	@tests/deps.sh --check build

$(BUILD)/alloctrace: $(call obj,$(USER_SRC)) $(CORE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)

$(BUILD)/pool-demo: $(call obj,$(DEMO_SRC))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pthread -o $@ $^ $(LDFLAGS)

$(CORE_LIB): $(call obj,$(CORE_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c | check-build-deps
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The skeleton is known to session.c alone; the layer test of lint holds everyone to it.
$(BUILD)/obj/user/probe/session.o: override CPPFLAGS += -I$(BUILD)
$(BUILD)/obj/user/probe/session.o: $(SKELETON)

$(BUILD)/alloctrace.bpf.o: bpf/alloctrace.bpf.c | check-build-deps
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(SKELETON): $(BUILD)/alloctrace.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name alloctrace_bpf > $@

# ---- tests

$(BUILD)/unit/%: tests/unit/%.c $(CORE_LIB)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(UNIT_EXTRA) $(CORE_LIB) $(UNIT_LIBS) -lcmocka -lm -pthread

# -O2 and no frame pointers: what Debian ships. -g, so that lines can be compared.
$(BUILD)/workloads/%: tests/workloads/%.c
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -fomit-frame-pointer -fno-builtin -Wall -Wextra -MMD -MP \
		-Iuser/include -o $@ $< -pthread

workloads: $(WORKLOADS) ## build the programs that the tests trace

# ---- benchmark

$(BUILD)/bench/floor.bpf.o: tests/bench/floor.bpf.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/bench/floor.skel.h: $(BUILD)/bench/floor.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name floor_bpf > $@

$(BUILD)/bench/floor: tests/bench/floor.c $(BUILD)/bench/floor.skel.h
	$(call say,BENCH,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD)/bench $(CFLAGS) -o $@ $< $(LIBS)

bench: all workloads $(BUILD)/bench/floor ## cost per malloc/free pair beside the peers (MEMLEAK=path adds memleak)
	@$(SUDO) MEMLEAK=$(MEMLEAK) tests/bench/run.sh

install: all ## install below PREFIX (default /usr/local)
	install -D -m 0755 $(BUILD)/alloctrace $(DESTDIR)$(PREFIX)/bin/alloctrace
	install -D -m 0644 user/include/alloctrace/pool.h $(DESTDIR)$(PREFIX)/include/alloctrace/pool.h
	install -D -m 0644 user/man/alloctrace.8 $(DESTDIR)$(PREFIX)/share/man/man8/alloctrace.8
	install -D -m 0644 user/completions/alloctrace.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/alloctrace

clean: ## remove build/
	rm -rf $(BUILD) compile_commands.json

-include $(shell find $(BUILD)/obj $(BUILD)/unit $(BUILD)/workloads $(BUILD)/alloctrace.bpf.d -name '*.d' -type f 2>/dev/null)
