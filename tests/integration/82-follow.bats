#!/usr/bin/env bats
# --follow: children of a target are traced from their first call, exactly; without it they are not. Truth is what each
# member of the family counts of itself.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held is the helpers'
load helpers
bats_require_minimum_version 1.5.0

# follow_p STEP…: the family under -p --follow, from "ready" until alloctrace ends by itself.
follow_p() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/family" --wait "$@"
	start_tracer -f json --follow -p "$held"
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
}

# follow_command COMMAND…: the same from the first instruction of the command.
follow_command() {
	SELF=$BATS_TEST_TMPDIR/self
	timeout -k 5 "$PATIENCE" "$ALLOCTRACE" -f json --follow -o "$TRACE" -- "$@" >"$SELF" 2>"$SAID" </dev/null
}

# told NUMBER: whether so many members have told their truth: none is still at work.
told() { [ "$(grep -c '^truth [0-9]' "$SELF")" -eq "$1" ]; }

# Calls of family.c, as opposed to those by the loader and the start of libc.
own='(.stack[0].file // "" | endswith("/family.c"))'

# add_up: "PID CALL LINE COUNT BYTES", one row for all of one line of one process.
add_up() {
	awk '{ key = $1 " " $2 " " $3; count[key] += $4; bytes[key] += $5 }
		END { for (key in count) print key, count[key], bytes[key] }' | LC_ALL=C sort
}

# calls_are_true MEMBERS: so many have told, and each call of each is an event at its line, no more and no less. How
# large an inherited block is, nobody needs to know.
calls_are_true() {
	wait_for told "$1"
	sed -n 's/^call //p' "$SELF" | add_up >"$BATS_TEST_TMPDIR/true"
	jq -r 'select(.type == "event" and '"$own"') | "\(.pid) \(.call) \(.stack[0].line) 1 \(
		if .call == "free" then .old_size // 0 else .size end)"' "$TRACE" | add_up >"$BATS_TEST_TMPDIR/told"
	if grep -q '^inherited [0-9]* [1-9]' "$SELF"; then
		sed -i -E 's/^([0-9]+ free .*) [0-9]+$/\1 -/' "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	fi
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
	[ "$(summary '"\(.lost.total) \(.in_flight) \(.superseded)"')" = "0 0 0" ]
}

# none_unmatched: no free without its block. Not for a shell: its vfork has children allocate in the parent's memory.
none_unmatched() { [ "$(summary .unmatched_frees)" -eq 0 ]; }

# Nobody else is shown.
members_alone() {
	awk '$1 == "truth" && $2 ~ /^[0-9]/ { print $2 }' "$SELF" | LC_ALL=C sort -u >"$BATS_TEST_TMPDIR/members"
	table .pid | cut -d ' ' -f 1 | LC_ALL=C sort -u >"$BATS_TEST_TMPDIR/shown"
	[ -s "$BATS_TEST_TMPDIR/shown" ]
	# Who called nothing is not shown.
	[ -z "$(LC_ALL=C comm -13 "$BATS_TEST_TMPDIR/members" "$BATS_TEST_TMPDIR/shown")" ]
}

# ---- who is followed

# bats test_tags=kernel
@test "--follow -p: forked children, from a thread as well, and their children" {
	follow_p fork thread-fork nested
	calls_are_true 5
	none_unmatched
	members_alone
}

@test "--follow --: forked children, from a thread as well, and their children" {
	follow_command "$WORKLOADS/family" fork thread-fork nested
	calls_are_true 5
	members_alone
}

@test "--follow -p: children that execute a program, by fork, vfork and posix_spawn" {
	follow_p exec vfork spawn
	[ "$(grep -c '^exec ' "$SELF")" -eq 1 ]
	# Who has told twice: before exec and after it.
	calls_are_true 5
	none_unmatched
	members_alone
}

# bats test_tags=kernel-too
@test "--follow --: children that execute a program, by fork, vfork and posix_spawn" {
	follow_command "$WORKLOADS/family" exec vfork spawn
	calls_are_true 5
	members_alone
}

# early calls before its main begins; nothing of it is known before the exec.
other_program_is_true() {
	local pid
	calls_are_true 2
	none_unmatched
	pid=$(awk '$1 == "exec" { print $2 }' "$SELF")
	[ "$(truth early "$SELF")" -eq 50 ]
	[ "$(table 'select(.stack[0].function == "take_early") | "\(.pid) \(.call)"')" = "$pid malloc 50" ]
	members_alone
}

# bats test_tags=kernel
@test "--follow -p: a child that executes another program, from that one's first call" {
	follow_p other:"$WORKLOADS/early"
	other_program_is_true
}

@test "--follow --: a child that executes another program, from that one's first call" {
	follow_command "$WORKLOADS/family" other:"$WORKLOADS/early"
	other_program_is_true
}

@test "--follow -p: the threads of a child" {
	follow_p threads
	calls_are_true 2
	none_unmatched
	[ "$(table "select($own) | \"\\(.pid) \\(.tid)\"" | cut -d ' ' -f 1 | uniq -c | awk '$1 == 4' | wc -l)" -eq 1 ]
}

@test "--follow -p: a child that is killed" {
	follow_p killed work
	calls_are_true 2
	none_unmatched
}

@test "--follow -p: a storm of 200 children" {
	follow_p storm:200
	calls_are_true 201
	none_unmatched
	members_alone
}

@test "--follow --: a storm of 200 children" {
	follow_command "$WORKLOADS/family" storm:200
	calls_are_true 201
	members_alone
}

@test "--follow -- sh -c: what a shell starts, side by side" {
	follow_command sh -c '"$0" fork storm:10 & "$0" nested exec & "$0" work; wait' "$WORKLOADS/family"
	[ "$(grep -c '^exec ' "$SELF")" -eq 1 ]
	calls_are_true 18
}

@test "--follow -p of two families: both" {
	local second=$BATS_TEST_TMPDIR/second
	SELF=$BATS_TEST_TMPDIR/both
	mkdir "$second"
	start_held "$WORKLOADS/family" --wait fork
	# The same gate lets both go on.
	"$WORKLOADS/family" --wait nested <"$BATS_TEST_TMPDIR/gate" >"$second/out" 7>&- &
	other=$!
	started+=("$other")
	wait_for has_line '^ready' "$second/out"
	start_tracer -f json --follow -p "$held,$other"
	release_held
	wait "$held" "$other"
	end_tracer
	[ "$status" -eq 0 ]
	cat "$second/out" "$BATS_TEST_TMPDIR/held.out" >"$SELF"
	calls_are_true 5
	members_alone
}

# ---- who is not

# bats test_tags=kernel-too
@test "--follow -p: a process outside of the family is not shown" {
	local stranger
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/family" --wait fork storm:20
	start_tracer -f json --follow -p "$held"
	"$WORKLOADS/family" fork exec storm:10 >"$BATS_TEST_TMPDIR/strangers" 7>&- &
	stranger=$!
	release_held
	wait "$held" "$stranger"
	end_tracer
	[ "$(grep -c '^truth ' "$BATS_TEST_TMPDIR/strangers")" -ge 13 ]
	calls_are_true 22
	members_alone
}

@test "without --follow a target's children are not traced: -p" {
	local target
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/family" --wait fork nested exec
	start_tracer -f json -p "$held"
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	target=$held
	[ "$(table .pid | awk '{ print $1 }')" = "$target" ]
	[ "$(summary .entered)" -eq "$(awk -v pid="$target" '$1 == "truth" && $2 == pid { print $3 }' "$SELF")" ]
}

@test "without --follow a target's children are not traced: --" {
	SELF=$BATS_TEST_TMPDIR/self
	"$ALLOCTRACE" -f json -o "$TRACE" -- "$WORKLOADS/family" fork nested exec >"$SELF" 2>"$SAID"
	[ "$(table .pid | wc -l)" -eq 1 ]
	# The parent tells last.
	[ "$(table "select($own) | .pid" | awk '{ print $2 }')" -eq \
		"$(awk '$1 == "truth" { calls = $3 } END { print calls }' "$SELF")" ]
}

# ---- the end

@test "--follow -p: the run goes on until the last descendant has ended, whoever its parent is by then" {
	follow_p work orphan
	# The grandchild began to work half a second after the target had ended.
	calls_are_true 3
	none_unmatched
	members_alone
}

@test "--follow --: the run goes on until the last descendant has ended, whoever its parent is by then" {
	follow_command "$WORKLOADS/family" work orphan
	calls_are_true 3
	members_alone
}

@test "--follow: an interrupted run ends soon, its books add up, and the family goes on" {
	# shellcheck disable=SC2034 # wait_for reads it
	local PATIENCE=60
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/family" --wait storm:300 orphan
	start_tracer -f json --follow --ring-size 1M -p "$held"
	release_held
	wait_for has_line '"event"' "$TRACE"
	kill -INT "$tracer"
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	wait "$held"
	wait_for told 303
}

# ---- what children inherit

# inherited_are COUNT BLOCKS BYTES: the frees of inherited blocks; what the parent keeps.
inherited_are() {
	local live
	[ "$(awk '$1 == "inherited" { n += $3 } END { print n }' "$SELF")" -eq "$1" ]
	[ "$(summary .inherited_frees)" -eq "$1" ]
	live=$(awk -v pid="$held" '$1 == "live" && $2 == pid { print $3, $4 }' "$SELF")
	[ "$live" = "$2 $3" ]
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "$live" ]
}

@test "--follow: a child frees what its parent had allocated: the parent's blocks stay" {
	follow_p inherit
	calls_are_true 2
	none_unmatched
	inherited_are 12 12 912
}

@test "--follow: parent and child free the same blocks, the parent first" {
	follow_p crossed
	calls_are_true 2
	none_unmatched
	inherited_are 12 0 0
}

@test "--follow: a grandchild frees what its grandparent had allocated" {
	follow_p grand
	calls_are_true 3
	none_unmatched
	inherited_are 12 12 912
}

# bats test_tags=kernel-too
@test "--follow: a child moves inherited blocks by realloc, and frees them" {
	follow_p moved
	calls_are_true 2
	none_unmatched
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "12 912" ]
}

@test "--follow: children that allocate where the parent's blocks lie, one after another" {
	follow_p inherit grand crossed storm:10
	calls_are_true 15
	none_unmatched
	inherited_are 36 24 1824
}

# ---- other reports, other targets

@test "--follow, text: a line for each call, with the member's own number" {
	local pid calls
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/family" --wait fork nested
	start_tracer --follow -p "$held"
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	wait_for told 4
	while read -r _ pid calls _; do
		[ "$(grep -cE "^ +[0-9.]+ +$pid/$pid " "$TRACE")" -eq "$calls" ]
	done < <(grep '^truth ' "$SELF")
}

# bats test_tags=kernel-too
@test "--follow, latency: the calls of the whole family" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/family" --wait fork nested storm:20
	start_tracer latency -f json --follow -p "$held"
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	wait_for told 24
	for call in malloc calloc realloc; do
		[ "$(jq -r "select(.type == \"histogram\" and .call == \"$call\") | .count + (.disturbed.count // 0)" "$TRACE")" -eq \
			"$(awk -v call=$call '$1 == "call" && $3 == call { n += $5 } END { print n }' "$SELF")" ]
	done
	balanced
}

@test "--follow without a target: exit 2, and one sentence" {
	run -2 "$ALLOCTRACE" --follow
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *--follow* ]]
	run -2 "$ALLOCTRACE" --follow -n nobody-of-that-name -d 0.1
	[ "${#lines[@]}" -eq 1 ]
}
