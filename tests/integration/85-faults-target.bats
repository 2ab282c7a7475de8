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

# ---- children

# bats test_tags=kernel-too
@test "a thousand forked children: unharmed, and none of their calls counted" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 fork "$CHILDREN"
	start_tracer -p "$held" -e $FOUR -f json
	ends_well
	[ "$(truth children-right "$SELF")" -eq "$CHILDREN" ]
	[ "$(truth wrong "$SELF")" -eq 0 ]
	[ "$(table .pid | cut -d ' ' -f 1)" = "$held" ]
	for pair in malloc:take_block calloc:take_clear_block realloc:resize_block free:give_block; do
		[ "$(called_from "${pair#*:}" victim)" -eq "$(truth "${pair%:*}" "$SELF")" ]
	done
	[ "$(summary .lost.total)" -eq 0 ]
}

# bats test_tags=kernel-too
@test "--follow, a thousand children: every call of each is counted" {
	local members=$((CHILDREN + 1))
	start_held "$WORKLOADS/family" --wait "storm:$CHILDREN"
	start_tracer -p "$held" -f json --follow --ring-size 64M
	ends_well
	[ "$(grep -c '^truth ' "$SELF")" -eq "$members" ]
	# "PID CALL LINE COUNT" of each member, from itself and from the events.
	awk '$1 == "call" { n[$2 " " $3 " " $4] += $5 } END { for (key in n) print key, n[key] }' "$SELF" |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	table 'select(.stack[0].file // "" | endswith("/family.c")) | "\(.pid) \(.call) \(.stack[0].line)"' \
		>"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(summary '"\(.lost.total) \(.in_flight // 0) \(.unfollowed // 0) \(.unmatched_frees)"')" = "0 0 0 0" ]
}

# ---- libraries

# bats test_tags=kernel
@test "two libraries that take each other's place: each call is named by the one that is there" {
	cp "$WORKLOADS/libplugin.so" "$BATS_TEST_TMPDIR/libfirst.so"
	cp "$WORKLOADS/libplugin.so" "$BATS_TEST_TMPDIR/libsecond.so"
	start_held "$WORKLOADS/swinger" --wait "$JUMPS" "$BATS_TEST_TMPDIR"/lib{first,second}.so
	start_tracer -p "$held" -f json
	ends_well
	[ "$(truth again "$SELF")" -gt 0 ]
	[ "$(called_from plugin_make libfirst.so)" -eq "$(truth first "$SELF")" ]
	[ "$(called_from plugin_make libsecond.so)" -eq "$(truth second "$SELF")" ]
	[ "$(called_from give_block swinger)" -eq "$(truth free "$SELF")" ]
	[ "$(summary .lost.total)" -eq 0 ]
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

# bats test_tags=kernel-too
@test "longjmp out of a malloc hook: each call that was left is counted as unpaired" { jumped jump "$JUMPS"; }

# bats test_tags=kernel
@test "longjmp out of a malloc hook, and on from deeper in the stack: no call is missed" { jumped deep "$JUMPS"; }

# bats test_tags=kernel-too
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

# bats test_tags=kernel-too
@test "threads that end by pthread_exit inside of malloc: their last call is not lost sight of" {
	hooked exit "$((JUMPS / 10))"
}

# bats test_tags=kernel
@test "threads that are cancelled inside of malloc: their last call is not lost sight of" {
	hooked cancel "$((JUMPS / 10))"
}

# ---- numbers that come back

# start_reborn WAY…: $numbers are its targets.
start_reborn() {
	start_held "$WORKLOADS/reborn" "$@"
	not grep -q '^unable' "$SELF"
	numbers=$(sed -n 's/^ready //p' "$SELF")
}

told_number() { has_line '^number' "$SELF" || has_line '^unable' "$SELF"; }
can_choose() { not grep -q '^unable' "$SELF" || skip "process numbers cannot be chosen here"; }

# bats test_tags=kernel-too
@test "-p: who gets the number of a target that has ended is not traced, and no probe is placed for it" {
	local first second
	start_reborn pair env LD_PRELOAD="$(realpath "$WORKLOADS/libown.so")" "$WORKLOADS/matrix" --wait 20
	read -r first second <<<"$numbers"
	start_tracer -f json -p "$first,$second"
	echo >&7
	wait_for told_number
	can_choose
	two_ready() { [ "$(grep -c "^ready $first" "$SELF")" -eq 2 ]; }
	wait_for two_ready
	kill -USR1 "$tracer" # the interim report comes after the mappings have been looked at
	wait_for has_line '"interim"' "$TRACE"
	not grep -q 'libown' "$SAID"
	echo >&7
	ends_well
	[ "$(truth calls "$SELF")" -gt 0 ] # the stranger has called its own malloc
	[ "$(table .pid | cut -d ' ' -f 1)" = "$(printf '%s\n' "$first" "$second" | LC_ALL=C sort)" ]
	[ "$(summary .entered)" -eq "$(awk '$1 == "truth" && NF == 4 { n += $3 } END { print n }' "$SELF")" ]
	[ "$(summary '.late // 0')" -eq 0 ]
}

# bats test_tags=kernel-too
@test "--follow: who gets the number of a child is not traced, and the run ends without it" {
	local child
	start_reborn stranger
	start_tracer -f json --follow -p "$numbers"
	# So that it learns of all at once: the child's end, and who came then.
	kill -STOP "$tracer"
	echo >&7
	wait_for has_line '^over\|^unable' "$SELF"
	kill -CONT "$tracer"
	can_choose
	end_tracer
	[ "$status" -eq 0 ]
	child=$(sed -n 's/^number //p' "$SELF")
	kill -0 "$child" # the stranger, as before
	release_held
	wait "$held"
	[ "$(awk -v pid="$child" '$1 == "stranger" && $2 == pid { print $3 }' "$SELF")" -gt 0 ]
	awk '$1 == "truth" { print $2, $3 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	table .pid >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
}

# bats test_tags=kernel-too
@test "--follow: two children with one number: neither has the other's blocks" {
	start_reborn twins
	start_tracer -f json --follow -p "$numbers"
	kill -STOP "$tracer"
	echo >&7
	wait_for told_number
	kill -CONT "$tracer"
	can_choose
	ends_well
	[ "$(summary .entered)" -eq "$(awk '$1 == "truth" { n += $3 } END { print n }' "$SELF")" ]
	[ "$(summary '"\(.lost.total) \(.unmatched_frees) \(.inherited_frees // 0) \(.superseded)"')" = "0 0 0 0" ]
	# What both have kept.
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "14 9800" ]
}

# bats test_tags=kernel
@test "--follow, sampled: who gets the number of another gives back nothing of the other's" {
	start_reborn heirs
	start_tracer -f json --follow -p "$numbers" --sample-bytes 7000
	echo >&7
	wait_for told_number
	can_choose
	ends_well
	[ "$(summary .calls.free.count)" -eq 2000 ]
	[ "$(table 'select(.call == "free") | .call' | cut -d ' ' -f 2)" -gt 0 ] # some were followed
	[ "$(summary '"\(.lost.total) \(.unmatched_frees) \(.inherited_frees // 0)"')" = "0 0 0" ]
}

# bats test_tags=kernel-too
@test "--follow: two programs with one number: each line is of its own program" {
	cp "$WORKLOADS/early" "$BATS_TEST_TMPDIR/one"
	cp "$WORKLOADS/early" "$BATS_TEST_TMPDIR/other"
	start_reborn images "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/other"
	start_tracer -f json --follow -p "$numbers"
	kill -STOP "$tracer"
	echo >&7
	wait_for told_number
	kill -CONT "$tracer"
	can_choose
	ends_well
	[ "$(called_from take_early one)" -eq 50 ]
	[ "$(called_from take_early other)" -eq 50 ]
	[ "$(called_from keep reborn)" -eq 14 ]
	[ "$(table 'select(.stack[0].function == "take_early") | .pid' | wc -l)" -eq 1 ]
}

# ---- many threads, and the end

# bats test_tags=kernel-too
@test "256 threads: every call is counted" {
	start_held "$WORKLOADS/toll" "$COUNT" "$THREADS" "$PAIRS"
	start_tracer -p "$held" -e malloc,free -f json --ring-size 64M
	ends_well
	[ "$(truth calls "$SELF")" -eq $((2 * THREADS * PAIRS)) ]
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	[ "$(summary '"\(.lost.total) \(.in_flight) \(.live.blocks)"')" = "0 0 0" ]
	[ "$(table .tid | wc -l)" -eq "$THREADS" ]
	[ "$(table .tid | awk -v n=$((2 * PAIRS)) '$2 != n' | wc -l)" -eq 0 ]
}

# bats test_tags=kernel-too
@test "the target is killed at full rate: what it had counted by then is what was seen, to the calls under way" {
	local entered
	start_held "$WORKLOADS/toll" "$COUNT" 8
	start_tracer -p "$held" -e malloc,free -f json --ring-size 64M
	echo >&7
	some_calls() { [ "$(counted)" -gt 20000 ]; }
	wait_for some_calls
	kill -KILL "$held"
	wait "$held" || true
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	entered=$(summary .entered)
	[ "$entered" -ge "$(counted)" ]
	[ "$entered" -le $(($(counted) + 8)) ]
}
