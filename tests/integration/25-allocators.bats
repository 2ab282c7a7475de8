#!/usr/bin/env bats
# Whatever allocator a process maps, counts are exact, and so are the lines: one command line, no option that names a
# library. Truth is the program's own count. What is not built or not installed is skipped.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

ROUNDS=${ROUNDS:-40}

# need_loadable: of the allocators that come as libraries, the first one that dlopen takes. jemalloc's is not, where it
# wants more static thread storage than the loader has left.
need_loadable() {
	local name
	need matrix-late
	for name in libmimalloc.so.2 libmimalloc.so.2.0 libmimalloc.so.3 libtcmalloc_minimal.so.4; do
		library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk -v name="$name" '$1 == name { print $NF; exit }')
		[ -z "$library" ] || return 0
	done
	skip "neither mimalloc nor tcmalloc is installed"
}

# under_p COMMAND ARG…: it waits until alloctrace -p is there, and is traced until its end. Its words are in $SELF.
under_p() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$@"
	start_tracer -f json --strict -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
}

# under_command COMMAND ARG…: alloctrace -- COMMAND; with PRELOAD=LIBRARY in the environment of both.
under_command() {
	SELF=$BATS_TEST_TMPDIR/self
	env ${PRELOAD:+LD_PRELOAD="$PRELOAD"} \
		"$ALLOCTRACE" -f json --strict -o "$TRACE" -- "$@" >"$SELF" 2>"$SAID" </dev/null
}

# held_command COMMAND ARG…: as under_command, but in the background, and COMMAND's standard input is held.
held_command() {
	local gate=$BATS_TEST_TMPDIR/gate
	SELF=$BATS_TEST_TMPDIR/self
	mkfifo "$gate"
	"$ALLOCTRACE" -f json --strict -o "$TRACE" -- "$@" <"$gate" >"$SELF" 2>"$SAID" &
	tracer=$!
	started+=("$tracer")
	exec 7>"$gate"
}

# Says so once the allocator that came later is probed.
probed_later() { has_line "probed .* more functions.*$1" "$SAID"; }

# Where memalign and aligned_alloc are one function, nobody who probes it can tell them apart.
one_name() {
	if [ "$(truth memalign_is_aligned_alloc "$SELF")" = 1 ]; then
		sed 's/^memalign\b/aligned_alloc/'
	else
		cat
	fi
}

# add_up KEYS: one row for all that agree in the first KEYS columns, the columns behind them added up.
add_up() {
	awk -v keys="$1" '{
		key = $1
		for (i = 2; i <= keys; i++) key = key " " $i
		seen[key]
		for (i = keys + 1; i <= NF; i++) sum[key, i] += $i
		columns = NF
	} END {
		for (key in seen) {
			row = key
			for (i = keys + 1; i <= columns; i++) row = row " " sprintf("%.0f", sum[key, i])
			print row
		}
	}' | LC_ALL=C sort
}

# A call of matrix.c, as opposed to one by a loader, a C++ library or the allocator itself.
own='(.stack[0].file // "" | endswith("/matrix.c"))'

# "CALL LINE COUNT BYTES" of every line of matrix.c.
lines_are_true() {
	awk '$1 == "line" { print $2, $4, $5, $6 }' "$SELF" | one_name | add_up 2 >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -gt 15 ]
	jq -r 'select(.type == "event" and '"$own"') |
		"\(.call) \(.stack[0].line) 1 \(if .call == "free" then .old_size // 0
			elif .failed then 0 else .size // 0 end)"' "$TRACE" | add_up 2 >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# The whole summary, and nothing in it that the program did not do.
books_are_true() {
	{
		sed -n 's/^truth \([a-z_]*\.[a-z]*\)=/\1 /p' "$SELF" | one_name
		echo "entered $(truth calls "$SELF")"
		echo "events $(truth calls "$SELF")"
	} | add_up 1 | awk '$2 != 0' >"$BATS_TEST_TMPDIR/true"
	summary '(.calls | to_entries[] | .key as $call | .value | to_entries[] | "\($call).\(.key) \(.value)"),
		"live.blocks \(.live.blocks)", "live.bytes \(.live.bytes)", "entered \(.entered)",
		"events \(.events)", "lost \(.lost.total)", "in_flight \(.in_flight)", "superseded \(.superseded)",
		"unmatched_frees \(.unmatched_frees)"' | awk '$2 != 0' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# From the first instruction on there are others that allocate: the loader, libstdc++, which jemalloc and tcmalloc bring
# along, and tcmalloc. They come on top, none of them at a place that is the program's, and what they keep is live.
books_with_strangers_are_true() {
	balanced
	[ "$(summary '.lost.total + .in_flight + .superseded + .unmatched_frees')" -eq 0 ]
	jq -r 'select(.type == "event" and ('"$own"' | not)) |
		"\(.stack[0].module) \(.stack[0].function // "-")"' "$TRACE" >"$BATS_TEST_TMPDIR/strangers"
	not grep -vE '/(libstdc\+\+|(private-)?lib(tcmalloc[a-z_]*|mimalloc|jemalloc)|libc|ld-linux-x86-64)\.so[^/]* |/matrix-static _dl_' \
		"$BATS_TEST_TMPDIR/strangers"
	[ "$(summary .entered)" -eq $(($(truth calls "$SELF") + $(wc -l <"$BATS_TEST_TMPDIR/strangers"))) ]
	jq -rs '[.[] | select(.type == "event" and ('"$own"' | not) and (.failed | not))] |
		"\([.[] | if .kind == "alloc" then 1 elif .kind == "free" and .addr then -1 else 0 end] | add // 0) " +
		"\([.[] | (.size // 0) - (.old_size // 0)] | add // 0)"' "$TRACE" >"$BATS_TEST_TMPDIR/kept"
	read -r blocks bytes <"$BATS_TEST_TMPDIR/kept"
	[ "$(summary .live.blocks)" -eq $(($(truth live.blocks "$SELF") + blocks)) ]
	[ "$(summary .live.bytes)" -eq $(($(truth live.bytes "$SELF") + bytes)) ]
}

# exact_under_p COMMAND…, exact_under_command COMMAND…: all of the above for the workload matrix.
exact_under_p() {
	under_p "$@" --wait "$ROUNDS"
	lines_are_true
	books_are_true
}

exact_under_command() {
	under_command "$@" "$ROUNDS"
	lines_are_true
	books_with_strangers_are_true
}

preloaded_under_p() {
	need matrix
	need_library "$1"
	exact_under_p env LD_PRELOAD="$library" "$WORKLOADS/matrix"
}

preloaded_under_command() {
	need matrix
	need_library "$1"
	PRELOAD=$library exact_under_command "$WORKLOADS/matrix"
}

# ---- the matrix: where the allocator comes from, and how alloctrace comes to the program

@test "-p: glibc" {
	need matrix
	exact_under_p "$WORKLOADS/matrix"
}

@test "--: glibc" {
	need matrix
	exact_under_command "$WORKLOADS/matrix"
}

@test "-p: glibc, static" {
	need matrix-static
	exact_under_p "$WORKLOADS/matrix-static"
}

# bats test_tags=kernel-too
@test "--: glibc, static" {
	need matrix-static
	exact_under_command "$WORKLOADS/matrix-static"
}

@test "-p and --: a static program without symbols is refused, and the reason told" {
	need matrix-static-stripped
	run "$ALLOCTRACE" -- "$WORKLOADS/matrix-static-stripped" 1
	[ "$status" -eq 1 ]
	[[ $output == *'nothing to trace in'*'matrix-static-stripped'*'no allocator with symbols'* ]]
	[[ $output != *truth* ]]
	start_held "$WORKLOADS/matrix-static-stripped" --wait 1
	run "$ALLOCTRACE" -p "$held" 7>&-
	[ "$status" -eq 1 ]
	[[ $output == *"nothing to trace in"*"$held"*'no allocator with symbols'* ]]
	# The program does not notice.
	release_held
	wait "$held"
	has_line '^truth calls=' "$BATS_TEST_TMPDIR/held.out"
}

@test "-p: musl, static" {
	need matrix-musl
	exact_under_p "$WORKLOADS/matrix-musl"
}

@test "--: musl, static" {
	need matrix-musl
	exact_under_command "$WORKLOADS/matrix-musl"
}

@test "-p: jemalloc, linked" {
	need matrix-jemalloc
	exact_under_p "$WORKLOADS/matrix-jemalloc"
}

@test "--: jemalloc, linked" {
	need matrix-jemalloc
	exact_under_command "$WORKLOADS/matrix-jemalloc"
}

@test "-p: jemalloc, preloaded" {
	preloaded_under_p libjemalloc.so.2
}

@test "--: jemalloc, preloaded" {
	preloaded_under_command libjemalloc.so.2
}

@test "-p: tcmalloc, preloaded" {
	preloaded_under_p libtcmalloc_minimal.so.4
}

@test "--: tcmalloc, preloaded" {
	preloaded_under_command libtcmalloc_minimal.so.4
}

@test "-p: mimalloc, preloaded" {
	preloaded_under_p libmimalloc.so.2
}

@test "--: mimalloc, preloaded" {
	preloaded_under_command libmimalloc.so.2
}

# ---- allocators that come later

# from_first_call SONAME HOW [--wait]: what is in the loader's cache is probed before anybody maps it; nobody waits.
from_first_call() {
	"$ALLOCTRACE" -v -e malloc -o /dev/null -- true 2>&1 >/dev/null | grep -q 'uprobes by one multi link' ||
		skip "no multi links in this kernel or libbpf: nothing is probed ahead"
	need matrix-late
	need_library "$1"
	"$2" "$WORKLOADS/matrix-late" ${3:+"$3"} "$library" "$ROUNDS"
	lines_are_true
	books_with_strangers_are_true
}

# bats test_tags=kernel
@test "-p: mimalloc, loaded a second later, from its first call" {
	from_first_call libmimalloc.so.2 under_p --wait
}

@test "--: mimalloc, loaded a second later, from its first call" {
	from_first_call libmimalloc.so.2 under_command
}

@test "-p: tcmalloc, loaded a second later, from its first call" {
	from_first_call libtcmalloc_minimal.so.4 under_p --wait
}

@test "--: tcmalloc, loaded a second later, from its first call" {
	from_first_call libtcmalloc_minimal.so.4 under_command
}

# copy_library: a private copy of $library that the loader's cache does not know; $library is its path from then on.
copy_library() {
	cp -L "$library" "$BATS_TEST_TMPDIR/private-${library##*/}"
	library=$BATS_TEST_TMPDIR/private-${library##*/}
}

# goes_on_once_probed: it waits until alloctrace has seen $library and says so.
goes_on_once_probed() {
	wait_for probed_later "${library##*/}"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	lines_are_true
}

@test "-p: an allocator from a file of its own, loaded a second later, once it is probed" {
	need_loadable
	copy_library
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/matrix-late" --wait "$library" "$ROUNDS"
	start_tracer -f json --strict -p "$held"
	echo >&7
	wait_for has_line '^loaded' "$SELF"
	goes_on_once_probed
	books_with_strangers_are_true
}

# bats test_tags=kernel-too
@test "--: an allocator from a file of its own, loaded a second later, once it is probed" {
	need_loadable
	copy_library
	held_command "$WORKLOADS/matrix-late" "$library" "$ROUNDS"
	wait_for has_line '^loaded' "$SELF"
	goes_on_once_probed
	books_with_strangers_are_true
}

# The one way to preload that sudo lets through.
@test "-- env LD_PRELOAD=…: the allocator that comes by exec, from its first call" {
	local name
	need matrix
	for name in libmimalloc.so.2 libtcmalloc_minimal.so.4 libjemalloc.so.2 private; do
		if [ $name = private ]; then copy_library; else need_library "$name"; fi
		under_command env LD_PRELOAD="$library" "$WORKLOADS/matrix" "$ROUNDS"
		lines_are_true
		balanced
	done
}

@test "-- bash: an allocator from a file of its own that comes by exec, once it is probed" {
	need matrix
	need_library libjemalloc.so.2
	copy_library
	held_command bash -c 'export LD_PRELOAD=$1 && shift && exec "$@"' - "$library" "$WORKLOADS/matrix" --wait "$ROUNDS"
	wait_for has_line '^ready' "$SELF"
	goes_on_once_probed
	balanced
	[ "$(summary .live.blocks)" -ge "$(truth live.blocks "$SELF")" ]
}

# ---- C++

# "new" and "delete" LINE COUNT, of the lines of matrix_cpp.cc: a vector's are in the library's headers.
true_operators() { awk '$1 == "new" || $1 == "delete" { print $1, $3, $4 }' "$SELF" | LC_ALL=C sort; }

told_operators() {
	table 'select(.stack[0].file // "" | endswith("/matrix_cpp.cc")) |
		"\(if .kind == "free" then "delete" else "new" end) \(.stack[0].line)"'
}

# totals FILTER: "COUNT BYTES" of the events that FILTER lets through.
totals() {
	jq -rs '[.[] | select(.type == "event") | select('"$1"')] |
		"\(length) \([.[] | if .kind == "free" then .old_size // 0 else .size end] | add // 0)"' "$TRACE"
}

true_totals() { echo "$(truth "$1.count" "$SELF") $(truth "$1.bytes" "$SELF")"; }

# libstdc++ has its operators end in malloc and free. An operator new calls, so that it is the caller; an operator
# delete jumps, so that the caller is the program's line.
operators_of_libstdcxx_are_true() {
	local new='.stack[0].function == "operator new" and (.stack[0].module | test("/libstdc\\+\\+"))'
	[ "$(totals '.call == "malloc" and '"$new")" = "$(true_totals new)" ]
	[ "$(totals '.call == "aligned_alloc" and '"$new")" = "$(true_totals aligned_new)" ]
	[ "$(totals '.call == "free"')" = "$(true_totals delete)" ]
	true_operators | grep '^delete' >"$BATS_TEST_TMPDIR/true"
	told_operators >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
	[ "$(summary '.lost.total + .unmatched_frees + .superseded')" -eq 0 ]
}

# An allocator that has operators of its own: the caller is the program's line, and one operator is one event.
operators_of_the_allocator_are_true() {
	local program='(.stack[0].module | endswith("/matrix-cpp"))' new aligned
	true_operators >"$BATS_TEST_TMPDIR/true"
	told_operators >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	new=$(totals '.kind == "alloc" and '"$program"' and .align == null')
	aligned=$(totals '.kind == "alloc" and '"$program"' and .align == 64')
	[ "$new" = "$(true_totals new)" ]
	[ "$aligned" = "$(true_totals aligned_new)" ]
	[ "$(totals '.kind == "free" and '"$program")" = "$(true_totals delete)" ]
	balanced
	[ "$(summary '.lost.total + .unmatched_frees + .superseded')" -eq 0 ]
}

@test "-p: C++ on glibc" {
	need matrix-cpp
	under_p "$WORKLOADS/matrix-cpp" --wait "$ROUNDS"
	operators_of_libstdcxx_are_true
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "$(truth live.blocks "$SELF") $(truth live.bytes "$SELF")" ]
	[ "$(summary .entered)" -eq $(($(truth new.count "$SELF") + $(truth aligned_new.count "$SELF") + \
		$(truth delete.count "$SELF"))) ]
}

@test "--: C++ on glibc" {
	need matrix-cpp
	under_command "$WORKLOADS/matrix-cpp" "$ROUNDS"
	operators_of_libstdcxx_are_true
}

@test "C++ on glibc: the location is the line that says new" {
	skip "not built yet: the location of all that C++ allocates is operator new, with -k as well"
	need matrix-cpp
	under_command "$WORKLOADS/matrix-cpp" "$ROUNDS"
	true_operators >"$BATS_TEST_TMPDIR/true"
	told_operators >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

preloaded_operators() {
	need matrix-cpp
	need_library "$1"
	under_p env LD_PRELOAD="$library" "$WORKLOADS/matrix-cpp" --wait "$ROUNDS"
	operators_of_the_allocator_are_true
}

@test "-p: C++ on jemalloc, preloaded" {
	preloaded_operators libjemalloc.so.2
}

@test "-p: C++ on tcmalloc, preloaded" {
	preloaded_operators libtcmalloc_minimal.so.4
}

@test "-p: C++ on mimalloc, preloaded" {
	preloaded_operators libmimalloc.so.2
}

# ---- Rust

# "OLD NEW COUNT" of every step of a growing Vec, of the calls that the program makes by that name. Rust's own start
# has libc reallocate as well, but from libc.
steps_are_true() {
	awk '$1 == "grow" { print $2, $3, $4 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 4 ]
	table 'select(.call == "'"$1"'" and (.stack[0].module | test("/matrix-rust(-stripped)?$"))) |
		"\(.old_size) \(.size)"' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
	[ "$(summary '.lost.total + .unmatched_frees + .superseded')" -eq 0 ]
}

# The growth of one Vec is one chain: every step starts where the one before has ended.
growth_is_a_chain() {
	[ "$(jq -r 'select(.type == "event" and (.call == "__rust_alloc" and .size == 8 or .call == "__rust_realloc")) |
		"\(.size) \(.old_addr // "") \(.addr)"' "$TRACE" |
		awk 'NF == 3 && $2 != last { torn++ } { last = $NF } END { print torn + 0 }')" -eq 0 ]
}

# "CALL SIZE ALIGN COUNT" of all that the program asks for, and its alignments.
layouts_are_true() {
	sed -n 's/^layout \(alloc\|aligned\) /__rust_alloc /p; s/^layout grow /__rust_realloc /p' "$SELF" |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 7 ]
	table 'select(.call | test("^__rust_(re)?alloc$")) | "\(.call) \(.size) \(.align)"' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	# Whatever is given back is known.
	sed -n 's/^layout free \([0-9]*\) [0-9]* /\1 /p' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	table 'select(.call == "__rust_dealloc" and (.old_size // 0) < 1000) | .old_size' >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# bats test_tags=kernel
@test "-p: Rust, whose Vec grows from 8 to 128 bytes" {
	need matrix-rust
	under_p "$WORKLOADS/matrix-rust" --wait "$ROUNDS"
	steps_are_true __rust_realloc
	layouts_are_true
	[ "$(totals '.call == "__rust_alloc" and .align < 256')" = "$(true_totals alloc)" ]
	[ "$(totals '.call == "__rust_alloc" and .align == 256')" = "$(true_totals aligned)" ]
	[ "$(totals '.call == "__rust_alloc_zeroed" and .align == 1')" = "$(true_totals zeroed)" ]
	[ "$(totals '.call == "__rust_realloc"')" = "$(true_totals grow)" ]
	[ "$(totals '.call == "__rust_dealloc"')" = "$(true_totals free)" ]
	# What Rust calls of libc is inside of these.
	[ "$(jq -r 'select(.type == "event") | .call' "$TRACE" | grep -cv '^__rust_')" -eq 0 ]
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "$(truth live.blocks "$SELF") $(truth live.bytes "$SELF")" ]
	growth_is_a_chain
}

@test "-p: Rust, a box at its line, through what is inlined" {
	need matrix-rust
	under_p "$WORKLOADS/matrix-rust" --wait "$ROUNDS"
	line=$(awk '/Box::new\(\[7u64/ { print NR }' "${BATS_TEST_DIRNAME}/../workloads/matrix_rust.rs")
	[ "$(jq -r 'select(.type == "event" and .call == "__rust_alloc" and .size == 200) |
		first(.stack[] | select(.file // "" | endswith("matrix_rust.rs")) | .line)' "$TRACE" |
		grep -cx "$line")" -eq "$ROUNDS" ]
}

@test "--: Rust, with and without symbols, whose Vec grows from 8 to 128 bytes" {
	need matrix-rust
	under_command "$WORKLOADS/matrix-rust" "$ROUNDS"
	steps_are_true __rust_realloc
	under_command "$WORKLOADS/matrix-rust-stripped" "$ROUNDS"
	steps_are_true realloc
}

@test "-p: Rust, stripped: it is what it calls of libc" {
	need matrix-rust-stripped
	under_p "$WORKLOADS/matrix-rust-stripped" --wait "$ROUNDS"
	steps_are_true realloc
	[ "$(totals '.call == "malloc"')" = "$(true_totals alloc)" ]
	[ "$(totals '.call == "calloc"')" = "$(true_totals zeroed)" ]
	[ "$(totals '.call == "realloc"')" = "$(true_totals grow)" ]
	[ "$(totals '(.call == "posix_memalign" or .call == "aligned_alloc") and .align == 256')" = "$(true_totals aligned)" ]
	[ "$(totals '.call == "free"')" = "$(true_totals free)" ]
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "$(truth live.blocks "$SELF") $(truth live.bytes "$SELF")" ]
}

@test "a delete that only jumps to free is one event, and the same block deleted again is another" {
	"$ALLOCTRACE" -q -f json -o "$TRACE" -- "$WORKLOADS/tail_free" >"$BATS_TEST_TMPDIR/truth"
	[ "$(summary '.calls["operator delete"].count')" = "$(truth deletes "$BATS_TEST_TMPDIR/truth")" ]
	[ "$(jq -r 'select(.call == "free" and (.stack[0].file // "" | endswith("/tail_free.c"))) | 1' "$TRACE" | wc -l)" -eq 0 ]
	balanced
}
