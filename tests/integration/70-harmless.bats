#!/usr/bin/env bats
# Whatever happens to alloctrace or to its target, the target goes on as if nobody had looked, and the books are right.
# Truth comes from the workloads: numbers of calls, bytes of the heap, bytes of the allocator's code.
# shellcheck disable=SC2030,SC2034,SC2031,SC2153,SC2154 # every test is a subshell; held and tracer are the helpers'
load helpers
load harmless

# ---- alloctrace is killed

# bats test_tags=kernel
@test "kill -9 of alloctrace at ten moments leaves the target as it was" {
	local round functions
	start_held "$WORKLOADS/victim" --until-eof
	for round in {0..9}; do
		: >"$SAID"
		: >"$TRACE"
		functions=$FOUR
		[ $((round % 3)) -ne 0 ] || functions=$FOUR,reallocarray,posix_memalign,aligned_alloc
		"$ALLOCTRACE" -e "$functions" -p "$held" >"$TRACE" 2>"$SAID" 7>&- 3>&- &
		tracer=$!
		case $round in
		0) ;;
		[1-5]) read -rt "0.0$((2 * round - 1))" <> <(:) || true ;;
		6 | 7) wait_for has_line 'ready:' "$SAID" ;;
		*) wait_for has_line 'malloc' "$TRACE" ;;
		esac
		kill -KILL $tracer
		wait $tracer 2>/dev/null || true
		kill -0 "$held"
	done
	finish_held
	[ "$(truth bytes-intact "$(OUT)")" = 1 ]
}

@test "kill -9 of alloctrace while it starts a command: the command is killed, or goes on to its end" {
	local out=$BATS_TEST_TMPDIR/command.out
	export ALLOCTRACE_STARTED_BY=$BATS_TEST_TMPDIR
	for round in {0..39}; do
		: >"$out"
		"$ALLOCTRACE" -e malloc,free -o "$TRACE" -- "$WORKLOADS/victim" --rounds 2000 >"$out" 2>"$SAID" 3>&- &
		tracer=$!
		read -rt "0.0$(printf '%02d' "$round")" <> <(:) || true
		kill -KILL $tracer
		wait $tracer 2>/dev/null || true
		[ -s "$out" ] || continue
		wait_for has_line '^truth wrong=0' "$out"
	done
	# Nobody is left stopped, with a tracer that knows nothing of it.
	wait_for no_victim_left
}
no_victim_left() {
	local file pid
	strays=()
	# shellcheck disable=SC2013 # names without spaces
	for file in $(grep -slz "^ALLOCTRACE_STARTED_BY=$BATS_TEST_TMPDIR\$" /proc/[0-9]*/environ); do
		pid=${file#/proc/}
		pid=${pid%/environ}
		grep -qs '^victim' "/proc/$pid/comm" || continue
		strays+=("$pid")
	done
	[ ${#strays[@]} -eq 0 ]
}

# ---- the target ends

@test "the target exits" {
	start_held "$WORKLOADS/victim" --wait --rounds 500 exit 7
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held 7
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel-too
@test "the target is killed with -9" {
	start_held "$WORKLOADS/victim" --until-eof
	start_tracer -p "$held" -e malloc,free -f json
	wait_for has_line '"malloc","kind' "$TRACE"
	kill -KILL "$held"
	wait "$held" 2>/dev/null || true
	wait_tracer
	clean_end
}

# bats test_tags=kernel-too
@test "the target segfaults" {
	start_held "$WORKLOADS/victim" --wait --rounds 500 segv
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held 139
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "the target executes another program" {
	start_held "$WORKLOADS/victim" --wait --rounds 300 exec "$WORKLOADS/stormy" timer 400
	start_tracer -p "$held" -f json
	finish_held
	wait_tracer
	clean_end
	# Both programs count; and no line of the one is shown as a line of the other.
	local before after name
	for name in malloc:take_block calloc:take_clear_block free:give_block; do
		before=$(truth "${name%:*}" "$(OUT)" | head -n 1)
		after=$(truth "${name%:*}" "$(OUT)" | tail -n 1)
		[ "$(seen "${name#*:}")" = $((before + after)) ]
		jq -n --arg name "${name#*:}" '[inputs.stack[0]? | select(.function? == $name).module]' "$TRACE" >"$SAID"
		[ "$(jq '[.[] | select(endswith("/victim"))] | length' "$SAID")" = "$before" ]
		[ "$(jq '[.[] | select(endswith("/stormy"))] | length' "$SAID")" = "$after" ]
	done
}

@test "the target executes itself ten times" {
	local args=()
	for _ in {1..10}; do
		args+=(exec "$WORKLOADS/victim" --rounds 100)
	done
	start_held "$WORKLOADS/victim" --wait --rounds 100 "${args[@]}"
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	clean_end
	[ "$(seen take_block)" = "$(truth malloc "$(OUT)" | awk '{ n += $1 } END { print n }')" ]
	[ "$(seen give_block)" = "$(truth free "$(OUT)" | awk '{ n += $1 } END { print n }')" ]
}

# ---- the target multiplies

# bats test_tags=kernel-too
@test "200 forked children are unharmed, and not counted" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 fork 200
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	[ "$(truth children-right "$(OUT)")" = 200 ]
	clean_end
	all_seen "$(OUT)"
	[ "$(jq -n --argjson pid "$held" '[inputs | select(.type == "event" and .pid != $pid)] | length' "$TRACE")" = 0 ]
}

# bats test_tags=kernel
@test "children that fork just when alloctrace is killed are unharmed" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 fork 200
	start_tracer -p "$held" -e "$FOUR" -f json
	release_held
	wait_for has_line '"malloc","kind' "$TRACE"
	kill -KILL "$tracer"
	wait "$held"
	[ "$(truth children-right "$(OUT)")" = 200 ]
	[ "$(truth wrong "$(OUT)")" = 0 ]
}

# bats test_tags=kernel-too
@test "vfork and posix_spawn" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 spawn 100 /bin/true
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	[ "$(truth children-right "$(OUT)")" = 100 ]
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "threads go on when main has left by pthread_exit" {
	start_held "$WORKLOADS/victim" --wait --rounds 500 mainexit
	start_tracer -p "$held" -f json
	finish_held
	wait_tracer
	clean_end
	# Probes made of perf events end with the main thread; then it must be said.
	if [ "$(summary '.main_left // 0')" != 0 ]; then
		grep -q 'threads or children went on that could not be followed' "$SAID"
		return
	fi
	all_seen "$(OUT)"
}

# bats test_tags=kernel-too
@test "a process whose main thread has left before is traced, or refused in one sentence" {
	start_held "$WORKLOADS/victim" --rounds 500 mainexit
	wait_for has_line '^main-gone' "$(OUT)"
	attempt -p "$held" -d 0.2
	if [ "$status" -eq 1 ]; then
		[ "$(grep -vc 'hint:' "$SAID")" -eq 1 ]
	else
		[ "$status" -eq 0 ]
		grep -q 'ready:' "$SAID"
	fi
	finish_held
}

# bats test_tags=kernel-too
@test "a library that comes and goes" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 dlopen 200 libm.so.6
	start_tracer -p "$held" -f json
	finish_held
	wait_tracer
	[ "$(truth loads-right "$(OUT)")" = 200 ]
	clean_end
	all_seen "$(OUT)"
}

# ---- signals

# bats test_tags=kernel-too
@test "a storm of signals" {
	start_held "$WORKLOADS/stormy" --wait timer 5000
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	[ "$(truth ticks "$(OUT)")" -gt 0 ]
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel-too
@test "handlers on another stack that allocate and jump out" {
	start_held "$WORKLOADS/stormy" --wait jump 2000
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	[ "$(truth jumps "$(OUT)")" -gt 0 ]
	clean_end
	all_seen "$(OUT)"
	[ "$(summary .lost.total)" = 0 ]
}

# ---- company

# bats test_tags=kernel-too
@test "two alloctrace on one target" {
	start_held "$WORKLOADS/victim" --wait --rounds 500
	start_tracer -p "$held" -e "$FOUR" -f json
	local first=$tracer first_trace=$TRACE
	TRACE=$BATS_TEST_TMPDIR/second.out SAID=$BATS_TEST_TMPDIR/second.err
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	clean_end
	all_seen "$(OUT)"
	tracer=$first TRACE=$first_trace
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "one of two alloctrace leaves: the other sees everything" {
	start_held "$WORKLOADS/victim" --wait --rounds 500
	start_tracer -p "$held" -e "$FOUR" -f json
	local first=$tracer
	TRACE=$BATS_TEST_TMPDIR/second.out SAID=$BATS_TEST_TMPDIR/second.err
	start_tracer -p "$held" -e "$FOUR" -f json
	kill -KILL "$first"
	wait "$first" 2>/dev/null || true
	finish_held
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

@test "strace on the same target" {
	command -v strace >/dev/null || skip "no strace"
	start_held "$WORKLOADS/victim" --wait --rounds 500
	strace -f -o "$BATS_TEST_TMPDIR/strace.out" -p "$held" 2>"$BATS_TEST_TMPDIR/strace.err" 7>&- &
	started+=($!)
	wait_for has_line 'attached' "$BATS_TEST_TMPDIR/strace.err"
	start_tracer -p "$held" -e "$FOUR" -f json
	finish_held
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

@test "gdb on the same target" {
	command -v gdb >/dev/null || skip "no gdb"
	start_held "$WORKLOADS/victim" --wait --rounds 500 exit 7
	start_tracer -p "$held" -e "$FOUR" -f json
	timeout "$PATIENCE" gdb -nx -batch -iex 'set debuginfod enabled off' -p "$held" -ex 'break take_clear_block' \
		-ex 'echo attached\n' -ex continue -ex 'delete 1' -ex continue \
		>"$BATS_TEST_TMPDIR/gdb.out" 2>&1 </dev/null 7>&- &
	started+=($!)
	wait_for has_line '^attached' "$BATS_TEST_TMPDIR/gdb.out"
	release_held
	wait "$held" 2>/dev/null || true
	[ "$(truth wrong "$(OUT)")" = 0 ]
	wait_tracer
	clean_end
	all_seen "$(OUT)"
	grep -q 'exited with code 07' "$BATS_TEST_TMPDIR/gdb.out"
}
