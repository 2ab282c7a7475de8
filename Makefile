# alloctrace. `make help` lists what there is to make; V=1 shows the commands.

VERSION := 0.1.0

CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
PROTOC_C ?= protoc-c
CLANG_FORMAT ?= $(firstword $(foreach f,clang-format-14 clang-format,$(shell command -v $(f) 2>/dev/null)) clang-format)
PREFIX ?= /usr/local
DESTDIR ?=
# Asked for only by the steps that need root.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

BUILD := build
JOBS := $(shell nproc 2>/dev/null || echo 1)
Q := $(if $(V),,@)
comma := ,
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

# DEBUG=1: no optimization; SAN=1: address and undefined-behaviour sanitizers; WERROR=1: warnings are errors.
OPTIMIZE := $(if $(DEBUG),-O0,-O2)
SAN_FLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer
SANITIZE := $(if $(SAN),$(SAN_FLAGS))
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 $(if $(WERROR),-Werror)
CFLAGS ?= $(OPTIMIZE) -g
# The map keeps the path of the checkout out of what is built.
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=.
override CFLAGS += -std=gnu11 $(WARN) $(SANITIZE) $(PREFIX_MAP) -MMD -MP
override CPPFLAGS += -D_GNU_SOURCE -DALLOCTRACE_VERSION='"$(VERSION)"' -Iuser -Iuser/include -I.

# bpf_tracing.h wants the name of the register set; asm/ headers lie in the multiarch folder on Debian.
MACHINE := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(MACHINE)))
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-I/usr/include/$(MACHINE)-linux-gnu -MMD -MP

CORE_SRC := $(wildcard user/core/*.c)
USER_SRC := user/main.c $(wildcard user/cmd/*.c user/probe/*.c user/sym/*.c user/out/*.c user/guard/*.c user/recording/*.c)
DEMO_SRC := $(wildcard user/demo/*.c)
# What makes the rules of stack walks.
UNWIND_SRC := user/core/unwind.c $(addprefix user/sym/,unwind.c cfi.c cfi_row.c cursor.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
WORKLOAD_SRC := $(filter-out %/cet_lib.c %/confined.c %/known.c %/site_probe.c %/unwind_print.c %/lone.c %/nobody.c %/own_lib.c %/plugin.c %/walks.c %/walks_lib.c %.bpf.c,\
	$(wildcard tests/workloads/*.c))
# Programs that are built once more, with other switches, and libraries.
VARIANTS := prefixed-je prefixed-mi prefixed-tc prefixed-rjem otel-semaphores rust_names-mangled \
	confined unwind_print libarena.so libotel.so librust_names.so libplugin.so liblone.so libown.so libwalks-near.so libwalks-far.so
NOBODIES := libnobody-outside.so libnobody-data.so libnobody-junk.so libnobody-absolute.so

C_FILES = $(shell git ls-files 'bpf/*.[ch]' 'user/**.[ch]' 'tests/**.[ch]' 2>/dev/null)

# The allocator matrix: a variant whose tools are not there is not built, and its tests skip.
can_link = $(shell echo 'int main(void){return 0;}' | $(1) -x c -o /dev/null - $(2) 2>/dev/null && echo $(3))
MATRIX = matrix-late \
	$(call can_link,$(CC),-static,matrix-static matrix-static-stripped) \
	$(call can_link,musl-gcc,-static,matrix-musl) \
	$(call can_link,$(CC),-ljemalloc,matrix-jemalloc prefixed-jemalloc) \
	$(if $(MIMALLOC),prefixed-mimalloc) $(if $(TCMALLOC),prefixed-tcmalloc) \
	$(if $(shell command -v $(CXX)),matrix-cpp walk-cpp) \
	$(if $(shell command -v rustc),matrix-rust matrix-rust-stripped walk-rust)
# The libraries themselves: what their -dev packages would bring is not needed.
MIMALLOC = $(firstword $(foreach l,libmimalloc.so.2 libmimalloc.so.3,$(call can_link,$(CC),-l:$(l),-l:$(l))))
TCMALLOC = $(call can_link,$(CC),-l:libtcmalloc_minimal.so.4,-l:libtcmalloc_minimal.so.4)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE_LIB := $(BUILD)/libcore.a
SKELETON := $(BUILD)/alloctrace.skel.h
LIBS := $(shell $(PKG_CONFIG) --libs libbpf libdw libelf jansson libseccomp libcap-ng libzstd 2>/dev/null) -lZydis -liberty -lm
# An allocator of its own, in its own file: in the whole system the probes on libc's lie before alloctrace as well, and each
# of its calls would cost it what it costs everybody. The sanitizers bring theirs.
OWN_MALLOC := $(if $(SAN),,-l:libjemalloc_pic.a)

# What user/out links. Profiles for pprof are among it: what protoc-c makes of profile.proto is known to pprof_file.c alone.
OUT_LIBS := $(shell $(PKG_CONFIG) --libs jansson libprotobuf-c zlib 2>/dev/null)
PPROF := $(BUILD)/profile.pb-c
OUT_PPROF := $(BUILD)/obj/profile.pb-c.o
LIBS += $(OUT_LIBS)

PROGRAMS := $(BUILD)/alloctrace $(BUILD)/pool-demo
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
WORKLOADS := $(patsubst tests/workloads/%.c,$(BUILD)/workloads/%,$(WORKLOAD_SRC)) \
	$(addprefix $(BUILD)/workloads/,$(VARIANTS)) \
	$(if $(filter x86_64,$(MACHINE)),$(addprefix $(BUILD)/workloads/,libcet.so known site_probe walks $(NOBODIES)))

.PHONY: all help deps demo workloads test unit unit-programs integration vm-test fuzz fuzz-programs fuzz-replay soak bench bench-frames \
	bench-symbols bench-blocks bench-recording lint fmt install clean check-build-deps
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) ## build alloctrace and pool-demo (the default)

help: ## this list
	@awk -F':.*## ' '/^[a-z_.-]+:.*## / {printf "  %-24s %s\n", $$1, $$2}' Makefile
	@echo '  switches: DEBUG=1 SAN=1 WERROR=1 V=1, KERNEL=6.1 VM_ALL=1 (vm-test), FUZZ_SECONDS=30 (fuzz), SOAK_SECONDS=600 (soak),' \
		'PREFIX= DESTDIR= (install)'

# What is missing is named in one sentence before the compiler trips over it.
check-build-deps:
	@tests/deps.sh --check build

$(BUILD)/alloctrace: $(call obj,$(USER_SRC)) $(OUT_PPROF) $(CORE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS) $(OWN_MALLOC)

$(BUILD)/pool-demo: $(call obj,$(DEMO_SRC))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pthread -o $@ $^ $(LDFLAGS)

$(CORE_LIB): $(call obj,$(CORE_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile | check-build-deps
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The skeleton is known to session.c alone; the layer test of lint holds everyone to it.
$(BUILD)/obj/user/probe/session.o: override CPPFLAGS += -I$(BUILD)
$(BUILD)/obj/user/probe/session.o: $(SKELETON)

# Generated: no warnings.
$(PPROF).c: user/out/profile.proto | check-build-deps
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(PROTOC_C) --proto_path=user/out --c_out=$(@D) $(<F)

$(PPROF).h: $(PPROF).c ;

$(OUT_PPROF): $(PPROF).c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -I$(BUILD) -c -o $@ $<

PPROF_OBJS := $(BUILD)/obj/user/out/pprof_file.o $(BUILD)/fuzz/obj/user/out/pprof_file.o
$(PPROF_OBJS): override CPPFLAGS += -I$(BUILD)
$(PPROF_OBJS): $(PPROF).h
$(BUILD)/fuzz/obj/tests/fuzz/fuzz_json.o: override CPPFLAGS += -I$(BUILD)
$(BUILD)/fuzz/obj/tests/fuzz/fuzz_json.o: $(PPROF).h

# Taken in by the assembler, which tells nobody.
$(BUILD)/obj/user/out/schema.o $(BUILD)/fuzz/obj/user/out/schema.o: user/out/schema.json

$(BUILD)/alloctrace.bpf.o: bpf/alloctrace.bpf.c | check-build-deps
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(SKELETON): $(BUILD)/alloctrace.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name alloctrace_bpf > $@

# ---- the two commands of the README

deps: ## install what building and testing need (apt; asks for sudo)
	@tests/deps.sh --install build
	@tests/deps.sh --install test

demo: ## install, build, and run the main job on the demo pool
	@tests/deps.sh --install build
	@$(MAKE) --no-print-directory all
	@echo '== every call of two messages through the pool and through malloc'
	@$(SUDO) $(BUILD)/alloctrace -- $(BUILD)/pool-demo --messages 2
	@echo '== is the pool faster than malloc?'
	@$(SUDO) $(BUILD)/alloctrace compare -- $(BUILD)/pool-demo

test: ## install, build, and pass unit, golden and integration tests
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$(JOBS) all workloads
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/san SAN=1 unit-programs
	@$(SUDO) env CMOCKA_MESSAGE_OUTPUT=TAP prove --nocolor --timer -e '' $(sort $(patsubst tests/unit/%.c,$(BUILD)/san/unit/%,$(UNIT_SRC))) \
		tests/golden/run.sh $(wildcard tests/integration/*.bats)

unit: ## unit tests alone, under the sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/san SAN=1 unit-programs
	@prove --nocolor -e '' $(sort $(patsubst tests/unit/%.c,$(BUILD)/san/unit/%,$(UNIT_SRC)))

integration: all workloads ## integration tests alone (root)
	@$(SUDO) env CMOCKA_MESSAGE_OUTPUT=TAP prove --nocolor --timer -e '' $(wildcard tests/integration/*.bats)

vm-test: all workloads ## what depends on the kernel, on Debian's 6.1 and 6.12 in qemu and on the one that runs; KERNEL=6.1 for one
	@tests/deps.sh --install vm
	@tests/vm/run.sh $(KERNEL)

# What soak.sh reads, if it was set: sudo drops the environment.
SOAK_ENV = $(foreach v,SOAK_SECONDS SOAK_MODES SOAK_OPTIONS,$(if $($(v)),$(v)='$($(v))'))

soak: all $(BUILD)/workloads/stress $(BUILD)/workloads/follow ## latency and trace for 10 minutes each at full rate (SOAK_SECONDS=600)
	@$(SUDO) env BUILD=$(BUILD) $(SOAK_ENV) tests/soak.sh

lint: compile_commands.json ## clang-format, clang-tidy, cppcheck, shellcheck, layers, drift
	@CLANG_FORMAT=$(CLANG_FORMAT) tests/lint.sh

fmt: ## format the sources
	$(CLANG_FORMAT) -i $(C_FILES)

compile_commands.json: Makefile $(SKELETON) $(PPROF).h ## for clangd and clang-tidy
	@{ echo '['; for f in $(USER_SRC) $(CORE_SRC) $(DEMO_SRC); do \
		printf '{"directory":"%s","file":"%s","arguments":["cc","-std=gnu11","-isystem","$(BUILD)",%s"-c","%s"]},\n' \
			'$(CURDIR)' "$$f" "$$(printf '"%s",' $(subst ",\\\",$(subst ',,$(filter-out -MMD -MP,$(CPPFLAGS)))))" "$$f"; \
	done | sed '$$s/,$$//'; echo ']'; } >$@

# ---- tests

export CMOCKA_MESSAGE_OUTPUT := TAP

unit-programs: $(UNIT_TESTS) $(BUILD)/golden

# The sinks alone: the symbolizer is a table.
$(BUILD)/golden: $(wildcard tests/golden/*.c) $(call obj,$(wildcard user/out/*.c)) $(OUT_PPROF) $(CORE_LIB)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MF $@.d -o $@ $^ $(LDFLAGS) $(OUT_LIBS) -lm

# What a test links beside core: its module, and libraries.
$(BUILD)/unit/test_pool: $(call obj,user/demo/pool.c)
SYM_TESTS := $(filter $(BUILD)/unit/test_sym%,$(UNIT_TESTS)) $(BUILD)/unit/test_sources
$(SYM_TESTS): $(call obj,$(wildcard user/sym/*.c user/guard/*.c))
$(SYM_TESTS): UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libdw libelf libseccomp libcap-ng) -liberty
$(BUILD)/unit/test_unwind_rules: $(call obj,$(filter user/sym/%,$(UNWIND_SRC)))
$(BUILD)/unit/test_unwind_rules: UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libdw libelf)
$(BUILD)/unit/test_helper: $(call obj,$(wildcard user/guard/*.c))
$(BUILD)/unit/test_helper: UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libseccomp libcap-ng)
$(BUILD)/unit/test_tables: $(call obj,$(addprefix user/sym/,tables.c tabling.c kept.c) $(wildcard user/guard/*.c))
$(BUILD)/unit/test_tables_files $(BUILD)/unit/test_kept: $(call obj,$(addprefix user/sym/,tables.c tabling.c kept.c unwind.c cursor.c) $(wildcard user/sym/cfi*.c user/guard/*.c))
$(BUILD)/unit/test_tables $(BUILD)/unit/test_tables_files $(BUILD)/unit/test_kept: UNIT_LIBS = \
	$(shell $(PKG_CONFIG) --libs libdw libelf libseccomp libcap-ng)
$(BUILD)/unit/test_fetch: $(call obj,user/guard/fetch.c user/guard/message.c user/guard/privileges.c user/guard/filter.c)
$(BUILD)/unit/test_fetch: UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libseccomp libcap-ng)
$(BUILD)/unit/test_site: $(call obj,user/probe/site.c)
$(BUILD)/unit/test_site: UNIT_LIBS = -lZydis
$(BUILD)/unit/test_hazard: $(call obj,user/probe/hazard.c user/sym/proc.c user/sym/regular.c)
$(BUILD)/unit/test_hazard: UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libbpf)
$(filter $(BUILD)/unit/test_functions%,$(UNIT_TESTS)): $(call obj,user/probe/functions.c)
$(filter $(BUILD)/unit/test_options%,$(UNIT_TESTS)): $(call obj,user/probe/functions.c $(addprefix user/cmd/,options.c option_rows.c commands.c together.c choose.c values.c))
$(BUILD)/unit/test_company: $(call obj,user/probe/functions.c user/probe/company.c)
$(BUILD)/unit/test_values: $(call obj,user/cmd/values.c)
$(BUILD)/unit/test_cache_dir: $(call obj,user/cmd/cache.c)
$(BUILD)/unit/test_pressure: $(call obj,user/probe/relief.c)
$(BUILD)/unit/test_guard: $(call obj,user/guard/filter.c user/guard/privileges.c)
$(BUILD)/unit/test_guard: UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libseccomp libcap-ng)
$(BUILD)/unit/test_loader: $(call obj,user/probe/loader.c)
$(BUILD)/unit/test_rendered: $(call obj,user/out/rendered.c)
OUT_TESTS := $(addprefix $(BUILD)/unit/,test_latency test_formats test_sites test_sites_rows test_human test_diff)
$(OUT_TESTS): override CPPFLAGS += -I$(BUILD)
$(OUT_TESTS): $(call obj,$(wildcard user/out/*.c)) $(OUT_PPROF)
$(OUT_TESTS): UNIT_LIBS = $(OUT_LIBS)

$(filter $(BUILD)/unit/test_recording%,$(UNIT_TESTS)): $(call obj,$(wildcard user/recording/*.c))
$(filter $(BUILD)/unit/test_recording%,$(UNIT_TESTS)): UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libzstd)

$(BUILD)/unit/%: tests/unit/%.c $(CORE_LIB)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MF $@.d -o $@ $(filter %.c %.o,$^) $(CORE_LIB) $(UNIT_LIBS) -lcmocka -lm -pthread

# -O2 and no frame pointers: what Debian ships. -g, so that lines can be compared.
WORKLOAD_FLAGS := -O2 -g -fomit-frame-pointer -Wall -Wextra $(PREFIX_MAP) -MMD -MP -Iuser/include
work = $(Q)mkdir -p $(@D) && $(1) -std=gnu11 -D_GNU_SOURCE -fno-builtin $(WORKLOAD_FLAGS) -o $@ $< $(2)

$(BUILD)/workloads/%: tests/workloads/%.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-pthread)

# A function is looked for when it is called for the first time.
$(BUILD)/workloads/walks: tests/workloads/walks.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-pthread -Wl$(comma)-z$(comma)lazy)

# What -k walks: some frames of its own.
$(BUILD)/workloads/stress: WORKLOAD_FLAGS += -fno-omit-frame-pointer

$(BUILD)/workloads/matrix-late: tests/workloads/matrix.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-DLATE -ldl)

$(BUILD)/workloads/matrix-static: tests/workloads/matrix.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-static)

$(BUILD)/workloads/matrix-static-stripped: $(BUILD)/workloads/matrix-static
	$(call say,WORK,$@)
	$(Q)strip -o $@ $<

$(BUILD)/workloads/matrix-musl: tests/workloads/matrix.c Makefile
	$(call say,WORK,$@)
	$(call work,musl-gcc,-static)

$(BUILD)/workloads/matrix-jemalloc: tests/workloads/matrix.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-ljemalloc)

$(BUILD)/workloads/%-cpp: tests/workloads/%_cpp.cc Makefile
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D) && $(CXX) -std=c++17 $(WORKLOAD_FLAGS) -o $@ $<

$(BUILD)/workloads/%-rust: tests/workloads/%_rust.rs Makefile
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D) && rustc --edition 2021 -O -g --remap-path-prefix=$(CURDIR)=. -o $@ $<

$(BUILD)/workloads/matrix-rust-stripped: $(BUILD)/workloads/matrix-rust
	$(call say,WORK,$@)
	$(Q)strip -o $@ $<

# One source, many names: own allocators with a prefix, and those of libraries.
$(BUILD)/workloads/prefixed-je: VARIANT = -DPREFIX=je_ -DMALLOCX
$(BUILD)/workloads/prefixed-rjem: VARIANT = -DPREFIX=_rjem_ -DMALLOCX
$(BUILD)/workloads/prefixed-mi: VARIANT = -DPREFIX=mi_
$(BUILD)/workloads/prefixed-tc: VARIANT = -DPREFIX=tc_
$(BUILD)/workloads/prefixed-jemalloc: VARIANT = -DPREFIX= -DLINKED -DMALLOCX -ljemalloc
$(BUILD)/workloads/prefixed-mimalloc: VARIANT = -DPREFIX=mi_ -DLINKED $(MIMALLOC)
$(BUILD)/workloads/prefixed-tcmalloc: VARIANT = -DPREFIX=tc_ -DLINKED $(TCMALLOC)

$(addprefix $(BUILD)/workloads/prefixed-,je mi tc rjem jemalloc mimalloc tcmalloc): tests/workloads/prefixed.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),$(VARIANT))

$(BUILD)/workloads/otel-semaphores: tests/workloads/otel.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-DSEMAPHORES)

$(BUILD)/workloads/rust_names-mangled: tests/workloads/rust_names.c Makefile
	$(call say,WORK,$@)
	$(call work,$(CC),-DMANGLED)

as_library = $(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE -fno-builtin $(WORKLOAD_FLAGS) -fPIC -shared \
	-MF $@.d -o $@ $< $(1)

$(BUILD)/workloads/libown.so: tests/workloads/own_lib.c Makefile
	$(call say,WORK,$@)
	$(call as_library)

$(BUILD)/workloads/libwalks-far.so: WORKLOAD_FLAGS += -DFRAME=300
$(BUILD)/workloads/libwalks-near.so $(BUILD)/workloads/libwalks-far.so: tests/workloads/walks_lib.c Makefile
	$(call say,WORK,$@)
	$(call as_library)

$(BUILD)/workloads/libnobody-%.so: tests/workloads/nobody.c Makefile
	$(call say,WORK,$@)
	$(call as_library,-D$(shell echo $* | tr a-z A-Z))

$(BUILD)/workloads/lib%.so: tests/workloads/%.c Makefile
	$(call say,WORK,$@)
	$(call as_library,-DLIBRARY)

# As distributions with control-flow enforcement build their libraries.
$(BUILD)/workloads/libcet.so: tests/workloads/cet_lib.c Makefile
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -fcf-protection=full -fPIC -shared -Wall -Wextra $(PREFIX_MAP) -MMD -MP \
		-MF $@.d -o $@ $<

# The skeleton lies apart from what the VM takes along.
$(BUILD)/obj/tests/workloads/site_probe.bpf.o: tests/workloads/site_probe.bpf.c | check-build-deps
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/obj/tests/workloads/site_probe.skel.h: $(BUILD)/obj/tests/workloads/site_probe.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name site_probe_bpf > $@

$(BUILD)/workloads/site_probe: tests/workloads/site_probe.c user/probe/uprobe.c $(BUILD)/obj/tests/workloads/site_probe.skel.h Makefile
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD)/obj/tests/workloads $(CFLAGS) -MF $@.d -o $@ $(filter %.c,$^) $(LDFLAGS) \
		$(shell $(PKG_CONFIG) --libs libbpf)

# Under what alloctrace itself is held to.
$(BUILD)/workloads/confined: tests/workloads/confined.c user/guard/filter.c user/guard/privileges.c Makefile
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -Iuser $(WORKLOAD_FLAGS) -MF $@.d -o $@ $(filter %.c,$^) -pthread \
		$(shell $(PKG_CONFIG) --libs libseccomp libcap-ng)

$(BUILD)/workloads/unwind_print: tests/workloads/unwind_print.c $(UNWIND_SRC) Makefile
	$(call say,WORK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MF $@.d -o $@ $(filter %.c,$^) $(LDFLAGS) $(shell $(PKG_CONFIG) --libs libdw libelf)

workloads: $(WORKLOADS) $(BUILD)/bench/symbols ## build the programs that the tests trace
	@$(MAKE) --no-print-directory $(addprefix $(BUILD)/workloads/,$(MATRIX))

# ---- fuzzing

# The clang whose runtime is installed: libFuzzer comes with it.
FUZZ_CC = $(eval FUZZ_CC := $(firstword $(foreach c,$(CLANG) clang-14 clang-18 clang-19,$(call can_fuzz,$(c)))))$(FUZZ_CC)
can_fuzz = $(shell echo 'int LLVMFuzzerTestOneInput(void){return 0;}' | $(1) -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null && echo $(1))
# Undefined behaviour ends the run, conversions of too large numbers included, which "undefined" leaves out.
FUZZ_FLAGS := -O1 -g -std=gnu11 -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -Wall -Wextra $(PREFIX_MAP) -MMD -MP
FUZZ_TARGETS := event json maps elf dwarf site answer unwind jit recording
fuzz_obj = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(1))

$(BUILD)/fuzz/obj/%.o: %.c Makefile
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

# What a target links beside its own source.
$(BUILD)/fuzz/fuzz_event: $(call fuzz_obj,$(CORE_SRC))
$(BUILD)/fuzz/fuzz_json: $(call fuzz_obj,$(CORE_SRC) $(wildcard user/out/*.c)) $(OUT_PPROF)
$(BUILD)/fuzz/fuzz_json: FUZZ_LIBS = $(OUT_LIBS)
$(BUILD)/fuzz/fuzz_maps: $(call fuzz_obj,user/sym/proc.c user/sym/regular.c)
$(BUILD)/fuzz/fuzz_jit: $(call fuzz_obj,user/sym/jit.c)
$(BUILD)/fuzz/fuzz_elf: $(call fuzz_obj,$(CORE_SRC) $(addprefix user/probe/,scan.c binary.c functions.c site.c) \
	$(wildcard user/guard/*.c))
$(BUILD)/fuzz/fuzz_elf: FUZZ_LIBS = $(shell $(PKG_CONFIG) --libs libelf libseccomp libcap-ng 2>/dev/null) -lZydis
$(BUILD)/fuzz/fuzz_dwarf: $(call fuzz_obj,$(CORE_SRC) $(addprefix user/sym/,\
	image.c debuginfo.c separate.c symtab.c strings.c demangle.c names.c arena.c ranges.c regular.c))
$(BUILD)/fuzz/fuzz_dwarf: FUZZ_LIBS = $(shell $(PKG_CONFIG) --libs libdw libelf) -liberty
$(BUILD)/fuzz/fuzz_answer: $(call fuzz_obj,$(CORE_SRC) $(wildcard user/sym/*.c) \
	$(addprefix user/probe/,object.c scan.c binary.c functions.c site.c) user/guard/owner.c tests/fuzz/in_process.c)
$(BUILD)/fuzz/fuzz_answer: FUZZ_LIBS = $(shell $(PKG_CONFIG) --libs libdw libelf) -liberty -lZydis
$(BUILD)/fuzz/fuzz_unwind: $(call fuzz_obj,$(UNWIND_SRC))
$(BUILD)/fuzz/fuzz_unwind: FUZZ_LIBS = $(shell $(PKG_CONFIG) --libs libdw libelf)
$(BUILD)/fuzz/fuzz_site: $(call fuzz_obj,user/probe/site.c)
$(BUILD)/fuzz/fuzz_site: FUZZ_LIBS = -lZydis

$(BUILD)/fuzz/fuzz_recording: $(call fuzz_obj,$(CORE_SRC) $(wildcard user/recording/*.c))
$(BUILD)/fuzz/fuzz_recording: FUZZ_LIBS = $(shell $(PKG_CONFIG) --libs libzstd)

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o
	$(call say,LINK,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS) -lm

fuzz-programs: $(addprefix $(BUILD)/fuzz/fuzz_,$(FUZZ_TARGETS))

fuzz: ## hostile input: each fuzz target for FUZZ_SECONDS (30) from its corpus
	@$(if $(FUZZ_CC),,echo 'no clang here has libFuzzer (run make deps).' >&2; exit 1)
	@$(MAKE) --no-print-directory -j$(JOBS) fuzz-programs
	@BUILD=$(BUILD) FUZZ_SECONDS=$(or $(FUZZ_SECONDS),30) tests/fuzz/run.sh $(FUZZ_TARGETS)

fuzz-replay: fuzz-programs ## every case of the fuzz corpora once
	@BUILD=$(BUILD) tests/fuzz/run.sh --replay $(FUZZ_TARGETS)

# ---- benchmark

$(BUILD)/bench/floor.bpf.o: tests/bench/floor.bpf.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/bench/floor.skel.h: $(BUILD)/bench/floor.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name floor_bpf > $@

$(BUILD)/bench/floor: tests/bench/floor.c $(BUILD)/bench/floor.skel.h
	$(call say,BENCH,$@)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD)/bench $(CFLAGS) -o $@ $< $(LIBS)

# The same workload with what -k walks.
$(BUILD)/bench/pairs-fp: tests/workloads/pairs.c Makefile
	$(call say,BENCH,$@)
	$(call work,$(CC),-fno-omit-frame-pointer)

# What run.sh reads, if it was set: sudo drops the environment.
BENCH_ENV = $(foreach v,ROUNDS PAIRS CURVE_ROUNDS CURVE_SECONDS RATES MEMLEAK,$(if $($(v)),$(v)='$($(v))'))

bench: all $(BUILD)/workloads/pairs $(BUILD)/bench/floor $(BUILD)/bench/pairs-fp ## what tracing costs, beside the peers (MEMLEAK=path)
	@$(SUDO) env BUILD=$(BUILD) $(BENCH_ENV) tests/bench/run.sh

bench-frames: all $(BUILD)/workloads/pairs $(BUILD)/bench/floor $(BUILD)/bench/pairs-fp ## what a frame of a stack costs
	@$(SUDO) env BUILD=$(BUILD) $(BENCH_ENV) tests/bench/frames.sh

# What the symbolizer takes for addresses, as alloctrace asks it.
$(BUILD)/bench/symbols: tests/bench/symbols.c $(call obj,$(wildcard user/sym/*.c user/guard/*.c)) $(CORE_LIB) Makefile
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MF $@.d -o $@ $(filter %.c %.o %.a,$^) $(LDFLAGS) \
		$(shell $(PKG_CONFIG) --libs libdw libelf libseccomp libcap-ng 2>/dev/null) -liberty $(OWN_MALLOC) -lm

SYMBOLS_ENV = $(foreach v,ADDRESSES TOGETHER UNITS EU_ADDRESSES KEEP,$(if $($(v)),$(v)='$($(v))'))

bench-symbols: $(BUILD)/bench/symbols ## names and lines of addresses, beside addr2line and eu-addr2line (FILES="...")
	@env BUILD=$(BUILD) $(SYMBOLS_ENV) tests/bench/symbols.sh $(FILES)

$(BUILD)/bench/blocks: tests/bench/blocks.c $(CORE_LIB) Makefile
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MF $@.d -o $@ $(filter %.c %.a,$^) $(LDFLAGS) $(OWN_MALLOC) -lm -pthread

bench-blocks: $(BUILD)/bench/blocks ## memory a live block, and time an event (BLOCKS="1000000 1600000")
	@$(BUILD)/bench/blocks $(BLOCKS)

$(BUILD)/bench/recording: tests/bench/recording.c $(call obj,$(wildcard user/recording/*.c)) $(CORE_LIB) Makefile
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MF $@.d -o $@ $(filter %.c %.o %.a,$^) $(LDFLAGS) $(shell $(PKG_CONFIG) --libs libzstd)

bench-recording: $(BUILD)/bench/recording ## what a recording takes: bytes, writing and reading, an event
	@$(BUILD)/bench/recording $(or $(EVENTS),2000000) $(or $(THREADS),4)

install: all ## install below PREFIX (default /usr/local)
	install -D -m 0755 $(BUILD)/alloctrace $(DESTDIR)$(PREFIX)/bin/alloctrace
	install -D -m 0644 user/include/alloctrace/pool.h $(DESTDIR)$(PREFIX)/include/alloctrace/pool.h
	install -D -m 0644 user/man/alloctrace.8 $(DESTDIR)$(PREFIX)/share/man/man8/alloctrace.8
	install -D -m 0644 user/completions/alloctrace.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/alloctrace

clean: ## remove build/
	rm -rf $(BUILD) compile_commands.json

-include $(shell find $(BUILD)/obj $(BUILD)/unit $(BUILD)/fuzz/obj $(BUILD)/workloads $(BUILD)/alloctrace.bpf.d $(BUILD)/golden.d -name '*.d' -type f 2>/dev/null)
