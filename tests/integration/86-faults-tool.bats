#!/usr/bin/env bats
# What may befall alloctrace itself while it traces, each with a count: killed, stopped, its reader stopped, no memory, no
# room in the kernel's maps, others that look at the same target, a library that is replaced. The target's own result is
# right, and what was seen and what is said to be lost is what the target has counted.
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # every test is a subshell; held, tracer and status are the helpers'
load helpers

# Smaller where the CPU is emulated; KILLS=100 takes two minutes more.
KILLS=${KILLS:-30}
STALL=${STALL:-10}       # seconds for which the reader of the ring is stopped
RING=${RING:-16M}        # which is full then
BLOCKS=${BLOCKS:-200000} # that live at a time under a limit of memory
SITES=${SITES:-270000}   # call sites: the map of lanes holds 262144
SAMPLES=1060000          # live blocks: the map of sampled blocks holds 1048576
THREADS=${THREADS:-256}

FOUR=malloc,calloc,realloc,free

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
	SELF=$BATS_TEST_TMPDIR/held.out
	COUNT=$BATS_TEST_TMPDIR/count
	group=
}

teardown() {
	end_started
	[ -z "$group" ] || wait_for rmdir "$group"
}

# ends_well: the held program goes on to its end, and alloctrace after it.
ends_well() {
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	balanced
}

# all_entered: every call that the program counts began before alloctrace's eyes.
all_entered() { [ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]; }

# short: how many calls are no events.
short() { summary '.lost.total + (.counted_only // 0)'; }

# short_is_said: that calls are missing is said at the end of the run.
short_is_said() {
	[ "$(short)" -gt 0 ]
	grep -Eq '^alloctrace: .*[0-9] of [0-9]+ calls were ' "$SAID"
}

# counted: the calls that toll has made so far, in whatever state it is.
counted() { od -An -v -t u8 -w64 "$COUNT" | awk '{ n += $1 } END { print n + 0 }'; }
has_counted() { [ "$(counted)" -ge "$1" ]; }

# rate SECONDS: calls a second in the meantime.
rate() {
	local calls ns
	calls=$(counted) ns=$(date +%s%N)
	read -rt "$1" <> <(:) || true
	echo $((($(counted) - calls) * 1000000000 / ($(date +%s%N) - ns)))
}

stop() { kill -STOP "$1" && wait_for is_stopped "$1"; }

# seen NAME: events that were called from this function of a workload.
seen() { jq -n --arg name "$1" '[inputs | select(.stack[0].function? == $name)] | length' "$TRACE"; }

# all_seen: every call that victim counts is an event.
all_seen() {
	local pair
	for pair in malloc:take_block calloc:take_clear_block realloc:resize_block free:give_block; do
		[ "$(truth "${pair%:*}" "$SELF")" -eq "$(seen "${pair#*:}")" ] || return
	done
	[ "$(truth wrong "$SELF")" -eq 0 ]
}

# ---- killed

# fares NUMBER: what the warden says when it is asked for the NUMBERth time: its heap and all of its code.
fares() {
	echo >&7
	wait_for has_line "^fares $1 " "$SELF"
	grep -q "^fares $1 wrong=0 intact=1\$" "$SELF"
}

# bats test_tags=kernel-too
@test "alloctrace is killed again and again while it is attached: code and result are right each time" {
	local round right=0 child way ways=("" "-k -f json" "" --follow "--sample-bytes 4K")
	start_held "$WORKLOADS/warden"
	for ((round = 1; round <= KILLS; round++)); do
		way=${ways[round % 5]}
		[ $((round % 20)) -ne 0 ] || way=latency # which has a helper of its own
		# shellcheck disable=SC2086 # words
		start_tracer $way -e $FOUR -p "$held"
		read -rt "0.0$(printf '%02d' $((round * 37 % 50)))" <> <(:) || true
		child=$(pgrep -P "$tracer") || true
		kill -KILL "$tracer"
		wait "$tracer" 2>/dev/null || true
		[ -z "$child" ] || wait_for is_gone "$child"
		fares "$round" && right=$((right + 1))
	done
	release_held
	wait "$held"
	echo "right: $right of $KILLS"
	[ "$right" -eq "$KILLS" ]
	[ "$(truth wrong "$SELF")" -eq 0 ]
}

# bats test_tags=kernel
@test "alloctrace is killed while it attaches, at many moments: code and result are right each time" {
	local round kills=$((KILLS / 3)) begun took
	start_held "$WORKLOADS/warden"
	begun=$(date +%s%N)
	start_tracer -e $FOUR -p "$held"
	took=$((($(date +%s%N) - begun) / 1000000)) # ms
	stop_tracer
	for ((round = 1; round <= kills; round++)); do
		"$ALLOCTRACE" -e $FOUR -p "$held" >"$TRACE" 2>"$SAID" 7>&- &
		tracer=$!
		printf -v moment '%d.%03d' $((took * round / kills / 1000)) $((took * round / kills % 1000))
		read -rt "$moment" <> <(:) || true
		kill -KILL "$tracer"
		wait "$tracer" 2>/dev/null || true
		fares "$round"
	done
	release_held
	wait "$held"
	[ "$(truth wrong "$SELF")" -eq 0 ]
}

# ---- stopped

# bats test_tags=kernel
@test "alloctrace is stopped for ten seconds: the target goes on as fast, and every call is accounted for" {
	local before during
	start_held "$WORKLOADS/toll" "$COUNT" 2
	start_tracer -p "$held" -e malloc,free -f json --ring-size "$RING"
	echo >&7
	wait_for has_counted 1000
	before=$(rate 1)
	stop "$tracer"
	during=$(rate "$STALL")
	kill -CONT "$tracer"
	echo "calls a second: $before before, $during while it was stopped"
	[ "$during" -ge $((before / 4)) ]
	wait_for has_counted $(($(counted) + 1000))
	ends_well
	all_entered
	short_is_said
}

# bats test_tags=kernel-too
@test "who reads the output is stopped: the target goes on as fast, and every call is accounted for" {
	local before during reader pipe=$BATS_TEST_TMPDIR/pipe file=$BATS_TEST_TMPDIR/read
	mkfifo "$pipe"
	start_held "$WORKLOADS/toll" "$COUNT" 2
	cat "$pipe" >"$file" 7>&- &
	reader=$!
	started+=("$reader")
	TRACE=$pipe start_tracer -p "$held" -e malloc,free -f json --ring-size "$RING"
	echo >&7
	wait_for has_counted 1000
	before=$(rate 1)
	stop "$reader"
	during=$(rate 2)
	kill -CONT "$reader"
	echo "calls a second: $before before, $during while its reader was stopped"
	[ "$during" -ge $((before / 4)) ]
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	wait "$reader"
	TRACE=$file
	balanced
	all_entered
	short_is_said
	[ "$(summary .events)" -eq "$(grep -c '"type":"event"' "$TRACE")" ]
}

# ---- no room in the output

# on_small_disk COMMAND…: with a tmpfs of 64 KiB at $BATS_TEST_TMPDIR/mount that is nearly full.
on_small_disk() {
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	mkdir "$BATS_TEST_TMPDIR/mount"
	status=0
	# shellcheck disable=SC2016
	unshare -m bash -c 'mount -t tmpfs -o size=64k none "$0" && head -c 60K /dev/zero >"$0/most" && shift && exec "$@"' \
		"$BATS_TEST_TMPDIR/mount" - timeout "$PATIENCE" "$@" >"$TRACE" 2>"$SAID" 7>&- || status=$?
}

@test "the disk is full when a report is written at the end: exit 1, one sentence, the target unharmed" {
	local file=$BATS_TEST_TMPDIR/mount/file
	on_small_disk "$ALLOCTRACE" latency --by site -f json -o "$file" -- "$WORKLOADS/manysites" 3000
	[ "$status" -eq 1 ]
	grep -q "^alloctrace: .*cannot write to .*mount/file.*: No space left on device" "$SAID"
	grep -q '^truth wrong=0' "$TRACE"
}

# ---- no room in the maps

# bats test_tags=kernel-too
@test "the map of lanes is full: what has no room is lost, and said" {
	start_held "$WORKLOADS/manysites" --wait "$SITES"
	start_tracer latency --by site -f json -e malloc -p "$held"
	limit_memory 1048576 # a quarter of it is needed
	ends_well
	[ "$(truth wrong "$SELF")" -eq 0 ]
	all_entered
	if [ "$SITES" -gt 262144 ]; then
		[ "$(summary .lost.map_full)" -ge $((SITES - 262144)) ]
		[ "$(summary .lost.map_full)" -eq "$(summary .lost.total)" ]
		short_is_said
	fi
}

@test "the map of sampled blocks is full: how many are not followed is said, and nothing else is wrong" {
	local pipe=$BATS_TEST_TMPDIR/pipe file=$BATS_TEST_TMPDIR/books
	start_held "$WORKLOADS/hoard" --wait "$SAMPLES"
	mkfifo "$pipe"
	tail -n 1 "$pipe" >"$file" 7>&- & # a million lines before that one
	started+=($!)
	TRACE=$pipe start_tracer --sample-bytes 1 -f json -e malloc -p "$held"
	ends_well_into "$file" "${started[1]}"
	[ "$(truth wrong "$SELF")" -eq 0 ]
	[ "$(summary .untracked "$file")" -eq $((SAMPLES - 1048576)) ]
	[ "$(summary '"\(.entered) \(.calls.malloc.count)"' "$file")" = "$SAMPLES $SAMPLES" ]
}

# ends_well_into FILE PID: as ends_well, where the output goes to that file through that process.
ends_well_into() {
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	wait "$2"
	balanced "$1"
}

# make_group: a cgroup that counts memory, of either version, in $group; $limit is the file of its limit.
make_group() {
	local root
	for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		group=$root/alloctrace-test-$$
		[ "$root" = /sys/fs/cgroup ] && echo +memory 2>/dev/null >"$root/cgroup.subtree_control"
		mkdir "$group" 2>/dev/null || continue
		for limit in "$group/memory.limit_in_bytes" "$group/memory.max"; do
			[ -w "$limit" ] && return
		done
		rmdir "$group"
	done
	group=
	skip "no cgroup whose memory can be limited"
}
usage() { cat "$group"/memory.usage_in_bytes "$group"/memory.current 2>/dev/null || true; }

# The records of threads are charged to the group in which their map was made. alloctrace is stopped meanwhile, and asks
# for nothing itself.
# bats test_tags=kernel-too
@test "no memory for the records of threads: what these call is lost, and said" {
	local lost
	make_group
	start_held "$WORKLOADS/toll" "$COUNT" "$THREADS" 20
	# shellcheck disable=SC2016
	printf '#!/bin/bash\necho $$ >%q/cgroup.procs && exec %q "$@"\n' "$group" "$(realpath "$ALLOCTRACE")" \
		>"$BATS_TEST_TMPDIR/grouped"
	chmod +x "$BATS_TEST_TMPDIR/grouped"
	ALLOCTRACE=$BATS_TEST_TMPDIR/grouped start_tracer -p "$held" -e malloc,free -f json
	stop "$tracer"
	echo $(($(usage) + 65536)) >"$limit"
	echo >&7
	wait "$held"
	echo -1 >"$limit" 2>/dev/null || echo max >"$limit"
	kill -CONT "$tracer"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	all_entered
	lost=$(summary .lost.map_full)
	echo "lost: $lost of $(truth calls "$SELF")"
	[ "$lost" -gt 0 ] || skip "this kernel lets BPF have memory beyond the limit"
	[ "$lost" -eq "$(summary .lost.total)" ]
	short_is_said
}

# ---- no memory

# limit_memory KIB: alloctrace, which runs, may map so much more from here on.
limit_memory() {
	local size
	size=$(awk '$1 == "VmSize:" { print $2 }' "/proc/$tracer/status")
	prlimit --pid "$tracer" --as=$(((size + $1) * 1024))
}

@test "no memory for more blocks: they are counted as not followed, and every call is in the books" {
	command -v prlimit >/dev/null || skip "no prlimit"
	start_held "$WORKLOADS/hoard" --wait "$BLOCKS"
	start_tracer -f json -e malloc,free --ring-size 64M -p "$held"
	limit_memory 2048
	echo >&7
	wait_for has_line '^full' "$SELF"
	ends_well
	[ "$(truth wrong "$SELF")" -eq 0 ]
	all_entered
	[ "$(summary '.calls.malloc.count + .calls.free.count + .lost.total + (.counted_only // 0)')" -eq "$(truth calls "$SELF")" ]
	[ "$(summary .blocks_refused)" -gt 0 ]
	[ "$(summary .blocks_refused)" -lt "$BLOCKS" ]
}

@test "no memory for more blocks, text: the books say how many" {
	local refused
	command -v prlimit >/dev/null || skip "no prlimit"
	start_held "$WORKLOADS/hoard" --wait "$BLOCKS"
	start_tracer -e malloc,free --ring-size 64M -p "$held"
	limit_memory 2048
	release_held
	wait "$held"
	end_tracer
	[ "$status" -eq 0 ]
	refused=$(sed -n "s/^blocks beyond the table's cap or the memory, not followed: //p" "$TRACE")
	[ "$refused" -gt 0 ]
	grep -q "^-------- .* s: $(truth calls "$SELF") calls = " "$TRACE"
}

@test "no memory for a report by call site: a sentence and exit 1, or the report; never nothing" {
	local more sites=10000
	command -v prlimit >/dev/null || skip "no prlimit"
	for more in 0 2048 16384; do
		start_held "$WORKLOADS/manysites" --wait "$sites"
		start_tracer latency --by site -f json -e malloc -p "$held"
		limit_memory "$more"
		release_held
		wait "$held"
		end_tracer
		[ "$(truth wrong "$SELF")" -eq 0 ]
		echo "$more KiB more: exit $status"
		cat "$SAID"
		ends_or_says "$sites"
	done
}

# ends_or_says SITES: all calls are in the books, or a sentence says why not. No signal, and nobody is silent.
ends_or_says() {
	case $status in
	0) [ "$(summary '.events + .lost.total')" -eq "$1" ] ;;
	1) [ "$(grep -c '^alloctrace: .*memory' "$SAID")" -eq 1 ] ;;
	*) false ;;
	esac
}

@test "less and less memory from the start: it runs, or says in one sentence why not" {
	local kib worked=0 refused=0
	start_held "$WORKLOADS/warden"
	for kib in 400000 160000 120000 90000 70000 50000 30000; do
		status=0
		# shellcheck disable=SC2016
		timeout -k 5 "$PATIENCE" bash -c 'ulimit -v "$0" && exec "$@"' "$kib" "$ALLOCTRACE" -f json -d 0.1 -p "$held" \
			>"$TRACE" 2>"$SAID" 7>&- || status=$?
		echo "$kib KiB: exit $status"
		cat "$SAID"
		if [ "$status" -eq 0 ]; then
			balanced
			worked=$((worked + 1))
		elif grep -q 'error while loading shared libraries' "$SAID"; then
			continue # it has not begun
		else
			[ "$status" -eq 1 ]
			[ "$(grep -c '^alloctrace: ' "$SAID")" -ge 1 ]
			refused=$((refused + 1))
		fi
	done
	[ "$worked" -gt 0 ]
	[ "$refused" -gt 0 ]
	fares 1
	release_held
	wait "$held"
}

# ---- company

@test "a trace and two latencies of one target: each has all calls" {
	local first
	start_held "$WORKLOADS/victim" --wait --rounds 500
	start_tracer -p "$held" -e $FOUR -f json
	first=$tracer
	"$ALLOCTRACE" latency -p "$held" -e $FOUR -f json >"$TRACE.2" 2>"$SAID.2" 7>&- &
	started+=($!)
	"$ALLOCTRACE" latency --by site -p "$held" -e $FOUR -f json >"$TRACE.3" 2>"$SAID.3" 7>&- &
	started+=($!)
	wait_for has_line 'ready:' "$SAID.2"
	wait_for has_line 'ready:' "$SAID.3"
	release_held
	wait "$held"
	wait "${started[@]:2}"
	tracer=$first
	end_tracer
	[ "$status" -eq 0 ]
	all_seen
	for trace in "$TRACE.2" "$TRACE.3"; do
		balanced "$trace"
		[ "$(summary .entered "$trace")" -eq "$(summary .entered)" ]
	done
}

# ours SIGN FILE: how often a line of the file has the sign.
ours() { grep -c "$1" "$2" || true; }

# both KEY: the sum of what two victims have counted.
both() { awk -F = -v key="truth $1" '$1 == key { n += $2 } END { print n }' "$SELF"; }

# A process has one debugger at most: strace has the first, gdb the second, and perf both.
@test "perf, strace and gdb on the same targets, all at once: every call is an event" {
	local name one other pair
	perf record -q -o /dev/null -e cpu-clock -- true 2>/dev/null || skip "no perf that works here"
	for name in strace gdb; do
		command -v $name >/dev/null || skip "no $name"
	done
	# shellcheck disable=SC2016
	start_held bash -c '"$0" --wait --rounds 1000 <&0 & "$0" --wait --rounds 1000 <&0 & wait' "$WORKLOADS/victim"
	two_ready() { [ "$(ours '^ready' "$SELF")" -eq 2 ]; }
	wait_for two_ready
	read -r one other <<<"$(sed -n 's/^ready //p' "$SELF" | paste -s -d ' ')"
	strace -f -o "$BATS_TEST_TMPDIR/strace.out" -p "$one" 2>"$BATS_TEST_TMPDIR/strace.err" 7>&- &
	started+=($!)
	gdb -nx -batch -p "$other" -ex 'set debuginfod enabled off' -ex 'echo goes on\n' -ex continue \
		>"$BATS_TEST_TMPDIR/gdb.out" 2>&1 7>&- &
	started+=($!)
	wait_for has_line 'attached' "$BATS_TEST_TMPDIR/strace.err"
	wait_for has_line 'goes on' "$BATS_TEST_TMPDIR/gdb.out"
	perf record -g -F 999 -e cpu-clock -o "$BATS_TEST_TMPDIR/perf.data" -p "$one,$other" \
		>"$BATS_TEST_TMPDIR/perf.out" 2>&1 7>&- &
	started+=($!)
	wait_for test -s "$BATS_TEST_TMPDIR/perf.data"
	start_tracer -p "$one,$other" -k -f json
	ends_well
	[ "$(both wrong)" -eq 0 ]
	for pair in malloc:take_block calloc:take_clear_block realloc:resize_block free:give_block; do
		[ "$(both "${pair%:*}")" -eq "$(seen "${pair#*:}")" ]
	done
	wait "${started[@]:1:3}"
	[ "$(perf script -i "$BATS_TEST_TMPDIR/perf.data" -F comm 2>/dev/null | grep -c victim)" -gt 0 ]
	[ "$(ours 'write(1' "$BATS_TEST_TMPDIR/strace.out")" -gt 0 ]
	grep -q 'exited normally' "$BATS_TEST_TMPDIR/gdb.out"
}

# ---- a library is replaced

# lines_of NAME PID: each line of the program has as many events as it has counted.
lines_of() {
	awk '$1 == "line" { print $2, $4, $5 }' "$BATS_TEST_TMPDIR/$1.out" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/$1.true"
	table "select(.pid == $2 and (.stack[0].file // \"\" | endswith(\"/matrix.c\"))) | \"\(.call) \(.stack[0].line)\"" \
		>"$BATS_TEST_TMPDIR/$1.told"
	[ -s "$BATS_TEST_TMPDIR/$1.true" ]
	same "$BATS_TEST_TMPDIR/$1.true" "$BATS_TEST_TMPDIR/$1.told"
}

# bats test_tags=kernel-too
@test "an allocator and its program are replaced on disk while they are traced: the old ones stay, the new one is found" {
	local name first second
	for name in libown.so matrix; do
		cp "$WORKLOADS/$name" "$BATS_TEST_TMPDIR/$name"
	done
	cp "$WORKLOADS/libown.so" "$BATS_TEST_TMPDIR/new"
	echo 'no program any more' >"$BATS_TEST_TMPDIR/text"
	mkfifo "$BATS_TEST_TMPDIR"/{first,second}
	# shellcheck disable=SC2016
	start_held bash -c 'cd "$0" && run() { LD_PRELOAD=$PWD/libown.so "$1" --wait 20 <$2 >$2.out & }
		run ./matrix first; echo "ready $$"; read -r; run "$1" second; wait' \
		"$BATS_TEST_TMPDIR" "$(realpath "$WORKLOADS/matrix")"
	exec 8>"$BATS_TEST_TMPDIR/first"
	wait_for has_line '^ready' "$BATS_TEST_TMPDIR/first.out"
	first=$(sed -n 's/^ready //p' "$BATS_TEST_TMPDIR/first.out")
	start_tracer --follow -f json -p "$held,$first" 8>&-
	mv "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/libown.so"
	mv "$BATS_TEST_TMPDIR/text" "$BATS_TEST_TMPDIR/matrix"
	echo >&7
	exec 9>"$BATS_TEST_TMPDIR/second"
	wait_for has_line '^ready' "$BATS_TEST_TMPDIR/second.out"
	second=$(sed -n 's/^ready //p' "$BATS_TEST_TMPDIR/second.out")
	kill -USR1 "$tracer" # the interim report comes after the mappings have been looked at
	wait_for has_line '"interim"' "$TRACE"
	exec 8>&- 9>&-
	ends_well
	lines_of first "$first"
	lines_of second "$second"
	[ "$(summary .lost.total)" -eq 0 ]
}
