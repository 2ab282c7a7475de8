#!/usr/bin/env bats
# Allocators under names of their own: with a prefix, jemalloc's other API, Rust's, and functions and files that the
# user names. Counts, sizes, alignments and lines are the program's own (tests/workloads/tally.h).
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

ROUNDS=${ROUNDS:-40}

# What --function says about the functions of arena.c.
ARENA=(--function 'arena_take(size=arg2,ret=ptr)'
	--function 'arena_take_zeroed(count=arg2,size=arg3,ret=ptr)'
	--function 'arena_take_aligned(align=arg1,size=arg3,ret=ptr)'
	--function 'arena_take_into(out=arg1,size=arg3,align=arg4)'
	--function 'arena_take_sixth(size=arg6,ret=ptr)'
	--function 'arena_resize(ptr=arg2,size=arg3,ret=ptr)'
	--function 'arena_resize_many(ptr=arg4,count=arg3,size=arg2,ret=ptr)'
	--function 'arena_resize_into(size=arg2,ptr=arg3,out=arg4)'
	--function 'arena_give(ptr=arg2)'
	--function 'arena_give_sixth(ptr=arg6)' --function 'wrapped_take(size=arg1,ret=ptr)')

# What alloctrace is given beside the target.
options=()

# under_p COMMAND ARG…: it waits until alloctrace -p is there, and is traced until its end. Its words are in $SELF.
under_p() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$@"
	start_tracer -f json --strict "${options[@]}" -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
}

# under_command COMMAND ARG…: alloctrace -- COMMAND; with PRELOAD=LIBRARY in the environment of both.
under_command() {
	SELF=$BATS_TEST_TMPDIR/self
	env ${PRELOAD:+LD_PRELOAD="$PRELOAD"} \
		"$ALLOCTRACE" -f json --strict "${options[@]}" -o "$TRACE" -- "$@" >"$SELF" 2>"$SAID" </dev/null
}

# attempt ARG…: alloctrace to its end, its target in front of all. $status is its exit code; words in $SAID.
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

# wrong_line REGEX ARG…: the command line is wrong, and the command behind it does not run.
wrong_line() {
	local regex=$1
	shift
	attempt "$@" -- touch "$BATS_TEST_TMPDIR/ran"
	refused 2 "$regex"
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
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

# An event at a line of a workload, as opposed to one by a loader or a library.
at_home='(.stack[0].file // "" | test("/(arena|lone|mapper|plugin|prefixed|rust_names)\\.c$"))'

# made_lines, told_lines: "CALL FILE LINE COUNT BYTES" of every line of the workloads, as they were made and are told.
made_lines() { sed -n 's/^line //p' "$SELF" | add_up 3; }
told_lines() {
	jq -r 'select(.type == "event" and '"$at_home"') |
		"\(.call) \(.stack[0].file | split("/") | last) \(.stack[0].line) 1 \(if .call | test("free|give|dealloc|dallocx")
			then .old_size // 0 elif .failed then 0 else .size // 0 end)"' "$TRACE" | add_up 3
}

lines_are_true() {
	made_lines >"$BATS_TEST_TMPDIR/true"
	[ -s "$BATS_TEST_TMPDIR/true" ]
	told_lines >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# lines_of REGEX: the same for calls of these names, at lines that make such calls: where nobody watches the outer
# function of the two, an inner one is seen as well.
lines_of() {
	made_lines | grep -E "^($1) " >"$BATS_TEST_TMPDIR/true"
	told_lines | awk 'NR == FNR { made[$1, $2, $3]; next } ($1, $2, $3) in made' "$BATS_TEST_TMPDIR/true" - \
		>"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# "CALL ALIGN COUNT" of every call that takes an alignment, and of no other.
alignments_are_true() {
	sed -n 's/^align //p' "$SELF" | add_up 2 >"$BATS_TEST_TMPDIR/true"
	jq -r 'select(.type == "event" and '"$at_home"' and .kind != "free" and .align) | "\(.call) \(.align) 1"' \
		"$TRACE" | add_up 2 >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# The whole summary, and nothing in it that the program did not do.
books_are_true() {
	{
		sed -n 's/^truth \([A-Za-z_0-9]*\.[a-z]*\)=/\1 /p' "$SELF"
		sed -n 's/^truth calls=\(.*\)/entered \1\nevents \1/p' "$SELF"
	} | add_up 1 | awk '$2 != 0' >"$BATS_TEST_TMPDIR/true"
	summary '(.calls | to_entries[] | .key as $call | .value | to_entries[] | "\($call).\(.key) \(.value)"),
		"live.blocks \(.live.blocks)", "live.bytes \(.live.bytes)", "entered \(.entered)",
		"events \(.events)", "lost \(.lost.total)", "in_flight \(.in_flight)", "superseded \(.superseded)",
		"unmatched_frees \(.unmatched_frees)"' | awk '$2 != 0' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

exact_under_p() {
	under_p "$@"
	lines_are_true
	alignments_are_true
	books_are_true
}

# From the first instruction on the loader and libc allocate as well, by malloc and at no line of the program's.
exact_under_command() {
	under_command "$@"
	lines_are_true
	alignments_are_true
	balanced
	[ "$(summary '.lost.total + .in_flight + .superseded + .unmatched_frees')" -eq 0 ]
	[ "$(jq -r 'select(.type == "event" and ('"$at_home"' | not)) | .call' "$TRACE" |
		grep -cvxE 'malloc|calloc|realloc|free')" -eq 0 ]
}

# The names of all calls in the trace, in one line.
calls() { jq -r 'select(.type == "event") | .call' "$TRACE" | sort -u | paste -sd ' '; }

# ---- prefixes

@test "-p: je_malloc and the rest of an allocator with that prefix, and libc's beside it" {
	exact_under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	[ "$(truth je_malloc.count "$SELF")" -eq $((4 * ROUNDS)) ]
	[ "$(truth malloc.count "$SELF")" -eq "$ROUNDS" ]
}

@test "--: je_malloc and the rest of an allocator with that prefix" {
	exact_under_command "$WORKLOADS/prefixed-je" "$ROUNDS"
}

@test "-p: the prefixes mi_, tc_ and _rjem_" {
	local prefix
	for prefix in mi tc rjem; do
		exact_under_p "$WORKLOADS/prefixed-$prefix" --wait "$ROUNDS"
	done
	[ "$(truth _rjem_mallocx.count "$SELF")" -eq $((3 * ROUNDS)) ]
}

@test "--prefix: a prefix of the user's own, with -p and with --" {
	options=(--prefix own_)
	exact_under_p "$WORKLOADS/prefixed" --wait "$ROUNDS"
	[ "$(truth own_calloc.count "$SELF")" -eq $((2 * ROUNDS)) ]
	exact_under_command "$WORKLOADS/prefixed" "$ROUNDS"
}

@test "--prefix twice, and the usual ones still count; without it they are no allocator" {
	options=(--prefix other_ --prefix own_)
	exact_under_p "$WORKLOADS/prefixed" --wait "$ROUNDS"
	exact_under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	options=()
	under_p "$WORKLOADS/prefixed" --wait "$ROUNDS"
	[ "$(calls)" = "free malloc" ]
	[ "$(summary .calls.malloc.count)" -eq "$(truth malloc.count "$SELF")" ]
}

@test "kinds: what is an allocation, a reallocation, a free" {
	under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	table 'select(.call | startswith("je_")) | select(.failed | not) | "\(.call) \(.kind)"' |
		awk '{ print $1, $2 }' >"$BATS_TEST_TMPDIR/told"
	# realloc of NULL allocates, realloc to nothing frees, as without a prefix.
	printf 'je_%s\n' 'aligned_alloc alloc' 'calloc alloc' 'dallocx free' 'free free' 'malloc alloc' \
		'mallocx alloc' 'memalign alloc' 'posix_memalign alloc' 'rallocx realloc' 'realloc alloc' 'realloc free' \
		'realloc realloc' 'reallocarray realloc' 'sdallocx free' 'valloc alloc' 'xallocx realloc' |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "-e malloc: with every prefix; nothing else" {
	options=(-e malloc)
	under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	[ "$(calls)" = "je_malloc malloc" ]
	[ "$(summary .calls.malloc.count)" -eq "$(truth malloc.count "$SELF")" ]
	lines_of 'malloc|je_malloc'
	balanced
}

@test "-e je_malloc: that one alone" {
	options=(-e 'je_malloc,je_free')
	under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	[ "$(calls)" = "je_free je_malloc" ]
	[ "$(by_line prefixed.c | awk '$1 == "je_free" { n += $3 } END { print n }')" -eq \
		"$(made_lines | awk '$1 == "je_free" { n += $4 } END { print n }')" ]
	lines_of je_malloc
	balanced
}

@test "-e with a prefix of the user's own, on either side of --prefix" {
	options=(--prefix own_ -e own_calloc)
	under_p "$WORKLOADS/prefixed" --wait "$ROUNDS"
	[ "$(calls)" = "own_calloc" ]
	[ "$(summary .calls.own_calloc.count)" -eq "$(truth own_calloc.count "$SELF")" ]
	options=(-e own_calloc --prefix own_)
	under_p "$WORKLOADS/prefixed" --wait "$ROUNDS"
	[ "$(summary .calls.own_calloc.count)" -eq "$(truth own_calloc.count "$SELF")" ]
}

@test "-e with a name that no prefix explains" {
	wrong_line 'own_malloc' -e own_malloc
	wrong_line 'je_mallok' -e je_mallok
	wrong_line 'je_' -e je_
}

@test "text: the books have a row for each" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	start_tracer -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	for call in je_malloc je_reallocarray je_mallocx je_xallocx je_sdallocx malloc; do
		grep -qE "^$call +$(truth $call.count "$SELF") " "$TRACE"
	done
	[ "$(awk '$4 == "je_mallocx"' "$TRACE" | wc -l)" -eq "$(truth je_mallocx.count "$SELF")" ]
}

@test "latency: a histogram for each" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	start_tracer latency -f json -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	for call in je_malloc je_mallocx je_xallocx; do
		# Of the calls that did not fail.
		[ "$(jq -c --arg call $call 'select(.type == "histogram" and .call == $call) | .count' "$TRACE")" -eq \
			$(($(truth $call.count "$SELF") - $(truth $call.failed "$SELF"))) ]
	done
}

# ---- libraries' own names

@test "-p and --: mi_malloc and the rest, where some have the address of malloc: those are malloc" {
	need prefixed-mimalloc
	exact_under_p "$WORKLOADS/prefixed-mimalloc" --wait "$ROUNDS"
	[ "$(truth malloc.count "$SELF")" -eq $((4 * ROUNDS)) ]
	exact_under_command "$WORKLOADS/prefixed-mimalloc" "$ROUNDS"
}

@test "-p: tc_malloc and the rest are malloc and the rest" {
	need prefixed-tcmalloc
	exact_under_p "$WORKLOADS/prefixed-tcmalloc" --wait "$ROUNDS"
	[ "$(calls | grep -c tc_)" -eq 0 ]
}

@test "-p and --: jemalloc's mallocx, rallocx, xallocx, dallocx and sdallocx" {
	need prefixed-jemalloc
	exact_under_p "$WORKLOADS/prefixed-jemalloc" --wait "$ROUNDS"
	[ "$(truth mallocx.count "$SELF")" -eq $((3 * ROUNDS)) ]
	[ "$(truth xallocx.failed "$SELF")" -ge "$ROUNDS" ]
	under_command "$WORKLOADS/prefixed-jemalloc" "$ROUNDS"
	lines_are_true
	alignments_are_true
	balanced
	[ "$(summary '.lost.total + .in_flight + .superseded + .unmatched_frees')" -eq 0 ]
}

@test "xallocx leaves a block where it is, and may fail" {
	under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	[ "$(jq -s 'map(select(.call == "je_xallocx")) | length > 0 and all(.kind == "realloc" and .old_addr and .old_size)' \
		"$TRACE")" = true ]
	[ "$(jq -s 'map(select(.call == "je_xallocx" and (.failed | not))) | all(.addr == .old_addr)' "$TRACE")" = true ]
	[ "$(jq -s 'map(select(.call == "je_xallocx" and .failed)) | length' "$TRACE")" -eq \
		"$(truth je_xallocx.failed "$SELF")" ]
	# After a failure the block is what it was: whoever takes it finds its size.
	[ "$(jq -rs '[.[] | select(.type == "event" and (.call | test("^je_")) and .old_addr)] |
		map(select(.old_size == null)) | length' "$TRACE")" -eq 0 ]
}

# ---- Rust's names, without Rust

@test "-p: functions that are called as Rust's were called, exported and plain" {
	exact_under_p "$WORKLOADS/rust_names" --wait "$ROUNDS"
	[ "$(truth __rust_realloc.count "$SELF")" -eq $((3 * ROUNDS)) ]
}

@test "-p and --: functions that are called as Rust's are called, local and mangled" {
	exact_under_p "$WORKLOADS/rust_names-mangled" --wait "$ROUNDS"
	[ "$(calls)" = "__rust_alloc __rust_alloc_zeroed __rust_dealloc __rust_realloc free malloc" ]
	exact_under_command "$WORKLOADS/rust_names-mangled" "$ROUNDS"
	# In a library, beside a program that knows nothing of it.
	exact_under_p "$WORKLOADS/mapper" --wait --open "$WORKLOADS/librust_names.so" "$ROUNDS"
	[ "$(truth __rust_alloc_zeroed.count "$SELF")" -eq "$ROUNDS" ]
}

@test "-e __rust_alloc: that one alone" {
	options=(-e __rust_alloc)
	under_p "$WORKLOADS/rust_names-mangled" --wait "$ROUNDS"
	[ "$(calls)" = __rust_alloc ]
	lines_of __rust_alloc
}

# ---- --function

@test "-p: functions of the user's own, local to a program" {
	options=("${ARENA[@]}")
	exact_under_p "$WORKLOADS/arena" --wait "$ROUNDS"
	[ "$(truth arena_take.count "$SELF")" -eq $((4 * ROUNDS)) ]
	[ "$(truth malloc.count "$SELF")" -eq "$ROUNDS" ]
}

# bats test_tags=kernel-too
@test "--: functions of the user's own" {
	options=("${ARENA[@]}")
	exact_under_command "$WORKLOADS/arena" "$ROUNDS"
}

@test "functions of the user's own are found in every object that has them" {
	options=("${ARENA[@]}")
	exact_under_p env LD_PRELOAD="$WORKLOADS/libarena.so" "$WORKLOADS/arena" --wait "$ROUNDS"
	# Two objects, each with its own books.
	[ "$(truth calls "$SELF" | wc -l)" -eq 2 ]
	PRELOAD=$WORKLOADS/libarena.so exact_under_command "$WORKLOADS/arena" "$ROUNDS"
}

# bats test_tags=kernel
@test "functions of the user's own in a library that is opened later" {
	options=("${ARENA[@]}")
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/mapper" --wait --late --open "$WORKLOADS/libarena.so" "$ROUNDS"
	start_tracer -f json --strict "${options[@]}" -p "$held"
	echo >&7
	wait_for has_line '^loaded' "$SELF"
	wait_for has_line 'probed .* more functions.*libarena' "$SAID"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	lines_are_true
	alignments_are_true
	[ "$(truth arena_resize_many.count "$SELF")" -eq "$ROUNDS" ]
}

@test "the keys of --function may come in any order" {
	options=(--function 'arena_resize_many(ret=ptr,size=arg2,ptr=arg4,count=arg3)'
		--function 'arena_take_into(align=arg4,size=arg3,out=arg1)'
		--function 'arena_take_zeroed(size=arg3,ret=ptr,count=arg2)')
	under_p "$WORKLOADS/arena" --wait "$ROUNDS"
	[ "$(calls)" = "arena_resize_many arena_take_into arena_take_zeroed free malloc" ]
	lines_of 'arena_resize_many|arena_take_into|arena_take_zeroed'
}

@test "functions of the user's own come whatever -e says" {
	options=(-e 'malloc,free' --function 'arena_take_aligned(align=arg1,size=arg3,ret=ptr)')
	under_p "$WORKLOADS/arena" --wait "$ROUNDS"
	[ "$(calls)" = "arena_take_aligned free malloc" ]
	lines_of 'arena_take_aligned|free|malloc'
}

@test "kinds of the user's own functions" {
	options=("${ARENA[@]}")
	under_p "$WORKLOADS/arena" --wait "$ROUNDS"
	table 'select(.call | startswith("arena_")) | select(.failed | not) | "\(.call) \(.kind)"' |
		awk '{ print $1, $2 }' >"$BATS_TEST_TMPDIR/told"
	printf 'arena_%s\n' 'give free' 'give_sixth free' 'resize alloc' 'resize free' 'resize realloc' \
		'resize_into realloc' 'resize_many realloc' 'take alloc' 'take_aligned alloc' 'take_into alloc' \
		'take_sixth alloc' 'take_zeroed alloc' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "what the user's own functions call of malloc's family is inside of them, and no event" {
	options=("${ARENA[@]}")
	exact_under_p "$WORKLOADS/arena" --wait --chunks "$ROUNDS"
}

@test "a block of the user's own function may lie at the very address of malloc's region around it" {
	options=(--function 'first_take(size=arg2,ret=ptr)' --function 'first_give(ptr=arg2)')
	exact_under_p "$WORKLOADS/arena" --wait --at-start "$ROUNDS"
}

@test "a --function that cannot be" {
	local bad
	for bad in '' 'take' '(size=arg1,ret=ptr)' 'take(' 'take)' 'take(size=arg1,ret=ptr' 'take size=arg1,ret=ptr)' \
		'take()' 'take(,)' 'take(size=arg1,ret=ptr,)' 'take(,size=arg1,ret=ptr)' 'take(size=arg1,,ret=ptr)' \
		'take(size,ret=ptr)' 'take(size=,ret=ptr)' 'take(=arg1,ret=ptr)' 'take(size=arg1,ret=ptr)x' \
		'take(size=arg1;ret=ptr)' 'take(size=1,ret=ptr)' 'take(size=arg,ret=ptr)' 'take(size=argx,ret=ptr)' \
		'take(size=arg0,ret=ptr)' 'take(size=arg7,ret=ptr)' 'take(size=arg10,ret=ptr)' 'take(size=arg-1,ret=ptr)' \
		'take(size=ARG1,ret=ptr)' 'take(size=arg1,ret=arg2)' 'take(size=arg1,ret=)' 'take(bytes=arg1,ret=ptr)' \
		'take(size=arg1,size=arg2,ret=ptr)' 'take(size=arg1,ret=ptr,ret=ptr)' 'take(ptr=arg1,ptr=arg1)' \
		'take(size=arg1)' 'take(size=arg1,align=arg2)' 'take(count=arg1,size=arg2)' \
		'take(size=arg1 ,ret=ptr)' "take(size=arg1,ret=ptr)"$'\n' $'ta\033[31mke(size=arg1)'; do
		wrong_line 'function' --function "$bad"
	done
	attempt --function
	refused 2 "option '--function' needs a value"
}

@test "--function of a symbol that is not there: a warning when others are traced" {
	options=("${ARENA[@]}" --function 'nowhere_take(size=arg1,ret=ptr)')
	exact_under_p "$WORKLOADS/arena" --wait "$ROUNDS"
	[ "$(grep -c '^alloctrace: warning: ' "$SAID")" -eq 1 ]
	grep -q "^alloctrace: warning: .*nowhere_take" "$SAID"
	exact_under_command "$WORKLOADS/arena" "$ROUNDS"
	grep -q "^alloctrace: warning: .*nowhere_take" "$SAID"
}

# ---- --object

@test "--object: the program alone, and none of libc's" {
	options=(--object "$WORKLOADS/prefixed-je")
	under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	[ "$(jq -r 'select(.type == "event") | .call' "$TRACE" | grep -cv '^je_')" -eq 0 ]
	lines_of 'je_.*'
	[ "$(summary .entered)" -eq $(($(truth calls "$SELF") - $(truth malloc.count "$SELF") - $(truth free.count "$SELF"))) ]
}

@test "--object: libc alone, through a symbolic link, and none of the program's" {
	need_libc
	ln -s "$libc" "$BATS_TEST_TMPDIR/link"
	options=(--object "$BATS_TEST_TMPDIR/link")
	under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	[ "$(calls)" = "free malloc" ]
	lines_of 'malloc|free'
	[ "$(summary .entered)" -eq $(($(truth malloc.count "$SELF") + $(truth free.count "$SELF"))) ]
	under_command "$WORKLOADS/prefixed-je" "$ROUNDS"
	lines_of 'malloc|free'
}

# The libc that the workloads map; $libc is its path.
need_libc() {
	start_held "$WORKLOADS/mapper" --wait 1
	libc=$(awk '$NF ~ /\/libc[.-][^/]*so[^/]*$/ && $2 ~ /x/ { print $NF; exit }' "/proc/$held/maps")
	release_held
	wait "$held"
	[ -n "$libc" ] || skip "no libc is mapped"
}

@test "--object twice: both, and no third" {
	need_libc
	options=(--object "$libc" --object "$WORKLOADS/prefixed-je")
	exact_under_p "$WORKLOADS/prefixed-je" --wait "$ROUNDS"
	exact_under_command "$WORKLOADS/prefixed-je" "$ROUNDS"
}

@test "--object: a preloaded allocator that nobody knows" {
	need matrix
	options=(--object "$WORKLOADS/libown.so")
	under_p env LD_PRELOAD="$WORKLOADS/libown.so" "$WORKLOADS/matrix" --wait "$ROUNDS"
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = "$(truth live.blocks "$SELF") $(truth live.bytes "$SELF")" ]
	[ "$(summary '"\(.calls.malloc.bytes) \(.calls.realloc.bytes) \(.calls.aligned_alloc.bytes)"')" = "$(
		truth malloc.bytes "$SELF") $(truth realloc.bytes "$SELF") $(truth aligned_alloc.bytes "$SELF")" ]
}

@test "--object: a file that defines malloc and nothing else, which is no allocator unless the user says so" {
	under_p "$WORKLOADS/mapper" --wait --open "$WORKLOADS/liblone.so" "$ROUNDS"
	[ "$(by_line lone.c | wc -l)" -eq 0 ]
	[ "$(truth malloc.count "$SELF" | wc -l)" -eq 2 ]
	options=(--object "$WORKLOADS/liblone.so")
	under_p "$WORKLOADS/mapper" --wait --open "$WORKLOADS/liblone.so" "$ROUNDS"
	sed -i '/^line [a-z]* mapper.c/d' "$SELF"
	lines_are_true
	[ "$(summary '"\(.entered) \(.calls.malloc.count)"')" = "$ROUNDS $ROUNDS" ]
}

@test "--object and --function: of that function, what the object defines" {
	options=(--object "$WORKLOADS/libarena.so" --function 'arena_take(size=arg2,ret=ptr)')
	under_p env LD_PRELOAD="$WORKLOADS/libarena.so" "$WORKLOADS/arena" --wait "$ROUNDS"
	[ "$(calls)" = arena_take ]
	# The program's own arena_take is another object's.
	[ "$(jq -r 'select(.type == "event" and '"$at_home"') | .stack[0].module | split("/") | last' "$TRACE" |
		sort -u)" = libarena.so ]
	# The last books are the library's.
	sed -n '/^truth calls/,$p' "$SELF" | grep -E '^line arena_take ' >"$BATS_TEST_TMPDIR/lines"
	mv "$BATS_TEST_TMPDIR/lines" "$SELF"
	lines_of arena_take
}
