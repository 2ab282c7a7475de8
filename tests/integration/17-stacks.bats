#!/usr/bin/env bats
# Whole stacks of -k where they are hard to walk. What each stack is was read from the source of the workloads (walks.c,
# movers.c) and stands here: functions of the workload by name, all others by the file that they are in, the allocator's caller
# first. 18-stacks-gdb.bats asks gdb.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # every test is a subshell; held and tracer are the helpers'
load helpers

END="main libc.so.6 libc.so.6 _start" # how a main program's stack ends

# stacks [SIZE]: of each call for SIZE bytes (70…: of all that count) "SIZE FRAMES… | GRADE[, WHY]". Inlined calls are no frames.
stacks() {
	jq -r --arg size "${1:-}" 'select(.type == "event" and .call == "malloc" and .size >= 7000 and .size < 7100) |
		select($size == "" or .size == ($size | tonumber)) |
		([.stack[] | select(.inlined | not) |
			if .module | test("/(walks|movers)$") then .function // "?" else .module | split("/") | last end] | join(" ")) as $frames |
		"\(.size) \($frames) | \(.stack_grade)\(if .stack_why then ", " + .stack_why else "" end)"' "$TRACE"
}

# walk CASE [ARG…]: the workload's case under -k.
walk() {
	"$ALLOCTRACE" -k --max-stack "${DEPTH:-127}" -e malloc -f json -o "$TRACE" --strict -- "$WORKLOADS/walks" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$SAID"
	balanced
}

# has_exactly LINE…: these stacks, as often and in this order.
has_exactly() {
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/true"
	stacks >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# none_lies SIZE FRAMES…: every stack of that size is this one, from its caller on as far as it goes; a complete one, as far as
# this; a guess may be wrong. Prints how many there are of each grade.
none_lies() {
	local size=$1
	shift
	stacks "$size" | awk -v truth="$*" '
		{
			split($0, part, / \| /)
			frames = substr(part[1], index(part[1], " ") + 1)
			grade = part[2]
			sub(/,.*/, "", grade)
			count[grade]++
			if (grade == "complete" ? frames != truth : grade != "guessed" && index(truth " ", frames " ") != 1) {
				print "a lie: " $0 > "/dev/stderr"
				lies++
			}
		}
		END {
			for (grade in count)
				print grade, count[grade]
			exit lies > 0
		}'
}

# bats test_tags=kernel
@test "functions without frame pointers, with frames of unknown size, and aligned ones" {
	walk plain
	has_exactly "7001 take inner busy plain $END | complete"
	walk dynamic
	has_exactly "7002 take inner busy grown busy of_length dynamic $END | complete"
	walk aligned
	has_exactly "7003 take inner busy aligned busy align $END | complete"
}

# bats test_tags=kernel
@test "a function that was jumped to has the caller of who jumped" {
	walk tail
	has_exactly "7004 take inner jumped_to busy tail $END | complete" "7005 tail $END | complete"
}

# bats test_tags=kernel
@test "a call that does not return, and what is left by longjmp" {
	walk no-return
	has_exactly "7006 take inner leave never_back no_return $END | complete"
	walk long-jump
	has_exactly "7007 take inner leave jump_out busy long_jump $END | complete" "7008 take inner long_jump $END | complete"
}

# bats test_tags=kernel
@test "a recursion that is deeper than a stack may be is cut and says so" {
	local recurse many
	recurse=$(printf 'recurse %.0s' {1..126})
	many=$(printf 'recurse %.0s' {1..61})
	walk deep
	has_exactly "7009 take inner ${recurse% } | truncated, no more frames were asked for" \
		"7010 take inner ${many}deep $END | complete"
	DEPTH=4 walk deep # above the caller
	has_exactly "7009 take inner recurse recurse recurse | truncated, no more frames were asked for" \
		"7010 take inner recurse recurse recurse | truncated, no more frames were asked for"
}

# bats test_tags=kernel
@test "threads, constructors and what runs at the end" {
	walk thread
	has_exactly "7011 take inner thread_main libc.so.6 libc.so.6 | complete"
	walk early
	has_exactly "7012 take inner early libc.so.6 _start | complete"
	walk at-exit
	has_exactly "7013 take inner late libc.so.6 libc.so.6 libc.so.6 libc.so.6 _start | complete"
}

# bats test_tags=kernel
@test "assembly with rules is walked, without rules it is a guess" {
	walk assembly
	[ "$(stacks 7020)" = "7020 take inner with_rules assembly $END | complete" ]
	# Its frame pointer leads to its caller.
	[[ "$(stacks 7021)" == "7021 take inner with_frame_pointer assembly $END | guessed"* ]]
	# This one has none: nobody can know.
	[[ "$(stacks 7022)" == "7022 take inner without_rules"*" | "@(guessed|truncated)* ]]
}

# bats test_tags=kernel
@test "another stack: by assembly with rules, by swapcontext, by hand" {
	walk other-stack
	has_exactly "7023 take inner on_stack other $END | complete"
	walk coroutine
	# What libc has coroutines return to begins with that very address: its rules begin there, too, and say nothing of a call.
	has_exactly "7030 take inner coroutine libc.so.6 | truncated, no unwind rules" "7032 take inner resume coroutines $END | complete" \
		"7031 take inner coroutine libc.so.6 | truncated, no unwind rules" "7032 take inner resume coroutines $END | complete"
	walk hand-made
	[ "$(stacks 7033)" = "7033 take inner switched | truncated, outside known code" ] # a return address of 0
	[ "$(stacks 7034)" = "7034 take inner hand_made $END | complete" ]
}

# bats test_tags=kernel
@test "signals: sent, and at the first instruction of a function; on the same stack and on another" {
	walk signals
	has_exactly "7040 take inner handler libc.so.6 libc.so.6 signalled busy signals $END | complete" \
		"7041 take inner handler libc.so.6 fault_at_once faulting busy signals $END | complete" \
		"7042 take inner handler libc.so.6 libc.so.6 signalled busy signals $END | complete" \
		"7043 take inner handler libc.so.6 fault_at_once faulting busy signals $END | complete"
}

# At every single instruction of a few functions, of the stubs and the loader that find them when they are called for the
# first time, of system calls and of the vDSO: whatever is between the handler and the function that began all that, the
# rest is known.
@test "a signal at every instruction" {
	local steps
	walk step
	stacks 7050 >"$BATS_TEST_TMPDIR/steps"
	steps=$(wc -l <"$BATS_TEST_TMPDIR/steps")
	[ "$steps" -gt 1000 ]
	not grep -vE '^7050 take stepped libc\.so\.6 ' "$BATS_TEST_TMPDIR/steps"
	grep -E ' complete$' "$BATS_TEST_TMPDIR/steps" >"$BATS_TEST_TMPDIR/complete"
	not grep -vE " step $END \| complete$" "$BATS_TEST_TMPDIR/complete"
	not grep -E ' (all_kinds|step) .* \1 ' "$BATS_TEST_TMPDIR/complete"
	# The loader looks for functions from a frame that only a register shows that rules do not follow; of the vDSO there are no
	# rules. All else is complete.
	not grep -vE ' complete$| (ld-linux-x86-64\.so\.2|\[vdso\]) .*\|' "$BATS_TEST_TMPDIR/steps"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/complete")" -gt 100 ]
}

# bats test_tags=kernel
@test "code that was written just now, without rules, is a guess by frame pointer" {
	walk written
	none_lies 7060 "take inner [anon] written $END"
	[[ "$(stacks | tail -n 1)" == "7060 take inner [anon] written $END | guessed"* ]]
}

# bats test_tags=kernel
@test "the stacks of the next program are walked by its own rules" {
	walk exec plain
	[ "$(stacks 7070)" = "7070 take inner $END | complete" ]
	[ "$(none_lies 7001 "take inner busy plain $END" | wc -l)" -eq 1 ]
	"$ALLOCTRACE" -k -e malloc -f json -o "$TRACE" -- "$BASH" -c "exec '$WORKLOADS/walks' plain" 2>"$SAID"
	none_lies 7001 "take inner busy plain $END"
}

# libraries LIBRARY SIZE ROUNDS…: movers under -k.
libraries() {
	"$ALLOCTRACE" -k -e malloc -f json -o "$TRACE" -- "$WORKLOADS/movers" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$SAID"
}

last_is_complete() { [[ "$(stacks "$1" | tail -n 1)" == *" | complete" ]]; }

# bats test_tags=kernel
@test "a library of the moment: no stack lies, and soon they are whole" {
	libraries "$WORKLOADS/libwalks-near.so" 7080 100
	none_lies 7080 "take libwalks-near.so rounds $END"
	last_is_complete 7080
}

# bats test_tags=kernel
@test "another library at the place of one that has gone: no stack lies" {
	local near=$WORKLOADS/libwalks-near.so far=$WORKLOADS/libwalks-far.so
	libraries "$near" 7080 60 "$far" 7081 60 "$near" 7082 60
	[ "$(sort -u "$BATS_TEST_TMPDIR/out" | wc -l)" -eq 1 ] || skip "the loader put them apart"
	none_lies 7080 "take libwalks-near.so rounds $END"
	none_lies 7081 "take libwalks-far.so rounds $END"
	none_lies 7082 "take libwalks-near.so rounds $END"
	last_is_complete 7080
	last_is_complete 7081
	last_is_complete 7082
}

# Fifty times, each time called at once and never again: what was walked by the rules of the one that was there before is seen.
@test "libraries that take turns at one place: no stack lies" {
	local args=() _
	for _ in {1..25}; do
		args+=("$WORKLOADS/libwalks-near.so" 7080 1 "$WORKLOADS/libwalks-far.so" 7081 1)
	done
	libraries "${args[@]}"
	none_lies 7080 "take libwalks-near.so rounds $END"
	none_lies 7081 "take libwalks-far.so rounds $END"
}
