#!/usr/bin/env bats
# What a program counts itself is what alloctrace counts: per function, per source line and per thread, exactly.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

ROUNDS=${ROUNDS:-40}

# The workload names what it calls. Where two of the names are one function (memalign and aligned_alloc in the glibc of
# Debian 12), nobody who probes the function can tell them apart: alloctrace then says aligned_alloc for both.
one_name() {
	if [ "$(truth memalign_is_aligned_alloc "$1")" = 1 ]; then
		sed 's/\bmemalign\b/aligned_alloc/'
	else
		cat
	fi
}

# true_lines FILE: "CALL LINE COUNT" of the workload's own rows, as by_line says it of a trace.
true_lines() {
	awk '$1 == "line" { print $2, $4, $5 }' "$1" | one_name "$1" |
		awk '{ n[$1 " " $2] += $3 } END { for (k in n) print k, n[k] }' | LC_ALL=C sort
}

# true_books FILE: all that the workload knows about the summary, "KEY N" a line, without what is 0.
true_books() {
	{
		sed -n 's/^truth \([a-z_]*\.[a-z]*\)=/\1 /p' "$1" | one_name "$1"
		echo "entered $(truth calls "$1")"
		echo "events $(truth calls "$1")"
	} | awk '{ n[$1] += $2 } END { for (k in n) if (n[k]) print k, n[k] }' | LC_ALL=C sort
}

# told_books: the same of a trace's summary. Losses, frees of unknown blocks and the like are 0 in truth: they would be
# rows too many.
told_books() {
	summary '
		(.calls | to_entries[] | .key as $call | .value | to_entries[] | "\($call).\(.key) \(.value)"),
		"live.blocks \(.live.blocks)", "live.bytes \(.live.bytes)",
		"entered \(.entered)", "events \(.events)", "in_flight \(.in_flight)", "lost \(.lost.total)",
		"superseded \(.superseded)", "unmatched_frees \(.unmatched_frees)",
		"unreadable_stacks \(.unreadable_stacks)"' | awk '$2 != 0' | LC_ALL=C sort
}

# trace_threads ROUNDS ARG…: the workload under -p, from before its first call until its end.
trace_threads() {
	local rounds=$1
	shift
	start_held env "$@" "$WORKLOADS/threads" --wait "$rounds"
	start_tracer -f json --strict -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	SELF=$BATS_TEST_TMPDIR/held.out
}

books_are_true() {
	true_books "$SELF" >"$BATS_TEST_TMPDIR/true"
	told_books >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

lines_are_true() {
	true_lines "$SELF" >"$BATS_TEST_TMPDIR/true"
	by_line threads.c >"$BATS_TEST_TMPDIR/told"
	[ -s "$BATS_TEST_TMPDIR/true" ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# All blocks that change hands do so in time order: a block is a thread's from the return of the call that made it until
# the call that ends it begins.
foreign_calls() {
	jq -r 'select(.type == "event" and (.failed | not)) | (.returned_ns // .ts_ns + (.latency_ns // 0)) as $over |
		if .kind == "free" then "\(.ts_ns) 0 \(.addr) \(.tid)"
		elif .kind == "alloc" then "\($over) 1 \(.addr) \(.tid)"
		else "\(.ts_ns) 0 \(.old_addr) \(.tid)", "\($over) 1 \(.addr) -\(.tid)" end' "$TRACE" | sort -n -k 1,1 -k 2,2 |
		awk '$2 == 1 { owner[$3] = $4; next }
			($3 in owner) && owner[$3] != $4 && owner[$3] != -$4 { foreign++ }
			{ delete owner[$3] }
			END { print foreign + 0 }'
}

@test "-p: calls, bytes, failures and live blocks of four threads and ten functions" {
	trace_threads "$ROUNDS"
	books_are_true
	balanced
}

@test "-p: every call at its line, and no call at any other" {
	trace_threads "$ROUNDS"
	lines_are_true
	# Nor was there a call from anywhere else.
	[ "$(jq -r 'select(.type == "event") | .stack[0].file // "nowhere"' "$TRACE" | grep -vc '/threads\.c$')" -eq 0 ]
}

# bats test_tags=kernel
@test "-p: every call in its thread, and frees in other threads" {
	trace_threads "$ROUNDS"
	awk '$1 == "thread" { print $2, $3 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 4 ]
	table .tid >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(jq -r 'select(.type == "event") | .pid' "$TRACE" | sort -u)" = "$held" ]
	[ "$(foreign_calls)" -eq "$(truth foreign "$SELF")" ]
}

# bats test_tags=kernel-too
@test "-p: one heap for all threads, where addresses change hands at once" {
	trace_threads "$ROUNDS" MALLOC_ARENA_MAX=1 GLIBC_TUNABLES=glibc.malloc.tcache_count=0
	books_are_true
	lines_are_true
}

@test "-p: ten runs out of ten" {
	local run
	for run in {1..10}; do
		echo "run $run"
		trace_threads $((ROUNDS / 8 + 1))
		books_are_true
		lines_are_true
	done
}

# bats test_tags=kernel
@test "--: every call at its line, from the first one on" {
	"$ALLOCTRACE" -f json --strict -o "$TRACE" -- "$WORKLOADS/threads" "$ROUNDS" >"$BATS_TEST_TMPDIR/self" 2>"$SAID"
	SELF=$BATS_TEST_TMPDIR/self
	lines_are_true
	balanced
	# The thread stacks' own memory comes on top, and nothing else: the functions that only the workload calls are exact.
	true_books "$SELF" | grep -E '^(realloc|reallocarray|posix_memalign|valloc|pvalloc|aligned_alloc)\.' \
		>"$BATS_TEST_TMPDIR/true"
	told_books | grep -E '^(realloc|reallocarray|posix_memalign|valloc|pvalloc|aligned_alloc)\.' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}
