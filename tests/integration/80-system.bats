#!/usr/bin/env bats
# No target: every process that maps a probed allocator, those that come later included. Kept short, and narrowed by -n, so
# that the rest of the machine pays for little.
# shellcheck disable=SC2154 # held, tracer and status are the helpers'
load helpers

PAIRS=${PAIRS:-500}

# calls_of PID: the burst's own calls that were seen of it; start-up and exit have others.
calls_of() {
	jq -r "select(.type == \"event\" and .pid == $1 and (.stack[0].file // \"\" | endswith(\"/burst.c\")) and
		(.stack[0].function == \"work\")) | .call" "$TRACE" | wc -l
}

# bats test_tags=kernel,system
@test "no target: a process that ran before and one that starts later, all their calls" {
	local later truth
	start_held "$WORKLOADS/burst" --wait "$PAIRS"
	start_tracer -f json -n burst
	release_held
	"$WORKLOADS/burst" "$PAIRS" >"$BATS_TEST_TMPDIR/later.out" &
	later=$!
	wait "$later"
	wait_for is_gone "$held"
	stop_tracer
	[ "$status" -eq 0 ]
	truth=$((4 * 2 * PAIRS))
	[ "$(truth calls "$BATS_TEST_TMPDIR/held.out")" -eq "$truth" ]
	[ "$(truth calls "$BATS_TEST_TMPDIR/later.out")" -eq "$truth" ]
	[ "$(calls_of "$held")" -eq "$truth" ]
	[ "$(calls_of "$later")" -eq "$truth" ]
	[ "$(summary .lost.total)" -eq 0 ]
	balanced
}

# bats test_tags=kernel,system
@test "no target: thirty processes that live for milliseconds, every call at its line" {
	local i
	start_tracer -f json -n early
	for ((i = 0; i < 30; i++)); do
		"$WORKLOADS/early" >/dev/null
	done
	stop_tracer
	[ "$status" -eq 0 ]
	jq -r 'select(.type == "event" and .call == "malloc" and .stack[0].function == "take_early") |
		"\(.pid) \(.stack[0].line)"' "$TRACE" >"$BATS_TEST_TMPDIR/early"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/early")" -eq $((30 * 50)) ]
	[ "$(cut -d ' ' -f 1 "$BATS_TEST_TMPDIR/early" | sort -u | wc -l)" -eq 30 ]
	[ "$(cut -d ' ' -f 2 "$BATS_TEST_TMPDIR/early" | sort -u | wc -l)" -eq 1 ]
	balanced
}

@test "no target: never itself" {
	start_tracer -f json -n alloctrace
	# Another one is a process like others. The first brings the file along, whose probes may come too late for it.
	for _ in 1 2 3 4 5; do
		"$ALLOCTRACE" sites "$BUILD/pool-demo" >/dev/null
	done
	stop_tracer
	[ "$(summary .events)" -gt 0 ]
	[ "$(jq -r "select(.type == \"event\" and .pid == $tracer) | 1" "$TRACE" | wc -l)" -eq 0 ]
}
