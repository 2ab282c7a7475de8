#!/usr/bin/env bats
# Pools that announce themselves, beside malloc: counts, lines, sizes and histograms against the demo's own truth.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held and status are the helpers'
load helpers

MESSAGES=${MESSAGES:-1000}
SIZE=144 # of a message

# trace_demo THREADS ARG…: the demo under -p, from before its first call until its end.
trace_demo() {
	local threads=$1
	shift
	start_held "$BUILD/pool-demo" --pattern queue --wait --messages "$MESSAGES" --threads "$threads"
	start_tracer "$@" --strict -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	SELF=$BATS_TEST_TMPDIR/held.out
	[ "$(demo_truth pool:alloc bytes)" -eq $((MESSAGES * SIZE)) ]
}

# demo_truth CALL KEY: from "truth CALL count=N bytes=N failed=N".
demo_truth() { sed -n "s/^truth $1 .*\<$2=\([0-9]*\).*/\1/p" "$SELF"; }

# code FUNCTION CALLED: the number of the line in FUNCTION that calls CALLED, as the demo's source has it.
code() { awk -v f="$1(" -v c="$2(" 'index($0, f) { in_it = 1 } in_it && index($0, c) { print NR; exit }' "$3"; }

# lanes_are_at_their_lines CALL FUNCTION N…: all events of these functions, and only these, at one line each.
lanes_are_at_their_lines() {
	local source=user/demo/lane.c
	printf '%s\n' "$@" | paste -d ' ' - - - | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	jq -r 'select(.type == "event" and (.stack[0].function // "" | test("^(pool|malloc)_(take|give)$"))) |
		"\(.call) \(.stack[0].function) \(.stack[0].file | split("/") | last) \(.stack[0].line)"' "$TRACE" |
		count_lines >"$BATS_TEST_TMPDIR/lines"
	awk '$3 == "lane.c" { print $1, $2, $5 }' "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ -e "$source" ] || return 0 # a machine that has the programs only
	awk '{ called = $1; sub(/^protocol:/, "pool_", called); print $2, called, $4 }' "$BATS_TEST_TMPDIR/lines" |
		while read -r function called line; do
			echo "$called in $function, at line $line"
			[ "$line" -eq "$(code "$function" "$called" "$source")" ]
		done
}

demo_is_true() {
	local messages
	messages=$(demo_truth malloc:message count)
	[ "$messages" -eq "$MESSAGES" ]
	lanes_are_at_their_lines \
		protocol:alloc pool_take "$(demo_truth pool:alloc count)" \
		protocol:free pool_give "$(demo_truth pool:free count)" \
		malloc malloc_take "$messages" \
		free malloc_give "$(demo_truth free:message count)"
	[ "$(summary '.calls["protocol:alloc"] | "\(.count) \(.bytes) \(.failed)"')" = "$(demo_truth pool:alloc count) $(
		demo_truth pool:alloc bytes) $(demo_truth pool:alloc failed)" ]
	[ "$(summary '.calls["protocol:free"].count')" -eq "$(demo_truth pool:free count)" ]
	[ "$(summary '.pools[] | select(.name == "protocol") | "\(.live.blocks) \(.live.bytes) \(.unmatched_frees)"')" = \
		"0 0 0" ]
	[ "$(summary '.superseded')" -eq 0 ]
	balanced
}

# bats test_tags=kernel-too
@test "one thread: the pool's calls and malloc's, at their lines" {
	trace_demo 1 -f json
	demo_is_true
	# Here the demo calls nothing but messages and its own books, and frees them all.
	[ "$(summary '.calls.malloc | "\(.count) \(.bytes)"')" = "$MESSAGES $((MESSAGES * SIZE))" ]
	[ "$(summary '"\(.live.blocks) \(.live.bytes) \(.unmatched_frees)"')" = "0 0 0" ]
}

# bats test_tags=kernel
@test "four threads: the pool's calls and malloc's, at their lines" {
	trace_demo 4 -f json
	demo_is_true
	[ "$(jq -r 'select(.call == "protocol:alloc" or .call == "malloc") | "\(.call) \(.tid)"' "$TRACE" | sort -u |
		grep -c '^protocol:alloc')" -eq 4 ]
}

@test "a pool's event: chunk, size, alignment, pool and latency" {
	trace_demo 1 -f json -e pool
	[ "$(jq -s 'map(select(.type == "event" and .call == "protocol:alloc")) |
		all(.kind == "alloc" and .pool == "protocol" and .size == 144 and .align == 8 and .latency_ns > 0 and
			(.addr | startswith("0x")))' "$TRACE")" = true ]
	[ "$(jq -s 'map(select(.type == "event" and .call == "protocol:free")) |
		all(.kind == "free" and .pool == "protocol" and .old_size == 144)' "$TRACE")" = true ]
}

@test "-e pool: pools alone" {
	trace_demo 1 -f json -e pool
	[ "$(jq -r 'select(.type == "event") | .call | sub(":.*"; "")' "$TRACE" | sort -u)" = protocol ]
	[ "$(summary '"\(.calls["protocol:alloc"].count) \(.calls["protocol:free"].count)"')" = "$MESSAGES $MESSAGES" ]
	balanced
}

@test "-e pool:NAME: that pool alone" {
	trace_demo 4 -f json -e pool:protocol
	[ "$(jq -r 'select(.type == "event") | .call | sub(":.*"; "")' "$TRACE" | sort -u)" = protocol ]
	[ "$(summary '"\(.calls["protocol:alloc"].count) \(.calls["protocol:free"].count)"')" = "$MESSAGES $MESSAGES" ]
	balanced
}

@test "-e pool:NAME of a pool that is not there: nothing, and the books say so" {
	trace_demo 1 -f json -e pool:other
	[ "$(grep -c '"type":"event"' "$TRACE")" -eq 0 ]
	[ "$(summary '.calls["protocol:alloc"].count // 0')" -eq 0 ]
	balanced
}

@test "-e malloc,free: no pool, no calloc" {
	trace_demo 1 -f json -e malloc,free
	[ "$(jq -r 'select(.type == "event") | .call' "$TRACE" | sort -u | paste -sd ' ')" = "free malloc" ]
	lanes_are_at_their_lines malloc malloc_take "$(demo_truth malloc:message count)" \
		free malloc_give "$(demo_truth free:message count)"
	# glibc serves an aligned_alloc of ordinary alignment by malloc: nobody watches aligned_alloc here, so that is seen.
	[ "$(summary .calls.malloc.count)" -le $((MESSAGES + 1)) ]
	balanced
}

@test "-z and -Z: only allocations in the range, borders included" {
	local sizes
	sizes='[.calls.malloc.count // 0, .calls["protocol:alloc"].count // 0] | join(" ")'
	trace_demo 1 -f json -z $SIZE -Z $SIZE
	[ "$(summary "$sizes")" = "$MESSAGES $MESSAGES" ]
	[ "$(jq -r 'select(.type == "event" and .kind == "alloc") | .size' "$TRACE" | sort -u)" = $SIZE ]
	balanced
	trace_demo 1 -f json -z $((SIZE + 1))
	[ "$(summary "$sizes")" = "0 0" ]
	[ "$(jq -s "map(select(.kind == \"alloc\" and .size <= $SIZE)) | length" "$TRACE")" -eq 0 ]
	[ "$(jq -s "map(select(.kind == \"alloc\")) | length" "$TRACE")" -gt 0 ] # the pool's region
	balanced
	trace_demo 1 -f json -Z $((SIZE - 1))
	[ "$(summary "$sizes")" = "0 0" ]
	[ "$(jq -s "map(select(.kind == \"alloc\" and .size >= $SIZE)) | length" "$TRACE")" -eq 0 ]
	balanced
}

# bats test_tags=kernel
@test "latency, JSON: as many in each histogram as there were calls" {
	local call
	start_held "$BUILD/pool-demo" --pattern queue --wait --messages "$MESSAGES" --threads 4
	start_tracer latency -f json -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	SELF=$BATS_TEST_TMPDIR/held.out
	# Threads make calls of their own through calloc, never through malloc.
	for call in malloc protocol:alloc protocol:free; do
		jq -c --arg call $call 'select(.type == "histogram" and .call == $call)' "$TRACE" >"$BATS_TEST_TMPDIR/$call"
		# Calls that were switched off the CPU or migrated inside are counted apart.
		[ "$(jq '.count + (.disturbed.count // 0)' "$BATS_TEST_TMPDIR/$call")" -eq "$MESSAGES" ]
		[ "$(jq '([.buckets[].count] | add) == .count' "$BATS_TEST_TMPDIR/$call")" = true ]
		[ "$(jq '(.buckets | all(.lo < .hi and .count > 0)) and .p50 <= .p90 and .p90 <= .p99 and .p99 <= .p999 and
			.p999 <= .max and .mean <= .max and .max > 0' "$BATS_TEST_TMPDIR/$call")" = true ]
	done
	[ "$(summary .calls.malloc.count)" -eq "$MESSAGES" ]
	balanced
}

@test "latency, text: as many in each histogram as there were calls" {
	local call
	start_held "$BUILD/pool-demo" --pattern queue --wait --messages "$MESSAGES" --threads 1
	start_tracer latency -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	for call in malloc protocol:alloc protocol:free; do
		# The bars add up to what stands at the head, and that and what is counted apart to all.
		[ "$(awk -v head="$call:" -v all="$MESSAGES" '
			$1 == head { on = 1; calls = $2; next }
			on && /^$/ { on = 0 }
			on && / counted apart/ { apart = $1 }
			on && /^ *≤/ { n += $3 }
			on && / \.\. / { n += $4 }
			END { print n == calls, calls + apart == all }' "$TRACE")" = "1 1" ]
	done
}
