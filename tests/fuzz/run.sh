#!/usr/bin/env bash
# tests/fuzz/run.sh [--replay] TARGET…: hostile input for FUZZ_SECONDS (30) each, two targets at a time, from what is
# kept in tests/fuzz/corpus/TARGET/. New inputs and findings land in $BUILD/fuzz/TARGET/ and never in the tree. One line
# for each target at the end; exit 1 if there is a finding.
#
#	--replay    every kept input once, which takes seconds: what was fixed stays fixed
#
# A finding that has been fixed is kept: copy its file into the corpus under a name that tells what it was.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

BUILD=${BUILD:-build}
SECONDS_EACH=${FUZZ_SECONDS:-30}

# No block is larger than 256 MiB: what asks for more is told that there is none, as on a machine that has no more.
export ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=256:quarantine_size_mb=16:abort_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1

# The longest input of a target, in bytes.
longest() {
	case $1 in
	event) echo 4096 ;;
	site) echo 256 ;;
	*) echo 8192 ;;
	esac
}

# fuzz TARGET: leaves its line in $BUILD/fuzz/TARGET/line.
fuzz() {
	local dir=$BUILD/fuzz/$1 status cpu executions findings
	mkdir -p "$dir/corpus"
	find "$dir" -maxdepth 1 -type f -delete
	local TIMEFORMAT='%U %S'
	{ time "$BUILD/fuzz/fuzz_$1" -max_total_time="$SECONDS_EACH" -max_len="$(longest "$1")" -timeout=60 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$dir/" "$dir/corpus" "tests/fuzz/corpus/$1" >"$dir/log" 2>&1; } 2>"$dir/cpu"
	status=$?
	cpu=$(awk '{ printf "%.1f", $1 + $2 }' "$dir/cpu")
	executions=$(awk '$1 == "stat::number_of_executed_units:" { print $2 }' "$dir/log")
	findings=$(find "$dir" -maxdepth 1 \( -name 'crash-*' -o -name 'timeout-*' -o -name 'oom-*' -o -name 'leak-*' \) | wc -l)
	((status == 0 || findings > 0)) || findings=1
	printf '%-6s %9s executions  %6s s CPU  %4s kept and %5s new inputs  %s findings\n' "$1" "${executions:-?}" "$cpu" \
		"$(find "tests/fuzz/corpus/$1" -type f | wc -l)" "$(find "$dir/corpus" -type f | wc -l)" "$findings" >"$dir/line"
	((findings == 0)) && return
	echo "$1: a finding, see $dir/log:"
	grep -aE '^(broken:|SUMMARY:|.*runtime error:|.*ERROR: )' "$dir/log" | head -5
	return 1
}

replay() {
	"$BUILD/fuzz/fuzz_$1" -rss_limit_mb=1024 -timeout=60 tests/fuzz/corpus/"$1"/* >"$BUILD/fuzz/replay-$1.log" 2>&1 &&
		echo "$1: $(grep -c '^Executed ' "$BUILD/fuzz/replay-$1.log") kept inputs, none found wanting" && return
	echo "$1: a kept input fails:"
	grep -aE '^Running: ' "$BUILD/fuzz/replay-$1.log" | tail -1
	tail -40 "$BUILD/fuzz/replay-$1.log"
	return 1
}

main() {
	local what=fuzz bad=0
	[[ ${1:-} != --replay ]] || { what=replay && shift; }
	export -f fuzz replay longest
	export BUILD SECONDS_EACH
	printf '%s\n' "$@" | xargs -P 2 -I{} bash -c "$what {}" || bad=1
	[[ $what == replay ]] || for target; do cat "$BUILD/fuzz/$target/line"; done
	return "$bad"
}

main "$@"
