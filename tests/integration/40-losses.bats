#!/usr/bin/env bats
# What is lost is counted, to the call: the program's own count is what alloctrace saw begin, and that is the sum of what
# it printed, what it lost and what was still open.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held, tracer and status are the helpers'
load helpers

PAIRS=${PAIRS:-2000} # of malloc and free, per thread: far more than 64 KiB hold

# trace_burst ARG…: the burst under -p. With STOPPED=1 alloctrace sleeps through it, so that the ring must overflow.
trace_burst() {
	start_held "$WORKLOADS/burst" --wait "$PAIRS"
	SELF=$BATS_TEST_TMPDIR/held.out
	start_tracer -f json "$@" -p "$held"
	if [ -n "${STOPPED:-}" ]; then
		kill -STOP "$tracer"
		wait_for is_stopped "$tracer"
	fi
	release_held
	wait_for is_gone "$held"
	[ -z "${STOPPED:-}" ] || kill -CONT "$tracer"
	end_tracer
	[ "$(truth calls "$SELF")" -eq $((4 * 2 * PAIRS)) ]
}

is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }

# Nothing but the burst was called: what began is what the program counted, and the books add up.
books_are_exact() {
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	[ "$(summary .in_flight)" -eq 0 ]
	balanced
	[ "$(summary .events)" -eq "$(grep -c '"type":"event"' "$TRACE")" ]
	[ "$(summary '[.calls[].count] | add // 0')" -eq "$(summary .events)" ]
}

# bats test_tags=kernel
@test "a ring that is too small: every lost call is counted, a warning, and exit 0" {
	STOPPED=1 trace_burst --ring-size 64K
	[ "$status" -eq 0 ]
	books_are_exact
	[ "$(summary .events)" -gt 0 ]
	[ "$(summary .lost.total)" -gt 0 ]
	[ "$(summary .lost.ring_full)" -eq "$(summary .lost.total)" ]
	grep -q "^alloctrace: .*$(summary .lost.total) of $(summary .entered) calls were lost" "$SAID"
}

@test "--strict: exit 3 when anything was lost, and the books all the same" {
	STOPPED=1 trace_burst --ring-size 64K --strict
	[ "$status" -eq 3 ]
	books_are_exact
	[ "$(summary .lost.total)" -gt 0 ]
}

# bats test_tags=kernel
@test "the smallest ring: whatever is lost, the books add up" {
	trace_burst --ring-size 4K
	[ "$status" -eq 0 ]
	books_are_exact
}

@test "text: the books name the loss and its cause" {
	local lost
	start_held "$WORKLOADS/burst" --wait "$PAIRS"
	start_tracer --ring-size 64K -p "$held"
	kill -STOP "$tracer"
	wait_for is_stopped "$tracer"
	release_held
	wait_for is_gone "$held"
	kill -CONT "$tracer"
	end_tracer
	lost=$(sed -nE 's/^lost: ([0-9]+)[, ].*ring buffer.*/\1/p' "$TRACE")
	tail -n 8 "$TRACE"
	[ "$lost" -gt 0 ]
	grep -q "^-------- .* s: $((8 * PAIRS)) calls = $((8 * PAIRS - lost)) events + $lost lost$" "$TRACE"
}

# bats test_tags=kernel
@test "the usual ring loses nothing of a burst, and --strict is content" {
	trace_burst --strict
	[ "$status" -eq 0 ]
	books_are_exact
	[ "$(summary .lost.total)" -eq 0 ]
	[ "$(summary '"\(.calls.malloc.count) \(.calls.free.count) \(.live.blocks) \(.unmatched_frees) \(.superseded)"')" = \
		"$((4 * PAIRS)) $((4 * PAIRS)) 0 0 0" ]
	[ "$(grep -c 'were lost' "$SAID")" -eq 0 ]
}

@test "interrupted in the middle of a burst that does not end: alloctrace ends, and its books add up" {
	# shellcheck disable=SC2034 # wait_for reads it
	local PATIENCE=60
	start_held "$WORKLOADS/burst" --wait 1000000000
	start_tracer -f json --ring-size 1M -p "$held"
	release_held
	wait_for has_line '"type":"event"' "$TRACE"
	kill -INT "$tracer"
	end_tracer
	[ "$status" -eq 0 ]
	kill -0 "$held"
	balanced
	[ "$(summary .events)" -eq "$(grep -c '"type":"event"' "$TRACE")" ]
	[ "$(summary .in_flight)" -le 4 ]
}
