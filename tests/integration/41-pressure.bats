#!/usr/bin/env bats
# When more is called than can be read, less is shown, in steps and said at the very place; what is not shown is counted,
# and the books are exact all the same. Truth is the program's own count of its calls.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # every test is a subshell; held, tracer and status are the helpers'
load helpers

ROUNDS=${PAIRS:-1500} # of all kinds of calls, per thread and wave: far more than 64 KiB hold
SELF_NAME=held.out

# start_waves WAVES OPTION…: bursts of calls, each held until next_wave.
start_waves() {
	SELF=$BATS_TEST_TMPDIR/$SELF_NAME
	start_held "$WORKLOADS/waves" --wait "$ROUNDS" "$1"
	start_tracer "${@:2}" -p "$held"
}

next_wave() { echo >&7; }
marks() { jq -r 'select(.type == "pressure").level' "$TRACE"; }
# shows_all N: the last mark says that every call is shown, and it is the Nth such one at least.
shows_all() { [ "$(marks | tail -n 1)" = whole ] && [ "$(marks | grep -c whole)" -ge "$1" ]; }

last_wave() {
	release_held
	wait_for is_gone "$held"
	end_tracer
	wait "$held"
}

# The table of calls is the program's, to the call and the byte; so are all calls.
books_are_true() {
	awk '$1 == "call" { n = $2; print n, $3, $4, $5 } $1 == "of" { print "of", $2, $3, $4 }' "$SELF" |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	summary '.calls | to_entries[] | "\(.key) \(.value.count) \(.value.bytes // 0) \(.value.failed // 0)",
		"of \(.key) null=\(.value.null // 0) freed=\(.value.freed // 0)"' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(summary '"\(.entered) \(.in_flight)"')" = "$(truth calls "$SELF") 0" ]
	[ "$(summary .events)" -eq "$(grep -c '"type":"event"' "$TRACE")" ]
	balanced
}

# What depends on all calls being seen is said to be inexact, or not said.
doubts_are_told() {
	[ "$(summary '"\(.live_inexact) \(.findings)"')" = "true null" ]
	[ "$(grep -c '"type":"finding"' "$TRACE")" -eq 0 ]
}

# The books' own figures are those of the marks.
marks_are_true() {
	marks | awk '$1 != "whole" && $1 != "sampled" && $1 != "counts" || $1 == last { exit 1 } { last = $1 }'
	[ "$(marks | head -n 1)" != whole ]
	[ "$(summary .pressure.times)" -eq "$(marks | awk '$1 != "whole" && last != "down" { n++; last = "down" }
		$1 == "whole" { last = "" } END { print n + 0 }')" ]
	[ "$(summary '.pressure.sampled_ns + .pressure.counts_ns > 0')" = true ]
	[ "$(jq -n '[inputs | select(.type == "pressure").ts_ns] | . == sort' "$TRACE")" = true ]
}

# bats test_tags=kernel
@test "bursts and pauses: down and back again each time, and the books are exact" {
	start_waves 3 -f json --ring-size 64K
	next_wave
	wait_for has_line '^wave 1' "$SELF"
	wait_for shows_all 1
	next_wave
	wait_for has_line '^wave 2' "$SELF"
	wait_for shows_all "$(($(marks | grep -c whole)))"
	last_wave
	[ "$status" -eq 0 ]
	[ "$(summary .counted_only)" -gt 0 ]
	books_are_true
	marks_are_true
	doubts_are_told
	grep -q "^alloctrace: .*$(summary .counted_only) of $(summary .entered) calls were only counted" "$SAID"
}

# bats test_tags=kernel
@test "stopped during a burst and continued: nothing is lost, no target waits, and all is shown again" {
	start_waves 2 -f json --ring-size 256K
	kill -STOP "$tracer"
	wait_for is_stopped "$tracer"
	next_wave
	wait_for has_line '^wave 1' "$SELF" # the burst is over while nobody reads
	is_stopped "$tracer"
	kill -CONT "$tracer"
	wait_for shows_all 1
	[ "$(marks | tr '\n' ' ' | sed 's/sampled whole/whole/')" = "sampled counts whole " ]
	last_wave
	[ "$status" -eq 0 ]
	[ "$(summary .lost.total)" -eq 0 ]
	books_are_true
	doubts_are_told
	# The second wave, from its first call on.
	jq -r 'if .type == "pressure" then .level elif .type == "event" then .call else empty end' "$TRACE" |
		awk '$1 == "whole" { on = 1; next } on' | head -n 1000 >"$BATS_TEST_TMPDIR/after"
	[ "$(head -n 4 "$BATS_TEST_TMPDIR/after" | sort -u)" = even:create ]
	[ "$(grep -c malloc "$BATS_TEST_TMPDIR/after")" -gt 50 ]
	# As long as one that is read, but for chance: a target that waits for its reader would never have come here.
	awk '$1 == "took" { ns[$2] = $3 } END { exit !(ns[1] < 5 * ns[2]) }' "$SELF"
}

# bats test_tags=kernel-too
@test "one call in 16 is shown: all calls of a block or none" {
	start_held "$WORKLOADS/burst" --wait $((4 * ROUNDS))
	SELF=$BATS_TEST_TMPDIR/$SELF_NAME
	start_tracer -f json --ring-size 64K -p "$held"
	last_wave
	[ "$status" -eq 0 ]
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	# Within each stretch an address is handed out and taken back by turns.
	jq -r 'if .type == "pressure" then "- \(.level)" elif .type == "event" then "\(.addr) \(.call)" else empty end' "$TRACE" |
		awk '$1 == "-" { sampled = $2 == "sampled"; stretch++; next }
			!sampled { next }
			last[stretch, $1] == $2 { print "twice " $2 ": " $1; bad = 1 }
			{ last[stretch, $1] = $2; n++ } END { print n " calls"; exit bad || n < 50 }'
}

@test "--sample-bytes: the totals are of all calls, whatever was shown" {
	start_waves 1 -f json --ring-size 4K --sample-bytes 16
	run_unread
	[ "$(summary .counted_only)" -gt 0 ]
	awk '$1 == "call" && $2 !~ /:/ { print $2, $3, $4, $5 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	summary '.calls | to_entries[] | "\(.key) \(.value.count) \(.value.bytes // 0) \(.value.failed // 0)"' |
		grep -v : | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(summary .live_inexact)" = true ]
	balanced
}

@test "--strict: exit 3 when calls were only counted, and a sentence" {
	start_waves 1 -f json --ring-size 64K --strict
	run_unread
	[ "$status" -eq 3 ]
	[ "$(summary .lost.total)" -eq 0 ]
	books_are_true
	[ "$(grep -c 'were only counted and not shown: the ring buffer was filling' "$SAID")" -eq 1 ]
}

@test "text: marks at their places, and the books" {
	local counted
	start_waves 2 --ring-size 64K
	kill -STOP "$tracer"
	wait_for is_stopped "$tracer"
	next_wave
	wait_for has_line '^wave 1' "$SELF"
	kill -CONT "$tracer"
	wait_for has_line ' -- every call is shown again' "$TRACE"
	last_wave
	[ "$(grep -n ' -- ' "$TRACE" | head -n 2 | sed 's/.* -- //')" = "the ring is filling: from here one call in 16 is shown, all are counted
the ring is nearly full: from here no call is shown, all are counted" ]
	grep -qE ' -- every call is shown again \([1-9][0-9]* calls were only counted, [0-9.]+[mu]?s\)$' "$TRACE"
	counted=$(sed -nE 's/^-------- .* \+ ([0-9]+) only counted \(the ring was filling\)$/\1/p' "$TRACE")
	[ "$counted" -gt 0 ]
	grep -q "^-------- .* s: $(truth calls "$SELF") calls = $(($(truth calls "$SELF") - counted)) events + 0 lost" "$TRACE"
	grep -q '^What is live is not exact: ' "$TRACE"
	grep -qE '^the ring was filling [1-9][0-9]* times?: one call in 16 was shown for ' "$TRACE"
	not grep -q 'counts above lack' "$TRACE"
	awk '$1 == "call" { print $2, $3, $2 ~ /free/ ? "-" : $4 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	sed -n '/^CALL /,$p' "$TRACE" | awk 'NR > 1 && NF < 4 || /^live/ { exit } NR > 1 { print $1, $2, $3 }' |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}
