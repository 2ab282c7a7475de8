#!/usr/bin/env bats
# Recordings: whatever a live run has printed, the recording of the same run prints again, byte for byte, without any
# privilege and without the target; and a file that is not whole gives what it has and says so.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs in quotes; every test is a subshell; status is the helpers'
load helpers

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
	REC=$BATS_TEST_TMPDIR/run.rec
	AGAIN=$BATS_TEST_TMPDIR/again
}

# record_of REPORT FORMAT ARG…: the run's own report lies in $TRACE, its recording in $REC.
record_of() {
	local report=$1 format=$2
	shift 2
	"$ALLOCTRACE" "$report" -f "$format" -o "$TRACE" --record "$REC" "$@" >"$BATS_TEST_TMPDIR/command.out" 2>"$SAID"
}

# again REPORT FORMAT OPTION…: the same report out of $REC.
again() {
	local report=$1 format=$2
	shift 2
	"$ALLOCTRACE" report "$REC" --as "$report" -f "$format" "$@" >"$AGAIN" 2>"$BATS_TEST_TMPDIR/again.err"
}

# Options that only a live run has.
live=()

# same_again REPORT FORMAT [OPTION…] -- ARG…: live and replayed.
same_again() {
	local report=$1 format=$2 options=()
	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	record_of "$report" "$format" "${options[@]}" "${live[@]}" "$@"
	again "$report" "$format" "${options[@]}"
	cmp "$TRACE" "$AGAIN" || { diff "$TRACE" "$AGAIN" | head -20 >&2; return 1; }
	[ -s "$TRACE" ]
	not grep -q 'ends at byte\|is damaged' "$BATS_TEST_TMPDIR/again.err"
}

much='create table t(a,b); with recursive c(i) as (select 1 union all select i+1 from c where i<15000) insert into t select i, hex(randomblob(20)) from c;'
script='create table t(a,b); insert into t values(1,2),(3,4); select sum(a*b) from t;'

# bats test_tags=kernel
@test "a trace: text, with and without stacks" {
	same_again trace text -- -- "$WORKLOADS/threads" 20
	same_again trace text -k -- -- sqlite3 :memory: "$script"
}

@test "a trace: JSON, CSV, Trace Event Format" {
	same_again trace json -k -- -- sqlite3 :memory: "$script"
	same_again trace csv -- -- "$WORKLOADS/threads" 20
	same_again trace chrome -- -- "$WORKLOADS/threads" 20
}

# bats test_tags=kernel-too
@test "reports on the heap, in every format that they have" {
	for report in leaks hot temporary peak sizes; do
		for format in text json; do
			same_again "$report" "$format" -- -- python3 -c 'import json; print(json.dumps([1, 2, 3]))'
		done
	done
	for report in leaks hot temporary peak; do
		same_again "$report" folded -- -- sqlite3 :memory: "$script"
		same_again "$report" csv -- -- sqlite3 :memory: "$script"
	done
}

@test "the options of a report count again: -N, --older, --within" {
	same_again leaks text -N 2 -- -- sqlite3 :memory: "$script"
	same_again leaks json --older 20 -- -- python3 -c 'import time; time.sleep(0.1)'
	same_again temporary text --within 8 -- -- sqlite3 :memory: "$script"
}

@test "one recording has all reports: those of other commands are what these print live" {
	"$ALLOCTRACE" record -o "$REC" -- sqlite3 :memory: "$script" >/dev/null 2>"$SAID"
	for report in hot temporary leaks; do
		"$ALLOCTRACE" "$report" -f folded -o "$TRACE" -- sqlite3 :memory: "$script" >/dev/null 2>>"$SAID"
		again "$report" folded
		[ -s "$TRACE" ]
		same <(sort "$TRACE") <(sort "$AGAIN")
	done
}

@test "interim reports stand at their place" {
	live=(-i 0.1)
	same_again leaks text -- -- python3 -c 'import time; time.sleep(0.5)'
	[ "$(grep -c 'so far' "$TRACE")" -ge 2 ]
	same_again trace json -- -- python3 -c 'import time; time.sleep(0.5)'
	[ "$(grep -c '"type":"interim"' "$TRACE")" -ge 2 ]
}

@test "pools, and what they did wrong" {
	for bug in stride double-free foreign-free leak; do
		same_again trace text -- -- "$BUILD/pool-demo" --lane pool --messages 40 --bug "$bug"
		grep -q '^!!' "$TRACE"
	done
	same_again leaks text -- -- "$BUILD/pool-demo" --messages 200
}

@test "frees that are wrong: double, of what is none, to another allocator" {
	for bug in double double-thread double-realloc invalid inside other-by-free chunk; do
		same_again trace text -- -- "$WORKLOADS/wrongfrees" "$bug"
		grep -q '^!!' "$TRACE"
	done
	for bug in fork borrowed spawned movers; do
		same_again trace text -- -- "$WORKLOADS/wrongfrees" "$bug"
		not grep -q '^!!' "$TRACE"
	done
}

# bats test_tags=kernel-too
@test "children: fork, exec, numbers that come again" {
	live=(--follow)
	same_again trace json -k -- -- bash -c 'for i in 1 2 3; do /bin/echo $i; done; (exec /bin/true)'
	same_again leaks text -- -- bash -c 'for i in 1 2 3; do /bin/echo $i; done'
}

@test "calls that were lost or only counted" {
	live=(--ring-size 64K)
	same_again trace json -- -- "$WORKLOADS/threads" 2000
	[ "$(summary '.counted_only + .lost.total > 0')" = true ]
}

@test "samples, filters" {
	live=(--sample-bytes 4K)
	same_again trace json -- -- sqlite3 :memory: "$script"
	live=(-z 100 -Z 1000)
	same_again trace text -- -- sqlite3 :memory: "$script"
	live=(-e 'malloc,free')
	same_again leaks text -- -- sqlite3 :memory: "$script"
}

@test "generated code has its names again, also when the program and its file are gone" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/jitted" --keep
	start_tracer -f json -k --record "$REC" -p "$held"
	echo >&7
	echo >&7
	echo >&7
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	rm "/tmp/perf-$held.map"
	again trace json -k
	cmp "$TRACE" "$AGAIN"
	[ "$(table 'select(.size >= 10000 and .size <= 10200 and .call == "malloc" and .stack[0].function != null) | "named"' "$AGAIN")" = 'named 226' ]
}

# --- without the machine -------------------------------------------------------------------------------------------

@test "a report needs no root" {
	record_of leaks text -- sqlite3 :memory: "$script"
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
	install -m 644 "$REC" "$BATS_TEST_TMPDIR/open.rec"
	install -m 755 "$ALLOCTRACE" "$BATS_TEST_TMPDIR/alloctrace"
	env -u XDG_CACHE_HOME setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all \
		"$BATS_TEST_TMPDIR/alloctrace" report "$BATS_TEST_TMPDIR/open.rec" --as leaks >"$AGAIN" 2>"$SAID"
	cmp "$TRACE" "$AGAIN"
}

# a_copy: $program is a traced program that can be taken away.
a_copy() {
	program=$BATS_TEST_TMPDIR/copy
	cp "$WORKLOADS/threads" "$program"
}

@test "with --embed-symbols the files are not needed; without, a file that is gone or another is said, and never believed" {
	a_copy
	record_of leaks json --embed-symbols -- "$program" 5
	rm "$program"
	again leaks json
	cmp "$TRACE" "$AGAIN"
	a_copy
	record_of leaks json -- "$program" 5
	grep -q '/threads.c"' "$TRACE"
	rm "$program"
	again leaks json
	grep -q 'not here any more' "$BATS_TEST_TMPDIR/again.err"
	not grep -q '/threads.c"' "$AGAIN"
	cp "$WORKLOADS/stress" "$program"
	again leaks json
	grep -q 'not here any more' "$BATS_TEST_TMPDIR/again.err"
	not grep -q 'stress.c"' "$AGAIN"
}

# --- latency -------------------------------------------------------------------------------------------------------

@test "latencies out of a recording are those of its events" {
	record_of trace json -- "$WORKLOADS/threads" 300
	again latency json
	jq -s '[.[] | select(.type == "event" and .call == "malloc" and .latency_ns != null and .failed == null) | .latency_ns] | sort |
		{count: length, max: .[-1], p50: .[(length * 0.5 | ceil) - 1], p99: .[(length * 0.99 | ceil) - 1]}' "$TRACE" >"$BATS_TEST_TMPDIR/true"
	jq -s --slurpfile t "$BATS_TEST_TMPDIR/true" '[.[] | select(.type == "histogram" and .call == "malloc")] | length == 1 and
		(.[0] | .count == $t[0].count and .max == $t[0].max and (.p50 - $t[0].p50 | fabs) <= $t[0].p50 * 0.02 and
		(.p99 - $t[0].p99 | fabs) <= $t[0].p99 * 0.02)' "$AGAIN" >"$BATS_TEST_TMPDIR/verdict"
	[ "$(cat "$BATS_TEST_TMPDIR/verdict")" = true ] || { cat "$BATS_TEST_TMPDIR/true" >&2; grep '"malloc"' "$AGAIN" | head -c 600 >&2; false; }
	[ "$(tail -n 1 "$AGAIN" | jq .type)" = '"summary"' ]
}

# --- a part of it --------------------------------------------------------------------------------------------------

@test "--from and --until show the calls of that time, and no others" {
	record_of trace json -- python3 -c 'import time; time.sleep(0.2); b = bytearray(100001); time.sleep(0.2); c = bytearray(200002)'
	at() { jq -s --argjson size "$1" '.[0].start_ns as $s | [.[] | select(.type == "event" and .size >= $size and .size < $size + 100)][0].ts_ns - $s | . / 1e9' "$TRACE"; }
	first=$(at 100000) second=$(at 200000)
	"$ALLOCTRACE" report "$REC" --as trace -f json --from "$first" --until "$second" >"$AGAIN" 2>/dev/null
	jq -s --argjson a "$first" --argjson b "$second" '[.[0].start_ns as $s | .[] | select(.type == "event") | (.ts_ns - $s) / 1e9 | select(. >= $a and . <= $b)] | length' "$TRACE" >"$BATS_TEST_TMPDIR/true"
	[ "$(grep -c '"type":"event"' "$AGAIN")" -ge $(($(cat "$BATS_TEST_TMPDIR/true") - 1)) ]
	[ "$(grep -c '"type":"event"' "$AGAIN")" -le $(($(cat "$BATS_TEST_TMPDIR/true") + 1)) ]
	[ "$(summary '.entered == .events' "$AGAIN")" = true ]
	[ "$(wc -l <"$AGAIN")" -lt "$(wc -l <"$TRACE")" ]
}

# --- files that are not whole --------------------------------------------------------------------------------------

# a_part: $AGAIN is the beginning of what the live run printed.
a_part() {
	local lines
	lines=$(wc -l <"$AGAIN")
	cmp <(head -n "$lines" "$TRACE") "$AGAIN"
}

@test "a recording that is cut gives what is before, and says so; --strict makes it 3" {
	record_of trace csv -- sqlite3 :memory: "$much"
	size=$(stat -c %s "$REC")
	cp "$REC" "$BATS_TEST_TMPDIR/whole"
	last=1
	for part in 25 50 75 99; do
		head -c $((size * part / 100)) "$BATS_TEST_TMPDIR/whole" >"$REC"
		again trace csv
		grep -q "ends at byte.*the run's own books are missing" "$BATS_TEST_TMPDIR/again.err"
		a_part
		[ "$(wc -l <"$AGAIN")" -ge "$last" ]
		last=$(wc -l <"$AGAIN")
	done
	[ "$last" -gt 1000 ]
	again hot json
	[ "$(summary '.entered == .events' "$AGAIN")" = true ]
	status=0
	again trace csv --strict || status=$?
	[ "$status" -eq 3 ]
	head -c 20 "$BATS_TEST_TMPDIR/whole" >"$REC"
	status=0
	again trace csv || status=$?
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/again.err")" -eq 1 ]
}

@test "a byte that is another gives what is before it, and says so" {
	record_of trace csv -- sqlite3 :memory: "$much"
	size=$(stat -c %s "$REC")
	cp "$REC" "$BATS_TEST_TMPDIR/whole"
	for part in 30 60 90; do
		cp "$BATS_TEST_TMPDIR/whole" "$REC"
		printf '\377\000\377\000' | dd of="$REC" bs=1 seek=$((size * part / 100)) conv=notrunc status=none
		again trace csv
		grep -q 'is damaged at byte' "$BATS_TEST_TMPDIR/again.err"
		a_part
	done
}

@test "alloctrace that is killed leaves all but the last second" {
	start_held "$WORKLOADS/stress" --wait 100000000
	start_tracer record -o "$REC" -p "$held"
	release_held
	wait_for is_larger 300000
	kill -KILL "$tracer"
	wait "$tracer" 2>/dev/null || true
	again hot json
	grep -q 'ends at byte' "$BATS_TEST_TMPDIR/again.err"
	[ "$(summary .events "$AGAIN")" -gt 1000 ]
}
is_larger() { [ "$(stat -c %s "$REC" 2>/dev/null || echo 0)" -gt "$1" ]; }

@test "what is no recording is answered with one sentence" {
	refused() {
		status=0
		"$ALLOCTRACE" report "$1" >"$AGAIN" 2>"$SAID" || status=$?
		[ "$status" -eq 1 ]
		[ "$(wc -l <"$SAID")" -eq 1 ]
		grep -q "$2" "$SAID"
	}
	refused "$BATS_TEST_TMPDIR/none" 'No such file'
	refused /bin/sh 'is no recording'
	: >"$REC"
	refused "$REC" 'is empty'
	refused "$BATS_TEST_TMPDIR" 'cannot be read'
	head -c 100000 /dev/urandom >"$REC"
	refused "$REC" 'is no recording'
	printf '%s' 'x' >"$REC"
	refused "$REC" 'is no recording'
}

@test "a recording is made with mode 0600, and where it cannot be made nothing runs" {
	record_of leaks text -- true
	[ "$(stat -c %a "$REC")" = 600 ]
	status=0
	"$ALLOCTRACE" record -o "$BATS_TEST_TMPDIR/no/where" -- touch "$BATS_TEST_TMPDIR/ran" 2>"$SAID" || status=$?
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$SAID")" -eq 1 ]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	status=0
	"$ALLOCTRACE" record -o /dev/full -- "$WORKLOADS/threads" 100 >/dev/null 2>"$SAID" || status=$?
	[ "$status" -eq 1 ]
	grep -q 'No space left' "$SAID"
}
