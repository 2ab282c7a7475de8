#!/usr/bin/env bash
# What one malloc/free pair, 12 frames deep, costs a program under each tool: medians of interleaved rounds in one run.
# ROUNDS=5 PAIRS=20000 by default; MEMLEAK=path adds bcc's memleak, and bpftrace is measured when it is installed.
# Every tool is attached to the same program, build/workloads/pairs, which times itself.
set -euo pipefail

build=${BUILD:-build}
rounds=${ROUNDS:-5}
pairs=${PAIRS:-20000}
work=$(mktemp -d)
tracer='' target=''

cleanup() {
	[ -z "$tracer" ] || kill -KILL "$tracer" 2>/dev/null || true
	[ -z "$target" ] || kill -KILL "$target" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# wait_line PATTERN FILE PID: until the line is there; fails when the process has ended without it.
wait_line() {
	local deadline=$((SECONDS + 30))
	until grep -q "$1" "$2" 2>/dev/null; do
		kill -0 "$3" 2>/dev/null || { cat "$2" >&2; return 1; }
		[ "$SECONDS" -lt "$deadline" ] || { echo "no '$1' from the tool after 30 s" >&2; return 1; }
		read -rt 0.02 <> <(:) || true
	done
}

# measure NAME READY-PATTERN COMMAND…: one run; PID in the command stands for the target's.
measure() {
	local name=$1 ready=$2
	shift 2
	rm -f "$work"/{gate,out,said,target} && mkfifo "$work/gate" # nothing of the run before must answer
	"$build/workloads/pairs" "$pairs" 12 <"$work/gate" >"$work/target" &
	target=$!
	exec 8>"$work/gate"
	wait_line '^ready' "$work/target" "$target"
	if [ $# -gt 0 ]; then
		"${@//PID/$target}" >"$work/out" 2>"$work/said" 8>&- &
		tracer=$!
		case $ready in
		out:*) wait_line "${ready#out:}" "$work/out" "$tracer" ;;
		*) wait_line "$ready" "$work/said" "$tracer" ;;
		esac
	fi
	exec 8>&-
	wait "$target"
	target=''
	if [ -n "$tracer" ]; then
		kill -INT "$tracer" 2>/dev/null || true
		wait "$tracer" 2>/dev/null || true
		tracer=''
	fi
	sed -n 's/ ns\/pair//p' "$work/target" >>"$work/$name.ns"
}

libc=$(ldd "$build/workloads/pairs" | awk '/libc\.so/ {print $3}')
# The very sites that alloctrace uses.
site() { "$build/alloctrace" sites -f json "$libc" "$1" | jq -r .site; }
malloc_site=$(site malloc) free_site=$(site free)
names=(untraced floor aggregate trace json stacks)

one_round() {
	measure untraced ''
	measure floor ready: "$build/bench/floor" PID "$libc" "$malloc_site" "$free_site"
	measure aggregate ready: "$build/alloctrace" latency -p PID -o /dev/null
	measure trace ready: "$build/alloctrace" -p PID -o /dev/null
	measure json ready: "$build/alloctrace" -f json -p PID -o /dev/null
	measure stacks ready: "$build/alloctrace" -k -p PID -o /dev/null
	if command -v bpftrace >/dev/null; then
		measure bpftrace out:armed bpftrace -p PID -e "
			uprobe:$libc:malloc { @start[tid] = nsecs; }
			uretprobe:$libc:malloc /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }
			uprobe:$libc:free { @frees = count(); }
			interval:ms:100 { printf(\"armed\\n\"); }"
	fi
	if [ -n "${MEMLEAK:-}" ]; then
		measure memleak out:. stdbuf -oL "$MEMLEAK" -p PID 600
	fi
}

median() { sort -n "$1" | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

for ((round = 0; round < rounds; round++)); do
	one_round
done
command -v bpftrace >/dev/null && names+=(bpftrace)
[ -n "${MEMLEAK:-}" ] && names+=(memleak)
floor=$(median "$work/floor.ns")
printf '%-10s %12s %12s %12s %9s\n' TOOL 'ns/PAIR' LOWEST HIGHEST '/ FLOOR'
for name in "${names[@]}"; do
	awk -v name="$name" -v ns="$(median "$work/$name.ns")" -v floor="$floor" \
		-v low="$(sort -n "$work/$name.ns" | head -n 1)" -v high="$(sort -n "$work/$name.ns" | tail -n 1)" \
		'BEGIN {printf "%-10s %12.1f %12.1f %12.1f %9.2f\n", name, ns, low, high, ns / floor}'
done
printf '%s rounds of %s pairs, kernel %s, %s\n' "$rounds" "$pairs" "$(uname -r)" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
