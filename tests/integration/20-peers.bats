#!/usr/bin/env bats
# What other tracers of allocators get wrong, measured against the program's own truth: a small leak in a new thread, a
# block that outlives a failed realloc, the line that called malloc, what realloc did.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held and status are the helpers'
load helpers

# trace_case CASE ARG…: the case under -p, from before its first call until its end.
trace_case() {
	local name=$1
	shift
	start_held "$WORKLOADS/memleak_cases" --wait "$name"
	start_tracer -f json --strict "$@" -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	SELF=$BATS_TEST_TMPDIR/held.out
}

# live_at LINE: blocks and bytes that were allocated at that line of the workload and not freed.
live_at() {
	jq -r 'select(.type == "event" and (.failed | not)) |
		if .kind == "free" then "- \(.addr)"
		elif .kind == "realloc" then "- \(.old_addr)", "+ \(.addr) \(.size) \(.stack[0].line) \(.stack[0].file)"
		else "+ \(.addr) \(.size) \(.stack[0].line) \(.stack[0].file)" end' "$TRACE" |
		awk -v line="$1" '
			$1 == "-" { delete size[$2] }
			$1 == "+" && $4 == line && $5 ~ /\/memleak_cases\.c$/ { size[$2] = $3 }
			END { for (a in size) { blocks++; bytes += size[a] }; print blocks + 0, bytes + 0 }'
}

# bats test_tags=kernel-too
@test "24 bytes leaked by the first call of a thread are 24 bytes, and nothing else is live" {
	trace_case thread
	[ "$(summary '"\(.live.blocks) \(.live.bytes) \(.entered) \(.events)"')" = "1 24 1 1" ]
	[ "$(live_at "$(truth line "$SELF")")" = "1 24" ]
	[ "$(by_line memleak_cases.c)" = "malloc $(truth line "$SELF") 1" ]
	[ "$(table .tid)" != "$held 1" ]
}

@test "24 bytes leaked in a thread that is made meanwhile: 24 bytes at their line" {
	trace_case created
	[ "$(live_at "$(truth line "$SELF")")" = "1 24" ]
	[ "$(by_line memleak_cases.c)" = "malloc $(truth line "$SELF") 1" ]
	# The rest is what the C library keeps for a thread: some hundred bytes, and no arena of megabytes.
	[ "$(jq -s 'map(select(.type == "event") | .size // 0) | max' "$TRACE")" -lt 100000 ]
	[ "$(summary .live.bytes)" -eq "$(jq -s 'map(select(.kind == "alloc") | .size) | add' "$TRACE")" ]
	balanced
}

@test "200000 bytes are still live after a realloc that failed" {
	trace_case failed
	[ "$(summary '"\(.live.blocks) \(.live.bytes) \(.unmatched_frees)"')" = "1 200000 0" ]
	[ "$(summary '.calls.malloc | "\(.count) \(.bytes) \(.failed)"')" = "1 200000 0" ]
	[ "$(summary '.calls.realloc | "\(.count) \(.bytes) \(.failed)"')" = "1 0 1" ]
	[ "$(live_at "$(truth malloc_line "$SELF")")" = "1 200000" ]
	[ "$(jq -r 'select(.call == "realloc") | "\(.kind) \(.stack[0].line) \(.old_addr) \(.old_size) \(.failed) \(.addr)"' \
		"$TRACE")" = "realloc $(truth realloc_line "$SELF") $(truth addr "$SELF") 200000 true null" ]
	grep -q '"call":"realloc".*"size":4611686018427387904,' "$TRACE" # 2^62: jq would round it
}

# bats test_tags=kernel
@test "the caller of malloc stands first, twelve functions deep and without frame pointers" {
	trace_case deep
	[ "$(by_line memleak_cases.c)" = "malloc $(truth line "$SELF") 1" ]
	[ "$(jq -r 'select(.type == "event") | .stack[0].function' "$TRACE")" = deep_1 ]
	[ "$(jq -r 'select(.type == "event") | .stack | length' "$TRACE")" -eq 1 ] # none is asked for
}

# bats test_tags=kernel-too
@test "with -k all twelve functions stand there, and nothing else up to the program's beginning" {
	local frames
	trace_case deep -k
	[ "$(by_line memleak_cases.c)" = "malloc $(truth line "$SELF") 1" ]
	[ "$(jq -r 'select(.type == "event") | .stack_grade' "$TRACE")" = complete ]
	frames=$(jq -r 'select(.type == "event") | .stack[] | select(.module | endswith("/memleak_cases")) | .function' \
		"$TRACE" | paste -sd ' ')
	echo "frames: $frames"
	[ "$frames" = "$(sed -n 's/^chain //p' "$SELF") _start" ]
}

# bats test_tags=kernel
@test "realloc in place, moved, mapped, failed and to size 0: addresses and sizes as they were" {
	trace_case resize
	# The workload's rows are "event CALL KIND FILE:LINE OLD OLDSIZE ADDR SIZE RESULT".
	awk '$1 == "event" {
		if ($3 == "alloc") print $2, $3, $4, "-", "-", $7, $8
		if ($3 == "realloc") print $2, $3, $4, $5, $6, $7, $8
		if ($3 == "failed") print $2, "realloc", $4, $5, $6, "-", "failed"
		if ($3 == "free") print $2, $3, $4, "-", $6, $5, "-"
	}' "$SELF" >"$BATS_TEST_TMPDIR/true"
	jq -r 'select(.type == "event") | [.call, .kind, "\(.stack[0].file | split("/") | last):\(.stack[0].line)",
		.old_addr // "-", .old_size // "-", .addr // "-", if .failed then "failed" else .size // "-" end] | join(" ")' \
		"$TRACE" >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	grep -q ' realloc .* same$' "$SELF"
	grep -q ' realloc .* moved$' "$SELF"
	[ "$(summary '"\(.live.blocks) \(.live.bytes) \(.unmatched_frees) \(.calls.realloc.freed)"')" = "2 177 0 1" ]
}
