#!/usr/bin/env bats
# What may befall alloctrace itself while it traces, each with a count: killed, stopped, its reader stopped, no memory, no
# room in the kernel's maps, others that look at the same target, a library that is replaced. The target's own result is
# right, and what was seen and what is said to be lost is what the target has counted.
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # every test is a subshell; held, tracer and status are the helpers'
load helpers

# Smaller where the CPU is emulated.
KILLS=${KILLS:-100}
STALL=${STALL:-10}       # seconds for which the reader of the ring is stopped
BLOCKS=${BLOCKS:-150000} # that live at a time under a limit of memory

FOUR=malloc,calloc,realloc,free

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
	SELF=$BATS_TEST_TMPDIR/held.out
	COUNT=$BATS_TEST_TMPDIR/count
}

# ends_well: the held program goes on to its end, and alloctrace after it.
ends_well() {
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	balanced
}

# all_entered: every call that the program counts began before alloctrace's eyes.
all_entered() { [ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]; }

# short: how many calls are no events.
short() { summary '.lost.total + (.counted_only // 0)'; }

# short_is_said: that calls are missing is said at the end of the run.
short_is_said() {
	[ "$(short)" -gt 0 ]
	grep -Eq '^alloctrace: .*[0-9] of [0-9]+ calls were ' "$SAID"
}

# counted: the calls that toll has made so far, in whatever state it is.
counted() { od -An -v -t u8 -w64 "$COUNT" | awk '{ n += $1 } END { print n + 0 }'; }
has_counted() { [ "$(counted)" -ge "$1" ]; }

# rate SECONDS: calls a second in the meantime.
rate() {
	local calls ns
	calls=$(counted) ns=$(date +%s%N)
	read -rt "$1" <> <(:) || true
	echo $((($(counted) - calls) * 1000000000 / ($(date +%s%N) - ns)))
}

is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
stop() { kill -STOP "$1" && wait_for is_stopped "$1"; }

# ---- killed

# fares NUMBER: what the warden says when it is asked for the NUMBERth time: its heap and all of its code.
fares() {
	echo >&7
	wait_for has_line "^fares $1 " "$SELF"
	grep -q "^fares $1 wrong=0 intact=1\$" "$SELF"
}

# bats test_tags=kernel
@test "alloctrace is killed a hundred times while it is attached: code and result are right each time" {
	local round right=0 child way ways=("" "-k -f json" "" --follow "--sample-bytes 4K")
	start_held "$WORKLOADS/warden"
	for ((round = 1; round <= KILLS; round++)); do
		way=${ways[round % 5]}
		[ $((round % 20)) -ne 0 ] || way=latency # which has a helper of its own
		# shellcheck disable=SC2086 # words
		start_tracer $way -e $FOUR -p "$held"
		read -rt "0.0$(printf '%02d' $((round * 37 % 50)))" <> <(:) || true
		child=$(pgrep -P "$tracer") || true
		kill -KILL "$tracer"
		wait "$tracer" 2>/dev/null || true
		[ -z "$child" ] || wait_for is_gone "$child"
		fares "$round" && right=$((right + 1))
	done
	release_held
	wait "$held"
	echo "right: $right of $KILLS"
	[ "$right" -eq "$KILLS" ]
	[ "$(truth wrong "$SELF")" -eq 0 ]
}

# ---- stopped

# bats test_tags=kernel
@test "alloctrace is stopped for ten seconds: the target goes on as fast, and every call is accounted for" {
	local before during
	start_held "$WORKLOADS/toll" "$COUNT" 2
	start_tracer -p "$held" -e malloc,free -f json
	echo >&7
	wait_for has_counted 1000
	before=$(rate 1)
	stop "$tracer"
	during=$(rate "$STALL")
	kill -CONT "$tracer"
	echo "calls a second: $before before, $during while it was stopped"
	[ "$during" -ge $((before / 4)) ]
	wait_for has_counted $(($(counted) + 1000))
	ends_well
	all_entered
	short_is_said
}

# ---- no memory

# limit_memory KIB: alloctrace, which runs, may map so much more from here on.
limit_memory() {
	local size
	size=$(awk '$1 == "VmSize:" { print $2 }' "/proc/$tracer/status")
	prlimit --pid "$tracer" --as=$(((size + $1) * 1024))
}

@test "no memory for more blocks: they are counted as not followed, and every call is in the books" {
	command -v prlimit >/dev/null || skip "no prlimit"
	start_held "$WORKLOADS/hoard" --wait "$BLOCKS"
	start_tracer -f json -e malloc,free --ring-size 64M -p "$held"
	limit_memory 4096
	echo >&7
	wait_for has_line '^full' "$SELF"
	ends_well
	[ "$(truth wrong "$SELF")" -eq 0 ]
	all_entered
	[ "$(summary '.calls.malloc.count + .calls.free.count + .lost.total + (.counted_only // 0)')" -eq "$(truth calls "$SELF")" ]
	[ "$(summary .blocks_refused)" -gt 0 ]
	[ "$(summary .blocks_refused)" -lt "$BLOCKS" ]
}

@test "no memory for more blocks, text: the books say how many" {
	local refused
	command -v prlimit >/dev/null || skip "no prlimit"
	start_held "$WORKLOADS/hoard" --wait "$BLOCKS"
	start_tracer -e malloc,free --ring-size 64M -p "$held"
	limit_memory 4096
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	refused=$(sed -n "s/^blocks beyond the table's cap or the memory, not followed: //p" "$TRACE")
	[ "$refused" -gt 0 ]
	grep -q "^-------- .* s: $(truth calls "$SELF") calls = " "$TRACE"
}
