#!/usr/bin/env bats
# `leaks` against programs that know what they leave behind: blocks, bytes and the very line, whatever function they come
# from and whatever the process does then. Nothing else may be live: the sums are those of the program's own.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held, status and tracer are the helpers'
load helpers

# released FORMAT "OPTION…" NAME CASE: the case of that workload under leaks -p, from before its first call to its end.
released() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/$3" --wait "$4"
	# shellcheck disable=SC2086 # words
	start_tracer leaks -v -f "$1" --strict $2 -p "$held"
	wait_for has_line 'the unwind rules of .* are in' "$SAID" # until then stacks end where there are none
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held" 2>/dev/null || true # a PID that became the tracer's own is gone
}

# True rows, one for each line: "LINE BLOCKS BYTES ALLOCATED"; those of chunks begin with their pool.
true_rows() { sed -n -E 's/^leak [0-9]+ //p; s/^chunks //p' "$SELF" | LC_ALL=C sort; }

# add_up: one row for a line that is reached from several places.
add_up() {
	awk '{ n = NF; key = $1; for (i = 2; i < n - 2; i++) key = key " " $i
			a[key] += $(n - 2); b[key] += $(n - 1); c[key] += $n }
		END { for (key in a) print key, a[key], b[key], c[key] }' | LC_ALL=C sort
}

# told_rows: the same of a JSON report that is final. The line is the first that is not the C library's.
told_rows() {
	jq -r 'select(.type == "site" and .final) |
		"\(if .pool then .pool + " " else "" end)\(first(.stack[] | select(.file // "" | test("/tests/workloads/|^tests/workloads/"))
			| .line) // "?") \(.blocks) \(.bytes) \(.allocations)"' "$TRACE" | add_up
}

# text_rows: of a report for eyes.
text_rows() {
	sed -E 's/▇//g' "$TRACE" | awk '
		function flush() { if (row != "") print pool (line ? line : "?"), row; row = line = "" }
		/^in pool / { flush(); pool = $3 " "; sub(":", "", pool) }
		/^ +[0-9.]+ [KMGB]i?B? +[0-9.]+% / { flush(); row = $4 " " $1 " " $6 }
		/^$/ { flush() }
		row != "" && !line && match($0, /workloads\/[a-z_]+\.c:[0-9]+/) { split(substr($0, RSTART, RLENGTH), part, ":"); line = part[2] }
	' | add_up
}

# told_truly: line by line, and nothing else is live.
told_truly() {
	true_rows >"$BATS_TEST_TMPDIR/true"
	told_rows >"$BATS_TEST_TMPDIR/told"
	[ -s "$BATS_TEST_TMPDIR/true" ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(sums '"\(.live.blocks) \(.live.bytes)"')" = "$(grep '^[0-9]' "$BATS_TEST_TMPDIR/true" |
		awk '{ blocks += $2; bytes += $3 } END { print blocks + 0, bytes + 0 }')" ]
	balanced
}

# sums FILTER: of the final report.
sums() { jq -r "select(.type == \"heap\" and .final) | $1" "$TRACE"; }

@test "one line for each of malloc's kin, to the block and to the byte" {
	released json "" leaky family
	told_truly
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 11 ]
	[ "$(sums '.live_of_ended == .live')" = true ]
	# strdup's own line stands before its caller's.
	[ "$(jq -r 'select(.type == "site") | .stack[0].function' "$TRACE" | grep -c strdup)" -eq 1 ]
	# The greatest is the first.
	jq -r 'select(.type == "site") | .bytes' "$TRACE" >"$BATS_TEST_TMPDIR/order"
	sort -rnc "$BATS_TEST_TMPDIR/order"
}

@test "for eyes: the same rows, their share, and whether anybody can free them yet" {
	released text "" leaky family
	true_rows >"$BATS_TEST_TMPDIR/true"
	text_rows >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	awk '{ blocks += $2; bytes += $3 } END { printf "%.2f KiB in %d blocks from %d call sites are still live\n", bytes / 1024, blocks, NR }' \
		"$BATS_TEST_TMPDIR/true" >"$BATS_TEST_TMPDIR/head"
	grep -qF "$(cat "$BATS_TEST_TMPDIR/head")" "$TRACE"
	grep -q '^  All processes that hold them have ended\.$' "$TRACE"
	awk '{ for (i = 1; i < NF; i++) if ($i ~ /%$/) all += $i } END { exit all < 99 || all > 101 }' "$TRACE"
}

@test "-N cuts what eyes see, and says what it cuts; a program gets all" {
	released text "-N 4" leaky family
	LC_ALL=C sort -k 3,3rn -k 2,2rn <(true_rows) >"$BATS_TEST_TMPDIR/true"
	[ "$(text_rows | wc -l)" -eq 4 ]
	[ "$(text_rows | awk '{ print $3 }' | sort -rn | paste -sd ' ')" = "$(head -n 4 "$BATS_TEST_TMPDIR/true" | awk '{ print $3 }' |
		paste -sd ' ')" ]
	tail -n +5 "$BATS_TEST_TMPDIR/true" | awk '{ blocks += $2; bytes += $3 } END { printf "… %d more sites: %d B in %d blocks\n", NR, bytes, blocks }' \
		>"$BATS_TEST_TMPDIR/rest"
	grep -qxF "$(cat "$BATS_TEST_TMPDIR/rest")" "$TRACE"
	released json "-N 4" leaky family
	told_truly
}

@test "a command is seen from its first instruction: the same rows" {
	SELF=$BATS_TEST_TMPDIR/self
	"$ALLOCTRACE" leaks -f json --strict -o "$TRACE" -- "$WORKLOADS/leaky" family >"$SELF" 2>"$SAID"
	told_truly
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 11 ]
}

@test "24 bytes leaked by the first call of a thread, and nothing else" {
	released json "" memleak_cases thread
	[ "$(told_rows)" = "$(truth line "$SELF") 1 24 1" ]
	[ "$(sums '"\(.live.blocks) \(.live.bytes)"')" = "1 24" ]
}

@test "24 bytes leaked by a thread that is made meanwhile; the rest is the C library's, for the thread" {
	released json "" memleak_cases created
	told_rows >"$BATS_TEST_TMPDIR/told"
	grep -qx "$(truth line "$SELF") 1 24 1" "$BATS_TEST_TMPDIR/told"
	[ "$(jq -s 'map(select(.type == "site" and .bytes != 24)) | length > 0 and
		all(any(.stack[]; .function // "" | test("pthread_create")) and any(.stack[]; .function == "leak_in_thread"))' "$TRACE")" = true ]
}

@test "200000 bytes are still live at the line of their malloc after a realloc that failed" {
	released json "" memleak_cases failed
	[ "$(told_rows)" = "$(truth malloc_line "$SELF") 1 200000 1" ]
	[ "$(sums .failed)" -eq 1 ]
}

@test "the caller of malloc stands first, and all above it, where there are no frame pointers" {
	released json "" memleak_cases deep
	[ "$(told_rows | sed 's/ .*//')" = "$(truth line "$SELF")" ]
	[ "$(jq -r 'select(.type == "site") | .stack[] | select(.module | endswith("/memleak_cases")).function' "$TRACE" | paste -sd ' ')" = \
		"$(sed -n 's/^chain //p' "$SELF") _start" ]
	[ "$(jq -r 'select(.type == "site").stack_grade' "$TRACE")" = complete ]
	# Folded, the same from the other end, with the bytes.
	released folded "" memleak_cases deep
	[ "$(sed -E 's/__libc_start[a-z_]*;//g' "$TRACE")" = "_start;$(sed -n 's/^chain //p' "$SELF" | tr ' ' '\n' | tac | paste -sd ';') 111" ]
}

# interim FILTER: what it makes of each report so far that is not final, which is [its sums, its sites…].
interim() {
	jq -Rrn "[inputs | fromjson? | select(.type == \"heap\" or .type == \"site\")] |
		reduce .[] as \$o ([]; if \$o.type == \"heap\" then . + [[\$o]] else .[-1] += [\$o] end) |
		.[] | select(.[0].final | not) | $1" "$TRACE"
}
some_interim() { interim "$1" | grep -qx true; }

@test "--older: blocks of that age alone, at each -i and at the end; what is younger is in the sums" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/leaky" --wait ages
	start_tracer leaks -f json -i 0.1 --older 1500 -p "$held"
	echo >&7
	wait_for some_interim '.[0].live.blocks == 2 and length == 3'
	echo >&7
	wait_for some_interim '.[0].live.blocks == 3'
	# None is old, then two are; the third comes when they are, and is not old in that report.
	some_interim '.[0].live.blocks == 2 and length == 1'
	[ "$(interim 'select(.[0].live.blocks == 3) | "\(length) \([.[1:][].bytes] | sort)"' | head -n 1)" = "3 [111,222]" ]
	[ "$(interim '.[1:][] | .oldest_ns' | sort -n | head -n 1)" -ge 1500000000 ]
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	# Its age is that when the process ended, however long ago that is.
	[ "$(told_rows)" = "$(true_rows | grep -v ' 333 ')" ]
	[ "$(sums '"\(.older_ns) \(.live.blocks) \(.live.bytes)"')" = "1500000000 3 666" ]
}

@test "--older for eyes: what is younger is told in the sentence" {
	"$ALLOCTRACE" leaks --older 60000 -o "$TRACE" -- "$WORKLOADS/leaky" ages >"$BATS_TEST_TMPDIR/self" 2>"$SAID" </dev/null
	grep -q '^=* leaks after .*: nothing is still live of 3 blocks and at least 60[.0]*s old (with younger ones: 666 B in 3 blocks)' "$TRACE"
	[ -z "$(text_rows)" ]
}

@test "a process that lives: Ctrl-C tells what is live, and not that nobody can free it" {
	local format
	for format in json text; do
		SELF=$BATS_TEST_TMPDIR/held.out
		start_held "$WORKLOADS/leaky" --wait ages
		start_tracer leaks -f "$format" -p "$held"
		echo >&7
		wait_for has_line ^old "$SELF"
		stop_tracer
		[ "$status" -eq 0 ]
		release_held
		wait "$held"
		true_rows | grep -v ' 333 ' >"$BATS_TEST_TMPDIR/true"
		if [ "$format" = json ]; then
			told_rows
			[ "$(sums 'has("live_of_ended")')" = false ]
		else
			text_rows
			not grep -q 'have ended' "$TRACE"
		fi >"$BATS_TEST_TMPDIR/told"
		same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	done
}

@test "--follow: a child's own leaks, and what it frees of its parent's is still its parent's" {
	released json --follow leaky forks
	told_truly
	[ "$(sed -n 's/^leak \([0-9]*\) .*/\1/p' "$SELF" | sort -u | wc -l)" -eq 2 ]
	[ "$(summary '"\(.inherited_frees) \(.unmatched_frees)"')" = "1 0" ]
}

@test "what processes have left that ended is live, and was not when most was" {
	local child
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/leaky" --wait brood
	start_tracer peak -f json --follow -i 0.1 -p "$held"
	for child in 1 2 3 4 5; do
		echo >&7
		# That it has ended is known when all of its events have been read.
		wait_for some_interim ".[0].live_of_ended.blocks == $((2 * child))"
	done
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	[ "$(sums '"\(.live.blocks) \(.peak.blocks) \(.peak.bytes)"')" = "11 3 $(truth peak "$SELF")" ]
	[ "$(jq -s 'map(select(.type == "site" and .final).at_peak.bytes) | add' "$TRACE")" -eq "$(truth peak "$SELF")" ]
}

@test "without --follow the parent's alone" {
	released json "" leaky forks
	sed -n "s/^leak $held //p" "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	told_rows >"$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 2 ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "exec: what the old program had is no leak" {
	local strdup
	released json "" leaky image
	# For some milliseconds stacks of the new program end where its files have no rules yet: that is before strdup's caller.
	strdup=$(true_rows | awk '$2 == 3 && $3 == 69' | cut -d ' ' -f 1)
	true_rows >"$BATS_TEST_TMPDIR/true"
	told_rows | sed "s/^? /$strdup /" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 11 ]
	[ "$(sums '"\(.live.blocks) \(.allocations - .live.blocks - .freed)"')" = "33 4" ] # those 4 are neither live nor freed
	balanced
}

@test "chunks of pools have sections of their own, and are in no sum" {
	released json "" leaky pools
	told_truly
	[ "$(grep -c '^[a-z]' "$BATS_TEST_TMPDIR/told")" -eq 2 ]
	released text "" leaky pools
	true_rows >"$BATS_TEST_TMPDIR/true"
	text_rows >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	grep -q '^in pool inbound: 384 B in 4 chunks from 1 call site$' "$TRACE"
	grep -q '^in pool outbound: 192 B in 2 chunks from 1 call site$' "$TRACE"
	grep -q ': 1.50 KiB in 2 blocks from 2 call sites are still live' "$TRACE"
}
