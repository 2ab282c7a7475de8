# How the benchmark runs the workload, alone or beneath one tool; run.sh sources it. A run that fails returns 1, and
# "why" says what went wrong.
# shellcheck shell=bash disable=SC2034,SC2154 # what run.sh sets and reads

work=$(mktemp -d)
program=$build/workloads/pairs
tracer='' target='' line='' why=''

# What a failed run has left behind.
abandon() {
	local pid
	exec 8>&- 9<&-
	for pid in $tracer $target; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	tracer='' target=''
}

cleanup() {
	trap '' INT TERM HUP # a second signal must not leave anything behind
	abandon
	rm -rf "$work"
}
trap cleanup EXIT

fail() {
	why=$1
	return 1
}

# available TOOL: whether it can be tried; "why" says what it lacks.
available() {
	local package=$1 command=$1
	case $1 in
	memleak)
		[ -x "$(command -v "${MEMLEAK:-}")" ] || fail 'MEMLEAK= names no program'
		return
		;;
	bpftrace | heaptrack | ltrace) ;;
	funclatency) package=libbpf-tools ;;
	dhat) package=valgrind command=valgrind ;;
	*) return ;;
	esac
	command -v "$command" >/dev/null || fail "not installed (package $package)"
}

# command_of TOOL PID: "command" attaches the tool to the process; "ready" is where and how it says that it has.
command_of() {
	local trace=("$build/alloctrace" --strict -o /dev/null -p "$2")
	ready=err:ready:
	case $1 in
	get_stack*) command=("$build/bench/floor" "$2" "$libc" "$malloc_site" "$free_site" stack) ;;
	none*) command=("${trace[@]}" -k --unwind none) ;;
	rules)
		command=("${trace[@]}" -k -v)
		ready='err:unwind rules of'
		;;
	fp) command=("${trace[@]}" -k --unwind fp) ;;
	floor) command=("$build/bench/floor" "$2" "$libc" "$malloc_site" "$free_site") ;;
	aggregate) command=("${trace[0]}" latency "${trace[@]:1}") ;;
	malloc-only) command=("${trace[0]}" latency -e malloc "${trace[@]:1}") ;;
	trace) command=("${trace[@]}") ;;
	record | record-k)
		command=("${trace[0]}" record --strict -o "$work/recording" -p "$2")
		[ "$1" = record-k ] || command+=(--unwind none)
		;;
	json) command=("${trace[@]}" -f json) ;;
	stacks | stacks-fp) command=("${trace[@]}" -k) ;;
	bpftrace)
		ready=out:armed
		command=(bpftrace -p "$2" -e "
			uprobe:$libc:malloc { @start[tid] = nsecs; }
			uretprobe:$libc:malloc /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }
			uprobe:$libc:free { @frees = count(); }
			interval:ms:100 { printf(\"armed\\n\"); }")
		;;
	funclatency)
		ready=out:Tracing
		command=(stdbuf -oL funclatency -p "$2" c:malloc)
		;;
	memleak)
		ready='out:Attaching\|Tracing'
		command=(stdbuf -oL "$MEMLEAK" -p "$2" 600)
		;;
	esac
}

# hear WORD: the workload's next line, which contains the word, into "line".
hear() {
	read -rt 600 -u 9 line || fail 'the traced program ended or hung' || return
	[[ $line == *"$1"* ]] || fail "the traced program said '$line'"
}

# start ARGUMENT…: the workload, which waits at its gate (8) and is listened to (9).
start() {
	rm -f "$work"/{gate,said,out,err} && mkfifo "$work/gate" "$work/said" # nothing of the run before must answer
	"$program" "$@" <"$work/gate" >"$work/said" &
	target=$!
	exec 8>"$work/gate" 9<"$work/said"
	hear ready
}

# attach TOOL: to the workload; returns when the tool says that its probes lie.
attach() {
	local ready command deadline=$((SECONDS + 30)) said
	command_of "$1" "$target"
	"${command[@]}" >"$work/out" 2>"$work/err" 8>&- 9<&- &
	tracer=$!
	said=$work/${ready%%:*}
	until grep -q "${ready#*:}" "$said" 2>/dev/null; do
		kill -0 "$tracer" 2>/dev/null || fail "it ended: $(tail -qn 1 "$work/err" "$work/out" | head -n 1)" || return
		[ "$SECONDS" -lt "$deadline" ] || fail 'not ready after 30 s' || return
		read -rt 0.02 <> <(:) || true
	done
}

# finish TOOL: both end. alloctrace's 3 means that events were lost, which makes a tool look cheap.
finish() {
	local status=0
	exec 8>&- 9<&-
	wait "$target" || status=$?
	target=''
	[ "$status" = 0 ] || fail "the traced program ended with $status" || return
	[ -n "$tracer" ] || return 0
	kill -INT "$tracer" 2>/dev/null || true
	wait "$tracer" 2>/dev/null || status=$?
	tracer=''
	[[ $status != 3 || " ${ours[*]} " != *" $1 "* ]] || lossy[$1]=$((${lossy[$1]:-0} + 1))
}

# beneath TOOL PAIRS: the workload started by a tool that cannot be attached.
beneath() {
	local command
	case $1 in
	heaptrack) command=(heaptrack -r -o "$work/heaptrack") ;;
	dhat) command=(valgrind --tool=dhat "--dhat-out-file=$work/dhat") ;;
	ltrace) command=(ltrace -e malloc+free -o /dev/null) ;;
	esac
	"${command[@]}" "$program" "$2" "$depth" </dev/null >"$work/out" 2>"$work/err" ||
		fail "it failed: $(tail -n 1 "$work/err")" || return
	line=$(grep 'ns/pair$' "$work/out") || fail 'the traced program said nothing'
}

# measure TOOL: one run of the workload as fast as it can, PAIRS pairs, or as many as take a comparable time.
measure() {
	local n=$pairs
	local program=$program
	case $1 in
	untraced) n=$((pairs * 100)) ;;
	heaptrack | dhat) n=$((pairs * 10)) ;;
	ltrace) n=$((pairs / 20 + 1)) ;;
	*-fp | fp) program=$build/bench/pairs-fp ;;
	esac
	case $1 in
	heaptrack | dhat | ltrace)
		beneath "$1" "$n" || return
		;;
	*)
		start "$n" "$depth" || return
		[ "$1" = untraced ] || attach "$1" || return
		exec 8>&-
		hear ns/pair || return
		finish "$1" || return
		;;
	esac
	echo "${line% ns/pair}" >>"$work/$1.ns"
}

# check_quiet: a pair that nobody traces takes nanoseconds; another's probes in libc would be in every number.
check_quiet() {
	awk '$1 > 1000 {n++; if ($1 > most) most = $1}
		END {if (n) printf "another tracer is at work here: untraced took up to %.0f ns, %d times of %d\n", most, n, NR}' \
		"$work/untraced.ns"
}

# The median of the numbers on stdin.
median() {
	sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
