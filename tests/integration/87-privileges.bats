#!/usr/bin/env bats
# What alloctrace keeps for the run and what it gives up before; what its command gets; what it needs in place of root;
# where it writes. Truth is /proc/PID/status, what a process in the same bounds is able to do, and the workload's own counts.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held, tracer and status are the helpers'
load helpers

# Its keeper buries it when another one is wanted.
has_died() { is_gone "$1" || grep -q '^State:.Z' "/proc/$1/status"; }

has_child() { [ -n "$(cat "/proc/$1/task/$1/children")" ]; }

# child_called NAME: the PID of the tracer's child of that name.
child_called() {
	local child children
	read -ra children <"/proc/$tracer/task/$tracer/children"
	for child in "${children[@]}"; do
		[ "$(cat "/proc/$child/comm")" != "$1" ] || echo "$child"
	done
}
bats_require_minimum_version 1.5.0

# Bits of include/uapi/linux/capability.h.
readonly DAC_READ_SEARCH=2 SYS_PTRACE=19 SYS_ADMIN=21 PERFMON=38 BPF=39 CHECKPOINT_RESTORE=40
readonly NONE=0000000000000000

# mask BIT…: as /proc/PID/status has it, of those that this shell has itself.
mask() {
	local bit all=0 own
	own=$(sed -n 's/^CapEff:.//p' /proc/self/status)
	for bit; do
		all=$((all | 1 << bit))
	done
	printf '%016x' $((all & 0x$own))
}

# state PID FIELD…: the values of these lines, in this order.
state() {
	local pid=$1 field
	shift
	for field; do
		sed -n "s/^$field:.//p" "/proc/$pid/status"
	done | paste -sd ' '
}

# is_confined PID: with -v, from which is read whether probes are perf events. For these CAP_SYS_ADMIN may be needed.
is_confined() {
	local kept wide
	kept=$(mask "$DAC_READ_SEARCH" "$SYS_PTRACE" "$PERFMON" "$BPF" "$CHECKPOINT_RESTORE")
	wide=$(mask "$DAC_READ_SEARCH" "$SYS_PTRACE" "$PERFMON" "$BPF" "$CHECKPOINT_RESTORE" "$SYS_ADMIN")
	if grep -q 'uprobes by one perf event a place' "$SAID" && [ "$(state "$1" CapEff)" = "$wide" ]; then
		kept=$wide
	fi
	[ "$(state "$1" CapEff CapPrm CapInh CapAmb NoNewPrivs Seccomp)" = "$kept $kept $NONE $NONE 1 2" ]
}

# three COMMAND…: as nobody, with the three capabilities that the README names, and no more.
three() {
	local list=+bpf,+perfmon,+sys_ptrace
	setpriv --reuid 65534 --regid 65534 --clear-groups "--inh-caps=-all,$list" "--ambient-caps=-all,$list" \
		"--bounding-set=-all,$list" "$@"
}

# for_everybody: what an unprivileged alloctrace needs to reach: a copy of it and a directory to write to, as $OPEN.
for_everybody() {
	command -v setpriv >/dev/null || skip "no setpriv"
	OPEN=$(mktemp -d /tmp/alloctrace-test.XXXXXX)
	chmod 777 "$OPEN"
	cp "$ALLOCTRACE" "$OPEN/alloctrace"
	chmod 755 "$OPEN/alloctrace"
}

# need_three: skips where the kernel does not let them place probes; it must say so itself.
need_three() {
	! three "$OPEN/alloctrace" -e malloc -o "$OPEN/try" -- true 2>&1 | grep 'may be placed with CAP_SYS_ADMIN alone' ||
		skip "this kernel has no multi links, and wants CAP_SYS_ADMIN for other probes"
}

teardown() {
	end_started
	[ -z "${OPEN:-}" ] || rm -rf "$OPEN"
}

# ---- what is kept

# bats test_tags=kernel-too
@test "from ready on: five capabilities, no new privileges, a filter; the target is as it was" {
	local before way
	start_held "$WORKLOADS/victim" --until-eof
	before=$(state "$held" CapEff CapPrm CapBnd CapInh CapAmb NoNewPrivs Seccomp)
	for way in trace latency '--follow -k -i 0.1'; do
		# shellcheck disable=SC2086 # words
		start_tracer $way -v -e malloc,free -p "$held"
		is_confined "$tracer"
		[ "$(state "$tracer" CapBnd)" = "$NONE" ]
		[ "$(state "$held" CapEff CapPrm CapBnd CapInh CapAmb NoNewPrivs Seccomp)" = "$before" ]
		stop_tracer
		[ "$status" -eq 0 ]
	done
	start_tracer -v -e malloc -n nobody-has-this-name
	is_confined "$tracer"
	stop_tracer
	[ "$status" -eq 0 ]
}

# bats test_tags=kernel-too
@test "what calls the functions that do nothing keeps no capability" {
	local child
	[ "$(uname -m)" = x86_64 ] || skip "no calibration on this machine"
	start_held "$WORKLOADS/victim" --until-eof
	start_tracer latency -p "$held"
	child=$(child_called calibrator)
	[ "$(state "$child" CapEff CapPrm CapBnd CapInh CapAmb NoNewPrivs)" = "$NONE $NONE $NONE $NONE $NONE 1" ]
	stop_tracer
	[ "$status" -eq 0 ]
	[ ! -e "/proc/$child" ]
}

# bats test_tags=kernel
@test "what reads the files of others is nobody, has no capability, and opens nothing; it ends with alloctrace" {
	local name keeper worker kept=()
	# A file of somebody else's is read by a process of its own, and nothing is known about it from earlier runs.
	install -o 65534 -m 755 "$WORKLOADS/victim" "$BATS_TEST_TMPDIR/victim"
	start_held "$BATS_TEST_TMPDIR/victim" --until-eof
	start_tracer -k -p "$held"
	for name in alloctrace-sym alloctrace-usr alloctrace-elf alloctrace-cfi; do
		keeper=$(child_called "$name")
		wait_for has_child "$keeper"
		worker=$(tr -d ' ' <"/proc/$keeper/task/$keeper/children")
		[ "$(state "$keeper" CapEff CapPrm CapBnd CapInh CapAmb NoNewPrivs)" = "$NONE $NONE $NONE $NONE $NONE 1" ]
		[ "$(state "$worker" CapEff CapPrm CapBnd CapInh CapAmb NoNewPrivs Seccomp)" = "$NONE $NONE $NONE $NONE $NONE 1 2" ]
		[ "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 } /^Groups:/ { print $2 }' "/proc/$worker/status" | sort -u | xargs)" = \
			"65534 65534 65534 65534" ]
		kept+=("$keeper" "$worker")
	done
	stop_tracer
	[ "$status" -eq 0 ]
	for name in "${kept[@]}"; do
		[ ! -e "/proc/$name" ]
	done
}

# bats test_tags=kernel-too
@test "the worker that reads symbols is killed: the run goes on, and names come again" {
	local worker
	know_nothing
	start_held "$WORKLOADS/burst" --wait 2000
	start_tracer -f json -p "$held"
	worker=$(tr -d ' ' <"/proc/$(child_called alloctrace-sym)/task/$(child_called alloctrace-sym)/children")
	kill -KILL "$worker"
	wait_for has_died "$worker"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	[ "$(jq -n '[inputs | select(.type == "event" and (.stack[0].file? // "" | endswith("/burst.c")))] | length' "$TRACE")" -gt 0 ]
}

# bats test_tags=kernel-too
@test "in the whole system, the processes that read files for alloctrace are not traced" {
	local name
	for name in alloctrace-sym alloctrace-usr alloctrace-elf alloctrace-cfi; do
		timeout -k 5 "$PATIENCE" "$ALLOCTRACE" -f json -k -d 1 -n "$name" >"$TRACE" 2>"$SAID"
		[ "$(summary .entered)" -eq 0 ]
	done
}

@test "all that reads symbols is killed: the run goes on without names, and it is said" {
	know_nothing
	start_held "$WORKLOADS/burst" --wait 2000
	start_tracer -f json -p "$held"
	kill -KILL "$(child_called alloctrace-sym)"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	[ "$(summary .entered)" -eq "$(truth calls "$BATS_TEST_TMPDIR/held.out")" ]
	grep -q 'warning: names are missing: the process that reads symbols is there no more' "$SAID"
}

# bats test_tags=kernel
@test "what is given up cannot be done, what is needed can" {
	local act
	cd "$BATS_TEST_TMPDIR"
	echo precious >mine
	chmod 640 mine
	"$BATS_TEST_DIRNAME/../../$WORKLOADS/confined" mine >did
	for act in execve fork ptrace traceme write-to-memory kill stop-own-child socket setuid unshare set-dumpable code-mmap \
		code-mprotect bpf-pin bpf-others-program type-for-user write-open read-write-open truncate-open create temporary \
		truncate unlink rename link chmod chown mkdir mount chroot; do
		grep -qx "did $act: EPERM" did || { echo "$act: $(grep "did $act:" did)" >&2; return 1; }
	done
	for act in clone3 openat2 io_uring; do # younger calls are missing, so that libraries fall back
		grep -qx "did $act: ENOSYS" did
	done
	for act in read-open read file-system memory thread write exists isatty bpf-lookup bpf-load bpf-link end-own-child reap; do
		grep -qx "did $act: works" did || { echo "$act: $(grep "did $act:" did)" >&2; return 1; }
	done
	[ "$(wc -l <did)" -eq 46 ]
	[ "$(cat mine)" = precious ]
	[ "$(stat -c %a mine)" = 640 ]
	[ ! -e confined.new ]
}

# bats test_tags=kernel-too
@test "-v says what is kept" {
	local kept
	kept=$(mask "$DAC_READ_SEARCH" "$SYS_PTRACE" "$PERFMON" "$BPF" "$CHECKPOINT_RESTORE")
	[ "$kept" = 000001c000080004 ] || skip "not all five are there"
	"$ALLOCTRACE" -v -o "$TRACE" -- true 2>"$SAID"
	grep -q 'uprobes by one perf event a place' "$SAID" || grep -q 'given up: all capabilities but CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE;' \
		"$SAID"
}

# bats test_tags=kernel
@test "where the filter cannot be set: one sentence, exit 1, nothing was counted or written" {
	start_held "$WORKLOADS/victim" --wait exit 0
	echo precious >"$TRACE"
	run -1 --separate-stderr "$WORKLOADS/confined" --without-seccomp "$ALLOCTRACE" -o "$TRACE" -p "$held"
	[ -z "$output" ]
	[ "$(grep -c 'cannot start the processes that read the files of programs: ' <<<"$stderr")" -eq 1 ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[ "$(cat "$TRACE")" = precious ]
	run -1 --separate-stderr "$WORKLOADS/confined" --without-seccomp "$ALLOCTRACE" -o "$TRACE" -- \
		touch "$BATS_TEST_TMPDIR/ran"
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[ "$(cat "$TRACE")" = precious ]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	release_held
	wait "$held"
	[ "$(truth wrong "$BATS_TEST_TMPDIR/held.out")" = 0 ]
}

# ---- what is needed goes on

# bats test_tags=kernel-too
@test "a library that comes later, closed to all but its owner, is probed, and its calls are true" {
	local plugin=$BATS_TEST_TMPDIR/libarena.so
	cp "$WORKLOADS/libarena.so" "$plugin"
	chown 65534:65534 "$plugin"
	chmod 600 "$plugin" # to be read by CAP_DAC_READ_SEARCH alone
	start_held "$WORKLOADS/mapper" --wait --late --open "$plugin" 200
	start_tracer -v -f json --function 'arena_take_aligned(align=arg1,size=arg3,ret=ptr)' -p "$held"
	is_confined "$tracer"
	echo >&7
	wait_for has_line '^loaded' "$BATS_TEST_TMPDIR/held.out"
	wait_for has_line 'probed .* more functions.*libarena' "$SAID"
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	[ "$(summary '.calls.arena_take_aligned.count')" = "$(truth arena_take_aligned.count "$BATS_TEST_TMPDIR/held.out")" ]
	[ "$(by_line arena.c | grep -c '^arena_take_aligned ')" -gt 0 ]
}

# bats test_tags=kernel-too
@test "--follow: children and what they execute are traced, and their calls are true" {
	local total
	"$ALLOCTRACE" --follow -f json -o "$TRACE" -- bash -c "'$WORKLOADS/victim' exit 0 & wait; exec '$WORKLOADS/victim' exit 0" \
		>"$BATS_TEST_TMPDIR/out" 2>"$SAID"
	balanced
	total=$(truth calloc "$BATS_TEST_TMPDIR/out" | awk '{ n += $1 } END { print n }')
	[ "$(jq -r 'select(.type == "event" and .call == "calloc" and (.stack[0].file // "" | test("/victim\\.[ch]$"))) | 1' \
		"$TRACE" | wc -l)" = "$total" ]
}

# bats test_tags=kernel-too
@test "an interim report, a picture and the calibration of a run that goes on" {
	"$ALLOCTRACE" compare -f json -i 0.1 --svg "$BATS_TEST_TMPDIR/picture.svg" -o "$TRACE" -- "$BUILD/pool-demo" --messages 8000000 \
		>"$BATS_TEST_TMPDIR/out" 2>"$SAID"
	grep -q '"type":"interim"' "$TRACE"
	grep -q '</svg>' "$BATS_TEST_TMPDIR/picture.svg"
	start_held "$WORKLOADS/victim" --until-eof
	start_tracer latency -f json -p "$held"
	kill -USR1 "$tracer"
	wait_for has_line '"type":"interim"' "$TRACE"
	stop_tracer
	[ "$status" -eq 0 ]
	finished=$(jq -s '[.[] | select(.type == "calibration")] | length' "$TRACE")
	[ "$(uname -m)" != x86_64 ] || [ "$finished" -gt 0 ]
}

# ---- without root

# bats test_tags=kernel
@test "three capabilities are enough for -p, one's own process and another's, with lines" {
	local who program
	for_everybody
	need_three
	program=$(realpath "$WORKLOADS/victim")
	cd "$OPEN"
	for who in root nobody; do
		if [ "$who" = root ]; then
			start_held "$program" --wait
		else
			cp "$program" victim
			start_held setpriv --reuid 65534 --regid 65534 --clear-groups ./victim --wait
		fi
		three ./alloctrace -f json -o "$who.json" -p "$held" 2>"$SAID" 7>&- &
		tracer=$!
		started+=("$tracer")
		wait_for says_ready
		[ "$(state "$(pgrep -P "$tracer" -x alloctrace || echo "$tracer")" CapEff CapPrm CapInh CapAmb NoNewPrivs Seccomp)" = \
			"$(mask "$SYS_PTRACE" "$PERFMON" "$BPF") $(mask "$SYS_PTRACE" "$PERFMON" "$BPF") $NONE $NONE 1 2" ]
		release_held
		wait "$held"
		end_tracer
		[ "$status" -eq 0 ]
		[ "$(grep -c '^alloctrace: without CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE, ' "$SAID")" -eq 1 ]
		balanced "$who.json"
		[ "$(summary .calls.calloc.count "$who.json")" = "$(truth calloc "$BATS_TEST_TMPDIR/held.out")" ]
		[ "$(by_line victim.h "$who.json" | awk '$1 == "calloc" { n += $3 } END { print n }')" = \
			"$(truth calloc "$BATS_TEST_TMPDIR/held.out")" ]
		[ "$(stat -c '%a %U' "$who.json")" = "600 nobody" ]
	done
}

# bats test_tags=kernel-too
@test "three capabilities are enough for a command, --follow, latency, compare and the whole system" {
	local demo program
	for_everybody
	need_three
	demo=$(realpath "$BUILD/pool-demo")
	program=$(realpath "$WORKLOADS/victim")
	cd "$OPEN"
	three ./alloctrace -f json -o command.json -- "$program" exit 0 >out
	balanced command.json
	[ "$(by_line victim.h command.json | awk '$1 == "calloc" { n += $3 } END { print n }')" = "$(truth calloc out)" ]
	three ./alloctrace --follow -f json -o follow.json -- bash -c "'$program' exit 0; true" >out
	[ "$(by_line victim.h follow.json | awk '$1 == "calloc" { n += $3 } END { print n }')" = "$(truth calloc out)" ]
	three ./alloctrace latency --why -f json -o latency.json -- "$program" exit 0 >out
	balanced latency.json
	[ "$(summary .calls.calloc.count latency.json)" -ge "$(truth calloc out)" ]
	three ./alloctrace compare --svg compare.svg -o compare.txt -- "$demo" --messages 20000 >out
	grep -q 'protocol:alloc' compare.txt
	[ -s compare.svg ]
	three ./alloctrace -f json -o pools.json -- "$demo" --messages 50 >out
	balanced pools.json
	three ./alloctrace -f json -o system.json -d 1 -n nobody-has-this-name
	balanced system.json
}

# bats test_tags=kernel-too
@test "capabilities of the file: the same, and the command has none of them" {
	for_everybody
	need_three
	command -v setcap >/dev/null || skip "no setcap"
	setcap cap_bpf,cap_perfmon,cap_sys_ptrace=ep "$OPEN/alloctrace" || skip "no capabilities of files here"
	cd "$OPEN"
	setpriv --reuid 65534 --regid 65534 --clear-groups ./alloctrace -f json -o trace.json -- grep -E '^(Cap|NoNew|Secc)' /proc/self/status >there
	setpriv --reuid 65534 --regid 65534 --clear-groups grep -E '^(Cap|NoNew|Secc)' /proc/self/status | diff - there
	balanced trace.json
	[ "$(summary '.calls.malloc.count > 0' trace.json)" = true ]
}

@test "with less than that: one sentence" {
	for_everybody
	cd "$OPEN"
	run -1 --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups ./alloctrace -- true
	[ -z "$output" ]
	grep -q 'CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE missing' <<<"$stderr"
}

# ---- where it writes

@test "a file that is new is for its owner alone" {
	umask 0
	"$ALLOCTRACE" -q -o "$TRACE" -- true
	[ "$(stat -c %a "$TRACE")" = 600 ]
	"$ALLOCTRACE" compare -q --svg "$BATS_TEST_TMPDIR/svg" -o "$TRACE" -- "$BUILD/pool-demo" --messages 200
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/svg")" = 600 ]
	chmod 640 "$TRACE" # ours to decide
	"$ALLOCTRACE" -q -o "$TRACE" -- true
	[ "$(stat -c %a "$TRACE")" = 640 ]
}

# refused ARG…: one sentence, exit 1.
refused() {
	run -1 --separate-stderr "$ALLOCTRACE" "$@"
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	grep -q "^alloctrace: cannot open '.*' for writing: " <<<"$stderr"
}

@test "a file of somebody else, another name of a file and a link are refused, and stay as they are" {
	local dir=$BATS_TEST_TMPDIR/shared option
	mkdir -m 1777 "$dir"
	echo bait >"$dir/bait"
	chmod 666 "$dir/bait"
	chown 65534:65534 "$dir/bait"
	echo precious >"$dir/precious"
	ln "$dir/precious" "$dir/name"
	ln -s precious "$dir/link"
	mkfifo "$dir/pipe"
	chown 65534:65534 "$dir/pipe"
	for option in bait name link; do
		refused -o "$dir/$option" -- true
		refused compare --svg "$dir/$option" -- true
		refused sites -o "$dir/$option" "$(realpath "$ALLOCTRACE")"
	done
	cat "$dir/pipe" >"$dir/read" &
	started+=($!)
	refused -o "$dir/pipe" -- true
	[ ! -s "$dir/read" ]
	[ "$(cat "$dir/bait" "$dir/name")" = "bait"$'\n'"precious" ]
	# Under sudo the caller's own files are ours, and devices are nobody's.
	SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody "$ALLOCTRACE" -q -o "$dir/bait" -- true
	not grep -q bait "$dir/bait"
	"$ALLOCTRACE" -q -o /dev/null -- true
}
