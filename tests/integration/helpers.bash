# Shared by the integration suites (bats). They run as root, on this machine or inside a VM, from the top of the
# checkout: build/ holds the programs. Truth comes from the workloads themselves, never from alloctrace.
# shellcheck shell=bash disable=SC2034 # what the suites use

BUILD=${BUILD:-build}
ALLOCTRACE=$BUILD/alloctrace
WORKLOADS=$BUILD/workloads
# How long anything may take before a test gives up; a VM without KVM is slow.
PATIENCE=${PATIENCE:-120}

# What is kept for later runs is kept here, and thrown away: no test has a cache of another run, or leaves one behind.
# alloctrace wants a directory that is its own alone.
export XDG_CACHE_HOME=${BATS_RUN_TMPDIR:?}/cache
[ -d "$XDG_CACHE_HOME" ] || mkdir -m 700 "$XDG_CACHE_HOME"

# know_nothing: alloctrace starts as on a machine where it has not run before.
know_nothing() {
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	mkdir -m 700 "$XDG_CACHE_HOME"
}

# Every background process of a test, for teardown.
started=()

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
}

teardown() { end_started; }

end_started() {
	local pid
	for pid in "${started[@]}"; do
		jobs -p | grep -qx "$pid" || continue # ended and waited for: the number may be another's by now
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# wait_for COMMAND…: until it succeeds; fails after PATIENCE seconds. Nobody sleeps for a fixed time.
wait_for() {
	local deadline=$((SECONDS + PATIENCE))
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "gave up waiting for: $*" >&2; return 1; }
		read -rt 0.02 <> <(:) || true
	done
}

# not COMMAND…: fails when it succeeds; a test does not stop at a mere "!".
not() { ! "$@"; }

is_gone() { ! kill -0 "$1" 2>/dev/null; }
# Without a process of its own for every look, which an emulated CPU needs longer for than what is waited for.
says_ready() {
	local said=
	read -rd '' said 2>/dev/null <"$SAID" || true
	[[ $said == *ready:* ]] || { is_gone "$tracer" && { cat "$SAID" >&2; return 0; }; }
}
has_line() { grep -q "$1" "$2" 2>/dev/null; }

# start_tracer ARG…: alloctrace in the background, output to $TRACE, its words to $SAID; returns when it is ready.
start_tracer() {
	rm -f "$SAID" # a "ready" of an earlier run
	# Without the gate of start_held: the held program would wait for the tracer to end.
	"$ALLOCTRACE" "$@" >"$TRACE" 2>"$SAID" 7>&- &
	tracer=$!
	started+=("$tracer")
	wait_for says_ready
	grep -q 'ready:' "$SAID"
}

# stop_tracer: as Ctrl-C does; its exit code is left in $status.
stop_tracer() {
	kill -INT "$tracer" 2>/dev/null || true
	status=0
	wait "$tracer" || status=$?
}

# end_tracer: waits until alloctrace ends by itself, as it does when its target has ended; exit code as above.
end_tracer() {
	status=0
	wait_for is_gone "$tracer"
	wait "$tracer" || status=$?
}

# start_held NAME ARG…: a program that prints "ready PID" and goes on when its standard input says so.
# Its output goes to $BATS_TEST_TMPDIR/held.out; $held is its PID.
start_held() {
	local gate=$BATS_TEST_TMPDIR/gate
	rm -f "$gate" "$BATS_TEST_TMPDIR/held.out"
	mkfifo "$gate"
	"$@" <"$gate" >"$BATS_TEST_TMPDIR/held.out" 2>"$BATS_TEST_TMPDIR/held.err" &
	held=$!
	started+=("$held")
	exec 7>"$gate"
	wait_for has_line '^ready' "$BATS_TEST_TMPDIR/held.out"
}

# trace_released "OPTION…" WORKLOAD… -- ARG…: a held program is traced with OPTION… and ARG…, and goes on. $SELF is its output.
trace_released() {
	local options=$1 workload=()
	shift
	while [ "$1" != -- ]; do
		workload+=("$1")
		shift
	done
	shift
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "${workload[@]}"
	# shellcheck disable=SC2086 # words
	start_tracer $options "$@" -p "$held"
	release_held
}

# release_held: lets it go on.
release_held() { exec 7>&-; }

# summary FILTER [FILE]: the books of a JSON trace, through jq.
summary() { tail -n 1 "${2:-$TRACE}" | jq -r "$1"; }

# balanced [FILE]: whether calls that began = events + lost + only counted + still open.
balanced() {
	[ "$(summary '.entered == .events + .lost.total + (.counted_only // 0) + (.in_flight // 0)' "${1:-$TRACE}")" = true ]
}

# truth KEY FILE: the number that a workload printed as "truth KEY=N".
truth() { sed -n "s/^truth $1=//p" "$2"; }

# table FILTER [FILE]: how often each line comes that FILTER makes of the events of a JSON trace, as "LINE COUNT", sorted.
table() {
	jq -r "select(.type == \"event\") | $1" "${2:-$TRACE}" | count_lines
}

# by_line SOURCE [FILE]: "CALL LINE COUNT" of all events whose caller stands in the source file of that name.
by_line() {
	table "select(.stack[0].file // \"\" | endswith(\"/$1\")) | \"\(.call) \(.stack[0].line)\"" "${2:-$TRACE}"
}

count_lines() { sort | uniq -c | awk '{ n = $1; $1 = ""; print substr($0, 2), n }' | LC_ALL=C sort; }

# same FILE FILE: whether two tables are the same; the difference is told. The first one is the truth.
same() { diff "$1" "$2" | sed 's/^</truth:     /; s/^>/alloctrace:/' >&2; cmp -s "$1" "$2"; }

# harmless_text FILE: what a terminal gets to see is newlines, and no other control byte; and UTF-8.
harmless_text() {
	! LC_ALL=C grep -qP '[\x00-\x09\x0b-\x1f\x7f]' "$1" && ! LC_ALL=C grep -qP '\xc2[\x80-\x9f]' "$1" &&
		iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
}

is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }

# run_unread: the held program runs to its end while alloctrace is stopped, which then goes on to its own.
run_unread() {
	kill -STOP "$tracer"
	wait_for is_stopped "$tracer"
	release_held
	wait_for is_gone "$held"
	kill -CONT "$tracer"
	end_tracer
}

# need NAME: the workload of that name is there.
need() { [ -x "$WORKLOADS/$1" ] || skip "$1 is not built: its tools are not installed"; }

# need_library SONAME: it is installed; $library is its path.
need_library() {
	library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk -v name="$1" '$1 == name { print $NF; exit }')
	[ -n "$library" ] || skip "$1 is not installed"
}
