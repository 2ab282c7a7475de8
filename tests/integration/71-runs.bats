#!/usr/bin/env bats
# A command that alloctrace starts is what it would be without; a run ends when it should, with its books; and odd names
# stay what they are. Truth is what the command and the target say of themselves.
# shellcheck disable=SC2030,SC2034,SC2031,SC2153,SC2154 # every test is a subshell; held and tracer are the helpers'
load helpers
load harmless

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

@test "who does not want to wait for the last calls need not: one Ctrl-C, and the books" {
	local lines
	mkfifo "$BATS_TEST_TMPDIR/slow"
	perl -ne 'select undef, undef, undef, 0.002 if $. % 10 == 0' <"$BATS_TEST_TMPDIR/slow" & # 5,000 lines a second
	lines=$!
	"$ALLOCTRACE" -v -d 1 --ring-size 64M -o "$BATS_TEST_TMPDIR/slow" -f json -- "$WORKLOADS/burst" 10000000 >"$BATS_TEST_TMPDIR/said" 2>"$SAID" &
	tracer=$!
	wait_for has_line 'the run is over' "$SAID"
	kill -INT "$tracer"
	wait "$tracer" || [ $? = 130 ]
	grep -q 'interrupted while the last calls were read' "$SAID"
	wait "$lines"
}
