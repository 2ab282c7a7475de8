#!/usr/bin/env bats
# What cannot be done is refused: one sentence on stderr, perhaps a hint, the right exit code; nothing is attached, no
# command has run, no file is damaged. No case may trace the whole system, not even when the refusal is broken: so each
# has a target of its own.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held is start_held's
load helpers

NO_PID=4194305 # beyond the largest PID that Linux hands out

# attempt ARG…: alloctrace to its end. $status is its exit code; output in $TRACE, words in $SAID.
attempt() {
	status=0
	ALLOCTRACE_ATTEMPT=$BATS_TEST_TMPDIR timeout -k 5 "$PATIENCE" "$ALLOCTRACE" "$@" \
		>"$TRACE" 2>"$SAID" </dev/null 3>&- 7>&- || status=$?
}

# The sentences that matter.
spoken() { grep -v -e '^alloctrace: hint: ' -e '^alloctrace: ready: ' "$SAID"; }

# A process that an attempt left behind: neither alloctrace itself nor a command that it started.
left_behind() { grep -slz "^ALLOCTRACE_ATTEMPT=$BATS_TEST_TMPDIR\$" /proc/[0-9]*/environ; }

# refused CODE REGEX: one sentence that matches, and the exit code.
refused() {
	if [ "$status" -eq "$1" ] && [ "$(spoken | wc -l)" -eq 1 ] && spoken | grep -Eq -- "^alloctrace: .*($2)" &&
		[ "$(grep -c 'hint: ' "$SAID")" -le 1 ] && ! LC_ALL=C grep -q $'[\001-\010\013-\037\177]' "$SAID"; then
		return 0
	fi
	{
		echo "exit code $status, not $1, or not one sentence like /$2/:"
		cat -v "$SAID"
	} >&2
	return 1
}

# refused_early CODE REGEX: and nothing was printed, and nobody was told that it is ready.
refused_early() { refused "$@" && [ ! -s "$TRACE" ] && ! grep -q 'ready:' "$SAID"; }

# wrong_line REGEX ARG…: the command line is wrong. A harmless command stands behind it in case it is not.
wrong_line() {
	local regex=$1
	shift
	attempt "$@" -- touch "$BATS_TEST_TMPDIR/ran"
	refused_early 2 "$regex"
	did_not_run
}

did_not_run() { [ ! -e "$BATS_TEST_TMPDIR/ran" ]; }

start_target() { start_held "$WORKLOADS/victim" --until-eof; }

# The target has run on, finishes, and its heap is right.
target_unharmed() {
	kill -0 "$held"
	release_held
	wait "$held"
	[ "$(truth wrong "$BATS_TEST_TMPDIR/held.out")" = 0 ]
	[ "$(truth bytes-intact "$BATS_TEST_TMPDIR/held.out")" = 1 ]
}

# A copy of alloctrace that everyone may run, in a folder that everyone may enter.
public_copy() {
	public=$(mktemp -d /tmp/alloctrace-public.XXXXXX)
	chmod 755 "$public"
	install -m 755 "$ALLOCTRACE" "$public/alloctrace"
}

teardown() {
	end_started
	[ -z "${stray:-}" ] || kill -KILL "$stray" 2>/dev/null || true
	[ -z "${public:-}" ] || rm -r "$public"
	not left_behind
}

# ---- processes

@test "a PID that does not exist" {
	attempt -p $NO_PID
	refused_early 1 "no such process: $NO_PID"
	true &
	wait $!
	attempt -p $!
	refused_early 1 "no such process: $!"
}

@test "one of several PIDs does not exist" {
	start_target
	attempt -p "$held,$NO_PID" -d 1
	refused_early 1 "no such process: $NO_PID"
	target_unharmed
}

@test "values of -p that are no PIDs" {
	local bad
	for bad in 0 -1 12x x '' ' ' 1,,2 ',' '1,' ',1' +1 ' 1' 0x10 1.5 2147483648 4294967297 18446744073709551617 \
		99999999999999999999999999 $'\033[31m1'; do
		wrong_line '--pid takes' -p "$bad"
	done
	wrong_line '--pid takes' -p "$(seq -s , 5000001 5000300)"
}

@test "a PID that ends while alloctrace attaches" {
	local i pid
	for i in {1..30}; do
		rm -f "$TRACE"
		case $((i % 3)) in
		0) sleep "0.0$((i % 10))" & ;;
		1) true & ;;
		2) "$WORKLOADS/victim" --rounds 100 >/dev/null & ;;
		esac
		pid=$!
		attempt -e malloc,free -p "$pid"
		if [ "$status" -eq 0 ]; then
			grep -q 'ready:' "$SAID"
			[ "$(spoken | wc -l)" -eq 0 ]
			grep -q 'calls = ' "$TRACE"
		else
			refused 1 "process"
		fi
		wait "$pid"
	done
}

@test "a zombie" {
	local zombie
	# The child ends when its parent has become a program that never asks for it.
	# shellcheck disable=SC2016
	bash -c '{ echo $BASHPID >"$1"; until [ "$(cat /proc/$$/comm)" = sleep ]; do :; done; } & exec sleep 1000' - \
		"$BATS_TEST_TMPDIR/pid" 3>&- &
	started+=($!)
	is_zombie() { zombie=$(cat "$BATS_TEST_TMPDIR/pid") && grep -q '^State:.Z' "/proc/$zombie/status"; }
	wait_for is_zombie 2>/dev/null
	attempt -p "$zombie"
	refused_early 1 "$zombie"
}

# bats test_tags=kernel
@test "a kernel thread" {
	[ "$(cat /proc/2/comm 2>/dev/null)" = kthreadd ] || skip "PID 2 is no kernel thread here"
	attempt -p 2
	refused_early 1 "process 2 is a kernel thread"
}

@test "a thread's id" {
	local tid
	start_held "$WORKLOADS/victim" threads 2
	wait_for has_line '^threads' "$BATS_TEST_TMPDIR/held.out"
	for tid in "/proc/$held/task"/*; do
		tid=${tid##*/}
		[ "$tid" -ne "$held" ] || continue
		attempt -p "$tid"
		refused_early 1 "$tid is a thread"
	done
	release_held
	wait "$held"
}

@test "its own PID" {
	status=0
	# shellcheck disable=SC2016
	timeout -k 5 "$PATIENCE" bash -c 'exec "$1" -p $$' - "$ALLOCTRACE" >"$TRACE" 2>"$SAID" || status=$?
	refused_early 1 "alloctrace itself"
}

# ---- commands

@test "a command that does not exist" {
	attempt -- no-such-command-anywhere
	refused_early 1 "cannot start 'no-such-command-anywhere': .*not found"
	attempt -- "$BATS_TEST_TMPDIR/missing"
	refused_early 1 "cannot start '.*missing': "
	attempt -- ''
	refused_early 1 "cannot start ''"
	attempt -- $'odd\033[31mname\n'
	refused_early 1 "cannot start 'odd"
}

@test "a command that is not executable, a directory, an empty script" {
	local script=$BATS_TEST_TMPDIR/script
	printf '#!/bin/sh\ntouch %s\n' "$BATS_TEST_TMPDIR/ran" >"$script"
	chmod 644 "$script"
	attempt -- "$script"
	refused_early 1 "cannot start '.*script': Permission denied"
	attempt -- "$BATS_TEST_TMPDIR"
	refused_early 1 "cannot start '.*': (Permission denied|.*directory)"
	: >"$script"
	chmod 755 "$script"
	attempt -- "$script" # execvp(3) gives it to a shell, as a shell does
	[ "$status" -eq 0 ] || refused_early 1 "cannot start '.*script'"
	printf '#!/no/such/interpreter\n' >"$script"
	attempt -- "$script"
	refused_early 1 "cannot start '.*script'"
	did_not_run
}

@test "a program with nothing to trace does not run" {
	local busybox state
	busybox=$(command -v busybox) || skip "no busybox"
	command -v readelf >/dev/null || skip "no readelf"
	has_no_symbols "$busybox" || skip "busybox is linked dynamically, or has symbols"
	attempt -- "$busybox" true
	refused 1 "nothing to trace in '.*busybox'"

	# Nobody reads what alloctrace says: it stops there, and whoever is not held by then runs.
	mkfifo "$BATS_TEST_TMPDIR/words"
	exec 8<>"$BATS_TEST_TMPDIR/words"
	dd if=/dev/zero bs=4096 count=16 status=none >&8
	"$ALLOCTRACE" -- "$busybox" sleep 1000 2>&8 8>&- 3>&- &
	tracer=$!
	started+=("$tracer")
	wait_for is_stuck "$tracer"
	for pid in $(pgrep -P "$tracer"); do
		stray=$pid
		state=$(awk '/^State:/ { print $2 }' "/proc/$pid/status")
		case $state in
		t | Z | X | '') ;;
		*) echo "the command runs: $state" >&2; return 1 ;;
		esac
	done
}
has_no_symbols() {
	! readelf -lW "$1" | grep -q INTERP && ! readelf -SW "$1" | grep -Eq '\.(symtab|dynsym)'
}
# Waits for a full pipe.
is_stuck() { grep -q pipe_write "/proc/$1/wchan" || is_gone "$1"; }

# ---- privileges, kernel

# bats test_tags=kernel
@test "not root" {
	command -v setpriv >/dev/null || skip "no setpriv"
	public_copy
	start_target
	local who=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all)
	"${who[@]}" true || skip "no other user to be"
	ALLOCTRACE=$public/as-nobody
	printf '#!/bin/sh\nexec %s %s/alloctrace "$@"\n' "${who[*]}" "$public" >"$ALLOCTRACE"
	chmod 755 "$ALLOCTRACE"
	attempt -p "$held" -d 1
	refused_early 1 "CAP_BPF.*CAP_PERFMON"
	grep -q '^alloctrace: hint: .*root' "$SAID"
	attempt -- touch "$BATS_TEST_TMPDIR/ran" "$public/ran"
	refused_early 1 "CAP_BPF.*CAP_PERFMON"
	did_not_run
	target_unharmed
}

@test "without root, help and version" {
	command -v setpriv >/dev/null || skip "no setpriv"
	public_copy
	setpriv --reuid=65534 --clear-groups --bounding-set=-all "$public/alloctrace" -h >"$TRACE"
	grep -q '^usage: ' "$TRACE"
}

@test "a kernel without BTF" {
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	[ -d /sys/kernel/btf ] || skip "no BTF to hide"
	start_target
	status=0
	# shellcheck disable=SC2016
	unshare -m bash -c 'mount -t tmpfs none /sys/kernel/btf && exec timeout "$@"' - \
		"$PATIENCE" "$ALLOCTRACE" -p "$held" -d 1 >"$TRACE" 2>"$SAID" 7>&- || status=$?
	refused_early 1 "BTF"
	target_unharmed
}

# ---- output

@test "-o into nowhere" {
	local dir=$BATS_TEST_TMPDIR
	attempt -o "$dir/missing/file" -- touch "$dir/ran"
	refused_early 1 "missing/file.*No such file or directory"
	attempt -o "$dir" -- touch "$dir/ran"
	refused_early 1 "'$dir'.*(Is a directory|directory)"
	attempt -o '' -- touch "$dir/ran"
	refused_early 1 "No such file or directory"
	did_not_run
}

@test "-o through a symbolic link is refused" {
	local dir=$BATS_TEST_TMPDIR
	echo precious >"$dir/precious"
	ln -s precious "$dir/link"
	ln -s new "$dir/dangling"
	attempt -o "$dir/link" -- touch "$dir/ran"
	refused_early 1 "'$dir/link'"
	attempt -o "$dir/dangling" -- touch "$dir/ran"
	refused_early 1 "'$dir/dangling'"
	did_not_run
	[ "$(cat "$dir/precious")" = precious ]
	[ ! -e "$dir/new" ]
}

@test "-o onto a read-only mount" {
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	mkdir "$BATS_TEST_TMPDIR/mount"
	status=0
	# shellcheck disable=SC2016
	unshare -m bash -c 'mount -t tmpfs -o ro none "$1/mount" && exec timeout "$2" "$3" -o "$1/mount/file" -- touch "$1/ran"' - \
		"$BATS_TEST_TMPDIR" "$PATIENCE" "$ALLOCTRACE" >"$TRACE" 2>"$SAID" || status=$?
	refused_early 1 "Read-only file system"
	did_not_run
}

@test "a refusal leaves the output file as it was" {
	local file=$BATS_TEST_TMPDIR/file
	echo precious >"$file"
	attempt -p $NO_PID -o "$file"
	refused_early 1 "no such process"
	[ "$(cat "$file")" = precious ]
	attempt -o "$file" -f xml -- true
	refused_early 2 "xml"
	[ "$(cat "$file")" = precious ]
	attempt -o "$file" -- no-such-command-anywhere
	refused_early 1 "cannot start"
	[ "$(cat "$file")" = precious ]
}

@test "-o onto a full device" {
	start_target
	attempt -p "$held" -e malloc,free -d 0.2 -o /dev/full
	refused 1 "cannot write to .*/dev/full.*: No space left on device"
	attempt latency -p "$held" -e malloc,free -d 0.2 -o /dev/full
	refused 1 "cannot write to .*/dev/full.*: No space left on device"
	attempt -p "$held" -e malloc,free -f json -o /dev/full # no end is given: the failure is one
	refused 1 "cannot write to .*/dev/full.*: No space left on device"
	target_unharmed
}

@test "standard output is a full device" {
	start_target
	status=0
	timeout "$PATIENCE" "$ALLOCTRACE" -p "$held" -e malloc,free >/dev/full 2>"$SAID" 7>&- || status=$?
	refused 1 "cannot write to .*: No space left on device"
	target_unharmed
}

@test "the disk fills up" {
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	mkdir "$BATS_TEST_TMPDIR/mount"
	start_target
	status=0
	# shellcheck disable=SC2016
	unshare -m bash -c 'mount -t tmpfs -o size=64k none "$1/mount" && exec timeout "$2" "$3" -p "$4" -e malloc,free \
		-f json -o "$1/mount/file"' - \
		"$BATS_TEST_TMPDIR" "$PATIENCE" "$ALLOCTRACE" "$held" >"$TRACE" 2>"$SAID" 7>&- || status=$?
	refused 1 "cannot write to .*mount/file.*: No space left on device"
	target_unharmed
}

@test "the reader leaves after one line" {
	start_target
	set +o pipefail
	timeout "$PATIENCE" "$ALLOCTRACE" -p "$held" -e malloc,free 2>"$SAID" 7>&- | head -n 1 >"$TRACE"
	status=${PIPESTATUS[0]}
	refused 1 "Broken pipe"
	[ "$(wc -l <"$TRACE")" -eq 1 ]
	target_unharmed
}

@test "the reader has never been there" {
	start_target
	timeout "$PATIENCE" "$ALLOCTRACE" -p "$held" -e malloc,free 2>"$SAID" 7>&- | true
	status=${PIPESTATUS[0]}
	refused 1 "Broken pipe"
	target_unharmed
}

@test "the reader of an idle target's trace leaves" {
	start_held "$WORKLOADS/victim" --wait
	timeout "$PATIENCE" "$ALLOCTRACE" -p "$held" -e malloc,free 2>"$SAID" 7>&- | true
	status=${PIPESTATUS[0]}
	refused 1 "Broken pipe"
	release_held
	wait "$held"
}

@test "a command goes on when the reader of its trace has left" {
	local out=$BATS_TEST_TMPDIR/command.out
	# shellcheck disable=SC2016
	timeout "$PATIENCE" "$ALLOCTRACE" -- bash -c 'exec "$1" --rounds 30000 >"$2"' - "$WORKLOADS/victim" "$out" \
		2>"$SAID" | head -n 1 >"$TRACE"
	status=${PIPESTATUS[0]}
	refused 1 "Broken pipe"
	wait_for has_line '^truth wrong=0' "$out"
}

@test "standard streams that are closed" {
	local file=$BATS_TEST_TMPDIR/file
	"$ALLOCTRACE" -e malloc,free -f json -o "$file" -- "$WORKLOADS/early" >"$TRACE" 2>&-
	not grep -v '^{' "$file" # no word to the user has landed there
	"$ALLOCTRACE" -e malloc,free -f json -o "$file" -- "$WORKLOADS/early" >"$TRACE" 2>"$SAID" <&-
	not grep -v '^{' "$file"
	status=0
	"$ALLOCTRACE" -e malloc,free -- "$WORKLOADS/victim" >&- 2>"$SAID" || status=$?
	refused 1 "cannot write to standard output"
}

# ---- values

@test "--ring-size" {
	local bad good
	for bad in 0 1 3K 2G 1T abc '' -1 1.5M 64KB 99999999999999999999; do
		wrong_line '--ring-size takes' --ring-size "$bad"
	done
	for good in 64K 16M 65537; do
		attempt -q -e malloc,free --ring-size "$good" -- "$WORKLOADS/victim" --rounds 10
		[ "$status" -eq 0 ]
		[ ! -s "$SAID" ]
	done
}

@test "-d and -i" {
	local bad
	for bad in 0 x -1 1e99 nan inf '' 1s -0 0.0 ' 1'; do
		wrong_line '--duration takes' -d "$bad"
		wrong_line '--interval takes' -i "$bad"
	done
}

@test "--max-stack" {
	local bad
	for bad in 0 128 -1 x '' 1e1; do
		wrong_line '--max-stack takes' -k --max-stack "$bad"
	done
}

@test "-z and -Z" {
	local bad
	for bad in x -1 '' 1Q 1KK 0x10 99999999999999999999 18014398509481984K; do
		wrong_line '--min-size takes' -z "$bad"
		wrong_line '--max-size takes' -Z "$bad"
	done
	wrong_line 'min-size.*max-size' -z 10 -Z 5
}

@test "-f with a format that is none" {
	wrong_line "xml" -f xml
	wrong_line "has no format ''" -f ''
}

@test "-e with names that are none" {
	wrong_line "mallok" -e mallok
	wrong_line "-e" -e ''
	wrong_line "-e" -e malloc,,free
	wrong_line "-e" -e malloc,
	wrong_line "-e" -e pool:
	wrong_line "-e" -e "pool:$(printf 'x%.0s' {1..300})"
	wrong_line "Malloc" -e malloc,Malloc
}

# ---- the shape of the line

@test "an unknown option" {
	wrong_line "unknown option '--no-such'" --no-such
	wrong_line "unknown option '-x'" -x
	wrong_line "unknown option '-v?x'" -vx
	wrong_line "unknown option '-xv?'" -d 5 -xv
	wrong_line "unknown option" $'-\033'
}

@test "a value that is missing, and one that is too much" {
	local option
	for option in -p --pid -d -i -f -o -e -z -Z --max-stack --ring-size; do
		attempt "$option"
		refused_early 2 "option '$option' needs a value"
	done
	wrong_line "strict" --strict=yes
}

@test "an ambiguous abbreviation" {
	wrong_line "'--m'|--m" --m 1
}

@test "a reserved word, an unknown command" {
	local word
	for word in compare leaks record report diff top; do
		! "$ALLOCTRACE" -h | grep -q "^ *\(usage: \)\?alloctrace $word " || continue
		attempt "$word" -p $NO_PID
		refused_early 2 "'$word'.* yet"
	done
	attempt frobnicate -p $NO_PID
	refused_early 2 "unknown command 'frobnicate'"
	attempt '' -p $NO_PID
	refused_early 2 "unknown command ''"
	attempt ls -p $NO_PID
	refused_early 2 "unknown command 'ls'.*--"
}

@test "words that belong to nothing" {
	attempt -p $NO_PID stray
	refused_early 2 "'stray'"
	attempt trace -p $NO_PID trace
	refused_early 2 "'trace'"
	attempt trace stray -- touch "$BATS_TEST_TMPDIR/ran"
	refused_early 2 "'stray'"
	did_not_run
	attempt -p $NO_PID --
	refused_early 2 "'--' must be followed by a command"
}

@test "options that exclude each other" {
	wrong_line "-p and a command" -p $NO_PID
	wrong_line "-v and -q" -v -q
	attempt -p $NO_PID --exit-status
	refused_early 2 "--exit-status"
	attempt -p $NO_PID --as-root
	refused_early 2 "--as-root"
}

@test "-h and -V print to standard output alone" {
	local option
	for option in -h --help -V --version; do
		attempt "$option"
		[ "$status" -eq 0 ]
		[ ! -s "$SAID" ]
		[ -s "$TRACE" ]
	done
	attempt -V
	[ "$(wc -l <"$TRACE")" -eq 1 ]
	grep -Eq '^alloctrace [0-9]+\.[0-9]+' "$TRACE"
	attempt latency --help
	[ "$status" -eq 0 ]
	grep -q '^usage: alloctrace' "$TRACE"
}
