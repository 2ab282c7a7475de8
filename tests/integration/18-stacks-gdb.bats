#!/usr/bin/env bats
# The same calls in gdb and under alloctrace -k, frame for frame: programs as Debian ships them, C++ and Rust without frame
# pointers, and walks.c. compare_stacks.py says what passes. TRUTH_STOPS=2000 compares so many stacks of each program (120).
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell
load helpers
load programs

STOPS=${TRUTH_STOPS:-120}
# All that both see; free has stacks like the others, and would take gdb as long as all of them.
FAMILY=malloc,calloc,realloc,reallocarray,posix_memalign,aligned_alloc,memalign,valloc,pvalloc,mallocx,rallocx
HERE=$BATS_TEST_DIRNAME

# What both runs have for an environment; a test adds to it. Its length moves stacks, and sizes of what is copied of it.
surroundings=(PATH=/usr/bin:/bin LC_ALL=C.UTF-8 HOME=/nonexistent)

need_gdb() {
	command -v gdb >/dev/null || skip "no gdb"
	[ -n "$(gdb -nx -batch -ex 'python print(1)' 2>/dev/null)" ] || skip "this gdb has no Python"
}

# gdb_tells CALLS PROGRAM ARG…: its calls into $TOLD, with STOPS stacks, evenly spread if it makes about CALLS.
gdb_tells() {
	local every=$(($1 / STOPS + 1))
	shift
	TOLD=$BATS_TEST_TMPDIR/gdb.json
	timeout $((PATIENCE * 4)) env -i "${surroundings[@]}" TRUTH_OUT="$TOLD" TRUTH_EVERY="$every" TRUTH_STOPS=$((STOPS * 2)) \
		gdb -nx -batch -x "$HERE/gdb_stacks.py" --args "$@" >"$BATS_TEST_TMPDIR/gdb.out" 2>&1 </dev/null 3>&-
	echo "gdb stopped at $(grep -c '"call"' "$TOLD") calls"
}

# alloctrace_tells PROGRAM ARG…: the same into $TRACE.
alloctrace_tells() {
	timeout "$PATIENCE" env -i "${surroundings[@]}" setarch -R "$ALLOCTRACE" -k --max-stack 127 -e "${events:-$FAMILY}" --ring-size 256M \
		-f json -o "$TRACE" --strict -- "$@" >"$BATS_TEST_TMPDIR/program.out" 2>"$SAID" </dev/null 3>&-
	balanced
}

agree() { "$HERE/compare_stacks.py" "$TOLD" "$TRACE"; }

# both CALLS PROGRAM ARG…: the whole comparison.
both() {
	need_gdb
	gdb_tells "$@"
	shift
	alloctrace_tells "$@"
	agree
}

@test "walks.c: what is said by hand elsewhere, said by gdb" {
	local case
	# "assembly" and "written" have frames that gdb cannot know, threads are not compared, and steps are the test's own in gdb.
	for case in plain dynamic aligned tail no-return long-jump deep early at-exit other-stack coroutine signals; do
		echo "# $case"
		both 1 "$(realpath "$WORKLOADS/walks")" "$case"
	done
}

@test "python3" {
	cat >"$BATS_TEST_TMPDIR/script.py" <<-'EOT'
		import time
		# Calls through a library of the last tenth of a second have stacks that are cut: 17-stacks.bats looks at those.
		for name in ("_json", "zlib", "_sqlite3", "_datetime", "_bz2", "_lzma"):
		    __import__(name)
		    time.sleep(0.3)
		import json, re, sqlite3, zlib

		for turn in range(1):
		    rows = [{"n": i, "text": "%x" % (i * 7919), "list": list(range(i % 7))} for i in range(60)]
		    text = json.dumps(rows)
		    assert json.loads(text) == rows
		    words = re.findall(r"[0-9a-f]{2,}", text)
		    assert zlib.decompress(zlib.compress(text.encode())) == text.encode()
		    db = sqlite3.connect(":memory:")
		    db.execute("create table t(n integer primary key, w text)")
		    db.executemany("insert into t(w) values (?)", [(w,) for w in words])
		    db.create_function("twice", 1, lambda w: w + w)
		    print(db.execute("select count(*), max(twice(w)) from t group by length(w) order by 1").fetchall())
		    print(sorted(words, key=lambda w: (len(w), w))[:5])
	EOT
	# Without a random number in its tables, and with an allocation for every object.
	surroundings+=(PYTHONHASHSEED=0 PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1)
	both 57000 /usr/bin/python3 "$BATS_TEST_TMPDIR/script.py"
}

@test "sqlite3" {
	command -v /usr/bin/sqlite3 >/dev/null || skip "no sqlite3"
	cat >"$BATS_TEST_TMPDIR/script.sql" <<-'EOT'
		create table a(x integer primary key, y text, z real);
		create table b(p integer, q text);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) insert into a select i, hex(i * 7919), i * 1.5 from n;
		insert into b select x % 37, y || x from a;
		create index bi on b(q);
		select a.y, count(*) from a join b on a.x = b.p group by a.y order by 2 desc, 1 limit 20;
		create virtual table f using fts5(t);
		insert into f select q || ' ' || p from b;
		select count(*) from f where f match '1';
		select group_concat(q) from (select q from b order by q desc limit 30);
		select json_group_array(json_object('a', y)) from (select y from a limit 20);
		select upper(printf('%08d %s', x, y)) from a where y like '%3%' limit 20;
	EOT
	both 6700 /usr/bin/sqlite3 -init "$BATS_TEST_TMPDIR/script.sql" :memory: .quit
}

# Its own thread, and its allocator, which is jemalloc.
@test "redis-server" {
	need_gdb
	command -v redis-server >/dev/null || skip "no redis"
	local socket=$BATS_TEST_TMPDIR/socket
	local server=(/usr/bin/redis-server --port 0 --unixsocket "$socket" --save "" --appendonly no --io-threads 1 --dir "$BATS_TEST_TMPDIR")
	use_redis "$socket" &
	started+=($!)
	gdb_tells 25000 "${server[@]}"
	use_redis "$socket" &
	started+=($!)
	alloctrace_tells "${server[@]}"
	TRUTH_VARIES=64 agree # its tables have a random seed, and it has timers
}

use_redis() {
	wait_for answers "$1"
	redis_commands "$1"
}

@test "gcc's compiler" {
	local cc1
	cc1=$(gcc -print-prog-name=cc1)
	[ -x "$cc1" ] || skip "no gcc"
	gcc -E -D_GNU_SOURCE -Iuser -I. user/core/pack.c >"$BATS_TEST_TMPDIR/source.i"
	both 20000 "$(realpath "$cc1")" -quiet -O2 "$BATS_TEST_TMPDIR/source.i" -o /dev/null
}

@test "a C++ program" {
	need walk-cpp
	both 3100 "$(realpath "$WORKLOADS/walk-cpp")"
}

@test "a Rust program" {
	need walk-rust
	events=$FAMILY,__rust_alloc,__rust_alloc_zeroed,__rust_realloc
	both 2600 "$(realpath "$WORKLOADS/walk-rust")"
}
