#!/usr/bin/env bats
# Programs that somebody else wrote, and a count that somebody else made: valgrind's "total heap usage" of the same
# command is what alloctrace saw, to the call and to the byte.
#
# What the two call by other names:
# - A realloc of a live block is one allocation and one free to valgrind, of the new size; a realloc of NULL is an
#   allocation, a realloc to size 0 a free. free(NULL) is nothing.
# What makes the same command two different ones, and how that is avoided here:
# - valgrind adds to its program's environment (LD_PRELOAD, LD_LIBRARY_PATH, GLIBCPP_FORCE_NEW, GLIBCXX_FORCE_NEW, and
#   PWD by the shell that starts it), and Python makes a dictionary of the environment. Here the program gets variables
#   of the same number and lengths; those for the dynamic linker have another first letter, and thus no effect.
# - Python looks what its standard input and output are, and asks a pipe for its position in vain, which makes an
#   exception. Here both runs have the same files.
# - A number in Python is larger the larger its value, and some are addresses (a thread's number is one): valgrind places
#   its program's memory below 2^30, where they take 28 bytes and not 32. And some frees, as many, come at other moments
#   among the allocations; two runs without valgrind are the same in that. Both are seen only when all of Python's
#   objects come from malloc: there allocations are compared in their order, frees in number, and 28 for 32 is allowed.
# - valgrind has the C library free its own memory at the end, if it is not told to leave that.
# shellcheck disable=SC2030,SC2031 # every test is a subshell
load helpers
load programs

setup() {
	command -v valgrind >/dev/null || skip "no valgrind"
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
}

# Debian's own python: what is found first in PATH may be a script that chooses one.
python() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi; }

# count_both COMMAND…: under valgrind and under alloctrace. Its own variables go in front, divided by --.
count_both() {
	local -a own=(PATH=/usr/bin:/bin "HOME=$BATS_TEST_TMPDIR") same=()
	while [ "$1" != -- ]; do
		own+=("$1")
		shift
	done
	shift
	env -i "${own[@]}" valgrind --trace-malloc=yes --run-libc-freeres=no --run-cxx-freeres=no --trace-children=no \
		--log-file="$BATS_TEST_TMPDIR/valgrind" "$@" </dev/null >"$BATS_TEST_TMPDIR/out.valgrind"
	mapfile -d '' same < <(env -i "${own[@]}" valgrind -q env -0 | sed -z 's/^LD_/XX_/')
	env -i "${same[@]}" "$ALLOCTRACE" -f json --strict -o "$TRACE" -- "$@" </dev/null \
		>"$BATS_TEST_TMPDIR/out.alloctrace" 2>"$SAID"
	cmp "$BATS_TEST_TMPDIR/out.valgrind" "$BATS_TEST_TMPDIR/out.alloctrace"
	balanced
}

# totals: "allocs frees bytes; live blocks bytes" by valgrind.
totals() {
	tr -d , <"$BATS_TEST_TMPDIR/valgrind" | sed -n 's/.*in use at exit: \([0-9]*\) bytes in \([0-9]*\) .*/live \2 \1/p
		s/.*total heap usage: \([0-9]*\) allocs \([0-9]*\) frees \([0-9]*\) bytes.*/total \1 \2 \3/p'
}

# The same by alloctrace: of the summary, and of the events one by one.
told_totals() {
	summary '"live \(.live.blocks) \(.live.bytes)"'
	jq -r 'select(.type == "event" and (.failed | not)) |
		if .kind == "free" then (if .addr == "0x0" then empty else "0 1 0" end)
		elif .kind == "realloc" then "1 1 \(.size)"
		else "1 0 \(.size)" end' "$TRACE" |
		awk '{ a += $1; f += $2; b += $3 } END { printf "total %d %d %d\n", a, f, b }'
}

# calls: "CALL SIZE" in the order of the calls, by valgrind and by alloctrace.
true_calls() {
	sed -nE 's/^--[0-9]+-- (malloc|calloc|realloc|free)\(([^)]*)\).*/\1 \2/p' "$BATS_TEST_TMPDIR/valgrind" | awk '
		$1 == "free" { print $1, $2 == "0x0" ? "NULL" : ""; next }
		{ split($2, n, ",") }
		$1 == "calloc" { print $1, n[1] * n[2]; next }
		$1 == "realloc" { print $1, n[2]; next }
		{ print $1, n[1] }'
}
told_calls() {
	jq -r 'select(.type == "event") | if .call == "free" then "free \(if .addr == "0x0" then "NULL" else "" end)"
		else "\(.call) \(.size // 0)" end' "$TRACE"
}

# take_both: totals and calls, of both.
take_both() {
	totals >"$BATS_TEST_TMPDIR/true"
	told_totals >"$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 2 ]
	true_calls >"$BATS_TEST_TMPDIR/true.calls"
	told_calls >"$BATS_TEST_TMPDIR/told.calls"
}

# equal: in total, and call by call in the same order, which also tells where two runs part.
equal() {
	take_both
	diff "$BATS_TEST_TMPDIR/true.calls" "$BATS_TEST_TMPDIR/told.calls" | head -n 20 >&2
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	cmp "$BATS_TEST_TMPDIR/true.calls" "$BATS_TEST_TMPDIR/told.calls"
}

# equal_but_for_addresses: the same calls in the same order, frees counted apart; where one is larger, it is a number of
# 28 bytes that takes 32, and the totals differ by those 4 bytes each, live ones or not, and by nothing else.
equal_but_for_addresses() {
	local call grown
	take_both
	for call in true told; do
		grep -v '^free' "$BATS_TEST_TMPDIR/$call.calls" >"$BATS_TEST_TMPDIR/$call.allocations"
	done
	paste "$BATS_TEST_TMPDIR/true.allocations" "$BATS_TEST_TMPDIR/told.allocations" | awk -F '\t' '$1 != $2 { print $1 " as " $2 }' |
		count_lines >"$BATS_TEST_TMPDIR/differ"
	cat "$BATS_TEST_TMPDIR/differ"
	[ "$(grep -vc '^malloc 28 as malloc 32 ' "$BATS_TEST_TMPDIR/differ")" -eq 0 ]
	grown=$(awk '{ print 4 * $NF }' "$BATS_TEST_TMPDIR/differ")
	[ "$(grep -c '^free NULL' "$BATS_TEST_TMPDIR/true.calls")" -eq "$(grep -c '^free NULL' "$BATS_TEST_TMPDIR/told.calls")" ]
	awk -v grown="${grown:-0}" '$1 == "total" { $4 += grown } $1 == "live" { $3 = "" } { print }' \
		"$BATS_TEST_TMPDIR/true" >"$BATS_TEST_TMPDIR/expected"
	awk '$1 == "live" { $3 = "" } { print }' "$BATS_TEST_TMPDIR/told" >"$BATS_TEST_TMPDIR/told.counts"
	same "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/told.counts"
}

@test "sqlite3: thousands of calls, as valgrind counts them" {
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	count_both -- sqlite3 :memory: "$QUERY"
	equal
	[ "$(summary .entered)" -gt 1000 ]
}

@test "python3: tens of thousands of calls, as valgrind counts them" {
	[ -n "$(python)" ] || skip "no python3"
	count_both -- "$(python)" -I -S -B -c "$LARGE"
	equal
	[ "$(summary .entered)" -gt 10000 ]
}

@test "python3 with every object from malloc, as valgrind counts them" {
	[ -n "$(python)" ] || skip "no python3"
	# Not -I: it would have Python ignore the choice of the allocator.
	count_both PYTHONHASHSEED=0 PYTHONMALLOC=malloc -- "$(python)" -s -S -B -c "$SMALL"
	equal_but_for_addresses
	[ "$(summary .entered)" -gt 10000 ]
}
