#!/usr/bin/env bats
# A profiler that somebody else wrote, which counts inside the program: what heaptrack calls allocations, leaks, peak and
# temporary allocations of a command is what alloctrace does, to the call and to the byte, at every call site.
#
# What differs, and why:
# - heaptrack is preloaded and brings libstdc++, which takes a block of its own for exceptions when it is loaded, and is
#   made to free it at the end, also where the program has libstdc++ by itself.
# - heaptrack_print's temporary allocations are blocks that go when the last one that was handed out had their size and
#   stack, and need not be that one. heaptrack_interpret counts those that are, as alloctrace does.
# - heaptrack does not know memalign and pvalloc.
# - What heaptrack takes for itself moves the program's blocks. Where a program goes by addresses, as Python does, and
#   jemalloc by threads, two runs are not the same: there both watch one process. Then alloctrace sees what heaptrack
#   hides of it: the exception that its own thread throws, and env, which preloads it; and heaptrack finds no stacks.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell
load helpers
load programs

HERE=$BATS_TEST_DIRNAME

setup() {
	command -v heaptrack >/dev/null || skip "no heaptrack"
	command -v heaptrack_print >/dev/null || skip "no heaptrack_print"
	TRACE=$BATS_TEST_TMPDIR/trace.out
	SAID=$BATS_TEST_TMPDIR/trace.err
	RAW=$BATS_TEST_TMPDIR/raw
	SUMS=$BATS_TEST_TMPDIR/sums
	own=(PATH=/usr/bin:/bin "HOME=$BATS_TEST_TMPDIR")
}

# part_of_heaptrack NAME: a file that it keeps below /usr/lib; every distribution has another place.
part_of_heaptrack() { find /usr/lib /usr/libexec -name "$1" 2>/dev/null | head -n 1; }

# heaptrack_tells COMMAND…: what it has seen of it goes to $RAW.
heaptrack_tells() {
	env -i "${own[@]}" setarch -R heaptrack --raw -o "$RAW" "$@" </dev/null >"$BATS_TEST_TMPDIR/out.heaptrack" 3>&-
	if [ -f "$RAW.raw.zst" ]; then zstd -qdc "$RAW.raw.zst"; else gzip -dc "$RAW.raw.gz"; fi >"$RAW"
}

# alloctrace_tells COMMAND…: the same to $TRACE, with what heaptrack's script adds to the environment.
alloctrace_tells() {
	local brought=()
	mapfile -t brought < <(env -i PATH="$PATH" heaptrack --raw -o "$BATS_TEST_TMPDIR/of_env" env 3>&- | grep -E '^(PWD|OLDPWD|SHLVL|_)=')
	env -i "${own[@]}" "${brought[@]}" setarch -R "$ALLOCTRACE" hot -f json --strict -o "$TRACE" -- "$@" </dev/null \
		>"$BATS_TEST_TMPDIR/out.alloctrace" 2>"$SAID" 3>&-
	balanced
}

# together COMMAND…: both of one process.
together() {
	local preloaded
	rm -f "$RAW" # what is there would not be cut
	preloaded=$(part_of_heaptrack libheaptrack_preload.so)
	env -i "${own[@]}" setarch -R "$ALLOCTRACE" hot -f json --strict -o "$TRACE" -- \
		env LD_PRELOAD="$preloaded" DUMP_HEAPTRACK_OUTPUT="$RAW" "$@" </dev/null >"$BATS_TEST_TMPDIR/out.alloctrace" 2>"$SAID" 3>&-
	balanced
}

add_up() {
	"$HERE/heaptrack_sums.py" "$RAW" "$TRACE" >"$SUMS"
	head -n 20 "$SUMS"
}

# told ROW KEY…: those numbers of a row of the sums.
told() {
	local row=$1 key
	shift
	for key; do
		sed -n "s/^$row .*\\b$key=\\([0-9]*\\).*/\\1/p" "$SUMS"
	done | paste -sd ' '
}

# minus A B: of two lists of numbers.
minus() { paste -d ' ' <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") | awk '{ print $1 - $2 }' | paste -sd ' '; }

FOUR=(allocations leaked leaked_bytes temporary)

# human BYTES: as heaptrack_print has it.
human() {
	awk -v n="$1" 'BEGIN { split("B K M G", unit, " "); i = 1
		while (n > 1000) { n /= 1000; i++ }
		printf i == 1 ? "%.0f%s" : "%.2f%s", n, unit[i] }'
}

# heaptrack_says_so: what the sums say of heaptrack are its own words, as far as these go.
heaptrack_says_so() {
	"$(part_of_heaptrack heaptrack_interpret)" <"$RAW" >"$RAW.interpreted" 2>"$RAW.said"
	[ "$(awk -F '\t' '/^\t/ { print $NF }' "$RAW.said" | paste -sd ' ')" = "$(told heaptrack allocations leaked temporary)" ]
	# Without the suppressions: it does not count as leaked what it knows of some libraries.
	heaptrack_print -f "$RAW.interpreted" -p0 -a0 -T0 --disable-builtin-suppressions >"$RAW.printed" 2>/dev/null
	cat "$RAW.printed"
	grep -q "^calls to allocation functions: $(told heaptrack allocations) " "$RAW.printed"
	grep -q "^temporary memory allocations: $(told heaptrack alike) " "$RAW.printed"
	grep -qx "peak heap memory consumption: $(human "$(told heaptrack peak_bytes)")" "$RAW.printed"
	grep -qx "total memory leaked: $(human "$(told heaptrack leaked_bytes)")" "$RAW.printed"
}

# pool_alone: at all call sites both say the same, but for libstdc++'s one.
pool_alone() {
	[ "$(told pool "${FOUR[@]}")" = "1 0 0 0" ]
	[ "$(told rest "${FOUR[@]}")" = "$(told alloctrace "${FOUR[@]}")" ]
	[ "$(grep -c '^site ' "$SUMS")" -eq 1 ]
	grep -q '^site libstdc++.* heaptrack 1 0 0 alloctrace 0 0 0$' "$SUMS"
}

# Debian's own python: what is found first in PATH may be a script that chooses one.
python() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi; }

@test "sqlite3: allocations, leaks, peak and temporary, as heaptrack counts them" {
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	heaptrack_tells "$(command -v sqlite3)" :memory: "$QUERY"
	alloctrace_tells "$(command -v sqlite3)" :memory: "$QUERY"
	add_up
	heaptrack_says_so
	pool_alone
	[ "$(told rest peak_bytes)" = "$(told alloctrace peak_bytes)" ]
	[ "$(told alloctrace allocations)" -gt 1000 ]
	[ "$(told heaptrack alike)" -gt "$(told heaptrack temporary)" ]
}

@test "python3: allocations, leaks, peak and temporary, as heaptrack counts them" {
	[ -n "$(python)" ] || skip "no python3"
	own+=(PYTHONHASHSEED=0)
	heaptrack_tells "$(python)" -s -S -B -c "$LARGE"
	alloctrace_tells "$(python)" -s -S -B -c "$LARGE"
	add_up
	heaptrack_says_so
	pool_alone
	[ "$(told rest peak_bytes)" = "$(told alloctrace peak_bytes)" ]
	[ "$(told alloctrace allocations)" -gt 10000 ]
}

@test "python3 with every object from malloc: the peak goes by addresses, and is the same where these are" {
	[ -n "$(python)" ] || skip "no python3"
	own+=(PYTHONHASHSEED=0 PYTHONMALLOC=malloc)
	heaptrack_tells "$(python)" -s -S -B -c "$SMALL"
	alloctrace_tells "$(python)" -s -S -B -c "$SMALL"
	add_up
	heaptrack_says_so
	pool_alone
	awk -v a="$(told rest peak_bytes)" -v b="$(told alloctrace peak_bytes)" 'BEGIN { exit a - b > a / 100 || b - a > a / 100 }'
	together "$(python)" -s -S -B -c "$SMALL"
	add_up
	same_process
}

# same_process: together, all is the same but for what heaptrack cannot see of itself, and what came before it.
same_process() {
	local more
	[ "$(told heaptrack peak_bytes)" -gt 100000 ]
	[ "$(told heaptrack peak_bytes)" = "$(told alloctrace peak_bytes)" ]
	more=$(minus "$(told alloctrace "${FOUR[@]}")" "$(told env "${FOUR[@]}")")
	[ "$(minus "$more" "$(told exceptions "${FOUR[@]}")")" = "$(told heaptrack "${FOUR[@]}")" ]
	[ "$(told env allocations)" -lt 10 ]
	[ "$(told exceptions allocations)" -le 1 ]
}

use_redis() {
	wait_for answers "$1"
	redis-benchmark -s "$1" -c 1 -n $((SCALE * 300)) -q -t set,get,lpush,hset >/dev/null
	redis_commands "$1"
}

# redis HOW: the server under these commands; HOW is one of the functions above.
redis() {
	local user socket=$BATS_TEST_TMPDIR/socket
	use_redis "$socket" >"$BATS_TEST_TMPDIR/answers" &
	user=$!
	started+=("$user")
	"$1" "$(command -v redis-server)" --port 0 --unixsocket "$socket" --save "" --appendonly no --io-threads 1 --dir "$BATS_TEST_TMPDIR"
	wait "$user"
}

@test "redis-server, one and the same process: allocations, leaks, peak and temporary, as heaptrack counts them" {
	command -v redis-server >/dev/null || skip "no redis"
	redis together
	add_up
	same_process
	[ "$(told alloctrace allocations)" -gt 10000 ]
}

@test "redis-server, two runs: the same calls but for timers and threads; what is left goes by a random seed" {
	command -v redis-server >/dev/null || skip "no redis"
	redis heaptrack_tells
	redis alloctrace_tells
	add_up
	heaptrack_says_so
	# jemalloc brings libstdc++, and has a thread more for heaptrack's; ld.so takes a block for each. Redis has timers
	# that allocate as long as it runs.
	sed -n -E 's/^file (.*) heaptrack ([0-9]+) [0-9]+ ([0-9]+) alloctrace ([0-9]+) [0-9]+ ([0-9]+)$/\1 \2 \3 \4 \5/p' "$SUMS" |
		awk 'function apart(a, b) { return a > b ? a - b : b - a }
			BEGIN { may["redis"] = may["libst"] = may["ld-li"] = 1 }
			!may[substr($1, 1, 5)] || apart($2, $4) > 100 || apart($3, $5) > 20' >"$BATS_TEST_TMPDIR/differ"
	cat "$BATS_TEST_TMPDIR/differ"
	[ ! -s "$BATS_TEST_TMPDIR/differ" ]
	[ "$(told pool "${FOUR[@]}")" = "1 0 0 0" ]
	awk -v a="$(told rest leaked)" -v b="$(told alloctrace leaked)" 'BEGIN { exit a - b > 30 || b - a > 30 }'
}

@test "each of malloc's kin: alloctrace has them all, heaptrack lacks those that it does not know" {
	heaptrack_tells "$WORKLOADS/leaky" family
	alloctrace_tells "$WORKLOADS/leaky" family
	add_up
	heaptrack_says_so
	grep -nE 'p = (memalign|pvalloc)\(' "$HERE/../workloads/leaky.c" | sed 's/:.*//' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	# What heaptrack has nothing of, by the line of alloctrace's site at that offset.
	sed -n -E 's/^site leaky\+0x([0-9a-f]*) heaptrack 0 0 0 alloctrace 5 3 .*/\1/p' "$SUMS" | while read -r offset; do
		jq -r --arg offset "0x$(printf %x $((0x$offset + 1)))" \
			'select(.type == "site" and .stack[0].module_offset == $offset) | .stack[0].line' "$TRACE"
	done | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 2 ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	sed -n 's/^leak [0-9]* //p' "$BATS_TEST_TMPDIR/out.alloctrace" | awk '{ blocks += $2; bytes += $3 } END { print blocks, bytes }' \
		>"$BATS_TEST_TMPDIR/true"
	[ "$(told alloctrace leaked leaked_bytes)" = "$(cat "$BATS_TEST_TMPDIR/true")" ]
}
