#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares what the sinks write with what they are expected to write.
#
#	tests/golden/run.sh [PROGRAM]		TAP on standard output; 1 when anything differs
#	UPDATE=1 tests/golden/run.sh [PROGRAM]	rewrites the expected files: read the diff before
#						you commit it
#
# PROGRAM is golden.c, built: unless told, the one with sanitizers when there is one. JSON is looked
# at line by line as well: contract.jq says which types a line's fields have, and the schema that
# alloctrace prints must allow it.

here=$(dirname "$0")
build=$here/../../build
program=$1
[ -n "$program" ] || program=$build/san/golden
[ -x "$program" ] || program=$build/golden
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

cases=$("$program") || { echo "Bail out! cannot run $program"; exit 1; }
count=$(echo "$cases" | wc -l)
checks=$(echo "$cases" | grep -c '\.\(json\|svg\|csv\|chrome\|folded\)$')
schemas=$(echo "$cases" | grep -c '\.json$')
number=0
failed=0

# verdict STATUS NAME: one line of TAP, and what "$work/why" has to say about a failure.
verdict() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
		return
	fi
	failed=1
	echo "not ok $number - $2"
	sed 's/^/# /' "$work/why"
}

# No control character may hide in an expected file, so none ever gets into one. CSV ends lines with
# CR LF, which is looked at apart; profiles for pprof are read first.
compare() {
	expected=$here/$1.expected
	if ! "$program" "$1" >"$work/got" 2>"$work/why"; then
		return 1
	fi
	case $1 in
	*.csv) sed -i 's/\r$//' "$work/got" ;;
	*.pprof)
		python3 "$here/read_pprof.py" <"$work/got" >"$work/text" 2>"$work/why" || return 1
		mv "$work/text" "$work/got"
		;;
	esac
	if LC_ALL=C grep -n '[[:cntrl:]]' "$work/got" >"$work/why"; then
		return 1
	fi
	if [ -n "$UPDATE" ]; then
		cp "$work/got" "$expected"
		return
	fi
	diff -u "$expected" "$work/got" >"$work/why" 2>&1
}

check_json() {
	"$program" "$1" >"$work/got" 2>"$work/why" &&
		jq -e . "$work/got" >/dev/null 2>"$work/why" &&
		jq -e -n -f "$here/contract.jq" "$work/got" >"$work/why" 2>&1
}

check_schema() {
	"$program" --json-schema >"$work/schema" 2>"$work/why" &&
		"$program" "$1" 2>"$work/why" | python3 "$here/check_schema.py" "$work/schema" >"$work/why" 2>&1
}

check_csv() {
	"$program" "$1" 2>"$work/why" | python3 "$here/check_csv.py" 2>"$work/why"
}

check_chrome() {
	"$program" "$1" >"$work/got" 2>"$work/why" &&
		jq -e -n -f "$here/chrome.jq" "$work/got" >"$work/why" 2>&1
}

# A word of frames and a number, as flamegraph.pl reads them; whatever a line has else it refuses.
check_folded() {
	"$program" "$1" >"$work/got" 2>"$work/why" &&
		! grep -vnE '^[^; ][^;]*(;[^;]+)* [0-9]+$' "$work/got" >"$work/why"
}

check_svg() {
	"$program" "$1" >"$work/got" 2>"$work/why" && xmllint --noout "$work/got" >"$work/why" 2>&1
}

schema_of() {
	if python3 -c 'import jsonschema' 2>/dev/null; then
		check_schema "$1"
		verdict $? "$1: schema"
	else
		verdict 0 "$1: schema # SKIP no python3-jsonschema"
	fi
}

echo "1..$((count + checks + schemas + 1))"
for name in $cases; do
	compare "$name"
	verdict $? "$name"
	case $name in
	*.json)
		check_json "$name"
		verdict $? "$name: types"
		schema_of "$name"
		;;
	*.chrome)
		check_chrome "$name"
		verdict $? "$name: trace events"
		;;
	*.csv)
		check_csv "$name"
		verdict $? "$name: RFC 4180"
		;;
	*.folded)
		check_folded "$name"
		verdict $? "$name: folded stacks"
		;;
	*.svg)
		if command -v xmllint >/dev/null; then
			check_svg "$name"
			verdict $? "$name: well-formed"
		else
			verdict 0 "$name: well-formed # SKIP no xmllint"
		fi
		;;
	esac
done
python3 "$here/check_readme.py" "$here/../../README.md" "$here" >"$work/why" 2>&1
verdict $? "what the README shows"
exit $failed
