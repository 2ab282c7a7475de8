#!/usr/bin/env bats
# Where names come from besides the files that a process maps: generated code that the process names itself, the
# kernel's own code, debug files elsewhere on the machine and on a server. Truth: what the programs and binutils say.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; status is the helpers'
load helpers

teardown() {
	[ -z "${held:-}" ] || rm -rf "/tmp/perf-$held.map"
	end_started
}

# names_of: "NAME SIZE COUNT" of what generated code has asked for, by its sizes.
names_of() { table 'select(.call == "malloc" and .size >= 10000 and .size <= 10200) | "\(.stack[0].function) \(.size)"'; }
calls_of() { sed -n 's/^call //p' "$1" | LC_ALL=C sort; }

step() { echo >&7; }
# What was told has come out: events are shown within ticks of 10 ms.
told() { [ "$(names_of | awk '{ n += $NF } END { print n + 0 }')" -eq "$1" ]; }

# trace_jitted ARG…: the three steps of the program, the second one when the first has been shown.
trace_jitted() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/jitted" "$@"
	"${prepare[@]:-:}"
	start_tracer -f json -k -p "$held"
	step
	wait_for told 210
	step
	wait_for told 217
	step
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	balanced
}

# bats test_tags=kernel-too
@test "generated code has the names of /tmp/perf-PID.map, replaced code its new one, the last code after the end" {
	trace_jitted --keep
	calls_of "$SELF" >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 22 ]
	names_of >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(jq -r 'select(.type == "event" and .size == 10003).stack[0].module' "$TRACE" | sort -u)" = '[anon]' ]
}

@test "generated code: the names that were read stay when the file goes" {
	trace_jitted
	calls_of "$SELF" | grep -v '^last one' >"$BATS_TEST_TMPDIR/true"
	names_of | grep -v ' 10200 ' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# Nothing is named by a file that is none of the process's own.
nameless() {
	prepare=("$1")
	trace_jitted --no-map
	[ "$(names_of | awk '{ print $1 }' | sort -u)" = null ]
}
own_lines() { sed -n 's/^code //p' "$SELF" | sed 's/$/ stranger/'; }
make_fifo() { mkfifo "/tmp/perf-$held.map"; }
make_link() {
	own_lines >"$BATS_TEST_TMPDIR/lines"
	ln -s "$BATS_TEST_TMPDIR/lines" "/tmp/perf-$held.map"
}
make_strangers() {
	own_lines >"/tmp/perf-$held.map"
	chown 65534:65534 "/tmp/perf-$held.map"
}
make_sparse() {
	echo garbage >"/tmp/perf-$held.map"
	truncate -s 1G "/tmp/perf-$held.map"
	own_lines >>"/tmp/perf-$held.map"
}

@test "generated code: a FIFO in the place of the file is not opened" { nameless make_fifo; }
@test "generated code: a symbolic link is not followed" { nameless make_link; }
@test "generated code: a file of another user does not count" { nameless make_strangers; }
@test "generated code: of a gigabyte of garbage only the beginning is read" { nameless make_sparse; }

make_escapes() {
	sed -n 's/^code //p' "$SELF" | while read -r line; do
		printf '%s \033[2J\033]0;title\007\xc2\x9bname\n' "$line"
	done >"/tmp/perf-$held.map"
}
@test "generated code: no name writes to a terminal what it likes" {
	prepare=(make_escapes)
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/jitted" --no-map
	make_escapes
	start_tracer -k -p "$held"
	step
	step
	step
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	grep -q 'title.*name' "$TRACE"
	harmless_text "$TRACE"
}

