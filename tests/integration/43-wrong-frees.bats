#!/usr/bin/env bats
# What is freed and must not be is found, once, with the lines of all sides; and nothing in programs that are right. The
# bugs are planted by tests/workloads/wrongfrees.c, which says where, before it does them.
# shellcheck disable=SC2016,SC2154 # filters of jq; tracer and status are the helpers'
load helpers

# trace_case CASE ARG…: wrongfrees from its first instruction; its own words to $SELF.
trace_case() {
	SELF=$BATS_TEST_TMPDIR/self
	local name=$1
	shift
	trace "$@" -- "$WORKLOADS/wrongfrees" "$name" >"$SELF"
}

# trace ARG… -- COMMAND…
trace() {
	"$ALLOCTRACE" -f json --ring-size 64M -o "$TRACE" "$@" 2>"$SAID" 3>&- </dev/null
}

findings() { jq -c 'select(.type == "finding")' "$TRACE"; }

# lines_of FIELD: "FILE:LINE" of the caller, of each finding; "-" where there is none.
lines_of() { findings | jq -r ".$1[0] | if . and .line then \"\\(.file | split(\"/\") | last):\\(.line)\" else \"-\" end"; }

# said KEY: the line that the program says; "-" if it says nothing.
said() { sed -n 's/^bug .*\<'"$1"'=\([^ ]*\).*/\1/p' "$SELF" | grep . || echo -; }

# found CHECK CALL OTHER MADE: that and nothing else, once; on this side, on the other one ("before" or "made" of the
# program's words, "-": none is named) and on the third one.
found() {
	local other=- made=-
	[ "$3" = - ] || other=$(said "$3")
	[ "$4" = - ] || made=$(said "$4")
	if [ "$(findings | jq -r '"\(.check) \(.call)"')" = "$1 $2" ] && [ "$(lines_of stack)" = "$(said now)" ] &&
		[ "$(lines_of other_stack)" = "$other" ] && [ "$(lines_of made_stack)" = "$made" ] &&
		[ "$(summary ".findings[\"$1\"]")" = 1 ]; then
		return 0
	fi
	{
		cat "$SELF"
		findings
	} >&2
	return 1
}

nothing_found() {
	[ "$(tail -n 1 "$TRACE" | jq -r .type)" = summary ]
	[ -z "$(findings)" ] || { findings >&2; return 1; }
}

# bats test_tags=kernel
@test "a block that is freed twice: where now, where before, and where it had been handed out" {
	local case
	for case in double double-thread double-realloc double-reused; do
		echo "$case"
		trace_case $case
		found double-free free before made
	done
	[ "$(findings | jq -r '"\(.other_function) \(.made_function)"')" = 'free malloc' ]
}

@test "what is no block, and what lies inside of one" {
	trace_case invalid
	found invalid-free free - -
	trace_case realloc-invalid
	found invalid-free realloc - -
	trace_case inside
	found invalid-free free made -
	[ "$(findings | jq -r .other_size)" = 80 ]
}

@test "a block of another allocator, either way, and a pool's chunk" {
	trace_case other-by-free
	found mismatched-free free made -
	[ "$(findings | jq -r .other_function)" = je_malloc ]
	trace_case free-by-other
	found mismatched-free je_free made -
	[ "$(findings | jq -r .other_function)" = malloc ]
	trace_case chunk
	found mismatched-free free made -
	[ "$(findings | jq -r .other_pool)" = wrongs ]
}

# bats test_tags=kernel-too
@test "what only looks like it: forks, children on the same memory, handlers, threads that move blocks and end" {
	local case
	for case in fork borrowed spawned handler movers; do
		echo "$case"
		trace_case $case
		nothing_found
	done
	for case in fork borrowed spawned; do
		echo "$case, followed"
		trace_case $case --follow
		nothing_found
	done
}

@test "clean programs" {
	trace -- "$WORKLOADS/threads"
	nothing_found
	trace --follow -- "$WORKLOADS/family"
	nothing_found
	trace -- python3 -c 'import json, subprocess, threading
threads = [threading.Thread(target=lambda: [json.loads("[%d, {}]" % i) for i in range(2000)]) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
subprocess.run(["true"])'
	nothing_found
	[ "$(summary .calls.malloc.count)" -gt 1000 ]
	if command -v sqlite3; then
		trace -- sqlite3 :memory: 'with recursive c(x) as (select 1 union all select x+1 from c where x < 3000)
			select count(distinct hex(x) || x) from c;'
		nothing_found
	fi
}

# bats test_tags=kernel-too
@test "a process that ran before: what is freed twice, and nothing of what may have been handed out before" {
	trace_released '-f json' "$WORKLOADS/wrongfrees" --wait double --
	end_tracer
	found double-free free before made
	trace_released '-f json' "$WORKLOADS/wrongfrees" --wait invalid --
	end_tracer
	nothing_found
	[ "$(summary .unmatched_frees)" = 1 ]
}

@test "not told: what a filter hides, and what was there before" {
	local option
	for option in '-z 1' '-e malloc,free,pool' "--sample-bytes 1000000" "--object $WORKLOADS/wrongfrees"; do
		echo "$option"
		# shellcheck disable=SC2086 # words
		trace_case free-by-other $option
		nothing_found
	done
}

@test "text: one sentence, and a line for each of three sides" {
	SELF=$BATS_TEST_TMPDIR/self
	"$ALLOCTRACE" -o "$TRACE" -- "$WORKLOADS/wrongfrees" double >"$SELF" 2>"$SAID" 3>&- </dev/null
	[ "$(grep -c ' !! double-free ' "$TRACE")" -eq 1 ]
	grep -A 3 ' !! ' "$TRACE" | sed 1d >"$BATS_TEST_TMPDIR/sides"
	grep -q "freed now .*$(said now)" "$BATS_TEST_TMPDIR/sides"
	grep -q "freed before .*$(said before)" "$BATS_TEST_TMPDIR/sides"
	grep -q "handed out .*$(said made)" "$BATS_TEST_TMPDIR/sides"
}

# ---- --stop-on-error

says_stopped() { grep -q ' is stopped at a call of ' "$SAID" 2>/dev/null; }

# The process of wrongfrees that alloctrace says it has stopped.
stopped_process() { sed -n 's/.*process \([0-9]*\) is stopped.*/\1/p' "$SAID"; }

# bats test_tags=kernel
@test "--stop-on-error: the command waits at the very call, and goes on" {
	local case call pid
	SELF=$BATS_TEST_TMPDIR/self
	while read -r case call; do
		echo "$case"
		rm -f "$SAID" # what was said of another one
		"$ALLOCTRACE" --stop-on-error -f json -o "$TRACE" -- "$WORKLOADS/wrongfrees" "$case" \
			>"$SELF" 2>"$SAID" 3>&- </dev/null &
		tracer=$!
		started+=("$tracer")
		wait_for says_stopped
		pid=$(stopped_process)
		is_stopped "$pid"
		grep -q "call of '$call' by '\(do\|free\)_" "$SAID"
		if command -v gdb; then
			gdb -batch -p "$pid" -ex 'thread apply all bt' 2>/dev/null 3>&- </dev/null | tr '\n' ' ' >"$BATS_TEST_TMPDIR/gdb"
			grep -q "#0 [^#]*${call}" "$BATS_TEST_TMPDIR/gdb"
			# In place of the caller of realloc there is the return probe.
			[ "$call" = realloc ] || grep -q "#0 [^#]*${call}[^#]* #1 [^#]*$(said now)" "$BATS_TEST_TMPDIR/gdb"
			is_stopped "$pid"
		fi
		kill -CONT "$pid"
		end_tracer
		[ "$status" -eq 0 ]
		[ "$(grep -c ' is stopped ' "$SAID")" -eq 1 ]
		[ "$(summary .command)" = 'exited with 0' ]
		[ "$(findings | wc -l)" -eq 1 ] || { cat "$TRACE" "$SAID" >&2; return 1; }
	done <<-'END'
		double free
		double-realloc free
		double-thread free
		invalid free
		realloc-invalid realloc
		inside free
	END
}

# bats test_tags=kernel-too
@test "--stop-on-error does not stop what is right" {
	local case
	for case in fork borrowed spawned handler movers; do
		echo "$case"
		SELF=$BATS_TEST_TMPDIR/self
		timeout "$PATIENCE" "$ALLOCTRACE" --stop-on-error -o /dev/null -- "$WORKLOADS/wrongfrees" $case \
			>"$SELF" 2>"$SAID" 3>&- </dev/null
		not says_stopped
	done
	timeout "$PATIENCE" "$ALLOCTRACE" --stop-on-error -o /dev/null -- "$WORKLOADS/threads" >"$SELF" 2>"$SAID" 3>&- </dev/null
	not says_stopped
	timeout "$PATIENCE" "$ALLOCTRACE" --stop-on-error -o /dev/null -- python3 -c 'import json, subprocess
subprocess.run(["true"])' >"$SELF" 2>"$SAID" 3>&- </dev/null
	not says_stopped
}

@test "--stop-on-error where an allocator is not known well enough: said, and nothing is stopped" {
	need matrix-static
	timeout "$PATIENCE" "$ALLOCTRACE" --stop-on-error -o /dev/null -- "$WORKLOADS/matrix-static" >"$BATS_TEST_TMPDIR/self" \
		2>"$SAID" 3>&- </dev/null
	not says_stopped
	[ "$(grep -c 'the command will not be stopped' "$SAID")" -eq 1 ]
}

@test "--stop-on-error must see every call" {
	local options
	for options in "-p $$" '-z 10 -- true' '-e malloc -- true' '--sample-bytes 10 -- true' '-n x -- true'; do
		status=0
		# shellcheck disable=SC2086 # words
		"$ALLOCTRACE" --stop-on-error $options >"$TRACE" 2>"$SAID" 3>&- || status=$?
		[ "$status" -eq 2 ]
		grep -q -- '--stop-on-error' "$SAID"
	done
}
