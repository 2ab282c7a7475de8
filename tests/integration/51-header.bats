#!/usr/bin/env bats
# alloctrace/pool.h against its contract, by compilers and by tools that know nothing of alloctrace.
# shellcheck disable=SC2030,SC2031 # every test is a subshell
load helpers

setup() {
	TRACE=$BATS_TEST_TMPDIR/trace.out
	USER_C=$BATS_TEST_TMPDIR/user.c
	[ -e user/include/alloctrace/pool.h ] || skip "no sources here"
	cat >"$USER_C" <<-'END'
		#include <alloctrace/pool.h>
		extern void *work(void *pool);
		static int other;
		ALLOCTRACE_NOINLINE void *work(void *pool)
		{
			static struct alloctrace_timer kept = ALLOCTRACE_TIMER_INIT(&other, ALLOCTRACE_TIMED_PAIR, 1);
			struct alloctrace_timer timer = ALLOCTRACE_TIMER_INIT(pool, ALLOCTRACE_TIMED_ALLOC, 16);
			uint64_t group = ALLOCTRACE_TIMER_BEGIN(), t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
			void *chunk = pool;

			ALLOCTRACE_POOL_CREATE(pool, "name", chunk, 64, 16, 4);
			ALLOCTRACE_POOL_ALLOC(pool, chunk, 3, 0, t0);
			t0 = ALLOCTRACE_POOL_FREE_BEGIN();
			ALLOCTRACE_POOL_FREE(pool, chunk, t0);
			ALLOCTRACE_TIMER_END(&timer, group);
			if (chunk)
				ALLOCTRACE_TIMER_END(&kept, group);
			else
				ALLOCTRACE_TIMER_FLUSH(&kept);
			ALLOCTRACE_TIMER_FLUSH(&timer);
			ALLOCTRACE_POOL_DESTROY(pool);
			return chunk;
		}
	END
}

# compiles COMPILER STANDARD LANGUAGE ARG…: without a word; a compiler that is not there is left out.
compiles() {
	local compiler=$1 standard=$2 language=$3
	shift 3
	command -v "$compiler" >/dev/null || return 0
	"$compiler" -std="$standard" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iuser/include "$@" \
		-x "$language" -c "$USER_C" -o "$BATS_TEST_TMPDIR/user.o" || {
		echo "$compiler -std=$standard $*" >&2
		return 1
	}
}

@test "the header compiles as C and as C++, with gcc and clang, without a warning, switched off too" {
	local compiler switch
	command -v gcc >/dev/null || skip "no compiler"
	for switch in -O0 -O2 '-O2 -flto' '-O2 -fPIC' '-O2 -DALLOCTRACE_DISABLE'; do
		for compiler in gcc clang; do
			# shellcheck disable=SC2086 # switches
			compiles "$compiler" gnu11 c $switch
		done
		for compiler in g++ clang++; do
			# shellcheck disable=SC2086
			compiles "$compiler" c++17 c++ $switch
		done
	done
	compiles gcc c11 c -DALLOCTRACE_DISABLE # no clock needed there
}

# probes FILE: NAME COUNT-OF-ARGUMENTS HAS-SEMAPHORE, of each probe of provider alloctrace.
probes() {
	readelf -n "$1" | awk '
		/Provider:/ { ours = $2 == "alloctrace" }
		ours && /Name:/ { name = $2 }
		ours && /Semaphore:/ { has = $NF ~ /[1-9a-f]/ ? "semaphore" : "none" }
		ours && /Arguments:/ { $1 = ""; for (i = 2; i <= NF; i++) if ($i !~ /^8@[%$]/) has = "odd " $i
			print name, NF - 1, has }' | sort -u
}

@test "five probes, each with its arguments as 64-bit registers or constants, and a semaphore" {
	local compiler
	command -v readelf >/dev/null || skip "no readelf"
	printf '%s\n' 'alloc 6 semaphore' 'create 6 semaphore' 'destroy 1 semaphore' 'free 4 semaphore' \
		'timed 5 semaphore' >"$BATS_TEST_TMPDIR/true"
	probes "$BUILD/pool-demo" >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	for compiler in gcc clang; do
		command -v "$compiler" >/dev/null || continue
		compiles "$compiler" gnu11 c -O2 -fPIC
		"$compiler" -shared -o "$BATS_TEST_TMPDIR/user.so" "$BATS_TEST_TMPDIR/user.o"
		probes "$BATS_TEST_TMPDIR/user.so" >"$BATS_TEST_TMPDIR/told"
		same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	done
	compiles gcc gnu11 c -DALLOCTRACE_DISABLE
	[ -z "$(probes "$BATS_TEST_TMPDIR/user.o")" ]
}

@test "timed: bpftrace gets the groups of both lanes, all but those after a trap" {
	command -v bpftrace >/dev/null || skip "no bpftrace"
	# 1000 groups a lane, of which the demo does not time the first: 64 are told, then each time one is left out and 64
	# are told, at last what is left: 1 + 24.
	timeout "$PATIENCE" bpftrace -c "$BUILD/pool-demo --pattern pingpong --messages 64000 --rounds 1" -e "
		usdt:$BUILD/pool-demo:alloctrace:create { @name[arg0] = str(arg1); }
		usdt:$BUILD/pool-demo:alloctrace:timed {
			@[@name[arg0], arg1, arg2] = sum(arg4);
			if (*(uint32 *)arg3 == 0 || *(uint32 *)(arg3 + 4 * (arg4 - 1)) == 0) { @empty = count(); }
		}" >"$TRACE" 2>&1
	cat "$TRACE"
	grep -qx '@\[protocol, 3, 64\]: 984' "$TRACE"
	grep -qx '@\[malloc, 3, 64\]: 984' "$TRACE"
	[ "$(grep -c '64\]: ' "$TRACE")" -eq 2 ]
	not grep -q '@empty: [1-9]' "$TRACE"
}
