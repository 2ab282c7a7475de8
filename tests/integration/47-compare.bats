#!/usr/bin/env bats
# compare: which of two allocators is faster, and nothing where nothing can be told. Truth are lanes of known length
# (tests/workloads/lanes.c) and pool-demo's own untraced figures. tests/bench/latency.sh does the same twenty times.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers
bats_require_minimum_version 1.5.0

# compare_lanes ARG…: lanes under compare; truth in $SELF.
compare_lanes() {
	SELF=$BATS_TEST_TMPDIR/self
	"$ALLOCTRACE" compare -f json -o "$TRACE" -- "$WORKLOADS/lanes" "$@" >"$SELF" 2>"$SAID" 3>&- || { cat "$SAID" >&2; return 1; }
}

verdict() { jq -r "select(.type == \"verdict\" and .final) | $1" "$TRACE"; }

# no_difference: "cannot tell", or a difference that is none to speak of.
no_difference() {
	[ "$(verdict '.verdict == "cannot-tell" or (.ratio > 0.95 and .ratio < 1.05)')" = true ] || { verdict . >&2; return 1; }
}

# is WORD: this verdict, and the ratio that is true.
is() {
	if [ "$(verdict .verdict)" != "$1" ] || [ "$(verdict ".ratio / $2 | . > 0.8 and . < 1.25")" != true ]; then
		verdict . >&2
		cat "$SELF" >&2
		return 1
	fi
}

@test "two equal lanes: no verdict" {
	for _ in 1 2; do
		compare_lanes 20 20
		[ "$(verdict '"\(.pool) \(.op) \(.against)"')" = "a pair malloc" ]
		no_difference
		compare_lanes malloc
		no_difference
	done
}

@test "one lane twice as long as the other: who is faster, and how much" {
	for _ in 1 2; do
		compare_lanes 20 40
		is faster "$(truth ratio "$SELF")"
		compare_lanes 40 20
		is slower "$(truth ratio "$SELF")"
	done
}

@test "alone, operation by operation: a difference under the resolution is not told" {
	compare_lanes --group 1 20 20
	no_difference
}

# Of 65 groups the one behind a trap is left out.
told_groups() { sed -n "s/^truth $1 groups=\([0-9]*\) .*/\1/p" "$SELF" | awk '{ print $1 - int($1 / 65) }'; }

# bats test_tags=kernel-too
@test "each lane holds all that was timed" {
	compare_lanes --ms 200 20 30
	[ "$(jq -r 'select(.type == "histogram" and .final and .call == "a:pair") | .count' "$TRACE")" -eq "$(told_groups a)" ]
	[ "$(jq -r 'select(.type == "histogram" and .final and .call == "malloc:pair") | .count' "$TRACE")" -eq "$(told_groups malloc)" ]
	# What is corrected is a share of one look at the clock.
	[ "$(jq -s 'map(select(.type == "histogram" and .final)) | length == 2 and
		all(.group == 16 and .cost_ns > 0 and .cost_ns < 20 and .corrected.p50 < .p50)' "$TRACE")" = true ]
}

@test "too few operations: no verdict" {
	compare_lanes --ms 0 20 40
	[ "$(verdict .verdict)" = too-few ]
}

@test "-p: lanes of a process that runs" {
	start_held "$WORKLOADS/lanes" --wait 20 40
	start_tracer compare -f json -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	SELF=$BATS_TEST_TMPDIR/held.out
	is faster "$(truth ratio "$SELF")"
}

# net FILE: the ratio that pool-demo states of itself, untraced.
net() { sed -n 's/^net .*ratio=\([0-9.]*\).*/\1/p' "$1"; }

# demo_agrees PATTERN FILTER: pool-demo untraced, then under compare; FILTER makes a ratio of the verdicts. The same winner,
# unless there is none, and a ratio that is not far off.
demo_agrees() {
	local demo=("$BUILD/pool-demo" --pattern "$1" --messages 400000 --rounds 20) untraced
	"${demo[@]}" >"$BATS_TEST_TMPDIR/untraced"
	"$ALLOCTRACE" compare -f json -o "$TRACE" -- "${demo[@]}" >"$BATS_TEST_TMPDIR/self" 2>"$SAID" 3>&-
	untraced=$(net "$BATS_TEST_TMPDIR/untraced")
	verdict .sentence
	echo "untraced $untraced, compare $(jq -rs "map(select(.type == \"verdict\" and .final)) | $2" "$TRACE")"
	[ "$(verdict 'select(.pool == "protocol") | "\(.against) \(.like_with_like)"' | sort -u)" = "malloc true" ]
	[ "$(jq -s --argjson net "$untraced" "map(select(.type == \"verdict\" and .final)) | ($2) as \$told |
		(\$net < 1.2 and \$net > 0.83 or (\$net > 1) == (\$told > 1)) and \$told / \$net < 2 and \$told / \$net > 0.5" "$TRACE")" = true ]
}

@test "pool-demo, pairs: the winner is the one of its own untraced figures" {
	demo_agrees pingpong 'map(select(.op == "pair")) | .[0].ratio // 1'
}

@test "pool-demo, batches: the winner is the one of its own untraced figures" {
	# Of an allocation and a release together, as pool-demo states it.
	demo_agrees batch '[.[].p50] | (.[0][1] + .[1][1]) / (.[0][0] + .[1][0])'
}

@test "text: one sentence says who is faster, with both intervals" {
	local interval='[0-9.]+ ns \[[0-9.]+, [0-9.]+\]'
	"$ALLOCTRACE" compare -o "$TRACE" -- "$WORKLOADS/lanes" 20 40 >"$BATS_TEST_TMPDIR/self" 2>"$SAID" 3>&-
	grep -E "^a:pair is [0-9.]+× faster than malloc:pair at p50: $interval against $interval\$" "$TRACE"
	"$ALLOCTRACE" compare -o "$TRACE" -- "$WORKLOADS/lanes" 20 20 >"$BATS_TEST_TMPDIR/self" 2>"$SAID" 3>&-
	grep -E '^a:pair (against malloc:pair: cannot tell|is 1\.0× )' "$TRACE"
}

@test "--svg: a picture of both" {
	local svg=$BATS_TEST_TMPDIR/picture.svg
	compare_lanes --ms 200 20 40
	"$ALLOCTRACE" compare --svg "$svg" -o "$TRACE" -- "$WORKLOADS/lanes" --ms 200 20 40 >"$BATS_TEST_TMPDIR/self" 2>"$SAID" 3>&-
	python3 - "$svg" <<-'END'
		import sys, xml.etree.ElementTree as tree
		root = tree.parse(sys.argv[1]).getroot()
		assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
		words = " ".join(root.itertext())
		assert "malloc" in words and "a" in words.split() or "a:pair" in words, words
		shapes = [e for e in root.iter() if e.tag.rsplit("}")[-1] in ("rect", "path", "polyline", "polygon")]
		assert len(shapes) > 2, len(shapes)
		assert not [e for e in root.iter() if e.tag.rsplit("}")[-1] == "script"]
	END
}

@test "--svg that cannot be written: one sentence, and nothing runs" {
	run -1 "$ALLOCTRACE" compare --svg "$BATS_TEST_TMPDIR/none/x.svg" -- touch "$BATS_TEST_TMPDIR/ran"
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *x.svg* ]]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	[ -e /dev/full ] || return 0
	run -1 "$ALLOCTRACE" compare --svg /dev/full -o /dev/null -q -- "$WORKLOADS/lanes" --ms 50 20 40
	[[ $output == *alloctrace:*/dev/full* ]]
}

@test "nothing to compare: said so, and no verdict" {
	"$ALLOCTRACE" compare -f json -o "$TRACE" -- true 2>"$SAID"
	[ "$(verdict '"\(.verdict) \(.pool)"')" = "cannot-tell null" ]
	"$ALLOCTRACE" compare -o "$TRACE" -- true 2>"$SAID"
	grep -q '^cannot compare: no call of a pool was timed' "$TRACE"
}
