#!/usr/bin/env bats
# latency --why: what slow calls were doing. Each program was made to be slow in one way; how often, it counts itself.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

# why_held WORKLOAD… -- ARG…: from "ready" to its truth.
why_held() {
	trace_released 'latency --why -f json -N 100' "$@"
	wait_for has_line '^truth' "$SELF"
	stop_tracer
	[ "$status" -eq 0 ]
}

# site CALL FUNCTION FILTER: of the call site in that function.
site() {
	jq -r --arg call "$1" --arg function "$2" \
		"select(.type == \"why\" and .call == \$call and .stack[0].function == \$function) | $3" "$TRACE"
}

# The cause that most time went into, and the one that most of the tail had. What others took away of the CPU is left
# out: on a busy machine that is the most of all, and no property of the program.
own='.causes | map(select(.cause != "off_cpu"))'
chief="($own | max_by(.sum_ns) | .cause)"
tail_chief="($own | max_by(.tail_count) | .cause)"

# times CALL FUNCTION CAUSE: how often, all calls of the site together.
times() { site "$1" "$2" "[.causes[] | select(.cause == \"$3\") | .times] | add // 0"; }

# of CALL FUNCTION KEY: the workload's own count.
of() { sed -n "s/^truth \($1 \)\{0,1\}$2 .*\<$3=\([0-9]*\).*/\2/p" "$SELF"; }

# near TOLD TRUE: within five percent.
near() {
	awk -v told="$1" -v right="$2" 'BEGIN { exit !(told > 0.95 * right && told < 1.05 * right) }' ||
		{ echo "$1, not $2" >&2; return 1; }
}

whys_are_sound() {
	[ "$(jq -s '[.[] | select(.type == "why")] | length > 0 and all(
		.count == ([.causes[].count] | add) and all(.causes[]; .tail_count <= .count and .p50 <= .max) and
		(.stack | length) > 0)' "$TRACE")" = true ]
}

# bats test_tags=kernel-too
@test "page faults: realloc that copies into new memory, calloc that clears what was given back" {
	local call function
	why_held "$WORKLOADS/slow_pages" --wait -- -e realloc,calloc
	whys_are_sound
	while read -r call function; do
		echo "$call in $function"
		[ "$(site "$call" "$function" .count)" -eq "$(of "$call" "$function" calls)" ]
		[ "$(site "$call" "$function" "$chief")" = page_faults ]
		[ "$(site "$call" "$function" "$tail_chief")" = page_faults ]
		# Of the calls that nothing else came between: each has as many as the others.
		near "$(site "$call" "$function" '.causes[] | select(.cause == "page_faults") | .times / .count')" \
			"$(awk '{ print $1 / $2 }' <<<"$(of "$call" "$function" faults) $(of "$call" "$function" calls)")"
	done <<-'END'
		realloc grown
		calloc zeroed
	END
	# Not so the calls that touch nothing new.
	[ "$(site realloc calm "$chief")" = own_code ]
	[ "$(site calloc calm "$chief")" = own_code ]
	[ "$(times realloc calm page_faults)" -le 64 ]
}

# bats test_tags=kernel
@test "one arena, four threads: waiting for its lock" {
	why_held "$WORKLOADS/slow_lock" --wait 2000 -- -e malloc
	whys_are_sound
	[ "$(site malloc fight .count)" -ge "$(of malloc fight calls)" ]
	[ "$(site malloc fight "$chief")" = futex ]
	[ "$(site malloc fight "$tail_chief")" = futex ]
	[ "$(times malloc fight futex)" -gt 0 ]
	[ "$(times malloc fight mmap)" -eq 0 ]
}

# bats test_tags=kernel-too
@test "above the size from which on blocks are mapped: mmap and munmap, and below it none" {
	local call
	why_held "$WORKLOADS/slow_mmap" --wait 3000 -- -e malloc,free
	whys_are_sound
	[ "$(of malloc below mapped)" -eq 0 ]
	[ "$(of malloc above mapped)" -eq 3000 ]
	for call in malloc free; do
		echo "$call"
		[ "$(site "$call" above .count)" -eq 3000 ]
		[ "$(site "$call" above "$chief")" = mmap ]
		[ "$(site "$call" above '.causes[] | select(.cause == "mmap") | .times == .count and .count > 2500')" = true ]
		[ "$(site "$call" below .count)" -eq 3000 ]
		[ "$(times "$call" below mmap)" -eq 0 ]
		[ "$(site "$call" below "$chief")" = own_code ]
	done
}

@test "text: the cause by name, at the line" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/slow_mmap" --wait 1000
	start_tracer latency --why -e malloc,free -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	grep -q 'mmap/munmap/mremap' "$TRACE"
	grep -Eq 'above at .*slow_mmap\.c:[0-9]+' "$TRACE"
}
