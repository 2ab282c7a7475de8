#!/usr/bin/env bash
# Whether latencies and verdicts are right, on this machine: against functions and lanes of known length.
#
#	tests/bench/latency.sh known      functions of known length: truth, raw, corrected, error; RUNS=5
#	tests/bench/latency.sh verdict    compare on equal lanes and on lanes of which one takes twice as long; RUNS=20
#	tests/bench/latency.sh demo       compare on pool-demo, and its own untraced figures; RUNS=3
#	tests/bench/latency.sh clean      MESSAGES=5000000 through a clean pool, two operations each: no findings
#	tests/bench/latency.sh            all of them
#
# As root, from the top of the checkout, on an idle machine. Exit 1: something was wrong.
# shellcheck disable=SC2317 # the trap calls cleanup
set -euo pipefail

build=${BUILD:-build}
alloctrace=$build/alloctrace
read -r load _ </proc/loadavg
work=$(mktemp -d)
helpers=()
trap cleanup EXIT

cleanup() {
	local pid
	exec 7>&-
	for pid in "${helpers[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}

bad=0
wrong() { echo "WRONG: $*"; bad=1; }

# says FILE REGEX PID: waits for a line while the process lives.
says() {
	until grep -qs "$2" "$1"; do
		kill -0 "$3" || { cat "$1" >&2; return 1; }
		sleep 0.05
	done
}

# measure COMMAND… -- ARG…: alloctrace ARG… -p on the command, from its "ready" to its end. $work/self, $work/told.
measure() {
	local command=() held tracer
	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	shift
	rm -f "$work/gate" "$work/self" "$work/said"
	mkfifo "$work/gate"
	"${command[@]}" <"$work/gate" >"$work/self" &
	held=$!
	exec 7>"$work/gate"
	says "$work/self" '^ready' $held
	"$alloctrace" "$@" -o "$work/told" -p $held 2>"$work/said" 7>&- &
	tracer=$!
	helpers=("$held" "$tracer")
	says "$work/said" 'ready:' $tracer
	exec 7>&-
	wait $held $tracer
	helpers=()
}

# ---- functions of known length

known=(known_0 known_25 known_50 known_100 known_200 known_1000 known_10000 known_100_jcc known_100_jmp known_100_nop
	known_100_call)

# "NAME TRUTH MEANWHILE RAW CORRECTED FLOOR" of one run.
known_run() {
	local name functions=()
	for name in "${known[@]}"; do
		functions+=(--function "$name(size=arg1,ret=ptr)")
	done
	measure "$build/workloads/known" --wait "${CALLS:-20000}" -- latency -f json "${functions[@]}"
	jq -r 'select(.type == "histogram" and .final and .corrected) | "\(.call) \(.p50) \(.corrected.p50) \(.floor_ns)"' \
		"$work/told" | awk 'NR == FNR {
			if ($1 == "truth" || $1 == "meanwhile") { sub(/p50=/, "", $3); ns[$1, $2] = $3 }
			next
		}
		("truth", $1) in ns { print $1, ns["truth", $1], ns["meanwhile", $1], $2, $3, $4 }' "$work/self" -
}

known_table() {
	local run
	printf '%-16s %4s %9s %9s %9s %9s %8s %6s\n' FUNCTION RUN TRUTH MEANWHILE RAW CORRECTED ERROR FLOOR
	for ((run = 1; run <= ${RUNS:-5}; run++)); do
		known_run >"$work/rows"
		[ "$(wc -l <"$work/rows")" -eq ${#known[@]} ] || wrong "run $run tells of $(wc -l <"$work/rows") functions"
		awk -v run=$run '{
			error = $5 - $2
			most = $2 / 20 > 30 ? $2 / 20 : 30
			off = error < -most || error > most
			bad += off
			printf "%-16s %4d %9.1f %9.1f %9.1f %9.1f %+8.1f %6.0f%s\n", $1, run, $2, $3, $4, $5, error, $6,
				off ? "  beyond max(30 ns, 5 %)" : ""
		} END { exit bad > 0 }' "$work/rows" || bad=1
	done
}

# ---- verdicts

# lanes_run KIND ARG…: a line "KIND VERDICT RATIO TRUTH SENTENCE".
lanes_run() {
	local kind=$1
	shift
	"$alloctrace" compare -f json -o "$work/told" -- "$build/workloads/lanes" "$@" >"$work/self" 2>"$work/said"
	printf '%s %s\n' "$kind" "$(jq -r --arg truth "$(sed -n 's/^truth ratio=//p' "$work/self")" \
		'select(.type == "verdict" and .final) | "\(.verdict) \(.ratio // "-") \($truth) \(.sentence)"' "$work/told")"
}

verdict_table() {
	local run
	for ((run = 1; run <= ${RUNS:-20}; run++)); do
		# Half of the equal lanes spin, half are malloc itself.
		if ((run % 2)); then lanes_run A/A 20 20; else lanes_run A/A malloc; fi
		if ((run % 2)); then lanes_run A/B 20 40; else lanes_run B/A 40 20; fi
	done | tee "$work/verdicts" | cut -c 1-160
	# Equal: "cannot tell", or a difference of less than 2 %. The other ones: who it is, and a ratio within a tenth.
	awk -v runs="${RUNS:-20}" '
		$1 == "A/A" { equal += $2 == "cannot-tell" || ($3 > 0.98 && $3 < 1.02); next }
		{
			ratio = $4
			who += $2 == ($1 == "A/B" ? "faster" : "slower")
			near += $3 / ratio > 0.9 && $3 / ratio < 1.1
		}
		END {
			printf "equal: right %d of %d; twice as long: right %d of %d, ratio within a tenth %d\n", equal, runs, who, runs, near
			exit !(equal >= runs - runs / 20 && who == runs)
		}' "$work/verdicts" || wrong 'verdicts'
}

# ---- the experiment

# "POOL MALLOC RATIO" as pool-demo states them of itself.
net() { sed -n 's/^net .*pool=\([0-9.]*\).*malloc=\([0-9.]*\).*ratio=\([0-9.]*\).*/\1 \2 \3/p' "$1"; }

# Pairs have one verdict, batches one for each half: their ratio is that of an allocation and a release together.
demo_run() {
	local -a demo=("$build/pool-demo" --pattern "$1" --threads "$2" --messages "${MESSAGES:-2000000}" --rounds 20)
	local untraced told
	"${demo[@]}" >"$work/self"
	untraced=$(net "$work/self")
	"$alloctrace" compare -f json -o "$work/told" -- "${demo[@]}" >"$work/self" 2>"$work/said"
	told=$(jq -rs 'map(select(.type == "verdict" and .final) | .p50) |
		"\(map(.[0]) | add) \(map(.[1]) | add) \(length)"' "$work/told")
	awk -v pattern="$1" -v threads="$2" '{
		ratio = $2 / $1
		bad = (ratio > 1) != ($6 > 1) || ratio / $6 > 1.25 || $6 / ratio > 1.25
		printf "%-9s %d   compare: %.2f %.2f ns, ratio %.2f   untraced: %.2f %.2f ns, ratio %.2f%s\n", pattern, threads,
			$1 / 2, $2 / 2, ratio, $4, $5, $6, bad ? "  beyond 25 %" : ""
		exit bad
	}' <<<"$told $untraced" || bad=1
	jq -r 'select(.type == "verdict" and .final) | "  " + .sentence' "$work/told"
}

demo_table() {
	local run pattern threads
	for ((run = 1; run <= ${RUNS:-3}; run++)); do
		for pattern in batch pingpong; do
			for threads in 1 2; do
				demo_run $pattern $threads
			done
		done
	done
}

# ---- no false findings

clean_run() {
	local messages=${MESSAGES:-5000000} told
	mkfifo "$work/events"
	grep -v '"type":"event"' <"$work/events" >"$work/told" &
	"$alloctrace" -f json -e pool --ring-size 1G -o "$work/events" -- "$build/pool-demo" --lane pool --messages "$messages" \
		>"$work/self" 2>"$work/said"
	wait
	told=$(jq -r 'select(.type == "summary") | "\(.events) events, \(.lost.total) lost"' "$work/told")
	echo "$messages messages: $told, $(grep -c '"type":"finding"' "$work/told" || true) findings"
	! grep '"type":"finding"' "$work/told" || wrong 'findings on a clean pool'
}

case ${1:-all} in
known) known_table ;;
verdict) verdict_table ;;
demo) demo_table ;;
clean) clean_run ;;
all)
	known_table
	verdict_table
	demo_table
	clean_run
	;;
*)
	sed -n '2,/^set/{ s/^# \{0,1\}//p }' "$0"
	exit 2
	;;
esac
printf 'kernel %s, load average %s before, %s\n' "$(uname -r)" "$load" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
exit $bad
