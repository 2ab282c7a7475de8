#!/usr/bin/env bats
# What cannot be done is refused: one sentence on stderr, perhaps a hint, the right exit code; nothing is attached, no
# command has run, no file is damaged. No case may trace the whole system, not even when the refusal is broken: so each
# has a target of its own.
# shellcheck disable=SC2030,SC2034,SC2031,SC2154 # every test is a subshell; held is start_held's
load helpers
load badinput

# ---- processes

@test "a PID that does not exist" {
	attempt -p "$NO_PID"
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

# bats test_tags=kernel-too
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
		grep -q '^alloctrace-' "/proc/$pid/comm" && continue # what reads files for it
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
	attempt -p "$NO_PID" -o "$file"
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
