# Shared by the suites on what alloctrace does to others: targets that tell their own calls, and whether they were harmed.
# shellcheck shell=bash disable=SC2034,SC2154 # what the suites use; held, tracer and status are the helpers'

FOUR=malloc,calloc,realloc,free # what the workloads call; fewer probes go away sooner

OUT() { echo "$BATS_TEST_TMPDIR/held.out"; }

# Programs that are not children of the test, and still there.
strays=()

teardown() {
	end_started
	[ ${#strays[@]} -eq 0 ] || kill -KILL "${strays[@]}" 2>/dev/null || true
}

# attempt ARG…: alloctrace to its end. $status is its exit code; output in $TRACE, words in $SAID.
attempt() {
	status=0
	timeout -k 5 "$PATIENCE" "$ALLOCTRACE" "$@" >"$TRACE" 2>"$SAID" </dev/null 3>&- 7>&- || status=$?
}

# wait_tracer: until it ends by itself; its exit code is left in $status.
wait_tracer() {
	status=0
	wait_for is_gone_or_zombie "$tracer"
	wait "$tracer" || status=$?
}
is_gone_or_zombie() { is_gone "$1" || grep -qs '^State:.Z' "/proc/$1/status"; }

# finish_held [CODE]: lets the target go on to its end; its exit code is CODE, its heap was right all the time.
finish_held() {
	local code=0
	release_held
	wait "$held" || code=$?
	[ "$code" -eq "${1:-0}" ] || { echo "the target ended with $code" >&2; return 1; }
	[ "$(truth wrong "$(OUT)" | sort -u)" = 0 ]
}

# seen NAME [FILE]: events of a JSON trace that were called from this function of a workload.
seen() { jq -n --arg name "$1" '[inputs | select(.stack[0].function? == $name)] | length' "${2:-$TRACE}"; }

# all_seen FILE [TRACE]: every call that the workload counted is an event, no more and no less.
all_seen() {
	local pair want got fine=0
	for pair in malloc:take_block calloc:take_clear_block realloc:resize_block free:give_block; do
		want=$(truth "${pair%:*}" "$1")
		got=$(seen "${pair#*:}" "${2:-$TRACE}")
		[ "$want" = "$got" ] || { echo "$pair: $want calls, $got events" >&2; fine=1; }
	done
	return $fine
}

clean_end() {
	[ "$status" -eq 0 ] && balanced && return 0
	{ echo "exit code $status"; cat "$SAID"; tail -n 1 "$TRACE"; } >&2
	return 1
}
