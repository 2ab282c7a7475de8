#!/usr/bin/env bats
# Where alloctrace would lay its probes, judged by another decoder, and by what probes see that lie there.
# Truth comes from objdump's text and from a program that knows what it called. All that is probed is a private copy of a
# library, in one process of this test.
# shellcheck disable=SC2154 # held is the helpers'
load helpers

CALLS=${CALLS:-50}
# How many functions are probed at most; each costs time to let go where the kernel has no multi-links.
FUNCTIONS=${FUNCTIONS:-1000}

# library NAME: where the dynamic linker finds it; nothing if it does not.
library() { ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ { print $NF; exit }'; }

# agrees FILE: every function's site, by the rules of check_sites.py. Notes are shown with `bats --show-output-of-passing-tests`.
agrees() {
	[ "$(uname -m)" = x86_64 ] || skip "x86-64 alone is decoded"
	command -v objdump >/dev/null || skip "no objdump"
	[ -e "$1" ] || skip "no such library"
	"$ALLOCTRACE" sites -f json "$1" >"$TRACE"
	[ "$(wc -l <"$TRACE")" -ge "$2" ]
	python3 tests/integration/check_sites.py "$1" "$TRACE"
}

@test "objdump agrees on every function of libc" {
	agrees "$(library libc.so.6)" 1000
}

@test "objdump agrees on every function of libstdc++" {
	agrees "$(library libstdc++.so.6)" 1000
}

@test "objdump agrees on every function of libcrypto" {
	agrees "$(library libcrypto.so.3)" 1000
}

@test "objdump agrees on every function of a library built with control-flow enforcement" {
	agrees "$WORKLOADS/libcet.so" 40
}

@test "the check finds what is wrong" {
	local wrong
	command -v objdump >/dev/null || skip "no objdump"
	[ -e "$WORKLOADS/libcet.so" ] || skip "no such library"
	"$ALLOCTRACE" sites -f json "$WORKLOADS/libcet.so" >"$BATS_TEST_TMPDIR/right"
	for wrong in \
		'if .function == "cet_loop" then .run = "emulated" else . end' \
		'if .function == "cet_keeps_all" then .instruction = "push r14" else . end' \
		'if .function == "cet_keeps_all" then .skip = 0 | .site = .entry | .run = "single-stepped" | .instruction = "endbr64" else . end' \
		'select(.function != "cet_loop")' \
		'if .function == "cet_keeps_all" then .skip += 1 else . end'; do
		jq -c "$wrong" "$BATS_TEST_TMPDIR/right" >"$TRACE"
		not cmp -s "$TRACE" "$BATS_TEST_TMPDIR/right"
		not python3 tests/integration/check_sites.py "$WORKLOADS/libcet.so" "$TRACE" >"$SAID"
		grep -E '^cet_(loop|keeps_all)[: ]' "$SAID"
	done
}

# copy_libraries: private copies, all inodes of their own, in $COPIES.
copy_libraries() {
	local name from
	COPIES=$BATS_TEST_TMPDIR/copies
	mkdir "$COPIES"
	for name in libc.so.6 libstdc++.so.6 libcrypto.so.3; do
		from=$(library "$name")
		[ -z "$from" ] || cp -L "$from" "$COPIES/$name"
	done
	cp "$WORKLOADS/libcet.so" "$COPIES/"
}

# sites_of FILE: "ENTRY SITE NAME FILE" of all functions that may be probed, without 0x.
sites_of() {
	"$ALLOCTRACE" sites -f json "$1" |
		jq -r --arg file "$1" 'select(.run != "refused") | "\(.entry[2:]) \(.site[2:]) \(.function) \($file)"'
}

# make_plan: "NUMBER OFFSET FILE" for site_probe, of what site_calls is about to call. An entry that several names share is
# probed once; of too many, every so manieth.
make_plan() {
	for copy in "$COPIES"/*; do sites_of "$copy"; done >"$BATS_TEST_TMPDIR/sites"
	awk '
		NR == FNR { site[$1, $3, $4] = $2; next }
		$1 == "function" && (($3, $5, $4) in site) && !seen[$3, $4]++ { print $2, site[$3, $5, $4], $4 }
	' "$BATS_TEST_TMPDIR/sites" "$BATS_TEST_TMPDIR/held.out" |
		awk -v most="$FUNCTIONS" '{ line[NR] = $0 }
			END { step = NR > most ? NR / most : 1; for (i = 1; i <= NR; i += step) print line[int(i)] }' >"$PLAN"
}

# start_probe: as start_tracer.
start_probe() {
	local active low high
	active=$(awk '$1 == "active" { print $2 }' "$BATS_TEST_TMPDIR/held.out")
	read -r low high < <(awk '$1 == "caller" { print $2, $3 }' "$BATS_TEST_TMPDIR/held.out")
	rm -f "$SAID"
	"$WORKLOADS/site_probe" "$held" "$active" "$low" "$high" <"$PLAN" >"$TRACE" 2>"$SAID" 7>&- &
	tracer=$!
	started+=("$tracer")
	wait_for says_ready
	grep '^ready:' "$SAID"
}

# bats test_tags=kernel
@test "probes at the sites see every call, every argument register, the stack and every return" {
	[ -x "$WORKLOADS/site_probe" ] || skip "no such workload"
	PLAN=$BATS_TEST_TMPDIR/plan
	copy_libraries
	start_held env LD_LIBRARY_PATH="$COPIES" "$WORKLOADS/site_calls" --calls "$CALLS" "$COPIES"/*
	make_plan
	start_probe
	[ "$FUNCTIONS" -lt 200 ] || [ "$(wc -l <"$PLAN")" -ge 200 ]
	release_held
	wait "$held"
	kill -INT "$tracer"
	wait "$tracer"
	awk 'NR == FNR { planned[$1] = 1; next } $1 == "row" && $2 in planned' "$PLAN" "$BATS_TEST_TMPDIR/held.out" \
		>"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq "$(wc -l <"$PLAN")" ]
	grep '^row ' "$TRACE" >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}
