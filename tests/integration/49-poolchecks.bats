#!/usr/bin/env bats
# Pools that misbehave are found, once each, with the lines of both sides; pools that do not are left alone. The bugs are
# planted by pool-demo and tests/workloads/poolbugs.c, which say where.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

MESSAGES=${MESSAGES:-50000}

# trace_held COMMAND ARG… -- OPTION…: under -p from "ready" on.
trace_held() {
	trace_released '-f json --strict' "$@"
	end_tracer
	[ "$status" -eq 0 ]
}

# trace_command COMMAND ARG…: from its first instruction.
trace_command() {
	SELF=$BATS_TEST_TMPDIR/self
	"$ALLOCTRACE" -f json --strict -o "$TRACE" -- "$@" >"$SELF" 2>"$SAID" 3>&- </dev/null
}

findings() { jq -c 'select(.type == "finding")' "$TRACE"; }

# lines_of FIELD: "FILE:LINE" of the frame that called, of each finding; "-" where there is none.
lines_of() {
	findings | jq -r ".$1[0] | if . and .line then \"\\(.file | split(\"/\") | last):\\(.line)\" else \"-\" end"
}

# The line of FILE that creates or destroys its pools.
line_with() { echo "${2##*/}:$(grep -n "^[^*]*$1(" "$BATS_TEST_DIRNAME/../../$2" | tail -n 1 | cut -d : -f 1)"; }

# said KEY: what the program says of its bug, the file without its folder; "-" if it says nothing.
said() {
	case $1 in
	create@*) line_with ALLOCTRACE_POOL_CREATE "${1#*@}" ;;
	destroy@*) line_with ALLOCTRACE_POOL_DESTROY "${1#*@}" ;;
	*) said_by_program "$1" ;;
	esac
}

said_by_program() { sed -n 's/^bug .*\<'"$1"'=\([^ ]*\).*/\1/p' "$SELF" | sed 's,.*/,,' | grep . || echo -; }

# found CHECK STACK OTHER: that and nothing else, once; the line that shows it and the other side's, by the program's own
# words for them ("-": none is named).
found() {
	local stack other
	stack=$(said "$2") other=$(said "$3")
	if [ "$(findings | jq -r .check)" = "$1" ] && [ "$(lines_of stack)" = "$stack" ] &&
		[ "$(lines_of other_stack)" = "$other" ]; then
		return 0
	fi
	{
		echo "$1, shown at $stack, other side $other; found:"
		findings
	} >&2
	return 1
}

nothing_found() {
	[ "$(tail -n 1 "$TRACE" | jq -r .type)" = summary ]
	[ -z "$(findings)" ] || { findings >&2; return 1; }
}

@test "a clean pool: nothing is found, in any pattern, by one thread and by four" {
	local pattern threads
	for pattern in queue batch pingpong; do
		for threads in 1 4; do
			echo "$pattern, $threads"
			trace_command "$BUILD/pool-demo" --pattern $pattern --threads $threads --messages $((MESSAGES / 6)) --lane pool
			nothing_found
			[ "$(summary '.calls["protocol:alloc"].count')" -ge $((MESSAGES / 6)) ]
		done
	done
}

@test "pool-demo --bug stride: a chunk outside its region" {
	trace_command "$BUILD/pool-demo" --lane pool --messages 2000 --bug stride
	found chunk-outside-region alloc create@user/demo/pool.c
}

@test "pool-demo --bug double-free: both releases" {
	trace_command "$BUILD/pool-demo" --lane pool --messages 2000 --bug double-free
	found freed-twice second first
}

@test "pool-demo --bug foreign-free: a chunk that goes to another pool" {
	trace_command "$BUILD/pool-demo" --lane pool --messages 2000 --bug foreign-free
	found freed-to-other-pool free alloc
}

@test "pool-demo --bug leak: a chunk that is live when its pool goes" {
	trace_command "$BUILD/pool-demo" --lane pool --messages 2000 --bug leak
	found leaked-at-destroy destroy@user/demo/pool.c alloc
}

@test "the bugs of pool-demo under -p" {
	local bug check stack other
	while read -r bug check stack other; do
		echo "$bug"
		trace_held "$BUILD/pool-demo" --wait --lane pool --messages 2000 --bug "$bug" --
		found "$check" "$stack" "$other"
	done <<-'END'
		stride chunk-outside-region alloc create@user/demo/pool.c
		double-free freed-twice second first
		foreign-free freed-to-other-pool free alloc
		leak leaked-at-destroy destroy@user/demo/pool.c alloc
	END
}

@test "misaligned, overlapping, handed out twice, region freed while live" {
	local bug other
	for bug in misaligned overlapping handed-out-twice region-freed-while-live; do
		echo "$bug"
		trace_command "$WORKLOADS/poolbugs" $bug
		[ $bug = misaligned ] && other=create@tests/workloads/poolbugs.c || other=first
		found $bug second "$other"
		[ "$(findings | jq -r .pool)" = p ]
	done
}

@test "a region that is freed is seen although only pools were asked for, or not reported wrongly" {
	trace_held "$WORKLOADS/poolbugs" --wait region-freed-while-live -- -e pool
	[ "$(findings | grep -vc region-freed-while-live)" -eq 0 ]
}

@test "what only looks like a bug" {
	local case
	for case in exchange fork nested again odd left; do
		echo "$case"
		trace_command "$WORKLOADS/poolbugs" $case
		nothing_found
		balanced
	done
}

@test "a pool that was made before alloctrace came" {
	trace_held "$WORKLOADS/poolbugs" --wait before --
	nothing_found
	[ "$(jq -s 'map(select(.type == "event" and .pool)) | length' "$TRACE")" -ge "$(truth calls "$SELF")" ]
}

# bats test_tags=kernel
@test "a child that releases its copies, alone and followed" {
	trace_held "$WORKLOADS/poolbugs" --wait fork --
	nothing_found
	trace_held "$WORKLOADS/poolbugs" --wait fork -- --follow
	nothing_found
}

@test "events that are lost are no bugs" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/poolbugs" --wait exchange
	start_tracer -f json --ring-size 4096 -p "$held"
	run_unread
	[ "$status" -eq 0 ]
	[ "$(summary ".lost.total + .counted_only")" -gt 0 ]
	nothing_found
}

@test "text: a finding is one sentence, and both sides are named below it" {
	"$ALLOCTRACE" -o "$TRACE" -- "$WORKLOADS/poolbugs" overlapping >"$BATS_TEST_TMPDIR/self" 2>"$SAID" 3>&- </dev/null
	SELF=$BATS_TEST_TMPDIR/self
	[ "$(grep -c ' !! ' "$TRACE")" -eq 1 ]
	grep -q ' !! overlapping .*pool p' "$TRACE"
	grep -A 2 ' !! ' "$TRACE" | sed 1d >"$BATS_TEST_TMPDIR/sides"
	grep -q "now .*$(said second)" "$BATS_TEST_TMPDIR/sides"
	grep -q "before .*$(said first)" "$BATS_TEST_TMPDIR/sides"
}
