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

# Nothing but the burst was called: what began is what the program counted, the books add up, and the table has all of it.
books_are_exact() {
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	[ "$(summary .in_flight)" -eq 0 ]
	balanced
	[ "$(summary .events)" -eq "$(grep -c '"type":"event"' "$TRACE")" ]
	[ "$(summary '[.calls[].count] | add // 0')" -eq "$(truth calls "$SELF")" ]
}

# trace_pools ARG…: alloctrace sleeps while pools are made and destroyed again and again. These records are sent however
# full the ring is, so that it must overflow.
trace_pools() {
	start_held "$WORKLOADS/waves" --wait 20 100
	SELF=$BATS_TEST_TMPDIR/held.out
	start_tracer "$@" -p "$held"
	run_unread
}

# Calls of functions, which have no names of their own, as the program counted them; and those of all pools together.
table_is_true() {
	awk '$1 == "call" && $2 !~ /:/ { print $2, $3, $4, $5 } $1 == "call" && $2 ~ /:/ { n += $3; bytes += $4; failed += $5 }
		END { print "pools", n, bytes, failed }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	summary '.calls | to_entries[] | "\(.key) \(.value.count) \(.value.bytes // 0) \(.value.failed // 0)"' |
		awk '$1 !~ /:/ { print } $1 ~ /:/ { n += $2; bytes += $3; failed += $4 }
		END { print "pools", n, bytes, failed }' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# bats test_tags=kernel
@test "a ring that overflows: every lost call is counted, a warning, and exit 0" {
	trace_pools -f json --ring-size 16K
	[ "$status" -eq 0 ]
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	balanced
	[ "$(summary .events)" -eq "$(grep -c '"type":"event"' "$TRACE")" ]
	[ "$(summary .events)" -gt 0 ]
	[ "$(summary .lost.total)" -gt 0 ]
	[ "$(summary .lost.ring_full)" -eq "$(summary .lost.total)" ]
	table_is_true
	grep -q "^alloctrace: .*$(summary .lost.total) of $(summary .entered) calls were lost" "$SAID"
}

@test "--strict: exit 3 when anything was lost, and the books all the same" {
	trace_pools -f json --ring-size 16K --strict
	[ "$status" -eq 3 ]
	[ "$(summary .lost.total)" -gt 0 ]
	balanced
	table_is_true
}

# bats test_tags=kernel-too
@test "a ring that is too small for a burst loses none of it: what is not shown is counted" {
	STOPPED=1 trace_burst --ring-size 64K
	[ "$status" -eq 0 ]
	books_are_exact
	[ "$(summary .events)" -gt 0 ]
	[ "$(summary .lost.total)" -eq 0 ]
	[ "$(summary .counted_only)" -gt 0 ]
}

# bats test_tags=kernel
@test "the smallest ring, and stacks: whatever is lost, the books add up" {
	trace_burst --ring-size 4K -k
	[ "$status" -eq 0 ]
	books_are_exact
}

@test "text: the books name the loss and its cause" {
	local lost
	trace_pools --ring-size 16K
	lost=$(sed -nE 's/^lost: ([0-9]+)[, ].*ring buffer.*/\1/p' "$TRACE")
	tail -n 8 "$TRACE"
	[ "$lost" -gt 0 ]
	grep -qE "^-------- .* s: $(truth calls "$SELF") calls = [0-9]+ events \+ $lost lost \+ [0-9]+ only counted \(the ring was filling\)$" "$TRACE"
	not grep -q 'counts above lack' "$TRACE"
}

# bats test_tags=kernel-too
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
