#!/usr/bin/env bats
# Names and lines of addresses, asked for as alloctrace asks (tests/bench/symbols.c), against what others say about the
# same program; and answers that are kept for the next run.
load helpers

setup() {
	SYMBOLS=$BUILD/bench/symbols
	[ -x "$SYMBOLS" ] || skip "$SYMBOLS is not built"
	need matrix-cpp
	ADDRESSES=$BATS_TEST_TMPDIR/addresses
}

# Functions that are inlined into each other, of which the two others have faults of their own: addr2line gives a function
# twice where the innermost one is inlined, and takes the unit's file for another; eu-addr2line loses a frame where the
# ranges of two overlap, and both leave out an unnamed namespace. So each answer is that of one of them at least.
@test "functions and lines are those of addr2line or of eu-addr2line" {
	command -v eu-addr2line >/dev/null || skip "no eu-addr2line"
	ADDRESSES=1500 EU_ADDRESSES=1500 KEEP=$BATS_TEST_TMPDIR BUILD=$BUILD tests/bench/symbols.sh "$WORKLOADS/matrix-cpp"
	cat "$BATS_TEST_TMPDIR"/{addr2line,eu-addr2line}.matrix-cpp | sed 's/(anonymous namespace):://g' | sort -u |
		awk -F '\t' '$2 != $5 {functions[$1]++} $3 != $6 {lines[$1]++}
			END {
				for (a in functions) if (functions[a] > 1) {print a, "functions"; bad = 1}
				for (a in lines) if (lines[a] > 1) {print a, "lines"; bad = 1}
				exit bad
			}'
}

# resolve FILE: the answers to $ADDRESSES are in answers, their number from earlier runs in $kept.
resolve() {
	"$SYMBOLS" "$1" 100 "$BATS_TEST_TMPDIR/kept" <"$ADDRESSES" >"$BATS_TEST_TMPDIR/answers" 2>"$BATS_TEST_TMPDIR/said"
	kept=$(sed -n 's/.* kept //p' "$BATS_TEST_TMPDIR/said")
}

@test "the second run knows the answers of the first, until the file is another" {
	local file=$BATS_TEST_TMPDIR/program i
	mkdir "$BATS_TEST_TMPDIR/kept"
	cp "$WORKLOADS/matrix-cpp" "$file"
	nm --defined-only "$file" | awk '$2 ~ /[Tt]/ {print "0x" $1}' >"$ADDRESSES"
	resolve "$file"
	[ "$kept" -eq 0 ]
	grep -q '^main$' "$BATS_TEST_TMPDIR/answers"
	cp "$BATS_TEST_TMPDIR/answers" "$BATS_TEST_TMPDIR/first"
	# Nothing is kept of a file that has just been written.
	for ((i = 0; i < 100 && kept == 0; i++)); do
		sleep 0.1
		resolve "$file"
	done
	[ "$kept" -gt 10 ]
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/answers"
	# Others may write it.
	chmod 666 "$file"
	resolve "$file"
	[ "$kept" -eq 0 ]
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/answers"
	# Another program in its place, with other functions there.
	cp "$WORKLOADS/pairs" "$file"
	chmod 755 "$file"
	resolve "$file"
	[ "$kept" -eq 0 ]
	not cmp -s "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/answers"
}

@test "what is damaged on disk is not believed" {
	local file good i
	file=$(realpath "$(gcc -print-prog-name=cc1)")
	mkdir "$BATS_TEST_TMPDIR/kept"
	nm -D --defined-only "$file" | awk '$2 == "T" && NR % 500 == 0 {print "0x" $1}' >"$ADDRESSES"
	resolve "$file"
	[ "$kept" -eq 0 ]
	cp "$BATS_TEST_TMPDIR/answers" "$BATS_TEST_TMPDIR/first"
	resolve "$file"
	[ "$kept" -gt 10 ] || skip "nothing may be kept about $file"
	good=$(stat -c %s "$BATS_TEST_TMPDIR/kept/names")
	for i in 0 60 200 $((good / 2)) $((good - 1)); do
		printf '\377' | dd of="$BATS_TEST_TMPDIR/kept/names" bs=1 seek="$i" conv=notrunc status=none
		resolve "$file"
		[ "$kept" -eq 0 ]
		cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/answers"
		rm "$BATS_TEST_TMPDIR/kept/names"
		resolve "$file"
	done
}
