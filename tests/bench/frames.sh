#!/usr/bin/env bash
# What a frame of a whole stack costs in the kernel: malloc/free pairs at a depth of 20 under alloctrace with stacks and
# without, beside programs at the same sites that do nothing but call the kernel's bpf_get_stack, in one run. Rounds are
# interleaved and medians are printed. A pair has two stacks: one when malloc has returned, one when free is entered.
#
#	ROUNDS=7 PAIRS=20000 DEPTH=20
#
# The program of "rules" and of "get_stack" has no frame pointers; that of "fp" and "get_stack-fp" has them.
set -euo pipefail

here=$(dirname "$0")
build=${BUILD:-build}
rounds=${ROUNDS:-7} pairs=${PAIRS:-20000} depth=${DEPTH:-20}
ours=(none rules none-fp fp)
tools=(untraced floor "${ours[@]}" get_stack get_stack-fp)
declare -A lossy frames
read -r load _ </proc/loadavg

# shellcheck source=tests/bench/tools.sh
. "$here/tools.sh"

# Frames in the stack of a malloc of the program, as alloctrace tells them (physical ones, not inlined).
count_frames() {
	"$build/alloctrace" -q -k --unwind "$2" -f json -o "$work/frames.json" -- "$1" 10 "$depth" </dev/null >/dev/null
	jq -s 'map(select(.call == "malloc" and .size == 16)) | map(.stack | map(select(.inlined | not)) | length) | max' \
		"$work/frames.json"
}

price() { median <"$work/$1.ns"; }

row() {
	local with=$1 without=$2 count=$3
	awk -v name="$with" -v with="$(price "$with")" -v without="$(price "$without")" -v n="$count" 'BEGIN {
		printf "%-14s %12.1f %12.1f %7d %14.1f\n", name, with, without, n, (with - without) / 2 / n
	}'
}

libc=$(ldd "$program" | awk '/libc\.so/ {print $3}')
site() { "$build/alloctrace" sites -f json "$libc" "$1" | jq -r .site; }
# shellcheck disable=SC2034 # tools.sh
malloc_site=$(site malloc) free_site=$(site free)
frames[rules]=$(count_frames "$program" auto)
frames[fp]=$(count_frames "$build/bench/pairs-fp" fp)

for ((round = 1; round <= rounds; round++)); do
	for tool in "${tools[@]}"; do
		measure "$tool" || { echo "$tool: $why" >&2; cat "$work/err" >&2; exit 1; }
	done
done
printf '%-14s %12s %12s %7s %14s\n' STACKS 'ns/PAIR' 'WITHOUT' FRAMES 'ns/FRAME'
row rules none "${frames[rules]}"
row fp none-fp "${frames[fp]}"
row get_stack floor "${frames[rules]}"
row get_stack-fp floor "${frames[fp]}"
printf '%s rounds of %s pairs; get_stack finds one or two frames where there are no frame pointers, but is counted as if it had all\n' \
	"$rounds" "$pairs"
check_quiet
for tool in "${!lossy[@]}"; do
	echo "$tool lost events in ${lossy[$tool]} of its runs"
done
printf 'kernel %s, load average %s before\n' "$(uname -r)" "$load"
