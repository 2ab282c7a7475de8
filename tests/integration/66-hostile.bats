#!/usr/bin/env bats
# What a traced program can put into a tracer's way, on purpose: names that a terminal obeys, paths longer than paths can
# be, things that are no files where a library or its debug information should be, and debug information made to take
# for ever or all memory there is. Text stays text, JSON stays JSON, the run ends, and the counts are the target's own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

ROUNDS=${ROUNDS:-40}
# The most memory that a run may take, in KiB, whatever a file says: what its helper may have, and a quarter.
MOST_KIB=$((1280 << 10))

# harmless_json FILE: every line is an object that jq takes, and no line has a byte that a terminal obeys.
harmless_json() {
	jq -es 'length > 1 and all(.[]; type == "object")' "$1" >/dev/null && [ "$(jq -c . "$1" | wc -l)" -eq "$(wc -l <"$1")" ] &&
		LC_ALL=C not grep -qP '[\x00-\x09\x0b-\x1f]' "$1" && iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
}

# is_exact: all calls that the target counted, of itself and of its library, each once, and nothing lost.
is_exact() {
	local call fine=0 want got
	SELF=$BATS_TEST_TMPDIR/held.out
	for call in malloc calloc realloc free; do
		want=$(truth "$call.count" "$SELF" | awk '{ n += $1 } END { print n + 0 }')
		got=$(summary ".calls.$call.count // 0")
		[ "$want" -eq "$got" ] || { echo "$call: $want calls, $got counted" >&2; fine=1; }
	done
	[ "$(summary .lost.total)" -eq 0 ] && balanced && return $fine
	tail -n 1 "$TRACE" >&2
	return 1
}

# trace_library LIBRARY [OPTION…]: a program that has opened this library is traced to its end, as JSON.
trace_library() {
	local library=$1
	shift
	start_held "$WORKLOADS/mapper" --wait --open "$library" "$ROUNDS"
	start_tracer -f json --strict -p "$held" "$@"
	release_held
	end_tracer
	wait "$held"
	[ "$status" -eq 0 ]
	is_exact
	harmless_json "$TRACE"
	harmless_text "$SAID"
}

# lines_of_the_plugin: the calls of libplugin.so that are told with its source file and line.
lines_of_the_plugin() { jq -n '[inputs | select(.stack[0].file? // "" | endswith("/plugin.c"))] | length' "$TRACE"; }

plugin_is_named() {
	[ "$(lines_of_the_plugin)" -eq "$(sed -n 's/^line .* plugin.c [0-9]* \([0-9]*\) .*/\1/p' "$SELF" | awk '{ n += $1 } END { print n }')" ]
}

# ---- names

@test "pools with odd names and handles: text, JSON, and every chunk is counted" {
	local out=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/oddpools" --wait
	start_tracer -f json --strict -p "$held"
	release_held
	end_tracer
	wait "$held"
	[ "$status" -eq 0 ]
	harmless_json "$TRACE"
	balanced
	[ "$(summary '[.calls | to_entries[] | select(.key | endswith(":alloc")).value.count] | add')" -eq "$(truth taken "$out")" ]
	[ "$(summary '[.calls | to_entries[] | select(.key | endswith(":free")).value.count] | add')" -eq "$(truth given "$out")" ]
	[ "$(jq -n '[inputs | select(.kind == "create")] | length' "$TRACE")" -eq "$(truth pools "$out")" ]
	# Each pool is destroyed with a chunk in use, and none takes a block of malloc along.
	[ "$(summary '[.pools[].live_at_destroy] | add')" -eq "$(truth pools "$out")" ]
	[ "$(summary .live.blocks)" -eq "$(truth kept "$out")" ]
	[ "$(summary '.findings["leaked-at-destroy"] // (.findings | add)')" -ge $(($(truth pools "$out") - 2)) ]
}

@test "pools with odd names in text, in latency and in compare" {
	local way
	for way in trace latency compare; do
		"$ALLOCTRACE" $way -v -o "$TRACE" -- "$WORKLOADS/oddpools" >"$BATS_TEST_TMPDIR/held.out" 2>"$SAID" || [ $way = compare ]
		harmless_text "$TRACE"
		harmless_text "$SAID"
		"$ALLOCTRACE" $way -f json -o "$TRACE" -- "$WORKLOADS/oddpools" >"$BATS_TEST_TMPDIR/held.out" 2>"$SAID" || [ $way = compare ]
		[ ! -s "$TRACE" ] || harmless_json "$TRACE"
		harmless_text "$SAID"
	done
}

@test "a library with an odd name: escapes, newlines, no UTF-8, and what looks like the kernel's own marks" {
	local name
	for name in $'lib\033]0;t\a.so' $'lib\nnew.so' $'lib\xff\xc3.so' 'lib (deleted)' 'lib (deleted) (deleted)' 'lib\012x.so' \
		$'lib\n (deleted)' '[heap]' $'[vdso]\n7f0000000000-7f0000001000 r-xp 00000000 00:00 0 x' ' lib'; do
		mkdir -p "$BATS_TEST_TMPDIR/odd"
		cp "$WORKLOADS/libplugin.so" "$BATS_TEST_TMPDIR/odd/$name"
		trace_library "$BATS_TEST_TMPDIR/odd/$name"
		plugin_is_named
		rm "$BATS_TEST_TMPDIR/odd/$name"
	done
}

@test "a broken file with an odd name is told in one harmless line" {
	local file=$BATS_TEST_TMPDIR/$'bro\033[31mken\n\xff'
	head -c 1000 "$WORKLOADS/libown.so" >"$file"
	start_held "$WORKLOADS/mapper" --wait "$ROUNDS" "$file"
	start_tracer -v -f json --strict -p "$held"
	release_held
	end_tracer
	wait "$held"
	[ "$status" -eq 0 ]
	is_exact
	harmless_text "$SAID"
	grep -q 'bro.*ken' "$SAID"
}

# deep DIR BYTES: DIR with directories below it until its path has that many bytes; leaves the shell there.
deep() {
	local step length
	step=$(printf '%0200d' 0)
	cd "$1" || return 1
	for ((length = ${#1}; length + 202 < $2; length += 201)); do
		mkdir "$step"
		cd "$step" || return 1
	done
	step=$(printf "%0$(($2 - length - 1))d" 0)
	mkdir "$step"
	cd "$step" || return 1
}

# rm cannot name what is too deep for a path: from below, one at a time.
shallow() {
	local at=$PWD
	while [ "$PWD" != "$1" ] && [ "$PWD" != / ]; do
		at=${PWD##*/}
		cd -P .. || return 1
		rm -rf "./$at"
	done
}

@test "a library whose path is as long as a path can be, and one longer than that" {
	local bytes where
	for bytes in 4070 6000; do
		where=$BATS_TEST_TMPDIR/deep.$bytes
		mkdir "$where"
		WORKLOADS=$(realpath "$WORKLOADS") ALLOCTRACE=$(realpath "$ALLOCTRACE")
		deep "$where" "$bytes"
		cp "$WORKLOADS/libplugin.so" lib.so
		start_held "$WORKLOADS/mapper" --wait --open ./lib.so "$ROUNDS"
		shallow_after=$PWD
		cd "$where"
		start_tracer -f json --strict -p "$held"
		release_held
		end_tracer
		wait "$held"
		[ "$status" -eq 0 ]
		is_exact
		harmless_json "$TRACE"
		harmless_text "$SAID"
		[ "$bytes" -gt 4096 ] || plugin_is_named
		cd "$shallow_after" 2>/dev/null || true
		shallow "$where"
	done
}

# ---- no files where there should be some

# in_its_place KIND PATH: something else at that path.
in_its_place() {
	rm -rf "$2"
	case $1 in
	fifo) mkfifo "$2" ;;
	link-to-fifo) mkfifo "$2.fifo" && ln -s "$2.fifo" "$2" ;;
	loop) ln -s "$2" "$2" ;;
	link-to-device) ln -s /dev/zero "$2" ;;
	directory) mkdir "$2" ;;
	esac
}

@test "a FIFO, a symlink to one, a loop, a device, a directory where a mapped library was" {
	local kind library=$BATS_TEST_TMPDIR/libgone.so
	for kind in fifo link-to-fifo loop link-to-device directory; do
		rm -rf "$library" "$library.fifo"
		cp "$WORKLOADS/libplugin.so" "$library"
		start_held "$WORKLOADS/mapper" --wait --open "$library" "$ROUNDS"
		in_its_place $kind "$library"
		start_tracer -v -f json --strict -p "$held"
		release_held
		end_tracer
		wait "$held"
		[ "$status" -eq 0 ]
		is_exact
		plugin_is_named
	done
}

@test "a FIFO, a symlink to one, a loop, a device, a directory where debug information should be" {
	local kind dir=$BATS_TEST_TMPDIR/link
	command -v objcopy >/dev/null || skip "no objcopy"
	mkdir -p "$dir"
	for kind in fifo link-to-fifo loop link-to-device directory; do
		rm -rf "$dir" && mkdir -p "$dir/.debug"
		strip -g -o "$dir/lib.so" -R .note.gnu.build-id "$WORKLOADS/libplugin.so"
		echo debug >"$dir/lib.debug"
		objcopy --add-gnu-debuglink="$dir/lib.debug" "$dir/lib.so"
		in_its_place $kind "$dir/lib.debug"
		in_its_place $kind "$dir/.debug/lib.debug"
		trace_library "$dir/lib.so"
		[ "$(lines_of_the_plugin)" -eq 0 ]
		[ "$(jq -n '[inputs | select(.stack[0].function? == "plugin_make")] | length' "$TRACE")" -eq "$ROUNDS" ]
	done
}

# ---- debug information that is a bomb

# bomb KIND: a library that holds it, $bomb.
bomb() {
	local dir=$BATS_TEST_TMPDIR/bomb section add=()
	command -v objcopy >/dev/null || skip "no objcopy"
	command -v python3 >/dev/null || skip "no python3"
	mkdir -p "$dir"
	strip -g -o "$dir/base.so" "$WORKLOADS/libplugin.so"
	while read -r section; do
		add+=(--add-section "$section=$dir/$section")
	done < <(tests/integration/dwarf_bomb.py "$1" "$dir" "$dir/base.so")
	[ ${#add[@]} -gt 0 ]
	bomb=$dir/bomb.so
	objcopy "${add[@]}" "$dir/base.so" "$bomb"
}

# explode KIND: a program that has opened the bomb is traced. The run ends, is exact and takes no more than it may. What
# guards this machine against a tracer that falls for it: 3 GiB of addresses.
explode() {
	bomb "$1"
	start_held "$WORKLOADS/mapper" --wait --open "$bomb" "$ROUNDS"
	(
		ulimit -v $((3 << 20))
		status=0
		timeout -k 5 "$PATIENCE" "$WORKLOADS/peak" "$BATS_TEST_TMPDIR/peak" "$ALLOCTRACE" -f json --strict -p "$held" \
			>"$TRACE" 2>"$SAID" 7>&- 3>&- || status=$?
		echo "$status" >"$BATS_TEST_TMPDIR/status"
	) 7>&- &
	tracer=$!
	started+=("$tracer")
	wait_for says_ready
	release_held
	wait "$tracer"
	wait "$held"
	cat "$SAID" "$BATS_TEST_TMPDIR"/{status,peak} >&2
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 0 ]
	[ "$(truth peak-kib "$BATS_TEST_TMPDIR/peak")" -lt "$MOST_KIB" ]
	is_exact
	harmless_json "$TRACE"
	# The program's own lines are as they are without it.
	[ "$(jq -n '[inputs | select(.stack[0].file? // "" | endswith("/mapper.c"))] | length' "$TRACE")" -eq \
		"$(sed -n 's/^line .* mapper.c [0-9]* \([0-9]*\) .*/\1/p' "$SELF" | awk '{ n += $1 } END { print n }')" ]
}

@test "a bomb: a line table of 64 million rows" { explode lines; }

@test "a bomb: scopes in scopes, 16 million deep" { explode tree; }

@test "a bomb: names that inflate to 4 GiB" { explode inflate; }

@test "a bomb: names that claim to inflate to more than there is" { explode claim; }

@test "a bomb: two million units" { explode units; }
