#!/usr/bin/env bats
# The live heap beside the memory of its process: what grows is named, and the figures are the kernel's and the program's.
# shellcheck disable=SC2154 # status and held are the helpers'
load helpers

# run_grower HOW FORMAT ARG…: traced while it grows, and until the figures of the last moment are there.
run_grower() {
	local how=$1 format=$2
	shift 2
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/grower" "$how"
	start_tracer leaks -f "$format" "$@" -p "$held"
	echo >&7
	wait_for has_line 'rss-kib' "$SELF"
	rss=$(truth rss-kib "$SELF")
	stop_tracer
	[ "$status" -eq 0 ]
	release_held
}

# last FIELD: of the last moment of the JSON.
last() { jq -s "[.[] | select(.type == \"memory\")][-1].$1" "$TRACE"; }

# near A B PERCENT
near() { awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { d = a - b; exit !((d < 0 ? -d : d) <= b * p / 100) }'; }

# bats test_tags=kernel-too
@test "what is live, and what is resident, are what the program and the kernel say" {
	run_grower live json
	near "$(last live)" "$(truth live "$SELF")" 1
	near "$(($(last rss) / 1024))" "$rss" 5
	[ "$(last mapped)" -ge "$(last live)" ]
	[ "$(jq -s '[.[] | select(.type == "memory") | .ts_ns] | . == sort and length >= 5' "$TRACE")" = true ]
}

@test "a live heap that grows" {
	run_grower live text
	grep -q 'What grows is the live heap' "$TRACE"
	[ "$(grep -c ' s .* MiB .* MiB .* MiB' "$TRACE")" -ge 3 ]
}

@test "memory that was freed, but is kept by the allocator" {
	run_grower kept text
	grep -q 'What grows is memory that is not live: freed, but kept' "$TRACE"
}

@test "memory that is no heap" {
	run_grower other text
	grep -q 'What grows is no heap' "$TRACE"
}

@test "nothing that grows" {
	run_grower steady text
	grep -q 'Nothing grows for good' "$TRACE"
}

@test "a recording has it again" {
	run_grower kept text --record "$BATS_TEST_TMPDIR/run.rec"
	"$ALLOCTRACE" report "$BATS_TEST_TMPDIR/run.rec" >"$BATS_TEST_TMPDIR/again" 2>/dev/null
	cmp "$TRACE" "$BATS_TEST_TMPDIR/again"
}
