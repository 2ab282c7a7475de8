#!/usr/bin/env bats
# No target: hundreds of processes that live for milliseconds come and go, of two programs, one of which brings its own
# malloc. Every call of each is an event or a counted loss, and alloctrace does not grow. Truth is what each one counts.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held, tracer and status are the helpers'
load helpers

BRIEF_PROCESSES=${BRIEF_PROCESSES:-500}
BRIEF_SECONDS=${BRIEF_SECONDS:-15}
MAY_GROW_KB=2048
AT_MOST=$((75 + BRIEF_SECONDS)) # seconds: no trace of the whole system outlives a test that was killed

# static_brief DIR: the static build of brief, under the name that -n asks for, in DIR; fails when it cannot be had.
static_brief() {
	mkdir -p "$1"
	if [ -x "$WORKLOADS/brief-static" ]; then
		cp "$WORKLOADS/brief-static" "$1/brief"
		return
	fi
	command -v cc >/dev/null && cc -std=gnu11 -D_GNU_SOURCE -fno-builtin -O2 -g -fomit-frame-pointer -static \
		-o "$1/brief" "$BATS_TEST_DIRNAME/../workloads/brief.c"
}

# choose_programs: what the children are, in turn. The static one is held: alloctrace finds its malloc at the start.
choose_programs() {
	programs=("$(realpath "$WORKLOADS/brief")")
	static_brief "$BATS_TEST_TMPDIR/static" || return 0
	programs+=("$BATS_TEST_TMPDIR/static/brief")
	start_held "$BATS_TEST_TMPDIR/static/brief" hold
}

# spawn COUNT SECONDS: that many children, one after another, in the background; $spawner is their parent.
spawn() {
	SELF=$BATS_TEST_TMPDIR/spawn.out
	processes=$1
	"$WORKLOADS/brief" spawn "$1" $(($2 * 1000)) "${programs[@]}" >"$SELF" 2>"$BATS_TEST_TMPDIR/spawn.err" 7>&- 3>&- &
	spawner=$!
	started+=("$spawner")
}

is_gone_or_zombie() { is_gone "$1" || grep -qs '^State:.Z' "/proc/$1/status"; }

# wait_spawned: until all have come and gone.
wait_spawned() {
	local PATIENCE=$((PATIENCE + 4 * BRIEF_SECONDS)) code=0
	wait_for is_gone_or_zombie "$spawner"
	wait "$spawner" || code=$?
	cat "$BATS_TEST_TMPDIR/spawn.err"
	[ "$code" -eq 0 ]
	[ "$(grep -c '^truth ' "$SELF")" -eq "$processes" ]
}

# catch_up WORD: until alloctrace has come to the child that the last line of that word names.
catch_up() {
	local PATIENCE=$((PATIENCE + 4 * BRIEF_SECONDS))
	wait_for has_line "\"pid\":$(awk -v word="$1" '$1 == word { pid = $2 } END { print pid }' "$SELF")," "$TRACE"
}

rss_kb() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status"; }

# grew_little WHAT EARLY LATE: tells both numbers.
grew_little() {
	echo "# VmRSS of $1: $2 kB after a quarter of $processes processes, $3 kB after all" >&3
	[ "$2" -gt 0 ]
	[ $(($3 - $2)) -le "$MAY_GROW_KB" ]
}

# "PID CALL LINE COUNT BYTES" of what is called in brief.c.
true_calls() { sed -n 's/^call //p' "$SELF" | LC_ALL=C sort; }

told_calls() {
	jq -r 'select(.type == "event" and (.stack[0].file // "" | endswith("/brief.c"))) |
		"\(.pid) \(.call) \(.stack[0].line) \(if .call == "free" then .old_size // 0 else .size end)"' "$TRACE" |
		awk '{ key = $1 " " $2 " " $3; count[key]++; bytes[key] += $4 }
			END { for (key in count) print key, count[key], bytes[key] }' | LC_ALL=C sort
}

# missing TRUE TOLD: how many calls are not told. Fails when some are told that nobody made, or none of a process.
missing() {
	awk 'NR == FNR { count[$1 " " $2 " " $3] = $4; made[$1]; next }
		{
			key = $1 " " $2 " " $3
			told[$1]
			if (!(key in count) || $4 > count[key]) { print "not made: " $0 >"/dev/stderr"; bad = 1 }
			count[key] -= $4
		}
		END {
			for (key in count) left += count[key]
			for (pid in made) if (!(pid in told)) { print "missed: process " pid >"/dev/stderr"; bad = 1 }
			print left + 0
			exit bad
		}' "$1" "$2"
}

# drop_nameless: a machine that is too busy loses records of mappings, and alloctrace says so; calls may have no names
# then. Such a process is taken out of both tables, if as many calls of it were seen as it made.
drop_nameless() {
	grep -q 'records of mappings were lost' "$SAID" || return 0
	echo "# the machine was too busy to record all mappings: some calls have no names" >&3
	table 'select(.stack[0].function == null) | .pid' >"$BATS_TEST_TMPDIR/nameless"
	awk 'FILENAME ~ /nameless$/ { nameless[$1] = $2; next } $1 == "truth" && nameless[$2] >= $3 { print $2 }' \
		"$BATS_TEST_TMPDIR/nameless" "$SELF" | tee "$BATS_TEST_TMPDIR/dropped" | wc -l
	sed -i "$(sed 's,.*,/^& /d,' "$BATS_TEST_TMPDIR/dropped")" "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "short processes: every call of each is an event or a counted loss, none is missed; alloctrace does not grow" {
	local early late left
	choose_programs
	start_tracer -f json -n brief -d "$AT_MOST"
	spawn "$BRIEF_PROCESSES" "$BRIEF_SECONDS"
	wait_for has_line '^quarter' "$SELF"
	catch_up quarter
	early=$(rss_kb "$tracer")
	wait_spawned
	catch_up truth
	late=$(rss_kb "$tracer")
	stop_tracer
	[ "$status" -eq 0 ]
	balanced
	true_calls >"$BATS_TEST_TMPDIR/true"
	told_calls >"$BATS_TEST_TMPDIR/told"
	drop_nameless
	left=$(missing "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told")
	[ "$left" -le "$(summary .lost.total)" ]
	# Where nothing is lost, the bytes agree as well, those given back included.
	[ "$(summary .lost.total)" -ne 0 ] || same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	grew_little alloctrace "$early" "$late"
}

@test "short processes: each is of its own program, and all programs are among them" {
	choose_programs
	start_tracer -f json -n brief -d "$AT_MOST"
	spawn 60 1
	wait_spawned
	stop_tracer
	[ "$status" -eq 0 ]
	jq -r 'select(.type == "event" and (.stack[0].file // "" | endswith("/brief.c"))) | "\(.pid) \(.stack[0].module)"' \
		"$TRACE" | LC_ALL=C sort -u >"$BATS_TEST_TMPDIR/told"
	awk -v programs="${programs[*]}" 'BEGIN { nr = split(programs, of) }
		$1 == "truth" { print $2, of[n++ % nr + 1] }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# bats test_tags=kernel,system
@test "short processes: what one leaves behind is not held against those that come later" {
	choose_programs
	start_tracer -f json -n brief -d "$AT_MOST"
	spawn 60 1
	wait_spawned
	stop_tracer
	[ "$status" -eq 0 ]
	balanced
	[ "$(summary '"\(.lost.total) \(.superseded) \(.unmatched_frees)"')" = "0 0 0" ]
}

@test "short processes: latency counts all their calls, and does not grow" {
	local early late
	choose_programs
	start_tracer latency -f json -n brief -d "$AT_MOST"
	spawn $((BRIEF_PROCESSES / 2)) $((BRIEF_SECONDS / 2))
	wait_for has_line '^quarter' "$SELF"
	early=$(rss_kb "$tracer")
	wait_spawned
	late=$(rss_kb "$tracer")
	stop_tracer
	[ "$status" -eq 0 ]
	balanced
	[ "$(summary .lost.total)" -eq 0 ]
	# Nothing but main reallocates.
	[ "$(summary .calls.realloc.count)" -eq "$(true_calls | awk '$2 == "realloc" { n += $4 } END { print n }')" ]
	grew_little "alloctrace latency" "$early" "$late"
}
