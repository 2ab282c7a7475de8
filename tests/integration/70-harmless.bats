#!/usr/bin/env bats
# Whatever happens to alloctrace or to its target, the target goes on as if nobody had looked, and the books are right.
# Truth comes from the workloads: numbers of calls, bytes of the heap, bytes of the allocator's code.
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # every test is a subshell; held and tracer are the helpers'
load helpers

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

# ---- alloctrace is killed

# bats test_tags=kernel
@test "kill -9 of alloctrace at ten moments leaves the target as it was" {
	local round functions
	start_held "$WORKLOADS/victim" --until-eof
	for round in {0..9}; do
		: >"$SAID"
		: >"$TRACE"
		functions=$FOUR
		[ $((round % 3)) -ne 0 ] || functions=$FOUR,reallocarray,posix_memalign,aligned_alloc
		"$ALLOCTRACE" -e "$functions" -p "$held" >"$TRACE" 2>"$SAID" 7>&- 3>&- &
		tracer=$!
		case $round in
		0) ;;
		[1-5]) read -rt "0.0$((2 * round - 1))" <> <(:) || true ;;
		6 | 7) wait_for has_line 'ready:' "$SAID" ;;
		*) wait_for has_line 'malloc' "$TRACE" ;;
		esac
		kill -KILL $tracer
		wait $tracer 2>/dev/null || true
		kill -0 "$held"
	done
	finish_held
	[ "$(truth bytes-intact "$(OUT)")" = 1 ]
}

@test "kill -9 of alloctrace while it starts a command: the command is killed, or goes on to its end" {
	local out=$BATS_TEST_TMPDIR/command.out
	export ALLOCTRACE_STARTED_BY=$BATS_TEST_TMPDIR
	for round in {0..39}; do
		: >"$out"
		"$ALLOCTRACE" -e malloc,free -o "$TRACE" -- "$WORKLOADS/victim" --rounds 2000 >"$out" 2>"$SAID" 3>&- &
		tracer=$!
		read -rt "0.0$(printf '%02d' "$round")" <> <(:) || true
		kill -KILL $tracer
		wait $tracer 2>/dev/null || true
		[ -s "$out" ] || continue
		wait_for has_line '^truth wrong=0' "$out"
	done
	# Nobody is left stopped, with a tracer that knows nothing of it.
	wait_for no_victim_left
}
no_victim_left() {
	local file pid
	strays=()
	# shellcheck disable=SC2013 # names without spaces
	for file in $(grep -slz "^ALLOCTRACE_STARTED_BY=$BATS_TEST_TMPDIR\$" /proc/[0-9]*/environ); do
		pid=${file#/proc/}
		pid=${pid%/environ}
		grep -qs '^victim' "/proc/$pid/comm" || continue
		strays+=("$pid")
	done
	[ ${#strays[@]} -eq 0 ]
}

# ---- the target ends

@test "the target exits" {
	start_held "$WORKLOADS/victim" --wait --rounds 500 exit 7
	start_tracer -p "$held" -e $FOUR -f json
	finish_held 7
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "the target is killed with -9" {
	start_held "$WORKLOADS/victim" --until-eof
	start_tracer -p "$held" -e malloc,free -f json
	wait_for has_line '"malloc","kind' "$TRACE"
	kill -KILL "$held"
	wait "$held" 2>/dev/null || true
	wait_tracer
	clean_end
}

# bats test_tags=kernel
@test "the target segfaults" {
	start_held "$WORKLOADS/victim" --wait --rounds 500 segv
	start_tracer -p "$held" -e $FOUR -f json
	finish_held 139
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "the target executes another program" {
	start_held "$WORKLOADS/victim" --wait --rounds 300 exec "$WORKLOADS/stormy" timer 400
	start_tracer -p "$held" -f json
	finish_held
	wait_tracer
	clean_end
	# Both programs count; and no line of the one is shown as a line of the other.
	local before after name
	for name in malloc:take_block calloc:take_clear_block free:give_block; do
		before=$(truth "${name%:*}" "$(OUT)" | head -n 1)
		after=$(truth "${name%:*}" "$(OUT)" | tail -n 1)
		[ "$(seen "${name#*:}")" = $((before + after)) ]
		jq -n --arg name "${name#*:}" '[inputs.stack[0]? | select(.function? == $name).module]' "$TRACE" >"$SAID"
		[ "$(jq '[.[] | select(endswith("/victim"))] | length' "$SAID")" = "$before" ]
		[ "$(jq '[.[] | select(endswith("/stormy"))] | length' "$SAID")" = "$after" ]
	done
}

@test "the target executes itself ten times" {
	local args=()
	for _ in {1..10}; do
		args+=(exec "$WORKLOADS/victim" --rounds 100)
	done
	start_held "$WORKLOADS/victim" --wait --rounds 100 "${args[@]}"
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	clean_end
	[ "$(seen take_block)" = "$(truth malloc "$(OUT)" | awk '{ n += $1 } END { print n }')" ]
	[ "$(seen give_block)" = "$(truth free "$(OUT)" | awk '{ n += $1 } END { print n }')" ]
}

# ---- the target multiplies

# bats test_tags=kernel
@test "200 forked children are unharmed, and not counted" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 fork 200
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	[ "$(truth children-right "$(OUT)")" = 200 ]
	clean_end
	all_seen "$(OUT)"
	[ "$(jq -n --argjson pid "$held" '[inputs | select(.type == "event" and .pid != $pid)] | length' "$TRACE")" = 0 ]
}

# bats test_tags=kernel
@test "children that fork just when alloctrace is killed are unharmed" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 fork 200
	start_tracer -p "$held" -e $FOUR -f json
	release_held
	wait_for has_line '"malloc","kind' "$TRACE"
	kill -KILL "$tracer"
	wait "$held"
	[ "$(truth children-right "$(OUT)")" = 200 ]
	[ "$(truth wrong "$(OUT)")" = 0 ]
}

# bats test_tags=kernel
@test "vfork and posix_spawn" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 spawn 100 /bin/true
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	[ "$(truth children-right "$(OUT)")" = 100 ]
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "threads go on when main has left by pthread_exit" {
	start_held "$WORKLOADS/victim" --wait --rounds 500 mainexit
	start_tracer -p "$held" -f json
	finish_held
	wait_tracer
	clean_end
	# Probes made of perf events end with the main thread; then it must be said.
	if [ "$(summary '.main_left // 0')" != 0 ]; then
		grep -q 'threads or children went on that could not be followed' "$SAID"
		return
	fi
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "a process whose main thread has left before is traced, or refused in one sentence" {
	start_held "$WORKLOADS/victim" --rounds 500 mainexit
	wait_for has_line '^main-gone' "$(OUT)"
	attempt -p "$held" -d 0.2
	if [ "$status" -eq 1 ]; then
		[ "$(grep -vc 'hint:' "$SAID")" -eq 1 ]
	else
		[ "$status" -eq 0 ]
		grep -q 'ready:' "$SAID"
	fi
	finish_held
}

# bats test_tags=kernel
@test "a library that comes and goes" {
	start_held "$WORKLOADS/victim" --wait --rounds 100 dlopen 200 libm.so.6
	start_tracer -p "$held" -f json
	finish_held
	wait_tracer
	[ "$(truth loads-right "$(OUT)")" = 200 ]
	clean_end
	all_seen "$(OUT)"
}

# ---- signals

# bats test_tags=kernel
@test "a storm of signals" {
	start_held "$WORKLOADS/stormy" --wait timer 5000
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	[ "$(truth ticks "$(OUT)")" -gt 0 ]
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "handlers on another stack that allocate and jump out" {
	start_held "$WORKLOADS/stormy" --wait jump 2000
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	[ "$(truth jumps "$(OUT)")" -gt 0 ]
	clean_end
	all_seen "$(OUT)"
	[ "$(summary .lost.total)" = 0 ]
}

# ---- company

# bats test_tags=kernel
@test "two alloctrace on one target" {
	start_held "$WORKLOADS/victim" --wait --rounds 500
	start_tracer -p "$held" -e $FOUR -f json
	local first=$tracer first_trace=$TRACE
	TRACE=$BATS_TEST_TMPDIR/second.out SAID=$BATS_TEST_TMPDIR/second.err
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	clean_end
	all_seen "$(OUT)"
	tracer=$first TRACE=$first_trace
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

# bats test_tags=kernel
@test "one of two alloctrace leaves: the other sees everything" {
	start_held "$WORKLOADS/victim" --wait --rounds 500
	start_tracer -p "$held" -e $FOUR -f json
	local first=$tracer
	TRACE=$BATS_TEST_TMPDIR/second.out SAID=$BATS_TEST_TMPDIR/second.err
	start_tracer -p "$held" -e $FOUR -f json
	kill -KILL "$first"
	wait "$first" 2>/dev/null || true
	finish_held
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

@test "strace on the same target" {
	command -v strace >/dev/null || skip "no strace"
	start_held "$WORKLOADS/victim" --wait --rounds 500
	strace -f -o "$BATS_TEST_TMPDIR/strace.out" -p "$held" 2>"$BATS_TEST_TMPDIR/strace.err" 7>&- &
	started+=($!)
	wait_for has_line 'attached' "$BATS_TEST_TMPDIR/strace.err"
	start_tracer -p "$held" -e $FOUR -f json
	finish_held
	wait_tracer
	clean_end
	all_seen "$(OUT)"
}

@test "gdb on the same target" {
	command -v gdb >/dev/null || skip "no gdb"
	start_held "$WORKLOADS/victim" --wait --rounds 500 exit 7
	start_tracer -p "$held" -e $FOUR -f json
	timeout "$PATIENCE" gdb -nx -batch -iex 'set debuginfod enabled off' -p "$held" -ex 'break take_clear_block' \
		-ex 'echo attached\n' -ex continue -ex 'delete 1' -ex continue \
		>"$BATS_TEST_TMPDIR/gdb.out" 2>&1 </dev/null 7>&- &
	started+=($!)
	wait_for has_line '^attached' "$BATS_TEST_TMPDIR/gdb.out"
	release_held
	wait "$held" 2>/dev/null || true
	[ "$(truth wrong "$(OUT)")" = 0 ]
	wait_tracer
	clean_end
	all_seen "$(OUT)"
	grep -q 'exited with code 07' "$BATS_TEST_TMPDIR/gdb.out"
}

# ---- a command

@test "--exit-status, and the fate in the books" {
	local code
	for code in 0 7 255; do
		attempt -e malloc,free --exit-status -- bash -c "exit $code"
		[ "$status" -eq $code ]
		grep -q "^command: exited with $code\$" "$TRACE"
	done
	attempt -e malloc,free --exit-status -- "$WORKLOADS/victim" segv
	[ "$status" -eq 139 ]
	grep -Eq '^command: killed by SIGSEGV( \(core dumped\))?$' "$TRACE"
	attempt -e malloc,free --exit-status -- "$WORKLOADS/victim" signal 9
	[ "$status" -eq 137 ]
	grep -q '^command: killed by SIGKILL$' "$TRACE"
	attempt -e malloc,free -- bash -c 'exit 7'
	[ "$status" -eq 0 ]
	grep -q '^command: exited with 7$' "$TRACE"
	attempt -f json -e malloc,free -- bash -c 'exit 7'
	[ "$(summary .command)" = "exited with 7" ]
}

@test "a command has its own standard streams, environment, directory and arguments" {
	local trace here=$BATS_TEST_TMPDIR/here alloctrace
	alloctrace=$(realpath "$ALLOCTRACE")
	trace=$TRACE
	mkdir "$here"
	cd "$here"
	# shellcheck disable=SC2016
	printf 'a\nb' | ODD=$'x\ny' "$alloctrace" -q -e malloc,free -o "$trace" -- \
		bash -c 'cat; echo to-err >&2; pwd; printf "[%s]" "$ODD" "$@"' zero 'a b' '' $'c\nd' -- -p '*' \
		>out 2>err
	[ "$(cat err)" = to-err ]
	printf 'a\nb%s\n[x\ny][a b][][c\nd][--][-p][*]' "$here" | cmp - out
	env | grep -v -e '^_=' -e '^BASH_FUNC' | sort >env.here
	"$alloctrace" -q -e malloc,free -o "$trace" -- env | grep -v -e '^_=' -e '^BASH_FUNC' | sort >env.there
	cmp env.here env.there
}

# same_state PREPARATION REGEX: these lines of /proc/self/status, with and without alloctrace.
same_state() (
	eval "$1"
	exec 3>&- 7>&-
	grep -E "$2" /proc/self/status >"$BATS_TEST_TMPDIR/here"
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- grep -E "$2" /proc/self/status >"$BATS_TEST_TMPDIR/there"
	diff "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
)

@test "a command keeps ignoring the signals that alloctrace was told to ignore" {
	same_state 'trap "" PIPE' '^(SigBlk|SigIgn|SigCgt):'
	same_state 'trap "" INT TERM USR1' '^(SigBlk|SigIgn|SigCgt):'
}

@test "a command has the signals, descriptors and limits that a shell would give it" {
	local wanted='^(SigBlk|SigIgn|SigCgt|TracerPid|Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' way
	for way in ':' 'trap "" USR2 HUP'; do
		same_state "$way" "$wanted"
	done
	grep -q '^TracerPid:.0$' "$BATS_TEST_TMPDIR/there"
	# shellcheck disable=SC2012 # numbers and nothing else
	ls /proc/self/fd | cat >"$BATS_TEST_TMPDIR/here"
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- ls /proc/self/fd | cat >"$BATS_TEST_TMPDIR/there"
	diff "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
	bash -c 'ulimit -a; umask' >"$BATS_TEST_TMPDIR/here"
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- bash -c 'ulimit -a; umask' >"$BATS_TEST_TMPDIR/there"
	diff "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
}

@test "a script is a command" {
	local script=$BATS_TEST_TMPDIR/script
	# shellcheck disable=SC2016
	printf '#!/bin/bash\necho "from $0 with $1"\nexit 5\n' >"$script"
	chmod 755 "$script"
	status=0
	"$ALLOCTRACE" -f json -e malloc,free --exit-status -o "$TRACE" -- "$script" 'an argument' \
		>"$BATS_TEST_TMPDIR/out" 2>"$SAID" || status=$?
	[ "$status" -eq 5 ]
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "from $script with an argument" ]
	[ "$(summary '.calls.malloc.count > 0')" = true ]
}

@test "a command is found by PATH, and by a relative path" {
	attempt -q -e malloc,free --exit-status -- true
	[ "$status" -eq 0 ]
	cd "$BATS_TEST_DIRNAME/../.."
	attempt -q -e malloc,free --exit-status -- build/workloads/victim exit 3
	[ "$status" -eq 3 ]
}

@test "under sudo, a command runs as the user who called it" {
	local who='^(Uid|Gid|Groups):'
	export SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- grep -E "$who" /proc/self/status >"$BATS_TEST_TMPDIR/out"
	grep -q $'^Uid:\t65534\t65534\t65534\t65534$' "$BATS_TEST_TMPDIR/out"
	grep -q $'^Gid:\t65534\t65534\t65534\t65534$' "$BATS_TEST_TMPDIR/out"
	grep -Eq $'^Groups:\t(65534 ?)?$' "$BATS_TEST_TMPDIR/out"
	grep -q 'exited with 0' "$TRACE"
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" --as-root -- grep -E "$who" /proc/self/status >"$BATS_TEST_TMPDIR/out"
	grep -q $'^Uid:\t0\t0\t0\t0$' "$BATS_TEST_TMPDIR/out"
	grep -q $'^Gid:\t0\t0\t0\t0$' "$BATS_TEST_TMPDIR/out"
	export SUDO_UID=4242 SUDO_GID=4243 SUDO_USER=no-such-user-here
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- grep -E "$who" /proc/self/status >"$BATS_TEST_TMPDIR/out" 2>"$SAID" ||
		[ "$(wc -l <"$SAID")" -eq 1 ]
	not grep -q $'^Uid:\t0' "$BATS_TEST_TMPDIR/out"
	not grep -Eq $'^Groups:.*\\b0\\b' "$BATS_TEST_TMPDIR/out"
	export SUDO_UID=-1 SUDO_GID=x
	"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- true 2>"$SAID" || [ "$(wc -l <"$SAID")" -eq 1 ]
}

@test "under sudo, a command has the state, the environment and the home that it would have without" {
	local state='^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' entry
	command -v setpriv >/dev/null || skip "no setpriv"
	entry=$(getent passwd nobody)
	setpriv --reuid 65534 --regid 65534 --init-groups grep -E "$state" /proc/self/status >"$BATS_TEST_TMPDIR/here"
	env -i PATH="$PATH" TERM=dumb KEPT=1 HOME="$(cut -d : -f 6 <<<"$entry")" USER=nobody LOGNAME=nobody \
		SHELL="$(cut -d : -f 7 <<<"$entry")" env | sort >"$BATS_TEST_TMPDIR/env.here"
	entry=$(getent passwd root)
	as_sudo() {
		env -i PATH="$PATH" TERM=dumb KEPT=1 HOME="${1:-$(cut -d : -f 6 <<<"$entry")}" USER=root LOGNAME=root \
			SHELL="$(cut -d : -f 7 <<<"$entry")" SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody SUDO_COMMAND=alloctrace \
			"$ALLOCTRACE" -q -e malloc,free -o "$TRACE" -- "${@:2}"
	}
	as_sudo '' grep -E "$state" /proc/self/status | diff "$BATS_TEST_TMPDIR/here" -
	as_sudo '' env | sort | diff "$BATS_TEST_TMPDIR/env.here" -
	# What sudo was told to keep stays.
	[ "$(as_sudo /elsewhere printenv HOME)" = /elsewhere ]
}

# bats test_tags=kernel
@test "constructors are seen, from the first instruction" {
	"$ALLOCTRACE" -q -f json -o "$TRACE" -- "$WORKLOADS/early" >"$BATS_TEST_TMPDIR/out"
	[ "$(seen take_early)" = "$(truth early "$BATS_TEST_TMPDIR/out")" ]
	[ "$(seen give_block)" = "$(truth early "$BATS_TEST_TMPDIR/out")" ]
	status=0
	clean_end
}

@test "a very short command, a dozen times" {
	for _ in {1..12}; do
		attempt -f json -e malloc,free --exit-status -- "$WORKLOADS/early"
		[ "$status" -eq 0 ]
		# The command's own output is among the lines.
		grep '^{' "$TRACE" >"$BATS_TEST_TMPDIR/lines"
		[ "$(seen take_early "$BATS_TEST_TMPDIR/lines")" = 50 ]
		balanced "$BATS_TEST_TMPDIR/lines"
	done
}

# ---- the end of a run

@test "SIGINT and SIGTERM to alloctrace: the books, and the target lives on" {
	local signal
	start_held "$WORKLOADS/victim" --until-eof
	for signal in INT TERM; do
		start_tracer -p "$held" -e malloc,free
		wait_for has_line malloc "$TRACE"
		kill -s "$signal" "$tracer"
		wait_tracer
		[ "$status" -eq 0 ]
		[ "$(grep -c ' calls = ' "$TRACE")" -eq 1 ]
		not has_line 'so far' "$TRACE"
		kill -0 "$held"
	done
	finish_held
	[ "$(truth bytes-intact "$(OUT)")" = 1 ]
}

@test "SIGINT to alloctrace: a command lives on, and is not stopped" {
	local out=$BATS_TEST_TMPDIR/command.out pid
	mkfifo "$BATS_TEST_TMPDIR/gate"
	# shellcheck disable=SC2016
	"$ALLOCTRACE" -e malloc,free -- "$WORKLOADS/victim" --until-eof \
		>"$out" 2>"$SAID" <"$BATS_TEST_TMPDIR/gate" 3>&- &
	tracer=$!
	started+=("$tracer")
	exec 7>"$BATS_TEST_TMPDIR/gate"
	wait_for has_line '^ready' "$out"
	pid=$(sed -n 's/^ready //p' "$out")
	strays=("$pid")
	wait_for has_line ' malloc ' "$out"
	kill -INT "$tracer"
	wait_tracer
	[ "$status" -eq 0 ]
	wait_for has_line "^command: still running as PID $pid" "$out"
	grep -q '^TracerPid:.0$' "/proc/$pid/status"
	exec 7>&-
	wait_for has_line '^truth bytes-intact=1' "$out"
	strays=()
	grep -q '^truth wrong=0' "$out"
}

@test "SIGUSR1: an interim report, and the run goes on" {
	start_held "$WORKLOADS/victim" --until-eof
	start_tracer -p "$held" -e malloc,free -f json
	kill -USR1 "$tracer"
	wait_for has_line '"type":"interim"' "$TRACE"
	kill -0 "$tracer"
	kill -USR1 "$tracer"
	interim_twice() { [ "$(grep -c '"type":"interim"' "$TRACE")" -eq 2 ]; }
	wait_for interim_twice
	stop_tracer
	clean_end
	[ "$(grep -c '"type":"summary"' "$TRACE")" -eq 1 ]
	finish_held
}

@test "-d ends a run, -i reports on the way" {
	start_held "$WORKLOADS/victim" --until-eof
	attempt -p "$held" -e malloc,free -d 0.3
	[ "$status" -eq 0 ]
	grep -q ' calls = ' "$TRACE"
	attempt -p "$held" -e malloc,free -d 2 -i 0.3 -f json
	clean_end
	[ "$(grep -c '"type":"interim"' "$TRACE")" -ge 2 ]
	[ "$(grep -c '"type":"interim"' "$TRACE")" -le 7 ]
	[ "$(summary '.elapsed_ns >= 2000000000')" = true ]
	finish_held
}

# ---- names

@test "odd names of threads, functions, files and paths" {
	local dir=$BATS_TEST_TMPDIR/$'odd\033[32m\xff\ndir' program out=$BATS_TEST_TMPDIR/command.out
	mkdir "$dir"
	program=$dir/$'odd\033]0;x\a\tname'
	cp "$WORKLOADS/oddnames" "$program"
	"$ALLOCTRACE" -o "$TRACE" -k -- "$program" >"$out" 2>"$SAID"
	cat "$SAID" >>"$TRACE"
	harmless_text "$TRACE"
	[ "$(grep -c 'odd.*name' "$TRACE")" -ge 40 ]
	"$ALLOCTRACE" -f json -o "$TRACE" -k -- "$program" >"$out" 2>"$SAID"
	jq -es 'length > 80' "$TRACE"
	LC_ALL=C not grep -qP '[\x00-\x09\x0b-\x1f]' "$TRACE"
	iconv -f UTF-8 -t UTF-8 "$TRACE" >/dev/null
	[ "$(summary .calls.malloc.count)" -ge "$(truth malloc "$out")" ]
	"$ALLOCTRACE" latency -o "$TRACE" -- "$program" >"$out" 2>"$SAID"
	harmless_text "$SAID"
	harmless_text "$TRACE"
	"$ALLOCTRACE" -v -o "$TRACE" -- "$program" >"$out" 2>"$SAID"
	harmless_text "$SAID"
}

@test "odd names without line information" {
	command -v strip >/dev/null || skip "no strip"
	local program=$BATS_TEST_TMPDIR/$'odd\033[32m\xff'
	strip -g -o "$program" "$WORKLOADS/oddnames"
	start_held "$program" --wait
	start_tracer -p "$held"
	release_held
	wait "$held"
	wait_tracer
	[ "$status" -eq 0 ]
	harmless_text "$TRACE"
	harmless_text "$SAID"
	[ "$(grep -ac 'odd.*name+0x' "$TRACE")" -ge 40 ]
}

@test "an odd name of an output file" {
	local file=$BATS_TEST_TMPDIR/$'odd\033[31m\n'
	attempt -e malloc,free -o "$file/x" -- true
	[ "$status" -eq 1 ]
	harmless_text "$SAID"
	attempt -q -e malloc,free -o "$file" -- true
	[ "$status" -eq 0 ]
	[ -s "$file" ]
}
