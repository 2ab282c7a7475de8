#!/usr/bin/env bats
# Files that are not what they seem: cut short, no ELF at all, with symbols that lead nowhere, gone from the disk or
# replaced while they are mapped, or no files. Each is one sentence, and the rest goes on: what else the same target
# calls is as exact as ever, by the target's own count (tests/workloads/mapper.c).
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

ROUNDS=${ROUNDS:-40}

need() { [ -e "$WORKLOADS/$1" ] || skip "$1 is not built: its tools are not installed"; }

# need_library SONAME: it is installed; $library is its path.
need_library() {
	library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk -v name="$1" '$1 == name { print $NF; exit }')
	[ -n "$library" ] || skip "$1 is not installed"
}

# attempt ARG…: alloctrace to its end. $status is its exit code; output in $TRACE, words in $SAID.
attempt() {
	status=0
	timeout -k 5 "$PATIENCE" "$ALLOCTRACE" "$@" >"$TRACE" 2>"$SAID" </dev/null 3>&- 7>&- || status=$?
}

# refused CODE REGEX: that exit code, one sentence that matches, and nothing was attached.
refused() {
	if [ "$status" -eq "$1" ] && [ "$(grep -vc '^alloctrace: hint: ' "$SAID")" -eq 1 ] &&
		grep -Eq -- "^alloctrace: .*($2)" "$SAID" && ! grep -q 'ready:' "$SAID" && [ ! -s "$TRACE" ]; then
		return 0
	fi
	echo "exit code $status, not $1, or not one sentence like /$2/:" >&2
	cat -v "$SAID" >&2
	return 1
}

# What the target called at its own lines, "CALL FILE LINE COUNT BYTES", and no more than this was seen.
target_is_exact() {
	SELF=$BATS_TEST_TMPDIR/held.out
	sed -n 's/^line //p' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ -s "$BATS_TEST_TMPDIR/true" ]
	jq -r 'select(.type == "event") | "\(.call) \(.stack[0].file // "-" | split("/") | last) \(.stack[0].line)
		\(if .call | test("free|dallocx") then .old_size // 0 elif .failed then 0 else .size // 0 end)"' "$TRACE" | paste -d ' ' - - |
		awk '{ n[$1 " " $2 " " $3]++; bytes[$1 " " $2 " " $3] += $4 } END {
			for (key in n) printf "%s %d %.0f\n", key, n[key], bytes[key]
		}' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(summary .entered)" -eq "$(truth calls "$SELF" | awk '{ n += $1 } END { print n }')" ]
	[ "$(summary '.lost.total + .superseded + .unmatched_frees')" -eq 0 ]
	balanced
}

# trace_mapped FILE…: a program that maps these as code is traced, exactly, without and with -v.
trace_mapped() {
	local verbose
	for verbose in '' -v; do
		start_held "$WORKLOADS/mapper" --wait "$ROUNDS" "$@"
		start_tracer $verbose -f json --strict -p "$held"
		release_held
		end_tracer
		[ "$status" -eq 0 ]
		wait "$held"
		target_is_exact
		# Without -v nobody has asked about these files, but what they define and is not traced is told.
		[ -n "$verbose" ] || [ "$(grep -vE ': ready: |: warning: .*(not traced|cannot attach)' "$SAID" |
			tee /dev/stderr | wc -l)" -eq 0 ]
	done
}

# reason_is_told NAME: a line names that file and says something about it, and nothing is said twice.
reason_is_told() {
	grep -Eq -- "^alloctrace: .*$1'?[:,]? .*[a-z]{3}" "$SAID" && [ -z "$(sort "$SAID" | uniq -d)" ] && return
	echo "not one sentence about $1:" >&2
	cat -v "$SAID" >&2
	return 1
}

# cut FILE NAME: the beginnings of that file, of many lengths; their names are in $cuts.
cut_short() {
	local size n
	size=$(wc -c <"$1")
	cuts=()
	for n in 4 63 64 200 1000 4096 $((size / 2)) $((size - 2000)) $((size - 64)) $((size - 1)); do
		head -c "$n" "$1" >"$BATS_TEST_TMPDIR/cut-$n-$2"
		cuts+=("$BATS_TEST_TMPDIR/cut-$n-$2")
	done
}

# ---- mapped by the target

@test "an ELF file that is cut short, wherever" {
	local file
	cut_short "$WORKLOADS/libown.so" own
	trace_mapped "${cuts[@]}"
	for file in "${cuts[@]}"; do
		reason_is_told "${file##*/}"
	done
}

@test "an ELF file that is cut short and mapped later" {
	local file
	cut_short "$WORKLOADS/libown.so" own
	start_held "$WORKLOADS/mapper" --wait --late "$ROUNDS" "${cuts[@]}"
	start_tracer -v -f json --strict -p "$held"
	echo >&7
	wait_for has_line '^loaded' "$BATS_TEST_TMPDIR/held.out"
	for file in "${cuts[@]}"; do
		wait_for has_line "${file##*/}" "$SAID"
	done
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	target_is_exact
	for file in "${cuts[@]}"; do
		reason_is_told "${file##*/}"
	done
}

@test "a file that is no ELF file" {
	local dir=$BATS_TEST_TMPDIR file
	echo 'malloc and free' >"$dir/text"
	: >"$dir/empty"
	head -c 20000 /dev/zero >"$dir/zeroes"
	printf '\177ELF' >"$dir/magic"
	trace_mapped "$dir/text" "$dir/empty" "$dir/zeroes" "$dir/magic"
	for file in text empty zeroes magic; do
		reason_is_told "/$file"
	done
}

# patch FILE OFFSET BYTES: these bytes (as printf has them) at that offset.
patch() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# The offsets are those of struct Elf64_Ehdr in <elf.h>.
@test "an ELF file whose header lies" {
	local dir=$BATS_TEST_TMPDIR name
	for name in class32 big-endian sections-beyond-the-end section-count section-size programs-beyond-the-end \
		program-count names-beyond-the-end; do
		cp "$WORKLOADS/libown.so" "$dir/$name"
	done
	patch "$dir/class32" 4 '\001'
	patch "$dir/big-endian" 5 '\002'
	patch "$dir/sections-beyond-the-end" 40 '\000\000\000\000\000\377\000\000'
	patch "$dir/section-count" 60 '\000\377'
	patch "$dir/section-size" 58 '\001\000'
	patch "$dir/programs-beyond-the-end" 32 '\000\000\000\000\000\377\000\000'
	patch "$dir/program-count" 56 '\377\377'
	patch "$dir/names-beyond-the-end" 62 '\376\376'
	trace_mapped "$dir"/{class32,big-endian,section*,program*,names*}
}

@test "an object whose malloc has no body, lies in data, is no instruction, is a number" {
	local kind
	need libnobody-outside.so
	trace_mapped "$WORKLOADS"/libnobody-{outside,data,junk,absolute}.so
	for kind in outside data junk absolute; do
		reason_is_told "libnobody-$kind.so"
	done
}

@test "the same object, opened as a library" {
	local kind
	need libnobody-outside.so
	for kind in outside data junk absolute; do
		start_held "$WORKLOADS/mapper" --wait --open "$WORKLOADS/libnobody-$kind.so" "$ROUNDS"
		start_tracer -f json --strict -p "$held"
		release_held
		end_tracer
		[ "$status" -eq 0 ]
		wait "$held"
		target_is_exact
	done
}

@test "--function of a symbol that leads nowhere: a sentence names it, and the rest is traced" {
	local kind
	need libnobody-outside.so
	for kind in outside data junk absolute; do
		start_held "$WORKLOADS/mapper" --wait --open "$WORKLOADS/libnobody-$kind.so" "$ROUNDS"
		start_tracer -f json --strict --function 'nowhere(size=arg1,ret=ptr)' -p "$held"
		release_held
		end_tracer
		[ "$status" -eq 0 ]
		wait "$held"
		target_is_exact
		[ "$(grep 'nowhere' "$SAID" | tee /dev/stderr | grep -c '^alloctrace: warning: ')" -eq 1 ]
	done
}

# ---- gone from the disk

@test "a library that was deleted while it is mapped: every call, and the names of its lines" {
	cp "$WORKLOADS/libplugin.so" "$BATS_TEST_TMPDIR/libgone.so"
	start_held "$WORKLOADS/mapper" --wait --open "$BATS_TEST_TMPDIR/libgone.so" "$ROUNDS"
	rm "$BATS_TEST_TMPDIR/libgone.so"
	start_tracer -f json --strict -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	target_is_exact
	names_of_the_plugin_are_told
}

names_of_the_plugin_are_told() {
	[ "$(table 'select(.stack[0].module | test("/libgone.so")) | .stack[0].function')" = \
		"$(printf '%s\n' "plugin_drop $(truth free.count "$SELF" | tail -n 1)" "plugin_make $ROUNDS")" ]
}

@test "a library that was replaced while it is mapped: what is mapped is traced, not what is there" {
	local other
	for other in "$WORKLOADS/libown.so" "$WORKLOADS/libarena.so" /dev/null; do
		cp "$WORKLOADS/libplugin.so" "$BATS_TEST_TMPDIR/libgone.so"
		start_held "$WORKLOADS/mapper" --wait --open "$BATS_TEST_TMPDIR/libgone.so" "$ROUNDS"
		cp "$other" "$BATS_TEST_TMPDIR/new"
		mv "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/libgone.so"
		start_tracer -f json --strict -p "$held"
		release_held
		end_tracer
		[ "$status" -eq 0 ]
		wait "$held"
		target_is_exact
		names_of_the_plugin_are_told
	done
}

# matrix_is_exact: the whole books of a program that calls nothing but the allocator in question.
matrix_is_exact() {
	SELF=$BATS_TEST_TMPDIR/held.out
	{
		sed -n 's/^truth \([a-z_]*\.[a-z]*\)=/\1 /p' "$SELF"
		echo "entered $(truth calls "$SELF")"
	} | awk '$2 != 0' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	summary '(.calls | to_entries[] | .key as $call | .value | to_entries[] | "\($call).\(.key) \(.value)"),
		"live.blocks \(.live.blocks)", "live.bytes \(.live.bytes)", "entered \(.entered)", "lost \(.lost.total)",
		"superseded \(.superseded)", "unmatched_frees \(.unmatched_frees)"' | awk '$2 != 0' |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# gone_allocator FILE COMMAND…: the program has preloaded a copy of FILE when COMMAND takes the copy away.
gone_allocator() {
	local copy=$BATS_TEST_TMPDIR/libgone.so
	cp -L "$1" "$copy"
	shift
	start_held env LD_PRELOAD="$copy" "$WORKLOADS/matrix" --wait "$ROUNDS"
	"$@" "$copy"
	start_tracer -f json --strict -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	matrix_is_exact
}

put_text_there() { echo 'no library any more' >"$1.new" && mv "$1.new" "$1"; }

@test "an allocator that was deleted, or replaced, while it is mapped" {
	gone_allocator "$WORKLOADS/libown.so" rm
	gone_allocator "$WORKLOADS/libown.so" put_text_there
}

@test "jemalloc that was deleted, or replaced, while it is mapped" {
	need_library libjemalloc.so.2
	gone_allocator "$library" rm
	gone_allocator "$library" put_text_there
}

@test "a program that was deleted while it runs" {
	cp "$WORKLOADS/prefixed-je" "$BATS_TEST_TMPDIR/program"
	start_held "$BATS_TEST_TMPDIR/program" --wait "$ROUNDS"
	rm "$BATS_TEST_TMPDIR/program"
	start_tracer -f json --strict -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	target_is_exact
	matrix_is_exact
}

# ---- more than there is room for

@test "an allocator that comes when the table of functions is full: it is traced, or that it is not is said" {
	local i many=()
	for i in {1..16}; do
		many+=(--function "nowhere_$i(size=arg1,ret=ptr)")
	done
	start_held bash -c 'echo ready; read -r _; exec "$@"' - "$WORKLOADS/prefixed" --wait "$ROUNDS"
	start_tracer -f json "${many[@]}" --prefix own_ -p "$held"
	echo >&7
	wait_for has_line '^ready [0-9]' "$BATS_TEST_TMPDIR/held.out"
	PATIENCE=5 wait_for has_line 'more functions.*prefixed\|not traced' "$SAID" || true
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
	if ! grep -Eq '^alloctrace: warning: .*(not traced|more than)' "$SAID"; then
		[ "$(summary .calls.own_malloc.count)" = "$(truth own_malloc.count "$BATS_TEST_TMPDIR/held.out")" ]
		[ "$(summary .calls.own_xallocx.count)" = "$(truth own_xallocx.count "$BATS_TEST_TMPDIR/held.out")" ]
	fi
}

# ---- named by the user

# bad_files: files of all kinds that are no libraries; $bad is their paths.
bad_files() {
	local dir=$BATS_TEST_TMPDIR
	cut_short "$WORKLOADS/libown.so" own
	echo 'malloc and free' >"$dir/text"
	: >"$dir/empty"
	mkfifo "$dir/fifo"
	mkdir -p "$dir/directory"
	ln -s fifo "$dir/link-to-fifo"
	bad=("${cuts[@]}" "$dir/text" "$dir/empty" "$dir/fifo" "$dir/link-to-fifo" "$dir/directory" /dev/null /dev/zero)
}

@test "--object of what is no library: one sentence, at once" {
	local file
	bad_files
	start_held "$WORKLOADS/mapper" --wait "$ROUNDS" "${cuts[@]}"
	for file in "${bad[@]}"; do
		PATIENCE=30 attempt --object "$file" -p "$held"
		refused 1 "${file##*/}"
	done
	PATIENCE=30 attempt --object "$BATS_TEST_TMPDIR/fifo" -- touch "$BATS_TEST_TMPDIR/ran"
	refused 1 fifo
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	release_held
	wait "$held"
}

@test "sites of what is no library: one sentence, at once" {
	local file
	bad_files
	for file in "${bad[@]}"; do
		PATIENCE=30 attempt sites "$file"
		refused 1 "${file##*/}"
		PATIENCE=30 attempt sites "$file" malloc
		refused 1 "${file##*/}"
	done
}

@test "sites of an object whose malloc has no body" {
	local kind
	need libnobody-outside.so
	for kind in outside data absolute; do
		attempt sites "$WORKLOADS/libnobody-$kind.so" malloc
		refused 1 "malloc"
	done
}

@test "--object of an object whose malloc has no body: one sentence names it" {
	local kind
	need libnobody-outside.so
	for kind in outside data junk absolute; do
		start_held "$WORKLOADS/mapper" --wait --open "$WORKLOADS/libnobody-$kind.so" 1
		attempt --object "$WORKLOADS/libnobody-$kind.so" -p "$held"
		[ "$status" -eq 1 ]
		[ ! -s "$TRACE" ]
		reason_is_told "libnobody-$kind.so"
		not grep -q 'ready:' "$SAID"
		release_held
		wait "$held"
	done
}

@test "--function of a symbol that is not there, and nothing else: exit 1, and nothing runs" {
	need matrix-static-stripped
	start_held "$WORKLOADS/matrix-static-stripped" --wait 1
	attempt --function 'nowhere_take(size=arg1,ret=ptr)' -p "$held"
	refused 1 'nowhere_take'
	release_held
	wait "$held"
	attempt --function 'nowhere_take(size=arg1,ret=ptr)' -- "$WORKLOADS/matrix-static-stripped" 1
	[ "$status" -eq 1 ]
	grep -q 'nowhere_take' "$SAID"
	not grep -q truth "$TRACE"
}

@test "--object that the target does not map" {

	start_held "$WORKLOADS/mapper" --wait 1
	attempt --object "$WORKLOADS/libown.so" -p "$held"
	refused 1 'libown.so'
	kill -0 "$held"
	release_held
	wait "$held"
	attempt --object "$WORKLOADS/libown.so" -- "$WORKLOADS/mapper" 1
	refused 1 'libown.so'
}

@test "--object with nothing in it that could be probed" {
	start_held "$WORKLOADS/mapper" --wait --open "$WORKLOADS/libplugin.so" 1
	attempt --object "$WORKLOADS/libplugin.so" -p "$held"
	refused 1 'libplugin.so'
	release_held
	wait "$held"
}

@test "--object that cannot be opened" {
	local missing=$BATS_TEST_TMPDIR/missing.so
	start_held "$WORKLOADS/mapper" --wait 1
	attempt --object "$missing" -p "$held"
	refused 1 'missing.so.*No such file or directory'
	attempt --object '' -p "$held"
	refused 1 'No such file or directory'
	ln -s missing.so "$BATS_TEST_TMPDIR/dangling"
	attempt --object "$BATS_TEST_TMPDIR/dangling" -p "$held"
	refused 1 'dangling.*No such file or directory'
	ln -s loop "$BATS_TEST_TMPDIR/loop"
	attempt --object "$BATS_TEST_TMPDIR/loop" -p "$held"
	refused 1 'loop.*[Tt]oo many'
	attempt --object "$WORKLOADS/libown.so" --object "$missing" -p "$held"
	refused 1 'missing.so|libown.so'
	release_held
	wait "$held"
	attempt --object "$missing" -- touch "$BATS_TEST_TMPDIR/ran"
	refused 1 'missing.so.*No such file or directory'
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
}
