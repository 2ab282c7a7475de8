#!/usr/bin/env bats
# Where names come from besides the files that a process maps: generated code that the process names itself, the
# kernel's own code, debug files elsewhere on the machine and on a server. Truth: what the programs and binutils say.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; status is the helpers'
load helpers

# Files outside the test's own directory.
placed=()

teardown() {
	[ -z "${held:-}" ] || rm -rf "/tmp/perf-$held.map"
	rm -rf "${placed[@]}"
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


# --- debug files -------------------------------------------------------------------------------------------------

# copy_of: $program is threads, in a directory of its own and stripped; $debug is what was stripped off.
copy_of() {
	local dir=$BATS_TEST_TMPDIR/program
	mkdir -p "$dir"
	program=$dir/threads debug=$dir/threads.debug
	objcopy --only-keep-debug "$WORKLOADS/threads" "$debug"
	objcopy --strip-all "$WORKLOADS/threads" "$program"
	chmod 755 "$program"
	id=$(readelf -n "$program" | awk '$1 == "Build" { print $3 }')
	[ "${#id}" -eq 40 ]
}

# lines_of OPTION…: "CALL LINE COUNT" of $program, traced; and as it tells itself.
lines_of() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$program" --wait 2
	start_tracer -v -f json "$@" -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	by_line threads.c >"$BATS_TEST_TMPDIR/told"
	awk '$1 == "line" { n[$2 " " $4] += $5 } END { for (key in n) print key, n[key] }' "$SELF" |
		sed 's/^memalign /aligned_alloc /' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	sed -i 's/^memalign /aligned_alloc /' "$BATS_TEST_TMPDIR/told"
	LC_ALL=C sort -o "$BATS_TEST_TMPDIR/told" "$BATS_TEST_TMPDIR/told"
}
has_lines() {
	lines_of "$@"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/told")" -gt 20 ]
}
has_no_lines() {
	lines_of
	[ ! -s "$BATS_TEST_TMPDIR/told" ]
}

# serve [hang]: a server that has the debug file of $program, and nobody else has it.
serve() {
	mkdir -p "$BATS_TEST_TMPDIR/served" "$BATS_TEST_TMPDIR/cache"
	[ ! -e "$debug" ] || mv "$debug" "$BATS_TEST_TMPDIR/served/$id"
	: >"$BATS_TEST_TMPDIR/asked"
	python3 tests/integration/debug_server.py "$BATS_TEST_TMPDIR/served" "$BATS_TEST_TMPDIR/asked" "$@" \
		>"$BATS_TEST_TMPDIR/port" 7>&- &
	started+=("$!")
	wait_for has_line . "$BATS_TEST_TMPDIR/port"
	urls=http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")
	export DEBUGINFOD_CACHE_PATH=$BATS_TEST_TMPDIR/cache
	unset DEBUGINFOD_URLS
}

@test "a debug file beside the program, found by its link" {
	copy_of
	objcopy --remove-section .note.gnu.build-id --add-gnu-debuglink="$debug" "$program"
	has_lines
}

@test "a debug file beside the program, with the checksum of another one: not read" {
	copy_of
	objcopy --remove-section .note.gnu.build-id --add-gnu-debuglink="$debug" "$program"
	# Of the same form, and with other contents.
	objcopy --remove-section .comment "$debug"
	has_no_lines
}

@test "a debug file in .debug beside the program" {
	copy_of
	objcopy --add-gnu-debuglink="$debug" "$program"
	mkdir "${debug%/*}/.debug"
	mv "$debug" "${debug%/*}/.debug/"
	has_lines
}

# in_debug_root PATH: the debug file lies there, below /usr/lib/debug.
in_debug_root() {
	mkdir -p "$(dirname "/usr/lib/debug/$1")"
	mv "$debug" "/usr/lib/debug/$1"
	placed+=("/usr/lib/debug/$1")
}

@test "a debug file below /usr/lib/debug, by build-id" {
	copy_of
	in_debug_root ".build-id/${id:0:2}/${id:2}.debug"
	has_lines
}

@test "a debug file below /usr/lib/debug, by build-id: of another program is not read" {
	copy_of
	objcopy --only-keep-debug "$WORKLOADS/family" "$debug"
	in_debug_root ".build-id/${id:0:2}/${id:2}.debug"
	has_no_lines
}

@test "a debug file below /usr/lib/debug, by its link and the program's path" {
	copy_of
	objcopy --add-gnu-debuglink="$debug" "$program"
	in_debug_root "$(realpath "$debug")"
	has_lines
}

# reads_zstd: whether the library's own tool does.
reads_zstd() {
	local main
	main=$(nm "$WORKLOADS/threads" | awk '$3 == "main" { print $1 }')
	eu-addr2line -e "$program" "0x$main" 2>/dev/null | grep -q 'threads\.c'
}

@test "debug information compressed by zlib, old form and new, and by zstd" {
	for how in zlib zlib-gnu zstd; do
		copy_of
		if ! objcopy --compress-debug-sections=$how "$debug" 2>"$BATS_TEST_TMPDIR/refused"; then
			echo "# objcopy knows no $how: $(cat "$BATS_TEST_TMPDIR/refused")" >&3
			continue
		fi
		objcopy --add-gnu-debuglink="$debug" "$program"
		# The library that reads it here may be too old for zstd (elfutils before 0.189).
		if [ $how = zstd ] && not reads_zstd; then
			echo "# libdw does not read $how here" >&3
			continue
		fi
		has_lines
	done
}

@test "debug information shared by dwz" {
	local other=$BATS_TEST_TMPDIR/program/family.debug shared=$BATS_TEST_TMPDIR/program/shared.debug
	command -v dwz >/dev/null || skip "dwz is not installed"
	copy_of
	objcopy --only-keep-debug "$WORKLOADS/family" "$other"
	dwz -m "$shared" -M "$shared" "$debug" "$other"
	readelf -S "$debug" | grep -q gnu_debugaltlink
	objcopy --add-gnu-debuglink="$debug" "$program"
	has_lines
}

# functions_told: "NAME COUNT" of the callers in the program, not of those that were inlined into them.
functions_told() {
	table '[.stack[] | select(.inlined | not)][0] | select(.module | endswith("/threads")).function'
}

@test "functions of a stripped program, from .gnu_debugdata" {
	copy_of
	# Names alone, as distributions pack them; the dynamic ones are not enough.
	objcopy --strip-debug "$WORKLOADS/threads" "$BATS_TEST_TMPDIR/names"
	objcopy --only-keep-debug "$BATS_TEST_TMPDIR/names" "$BATS_TEST_TMPDIR/mini"
	lines_of
	functions_told | not grep -v '^null'
	xz -f "$BATS_TEST_TMPDIR/mini"
	objcopy --add-section .gnu_debugdata="$BATS_TEST_TMPDIR/mini.xz" "$program"
	lines_of
	functions_told >"$BATS_TEST_TMPDIR/by-debugdata"
	program=$WORKLOADS/threads
	lines_of
	functions_told >"$BATS_TEST_TMPDIR/by-itself"
	not grep null "$BATS_TEST_TMPDIR/by-itself"
	same "$BATS_TEST_TMPDIR/by-itself" "$BATS_TEST_TMPDIR/by-debugdata"
}

@test "a binary that was deleted before the run: names and lines" {
	copy_of
	cp "$WORKLOADS/threads" "$program"
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$program" --wait 2
	rm "$program"
	start_tracer -f json -k -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	by_line threads.c | sed 's/^memalign /aligned_alloc /' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	awk '$1 == "line" { n[$2 " " $4] += $5 } END { for (key in n) print key, n[key] }' "$SELF" |
		sed 's/^memalign /aligned_alloc /' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# --- servers -----------------------------------------------------------------------------------------------------

@test "debuginfod: a server that was named has the lines; one that was not is not asked" {
	command -v debuginfod-find >/dev/null || skip "debuginfod-find is not installed"
	copy_of
	serve
	has_no_lines
	[ ! -s "$BATS_TEST_TMPDIR/asked" ]
	DEBUGINFOD_URLS='' has_no_lines
	[ ! -s "$BATS_TEST_TMPDIR/asked" ]
	DEBUGINFOD_URLS=$urls has_lines
	grep -qx "/buildid/$id/debuginfo" "$BATS_TEST_TMPDIR/asked"
	# Once: what was got lies in the user's cache.
	: >"$BATS_TEST_TMPDIR/asked"
	DEBUGINFOD_URLS=$urls has_lines
	not grep -F "$id" "$BATS_TEST_TMPDIR/asked"
}

# Of a file that has just been changed nothing is kept.
has_settled() { [ $(($(date +%s) - $(stat -c %Z "$1"))) -gt 3 ]; }
knows() {
	local answers
	answers=$(sed -n 's/.*the names of \([0-9]*\) addresses were kept.*/\1/p' "$SAID")
	[ "${answers:-0}" -gt 20 ]
}

# It may have taken hold of the process that has read it. The program comes first in every question.
@test "a debug file that others can write: nothing that is said after it is kept, about no file" {
	local mode
	know_nothing
	copy_of
	objcopy --add-gnu-debuglink="$debug" "$program"
	for mode in 666 644; do
		chmod "$mode" "$debug"
		wait_for has_settled "$program"
		wait_for has_settled "$debug"
		has_lines -k
		not grep -q 'were kept' "$SAID"
		has_lines -k
		[ "$mode" = 666 ] || knows
		[ "$mode" != 666 ] || not grep -q 'were kept' "$SAID"
	done
}

@test "debuginfod: what earlier runs have found holds as long as the servers have the same" {
	command -v debuginfod-find >/dev/null || skip "debuginfod-find is not installed"
	know_nothing
	copy_of
	serve
	wait_for has_settled "$program"
	has_no_lines
	not knows
	has_no_lines
	knows
	# What was not there is.
	DEBUGINFOD_URLS=$urls has_lines
	not knows
	wait_for has_settled "$BATS_TEST_TMPDIR/cache/$id/debuginfo"
	DEBUGINFOD_URLS=$urls has_lines
	not knows
	DEBUGINFOD_URLS=$urls has_lines
	knows
	# And is there no more.
	has_no_lines
	knows
}

@test "debuginfod: what a server has under the wrong build-id is not read" {
	command -v debuginfod-find >/dev/null || skip "debuginfod-find is not installed"
	copy_of
	serve
	objcopy --only-keep-debug "$WORKLOADS/family" "$BATS_TEST_TMPDIR/served/$id"
	DEBUGINFOD_URLS=$urls has_no_lines
	rm -rf "$BATS_TEST_TMPDIR/cache"/*
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/served/$id"
	DEBUGINFOD_URLS=$urls has_no_lines
	grep -qx "/buildid/$id/debuginfo" "$BATS_TEST_TMPDIR/asked"
}

@test "debuginfod: a server that hangs, and one that is not there: the run ends, and says so once" {
	command -v debuginfod-find >/dev/null || skip "debuginfod-find is not installed"
	copy_of
	serve hang
	DEBUGINFOD_TIMEOUT=1 DEBUGINFOD_URLS=$urls has_no_lines
	[ "$(grep -c 'servers of DEBUGINFOD_URLS' "$SAID")" -eq 1 ]
	grep -q "/buildid/$id" "$BATS_TEST_TMPDIR/asked"
	DEBUGINFOD_URLS=http://127.0.0.1:9 has_no_lines
	[ "$(grep -c 'servers of DEBUGINFOD_URLS' "$SAID")" -eq 1 ]
}

@test "debuginfod: without debuginfod-find one sentence, and the run goes on" {
	local dir=$BATS_TEST_TMPDIR/bin
	mkdir -p "$dir"
	copy_of
	serve
	start_held "$program" --wait 2
	printf '#!/bin/sh\nPATH=%s exec %s "$@"\n' "$dir" "$(realpath "$ALLOCTRACE")" >"$dir/alloctrace"
	chmod 755 "$dir/alloctrace"
	ALLOCTRACE=$dir/alloctrace DEBUGINFOD_URLS=$urls start_tracer -f json -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	[ "$(grep -c 'debuginfod-find is not installed' "$SAID")" -eq 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/asked" ]
}

@test "debuginfod: it is asked by the user who called sudo, without a capability" {
	command -v debuginfod-find >/dev/null || skip "debuginfod-find is not installed"
	local dir
	dir=$(mktemp -d) # which others may enter
	placed+=("$dir/debuginfod-find" "$dir/told/all" "$dir/told" "$dir")
	copy_of
	serve
	chmod 755 "$dir"
	install -d -o 65534 -g 65534 "$dir/told"
	cat >"$dir/debuginfod-find" <<-END
		#!/bin/sh
		{ id -u; id -g; id -G; grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status; env; } >$dir/told/all
		exit 1
	END
	chmod 755 "$dir/debuginfod-find"
	SECRET=mine SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody PATH=$dir:$PATH DEBUGINFOD_URLS=$urls has_no_lines
	[ "$(sed -n '1,3p' "$dir/told/all" | xargs)" = "65534 65534 65534" ]
	[ "$(grep -c '^Cap....*0000000000000000$' "$dir/told/all")" -eq 4 ]
	grep -q '^NoNewPrivs:.1$' "$dir/told/all"
	grep -q '^HOME=/nonexistent$' "$dir/told/all"
	not grep -E '^(SECRET|SUDO_|BATS_)' "$dir/told/all"
}
