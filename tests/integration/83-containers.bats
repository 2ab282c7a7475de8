#!/usr/bin/env bats
# A target in PID and mount namespaces of its own, with another root: its files are opened through that root, and both
# its numbers are shown. At the path of each of its programs the host has another one, so that who opens the host's file
# does not go unnoticed. Truth is what the programs count.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; status is the helpers'
load helpers

ROUNDS=${ROUNDS:-40}
AT_MOST=90 # seconds: no trace of the whole system outlives a test that was killed

# The first process of the namespaces. Makes a root in memory of PATH=FILE…, each with its libraries at their usual
# paths, and runs in it: $STAY, which stays; the program that a line of standard input names; after an empty line $LAST.
readonly FIRST='
	set -e
	root=$1
	shift
	mount -t tmpfs tmpfs "$root"
	for pair; do
		file=${pair#*=}
		mkdir -p "$root$(dirname "${pair%%=*}")"
		cp "$file" "$root${pair%%=*}"
		ldd "$file" | while read -r name arrow path rest; do
			case $name in /*) path=$name ;; esac
			[ -n "$path" ] && [ ! -e "$root$path" ] || continue
			mkdir -p "$root$(dirname "$path")"
			cp -L "$path" "$root$path"
		done
	done
	[ -z "$STAY" ] || sleep 100000 | chroot "$root" $STAY >&2 &
	echo made
	while read -r line && [ -n "$line" ]; do
		chroot "$root" $line
		echo ran
	done
	[ -z "$LAST" ] || chroot "$root" $LAST
	exit $?
'

# make_box NAME…: a container that has these workloads at $box; what the host has at these paths is another program.
# Descriptor 7 is its standard input, its output is in $SELF, its first process is a child of $boxed.
make_box() {
	local name programs=() gate=$BATS_TEST_TMPDIR/gate
	box=$BATS_TEST_TMPDIR/box SELF=$BATS_TEST_TMPDIR/box.out
	mkdir -p "$box" "$BATS_TEST_TMPDIR/root"
	unshare --pid --fork --mount --mount-proc true 2>"$BATS_TEST_TMPDIR/refused" ||
		skip "no namespaces: $(head -n 1 "$BATS_TEST_TMPDIR/refused")"
	for name; do
		cp "$WORKLOADS/family" "$box/$name"
		programs+=("$box/$name=$(realpath "$WORKLOADS/$name")")
	done
	mkfifo "$gate"
	STAY=${STAY:+$box/$STAY} LAST=${LAST:+$box/$LAST} unshare --pid --fork --kill-child --mount \
		sh -c "$FIRST" first "$BATS_TEST_TMPDIR/root" "${programs[@]}" <"$gate" >"$SELF" 2>"$BATS_TEST_TMPDIR/box.err" &
	boxed=$!
	started+=("$boxed")
	exec 7>"$gate"
	wait_for made_or_gone
	has_line '^made' "$SELF" || skip "no container: $(head -n 1 "$BATS_TEST_TMPDIR/box.err")"
}
made_or_gone() { has_line '^made' "$SELF" || ! kill -0 "$boxed" 2>/dev/null; }

# child_of PID: its first child, by the host's numbers.
child_of() {
	cat /proc/[0-9]*/status 2>/dev/null |
		awk -v parent="$1" '$1 == "Pid:" { pid = $2 } $1 == "PPid:" && $2 == parent { print pid; exit }'
}

# enter_box: the last program runs until its "ready"; $target and $inside are its two numbers.
enter_box() {
	echo >&7
	wait_for has_line '^ready' "$SELF"
	inside=$(awk '$1 == "ready" { print $2 }' "$SELF")
	target=$(child_of "$(child_of "$boxed")")
	[ "$(awk '$1 == "NSpid:" { print $2, $3 }' "/proc/$target/status")" = "$target $inside" ]
	[ "$target" != "$inside" ]
	# "TID INSIDE" of all its threads.
	awk '$1 == "NSpid:" { print $2, $3 }' /proc/"$target"/task/*/status >"$BATS_TEST_TMPDIR/numbers"
}

leave_box() {
	exec 7>&-
	wait "$boxed"
}

# "CALL LINE COUNT" of threads.c. Where memalign and aligned_alloc are one function, it has the name of one.
lines_are_true() {
	local other=none
	[ "$(truth memalign_is_aligned_alloc "$SELF")" = 0 ] || other=memalign
	awk -v other="$other" '$1 == "line" { sub("^" other "$", "aligned_alloc", $2); n[$2 " " $4] += $5 }
		END { for (key in n) print key, n[key] }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -gt 20 ]
	by_line threads.c >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
	[ "$(summary .lost.total)" -eq 0 ]
}

# "TID CALLS" of each thread by the numbers inside, as it has told; and both numbers of each, as the kernel has them.
numbers_are_true() {
	awk '$1 == "thread" { print $2, $3 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	table "select(.pid == $target) | .ns_tid" >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(table "select(.pid == $target) | .ns_pid" | cut -d ' ' -f 1)" = "$inside" ]
	table '"\(.tid) \(.ns_tid)"' | cut -d ' ' -f 1,2 >"$BATS_TEST_TMPDIR/told"
	not grep -vxFf "$BATS_TEST_TMPDIR/numbers" "$BATS_TEST_TMPDIR/told"
}

# bats test_tags=kernel
@test "a container: -p by the host's number: counts, lines, both numbers of each thread" {
	LAST="threads --wait $ROUNDS" make_box threads
	enter_box
	start_tracer -f json -p "$target"
	leave_box
	end_tracer
	[ "$status" -eq 0 ]
	lines_are_true
	numbers_are_true
}

@test "a container: every frame of a stack is of its own files" {
	LAST="threads --wait 2" make_box threads
	enter_box
	start_tracer -f json -k -p "$target"
	leave_box
	end_tracer
	[ "$status" -eq 0 ]
	[ "$(summary .events)" -eq "$(truth calls "$SELF")" ]
	# What the host has there has another source.
	[ "$(jq -r 'select(.type == "event").stack[] | select(.module | endswith("/threads")) | .file // "none"' "$TRACE" |
		sed 's,.*/,,' | LC_ALL=C sort -u)" = threads.c ]
}

@test "a container, text: both numbers, and the line" {
	LAST="threads --wait $ROUNDS" make_box threads
	enter_box
	start_tracer -p "$target"
	leave_box
	end_tracer
	[ "$status" -eq 0 ]
	[ "$(grep -cE "^ +[0-9.]+ +$target\\($inside\\)/[0-9]+ .* at .*threads\\.c:[0-9]+" "$TRACE")" -eq \
		"$(truth calls "$SELF")" ]
}

# bats test_tags=kernel-too,system
@test "a container: the whole system: a program that ran before" {
	LAST="threads --wait $ROUNDS" make_box threads
	enter_box
	start_tracer -f json -n threads -d "$AT_MOST"
	leave_box
	stop_tracer
	[ "$status" -eq 0 ]
	lines_are_true
	numbers_are_true
}

# beside_host: each line of standard input is run in the container, and as often the host's program of that path. One
# process stays in the container, so that its libc is known.
beside_host() {
	local line
	HOST=$BATS_TEST_TMPDIR/host.out
	wait_for has_line '^ready' "$BATS_TEST_TMPDIR/box.err"
	start_tracer -f json -n "$1" -d "$AT_MOST"
	rounds=0
	while read -r line; do
		echo "$box/$line" >&7
		"$box/$1" work 7>&- >>"$HOST" </dev/null
		rounds=$((rounds + 1))
	done
	wait_for ran $rounds
	stop_tracer
	[ "$status" -eq 0 ]
	balanced
	# Outside: the other program of that name, all its calls at its lines.
	awk '$1 == "call" { print $2, $3, $4, $5 }' "$HOST" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	table 'select(.ns_pid == null and (.stack[0].file // "" | endswith("/family.c"))) |
		"\(.pid) \(.call) \(.stack[0].line)"' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	# Inside, nothing is taken for it.
	[ "$(table 'select(.ns_pid and (.stack[0].file // "" | endswith("/family.c"))) | 1')" = "" ]
}
ran() { [ "$(grep -c '^ran' "$SELF")" -eq "$1" ]; }

@test "a container: the whole system: processes that come and go in it, of a program that stays" {
	STAY='brief hold' make_box brief
	beside_host brief < <(yes brief spawn 5 100 "$BATS_TEST_TMPDIR/box/brief" | head -n 4)
	awk '$1 == "call" { print $2, $3, $4, $5 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(cut -d ' ' -f 1 "$BATS_TEST_TMPDIR/true" | sort -u | wc -l)" -eq 20 ]
	table 'select(.stack[0].file // "" | endswith("/brief.c")) | "\(.ns_pid) \(.call) \(.stack[0].line)"' \
		>"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "a container: the whole system: a program of which nothing is left when it is looked at" {
	# Known by their sizes: where the process was quicker than alloctrace, there are no names, but never the host's.
	STAY='brief hold' make_box brief early
	beside_host early < <(yes early | head -n 20)
	[ "$(grep -c '^truth early=50' "$SELF")" -eq 20 ]
	sed -n 's/^ready \(.*\)/\1 50/p' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	table 'select(.ns_pid and .call == "malloc" and .size >= 100 and .size < 150) | .ns_pid' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	table 'select(.ns_pid and .call == "malloc" and .size >= 100 and .size < 150) |
		"\(.stack[0].function // "-") \(.stack[0].file // "-" | sub(".*/"; ""))"' | cut -d ' ' -f 1,2 |
		not grep -vxE 'take_early early.c|- -'
}

@test "no container: one number, in JSON and in text" {
	start_held "$WORKLOADS/threads" --wait 2
	start_tracer -f json -p "$held"
	release_held
	end_tracer
	[ "$(summary .events)" -gt 0 ]
	[ "$(table 'select(has("ns_pid") or has("ns_tid")) | 1')" = "" ]
	start_held "$WORKLOADS/threads" --wait 2
	start_tracer -p "$held"
	release_held
	end_tracer
	grep -qE "^ +[0-9.]+ +$held/[0-9]+ " "$TRACE"
	not grep -F "$held(" "$TRACE"
}
