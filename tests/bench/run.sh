#!/usr/bin/env bash
# What tracing costs, alloctrace beside its peers, in one run: the price of one malloc/free pair, 12 frames deep, under
# each tool, and the CPU time that tracing adds to a program that allocates at a given rate. Rounds are interleaved,
# every tool once in each, and medians are printed. The workload, build/workloads/pairs, times itself.
#
#	ROUNDS=7 PAIRS=20000                  the first table
#	CURVE_ROUNDS=5 CURVE_SECONDS=1        the second; CURVE_ROUNDS=0 leaves it out
#	RATES='1000 10000 100000'             pairs a second
#	MEMLEAK=path                          bcc's libbpf-tools/memleak, which Debian does not ship
#
# Peers from Debian's packages bpftrace, libbpf-tools (funclatency), heaptrack, valgrind (DHAT) and ltrace are measured
# where they are installed. bpfcc-tools' funclatency wants kernel headers and is not used.
set -euo pipefail

here=$(dirname "$0")
build=${BUILD:-build}
rounds=${ROUNDS:-7} pairs=${PAIRS:-20000} depth=12
curve_rounds=${CURVE_ROUNDS:-5} seconds=${CURVE_SECONDS:-1}
read -ra rates <<<"${RATES:-1000 10000 100000}"
ours=(untraced floor aggregate trace record json stacks record-k stacks-fp malloc-only)
tools=("${ours[@]}")
curve_tools=(untraced aggregate trace)
declare -A lossy
read -r load _ </proc/loadavg

# shellcheck source=tests/bench/tools.sh
. "$here/tools.sh"
# shellcheck source=tests/bench/curve.sh
. "$here/curve.sh"

progress() { [ ! -t 2 ] || echo "$1" >&2; }

# leave_out TOOL: a peer that cannot run here costs a line; without our own there is nothing to compare.
leave_out() {
	abandon
	[[ " ${ours[*]} " != *" $1 "* ]] || { echo "$1: $why" >&2; cat "$work/err" >&2; exit 1; }
	echo "$1 is left out: $why"
	without tools "$1"
	without curve_tools "$1"
}

# without ARRAY WORD
without() {
	local -n array=$1
	local word
	local -a rest=()
	for word in "${array[@]}"; do
		[ "$word" = "$2" ] || rest+=("$word")
	done
	array=("${rest[@]}")
}

# price TOOL: its median, in ns a pair.
price() { median <"$work/$1.ns"; }

table() {
	local tool floor untraced
	floor=$(price floor) untraced=$(price untraced)
	printf '%-12s %12s %12s %12s %9s %11s\n' TOOL 'ns/PAIR' LOWEST HIGHEST '/ FLOOR' '/ UNTRACED'
	for tool in "${tools[@]}"; do
		awk -v name="$tool" -v ns="$(price "$tool")" -v floor="$floor" -v untraced="$untraced" \
			-v low="$(sort -n "$work/$tool.ns" | head -n 1)" -v high="$(sort -n "$work/$tool.ns" | tail -n 1)" \
			'BEGIN {printf "%-12s %12.1f %12.1f %12.1f %9.2f %11.1f\n", name, ns, low, high, ns / floor, ns / untraced}'
	done
	printf '%s rounds of %s pairs (untraced 100 times, heaptrack and dhat 10 times as many, ltrace a 20th)\n' \
		"$rounds" "$pairs"
	printf '%s\n' 'record writes a file, without stacks and with them (record-k)' \
		'aggregate is latency; stacks-fp is stacks (-k) with frame pointers in the program' \
		'malloc-only (latency -e malloc) and funclatency time malloc alone and do not see free'
}

# ratio TOOL PEER MOST: the tool's price over the peer's, and whether it is at most that.
ratio() {
	if [[ " ${tools[*]} " != *" $2 "* ]]; then
		echo "$1/$2: not measured"
		return
	fi
	awk -v pair="$1/$2" -v most="$3" -v ratio="$(price "$1") $(price "$2")" 'BEGIN {
		split(ratio, ns, " ")
		printf "%-16s %5.2f   at most %.2f: %s\n", pair, ns[1] / ns[2], most, ns[1] / ns[2] <= most ? "met" : "missed"
	}'
}

for tool in bpftrace memleak funclatency heaptrack dhat ltrace; do
	if available "$tool"; then
		tools+=("$tool")
		[[ $tool != bpftrace && $tool != memleak ]] || curve_tools+=("$tool")
	else
		leave_out "$tool"
	fi
done
libc=$(ldd "$program" | awk '/libc\.so/ {print $3}')
# The very sites that alloctrace uses.
site() { "$build/alloctrace" sites -f json "$libc" "$1" | jq -r .site; }
# shellcheck disable=SC2034 # tools.sh
malloc_site=$(site malloc) free_site=$(site free)

for ((round = 1; round <= rounds; round++)); do
	progress "round $round of $rounds"
	for tool in "${tools[@]}"; do
		measure "$tool" || leave_out "$tool"
	done
done
table
echo
ratio trace bpftrace 0.60
ratio trace memleak 0.50
ratio trace floor 1.20
ratio record trace 1.00
ratio record-k stacks 1.00
[ "$curve_rounds" = 0 ] || curve
check_quiet
for tool in "${!lossy[@]}"; do
	echo "$tool lost events in ${lossy[$tool]} of its runs"
done
printf 'kernel %s, load average %s before, %s\n' "$(uname -r)" "$load" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
