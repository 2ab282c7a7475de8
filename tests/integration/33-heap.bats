#!/usr/bin/env bats
# `hot`, `temporary`, `peak` and `sizes` against ledger.c, which keeps the same books of itself, line by line: three threads
# that free each other's blocks, resize them, and fail to.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

# report COMMAND "OPTION…" WITHIN [SEED]: of the ledger, from before its first call to its end.
report() {
	local options
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/ledger" --wait "$3" "${4:-0}"
	read -ra options <<<"$2"
	start_tracer "$1" --strict "${options[@]}" -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
}

# What has the fields of a row of the ledger, as "NAME ALLOCATIONS … LARGEST".
fields='[.allocations, .allocated_bytes, .failed, .freed, .freed_elsewhere // 0, .temporary, .reallocs // 0, .moved // 0,
	.moved_bytes // 0, .moves_in_a_row // 0, .live.blocks, .live.bytes, .at_peak.blocks, .at_peak.bytes, .smallest // 0, .largest // 0]'

# One row for a line that several threads come along; the last fields are no sums.
add_up='group_by(.line) | .[] | . as $rows | [.[].row] | transpose | [.[:9], .[10:14]] as $sums |
	[($sums[0][] | add), (.[9] | max), ($sums[1][] | add), (.[14] | map(select(. > 0)) | min // 0), (.[15] | max)] |
	"\($rows[0].line) \(map(tostring) | join(" "))"'

true_sites() { sed -n 's/^site //p' "$SELF" | LC_ALL=C sort; }

told_sites() {
	jq -r "select(.type == \"heap\") | .at_peak = .peak | \"all \\($fields | map(tostring) | join(\" \"))\"" "$TRACE"
	jq -rs "[.[] | select(.type == \"site\") | {line: .stack[0].line, row: $fields}] | $add_up" "$TRACE"
}

# A block of 0 bytes may be the smallest one, which add_up takes for none.
smallest_aside() { awk '{ if (NF == 17 && $16 == 0) $16 = "-"; print }'; }

# lives_are_true: so many blocks went of each line, each life in one decade, and the mean and the longest are what the
# program has seen around its calls.
lives_are_true() {
	jq -rs '[.[] | select(.type == "site" and .freed > 0)] | group_by(.stack[0].line) | .[] |
		"\(.[0].stack[0].line) \(map(.freed) | add) \(map(.freed * .lifetime_mean_ns) | add) \(map(.lifetime_max_ns) | max) \(
			[.[].lifetimes[].count] | add)"' "$TRACE" >"$BATS_TEST_TMPDIR/lives"
	jq -r 'select(.type == "heap") | "all \(.freed) \(.freed * .lifetime_mean_ns) \(.lifetime_max_ns) \([.lifetimes[].count] | add)"' \
		"$TRACE" >>"$BATS_TEST_TMPDIR/lives"
	# Of each row's mean less than a nanosecond is missing.
	sed -n 's/^life //p' "$SELF" | awk 'NR == FNR { told[$1] = $0; next }
		{ split(told[$1], t, " ")
			if (t[2] != $2 || t[5] != $2 || t[3] > $4 || t[3] + t[2] < $3 || t[4] < $5 || t[4] > $6) {
				print "truth: " $0 "; alloctrace: " told[$1]
				bad = 1
			} }
		END { exit bad }' "$BATS_TEST_TMPDIR/lives" -
}

# follows FILTER: the report's sites come in the falling order of that number.
follows() {
	jq -r "select(.type == \"site\") | $1" "$TRACE" >"$BATS_TEST_TMPDIR/order"
	[ -s "$BATS_TEST_TMPDIR/order" ]
	sort -rnc "$BATS_TEST_TMPDIR/order"
}

# sites_are_true: every field of every line, and of the sums.
sites_are_true() {
	true_sites | smallest_aside >"$BATS_TEST_TMPDIR/true"
	told_sites | LC_ALL=C sort | smallest_aside >"$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -gt 10 ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
}

@test "hot: every figure of every line is the program's own, whatever it does" {
	local seed
	for seed in 1 2 3; do
		report hot "-f json" 1 "$seed"
		sites_are_true
		lives_are_true
		follows '.allocations + .failed'
	done
	# What it takes to be wrong has been there.
	[ "$(true_sites | awk '$1 == "all" { print ($4 > 10) ($6 > 10) ($7 > 10) ($9 > 10) ($11 > 2) }')" = 11111 ]
}

# only_sites FIELD: the report has the lines alone in which that field is not 0, and these are true.
only_sites() {
	true_sites | awk -v field="$1" '$field > 0' | smallest_aside >"$BATS_TEST_TMPDIR/true"
	told_sites | awk -v field="$1" '$field > 0' | LC_ALL=C sort | smallest_aside >"$BATS_TEST_TMPDIR/told"
	[ "$(told_sites | wc -l)" -eq "$(wc -l <"$BATS_TEST_TMPDIR/true")" ]
	# Other threads may come along the same line, and leave nothing of that kind.
	cut -d ' ' -f "1,$1" "$BATS_TEST_TMPDIR/true" >"$BATS_TEST_TMPDIR/true.field"
	cut -d ' ' -f "1,$1" "$BATS_TEST_TMPDIR/told" >"$BATS_TEST_TMPDIR/told.field"
	same "$BATS_TEST_TMPDIR/true.field" "$BATS_TEST_TMPDIR/told.field"
}

@test "temporary: freed by the very next call of the thread, or within N" {
	local n more=0
	for n in 1 3 40; do
		report temporary "-f json --within $n" "$n" 7
		only_sites 7
		follows .temporary
		[ "$(jq 'select(.type == "heap") | .within' "$TRACE")" -eq "$n" ]
		[ "$(jq 'select(.type == "heap") | .temporary' "$TRACE")" -gt "$more" ]
		more=$(jq 'select(.type == "heap") | .temporary' "$TRACE")
	done
}

@test "peak: its bytes and blocks, and what every line had of them" {
	report peak "-f json" 1 5
	only_sites 14
	cut -d ' ' -f 1,15 "$BATS_TEST_TMPDIR/true" >"$BATS_TEST_TMPDIR/true.field"
	cut -d ' ' -f 1,15 "$BATS_TEST_TMPDIR/told" >"$BATS_TEST_TMPDIR/told.field"
	same "$BATS_TEST_TMPDIR/true.field" "$BATS_TEST_TMPDIR/told.field"
	follows .at_peak.bytes
	[ "$(jq -s 'map(select(.type == "site").at_peak.bytes) | add' "$TRACE")" -eq "$(jq 'select(.type == "heap").peak.bytes' "$TRACE")" ]
}

@test "sizes: every class of sizes" {
	report sizes "-f json" 1 6
	sed -n 's/^size //p' "$SELF" >"$BATS_TEST_TMPDIR/true"
	jq -r 'select(.type == "size") | [.size_min, .size_max, .allocations, .allocated_bytes, .live.blocks, .live.bytes, .freed, .temporary] |
		map(tostring) | join(" ")' "$TRACE" >"$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -gt 10 ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
}

# of_all FIELD: of the program's sums.
of_all() { true_sites | awk -v field="$1" '$1 == "all" { print $field }'; }

# human BYTES: as a report for eyes has it.
human() {
	awk -v n="$1" 'BEGIN { split("B KiB MiB", unit, " ")
		for (i = 1; n >= 1023.5; i++) n /= 1024
		format = (i == 1 || n >= 99.95) ? "%.0f %s" : (n >= 9.995) ? "%.1f %s" : "%.2f %s"
		printf(format, n, unit[i]) }'
}

# says TEXT: the report's first line has it.
says() { head -n 1 "$TRACE" | grep -qF -- "$1" || { head -n 1 "$TRACE" >&2; echo "not: $1" >&2; return 1; }; }

@test "for eyes: the sentence of each report, and what hot says of moves and of other threads" {
	local moves
	report hot "-N 1000" 1 5
	says ": $(($(of_all 2) + $(of_all 4))) calls from "
	says "; $(of_all 4) failed"
	# The lines of realloc, each along the stacks of three threads.
	moves=$(sed -n -E 's/^ +- ([0-9]+) of ([0-9]+) reallocs? moved the block and copied .*; ([0-9]+) in a row at most$/\1 \2 \3/p' "$TRACE")
	[ "$(awk '{ moved += $1; most = $3 > most ? $3 : most } END { print moved, most }' <<<"$moves")" = "$(of_all 9) $(of_all 11)" ]
	[ "$(sed -n -E 's/^ +- ([0-9]+) of [0-9]+ frees by another thread$/\1/p' "$TRACE" | awk '{ sum += $1 } END { print sum }')" -eq "$(of_all 6)" ]

	report temporary "-N 5" 1 5
	says ": $(of_all 7) of $(of_all 2) blocks ("
	says " were freed by the thread that had got them with its very next call"

	report peak "" 1 5
	says ": $(human "$(of_all 15)") in $(of_all 14) blocks from "
	says "; now it is $(human "$(of_all 13)") in $(of_all 12) blocks"

	report sizes "" 1 5
	says ": $(of_all 2) blocks of $(human "$(of_all 3)") in all, half of them of $(sed -n 's/^size //p' "$SELF" |
		awk -v all="$(of_all 2)" '{ below += $3 } below >= all / 2 { print $2 " B"; exit }') at most"
}

@test "folded: the stacks add up to the program's sums" {
	local command field
	for command in hot:2 temporary:7 peak:15 leaks:13; do
		field=${command#*:}
		report "${command%:*}" "-f folded" 1 5
		[ "$(awk '{ sum += $NF } END { print sum }' "$TRACE")" -eq $(($(of_all "$field") + (field == 2 ? $(of_all 4) : 0))) ]
		not grep -qvE '^[^ ].* [0-9]+$' "$TRACE"
	done
}
