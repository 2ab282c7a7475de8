#!/usr/bin/env bats
# What may befall a target while it is traced, each with a count: children by the thousand, calls that are left by a jump
# or with their thread, numbers that come back, libraries that take each other's place, hundreds of threads, the end.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held, tracer and status are the helpers'
load helpers

# Smaller where the CPU is emulated.
CHILDREN=${CHILDREN:-1000}
THREADS=${THREADS:-256}
PAIRS=${PAIRS:-200} # of malloc and free, of each thread
JUMPS=${JUMPS:-500}

FOUR=malloc,calloc,realloc,free

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
	SELF=$BATS_TEST_TMPDIR/held.out
	COUNT=$BATS_TEST_TMPDIR/count
}

# ends_well: the held program goes on to its end, and alloctrace after it; nothing is short in the books.
ends_well() {
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	balanced
}

# counted: the calls that toll has made so far, in whatever state it is.
counted() { od -An -v -t u8 -w64 "$COUNT" | awk '{ n += $1 } END { print n + 0 }'; }

# called_from FUNCTION MODULE: events whose caller is this.
called_from() {
	jq -n --arg name "$1" --arg file "$2" '[inputs | select(.type == "event") | .stack[0] |
		select(.function == $name and (.module | endswith("/" + $file)))] | length' "$TRACE"
}

# ---- calls that do not return

# hooked WAY COUNT: its calls are known, and those that were left; all others are events.
hooked() {
	start_held "$WORKLOADS/hooked" --wait "$@"
	start_tracer -p "$held" -f json
	ends_well
	[ "$(truth wrong "$SELF")" -eq 0 ]
	[ "$(truth left "$SELF")" -gt 0 ]
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	[ "$(summary .events)" -eq $(($(truth calls "$SELF") - $(truth left "$SELF"))) ]
	[ "$(summary '.lost.unpaired + .in_flight')" -eq "$(truth left "$SELF")" ]
}

# The last one that was left is told by nothing.
jumped() {
	hooked "$@"
	[ "$(summary .in_flight)" -le 1 ]
	[ "$(summary .lost.unpaired)" -eq "$(summary .lost.total)" ]
	grep -q "^alloctrace: .*$(summary .lost.total) of $(summary .entered) calls were lost" "$SAID"
}

# bats test_tags=kernel
@test "longjmp out of a malloc hook: each call that was left is counted as unpaired" { jumped jump "$JUMPS"; }

# bats test_tags=kernel
@test "longjmp out of a malloc hook, and on from deeper in the stack: no call is missed" { jumped deep "$JUMPS"; }

# bats test_tags=kernel
@test "a storm of signals whose handler jumps out of malloc" { jumped signal $((JUMPS / 5)); }

@test "longjmp out of malloc: --strict says so by exit 3, and text by its cause" {
	start_held "$WORKLOADS/hooked" --wait jump 30
	start_tracer -p "$held" --strict
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 3 ]
	grep -Eq '^lost: (9|10) calls that never returned \(longjmp' "$TRACE"
}

# bats test_tags=kernel
@test "threads that end by pthread_exit inside of malloc: their last call is not lost sight of" {
	hooked exit "$((JUMPS / 10))"
}

# bats test_tags=kernel
@test "threads that are cancelled inside of malloc: their last call is not lost sight of" {
	hooked cancel "$((JUMPS / 10))"
}

