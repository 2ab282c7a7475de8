#!/usr/bin/env bats
# The rules by which stacks are walked, against what readelf makes of the same call frame information: every row of it, by
# the rules of check_rules.py. Needs no root.
# shellcheck disable=SC2016 # what is not expanded is awk's
load helpers

# library NAME: where the dynamic linker finds it; nothing if it does not.
library() { ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ { print $NF; exit }'; }

need_readelf() {
	[ "$(uname -m)" = x86_64 ] || skip "there are rules for x86-64 alone"
	command -v readelf >/dev/null || skip "no readelf"
}

# agrees FILE ROWS: every row, and there are so many at least. The counts are shown with
# `bats --show-output-of-passing-tests`.
agrees() {
	need_readelf
	[ -e "$1" ] || skip "no such file"
	python3 tests/integration/check_rules.py "$WORKLOADS/unwind_print" "$1" | tee "$BATS_TEST_TMPDIR/compared"
	[ "$(awk '/ rows, / { print $1 }' "$BATS_TEST_TMPDIR/compared")" -ge "$2" ]
}

# What compilers do to frames: none, of variable size, realigned, large, split into a hot and a cold part, never left.
SOURCE='
#include <alloca.h>
#include <stdlib.h>
#include <string.h>
void take(void *);
int small(int n) { return n * 3; }
int calls(int n) { take(&n); return n; }
int variable(int n) { char *p = alloca(n); memset(p, 1, n); take(p); return p[n / 2]; }
int aligned(int n) { char room[100] __attribute__((aligned(64))); take(room); return room[n]; }
int both(int n) { char room[32] __attribute__((aligned(32))); char *p = alloca(n); take(p); take(room); return p[0] + room[n]; }
int big(int n) { char room[300000]; take(room); return room[n]; }
int many(int a, int b, int c, int d, int e, int f, int g, int h, int i) { take(&a); take(&b); return a * b + c * d + e * f + g * h + i; }
int cold(int n) { if (__builtin_expect(n == 77, 0)) { take(&n); abort(); } return n; }
__attribute__((noreturn)) void never(int n) { take(&n); for (;;) take(0); }
int (*volatile indirect)(int) = calls;
int tail(int n) { return indirect(n + 1); }
int main(int argc, char **argv) { take(argv); return small(argc) + variable(argc) + aligned(argc) + both(argc) + big(argc) + tail(argc); }
void take(void *p) { __asm__ volatile("" ::"r"(p) : "memory"); }
'

# compiled COMPILER FLAG…: the program is $BATS_TEST_TMPDIR/made.
compiled() {
	need_readelf
	command -v "$1" >/dev/null || skip "no $1"
	printf '%s' "$SOURCE" >"$BATS_TEST_TMPDIR/made.c"
	"$@" -w -o "$BATS_TEST_TMPDIR/made" "$BATS_TEST_TMPDIR/made.c" 2>/dev/null || skip "cannot be built here"
}

@test "readelf agrees on every row of libc" {
	agrees "$(library libc.so.6)" 10000
}

@test "readelf agrees on every row of the dynamic linker" {
	agrees /lib64/ld-linux-x86-64.so.2 1000
}

@test "readelf agrees on every row of python3" {
	agrees /usr/bin/python3 10000
}

@test "readelf agrees on every row of sqlite3" {
	agrees "$(library libsqlite3.so.0)" 10000
}

@test "readelf agrees on every row of libstdc++" {
	agrees "$(library libstdc++.so.6)" 10000
}

@test "readelf agrees on every row of libcrypto, assembly by hand included" {
	agrees "$(library libcrypto.so.3)" 10000
}

@test "readelf agrees on every row of gcc's cc1" {
	agrees "$(gcc -print-prog-name=cc1)" 100000
}

@test "readelf agrees on every row of a Rust program" {
	agrees "$WORKLOADS/matrix-rust" 1000
}

@test "readelf agrees on every row of what gcc makes, without frame pointers" {
	compiled gcc -O2 -fomit-frame-pointer
	agrees "$BATS_TEST_TMPDIR/made" 30
	# The realigned frames are there.
	"$WORKLOADS/unwind_print" "$BATS_TEST_TMPDIR/made" | awk '$2 == 4 { n++ } END { exit !n }'
}

@test "readelf agrees on every row of what gcc makes, with frame pointers, and without optimization" {
	compiled gcc -O0 -fno-omit-frame-pointer
	agrees "$BATS_TEST_TMPDIR/made" 30
}

@test "readelf agrees on every row of what clang makes" {
	compiled clang -O2 -fomit-frame-pointer
	agrees "$BATS_TEST_TMPDIR/made" 30
}

@test "readelf agrees on every row of a static program without symbols" {
	compiled gcc -O2 -static -s
	agrees "$BATS_TEST_TMPDIR/made" 5000
}

@test "readelf agrees on every row of a program that is not position-independent" {
	compiled gcc -O2 -no-pie
	agrees "$BATS_TEST_TMPDIR/made" 30
}

@test "readelf agrees on every row of .debug_frame, compressed or not" {
	local none="-fno-asynchronous-unwind-tables -fno-unwind-tables"
	# shellcheck disable=SC2086 # two words
	compiled gcc -O2 -g $none -fPIC -shared -nostdlib
	[ "$(readelf --debug-dump=frames "$BATS_TEST_TMPDIR/made" | awk '/^Contents/ { section = $4 } / FDE / { n[section]++ }
		END { print (n[".eh_frame"] == 0 && n[".debug_frame"] > 10) }')" = 1 ]
	agrees "$BATS_TEST_TMPDIR/made" 30
	"$WORKLOADS/unwind_print" "$BATS_TEST_TMPDIR/made" >"$BATS_TEST_TMPDIR/plain"
	# shellcheck disable=SC2086
	compiled gcc -O2 -g -gz=zlib $none -fPIC -shared -nostdlib
	"$WORKLOADS/unwind_print" "$BATS_TEST_TMPDIR/made" | cmp - "$BATS_TEST_TMPDIR/plain"
}

@test "a file without section headers has the same rules" {
	compiled gcc -O2
	"$WORKLOADS/unwind_print" "$BATS_TEST_TMPDIR/made" >"$BATS_TEST_TMPDIR/whole"
	# e_shoff, e_shnum and e_shstrndx
	printf '\0\0\0\0\0\0\0\0' | dd of="$BATS_TEST_TMPDIR/made" bs=1 seek=40 conv=notrunc status=none
	printf '\0\0\0\0' | dd of="$BATS_TEST_TMPDIR/made" bs=1 seek=60 conv=notrunc status=none
	[ "$(wc -l <"$BATS_TEST_TMPDIR/whole")" -ge 30 ]
	"$WORKLOADS/unwind_print" "$BATS_TEST_TMPDIR/made" | cmp - "$BATS_TEST_TMPDIR/whole"
}

@test "the check finds what is wrong" {
	local wrong
	compiled gcc -O2 -fomit-frame-pointer
	"$WORKLOADS/unwind_print" "$BATS_TEST_TMPDIR/made" >"$BATS_TEST_TMPDIR/right"
	# A CFA, a frame pointer, an outermost frame, a rule too few, one too many, a function that goes on behind its end.
	for wrong in \
		'$2 == 1 && $3 > 1 && !n++ { $3++ } { print }' \
		'$4 == 1 && !n++ { $4 = 0; $5 = 0 } { print }' \
		'$2 == 7 && !n++ { $2 = 8 } { print }' \
		'$2 == 1 && $3 > 1 && !n++ { next } { print }' \
		'{ print } $2 == 1 && $1 ~ /0$/ && !n++ { sub(/0$/, "1", $1); $3 = 99; print }' \
		'$2 == 0 && $3 == 0 { next } { print }'; do
		printf '#!/bin/sh\nawk %s <%s\n' "'$wrong'" "$BATS_TEST_TMPDIR/right" >"$BATS_TEST_TMPDIR/liar"
		chmod +x "$BATS_TEST_TMPDIR/liar"
		not python3 tests/integration/check_rules.py "$BATS_TEST_TMPDIR/liar" "$BATS_TEST_TMPDIR/made"
	done
}
