// SPDX-License-Identifier: MIT
/*
 * Pools that misbehave, each in one way, and pools that only look as if they did.
 *
 *	poolbugs [--wait] CASE
 *
 *	ready PID                   with --wait: goes on at a line or the end of stdin
 *	bug CASE first=poolbugs.c:90 second=poolbugs.c:91
 *	                            the two lines that contradict each other, in their order; of
 *what has one side only, second truth calls=N               allocations and releases that were
 *told, all cases
 *
 * Bugs: misaligned, overlapping, handed-out-twice, region-freed-while-live.
 *
 * Not bugs: exchange (threads that pass the same few chunks around), before (the pool and its first
 * chunks are made before "ready"), fork (the child releases its copies, the parent its own), nested
 *(a pool whose region is a chunk of another pool), again (a second pool where the first one was),
 *odd (chunks of no bytes, requests that fail, a pool that tells no region), left (the process ends
 *with all of it).
 *
 * The pools tell what they are told to: which chunk is handed out is decided by the callers.
 */
#include <alloctrace/pool.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "tally.h"

#define CHUNK   64
#define CHUNKS  64
#define THREADS 4
#define SHARED  2    /* chunks that the threads pass around */
#define PASSES  4000 /* by each of them */

struct pool {
	const char *name;
	char *region;
};

static _Alignas(4096) char region[CHUNKS * CHUNK];
static atomic_long calls;
static int first, second;

/* The lines of a bug. */
#define FIRST(call)  (first = __LINE__, (call))
#define SECOND(call) (second = __LINE__, (call))

static void make(struct pool *pool, const char *name, char *base, size_t bytes, size_t chunk)
{
	pool->name = name;
	pool->region = base;
	ALLOCTRACE_POOL_CREATE(pool, pool->name, base, bytes, chunk, chunk ? bytes / chunk : 0);
}

static void end(struct pool *pool)
{
	ALLOCTRACE_POOL_DESTROY(pool);
}

TRACED ALLOCTRACE_NOINLINE static void *take(struct pool *pool, void *chunk, size_t size,
					     size_t align)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();

	calls++;
	ALLOCTRACE_POOL_ALLOC(pool, chunk, size, align, t0);
	return chunk;
}

TRACED ALLOCTRACE_NOINLINE static void give(struct pool *pool, void *chunk)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();

	calls++;
	ALLOCTRACE_POOL_FREE(pool, chunk, t0);
}

/* ---- bugs */

static void misaligned(void)
{
	struct pool p;

	make(&p, "p", region, sizeof(region), 0);
	take(&p, region, 64, 64);
	SECOND(take(&p, region + 72, 56, 64));
	give(&p, region + 72);
	give(&p, region);
	end(&p);
}

static void overlapping(void)
{
	struct pool p;

	make(&p, "p", region, sizeof(region), 0);
	FIRST(take(&p, region + 64, 64, 0));
	take(&p, region, 64, 0);
	SECOND(take(&p, region + 64 + 32, 64, 0));
	take(&p, region + 64 + 32 + 64, 64, 0);
	give(&p, region);
	give(&p, region + 64);
	give(&p, region + 64 + 32);
	give(&p, region + 64 + 32 + 64);
	end(&p);
}

static void handed_out_twice(void)
{
	struct pool p;

	make(&p, "p", region, sizeof(region), CHUNK);
	take(&p, region + CHUNK, CHUNK, 8);
	FIRST(take(&p, region, CHUNK, 8));
	SECOND(take(&p, region, CHUNK, 8));
	give(&p, region + CHUNK);
	give(&p, region); /* both of its owners do */
	give(&p, region);
	end(&p);
}

static void region_freed_while_live(void)
{
	struct pool p;
	char *base = malloc(CHUNKS * CHUNK), *chunk = base + 3 * CHUNK;

	make(&p, "p", base, CHUNKS * CHUNK, CHUNK);
	give(&p, take(&p, base, CHUNK, 8));
	FIRST(take(&p, chunk, CHUNK, 8));
	SECOND(free(base));
	give(&p, chunk);
	end(&p);
}

/* ---- no bugs */

static struct {
	struct pool pool;
	_Atomic(char *) slots[SHARED]; /* what is to be had; NULL: it is out */
} shared;

static char *catch_chunk(void)
{
	for (int i = 0;; i = (i + 1) % SHARED) {
		char *chunk = atomic_exchange(&shared.slots[i], NULL);

		if (chunk)
			return chunk;
	}
}

static void throw_chunk(char *chunk)
{
	for (int i = 0;; i = (i + 1) % SHARED) {
		char *none = NULL;

		if (atomic_compare_exchange_strong(&shared.slots[i], &none, chunk))
			return;
	}
}

static void *pass(void *arg)
{
	for (int i = 0; i < PASSES; i++) {
		char *chunk = take(&shared.pool, catch_chunk(), CHUNK, 8);

		*chunk = 1;
		give(&shared.pool, chunk);
		throw_chunk(chunk);
	}
	return arg;
}

static void exchange(void)
{
	pthread_t threads[THREADS];

	make(&shared.pool, "shared", region, sizeof(region), CHUNK);
	for (int i = 0; i < SHARED; i++)
		shared.slots[i] = region + i * CHUNK;
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, pass, NULL))
			abort();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	end(&shared.pool);
}

static struct pool early;

static void make_before(void)
{
	make(&early, "early", region, sizeof(region), CHUNK);
	for (int i = 0; i < 8; i++)
		take(&early, region + i * CHUNK, CHUNK, 8);
	calls = 0;
}

static void before(void)
{
	for (int i = 0; i < 8; i++)
		give(&early, region + i * CHUNK);
	for (int i = 0; i < 8; i++)
		give(&early, take(&early, region + i * CHUNK, CHUNK, 8));
	end(&early);
}

static void forking(void)
{
	struct pool p;
	char *mine = region, *later = region + CHUNK;
	pid_t child;

	make(&p, "p", region, sizeof(region), CHUNK);
	take(&p, mine, CHUNK, 8);
	child = fork();
	if (child == 0) {
		give(&p, mine);
		give(&p, take(&p, mine, CHUNK, 8));
		take(&p, later, CHUNK, 8);
		give(&p, later);
		_exit(0);
	}
	take(&p, later, CHUNK, 8);
	waitpid(child, NULL, 0);
	give(&p, mine);
	give(&p, later);
	end(&p);
}

/* The inner pool and its first chunk begin where the outer one's region and chunk do. */
static void nested(void)
{
	struct pool outer, inner;
	char *base = malloc(CHUNKS * CHUNK), *whole;

	make(&outer, "outer", base, CHUNKS * CHUNK, CHUNKS * CHUNK / 2);
	whole = take(&outer, base, CHUNKS * CHUNK / 2, 16);
	make(&inner, "inner", whole, CHUNKS * CHUNK / 2, CHUNK);
	for (int i = 0; i < CHUNKS / 2; i++)
		take(&inner, whole + i * CHUNK, CHUNK, 8);
	for (int i = 0; i < CHUNKS / 2; i++)
		give(&inner, whole + i * CHUNK);
	end(&inner);
	give(&outer, whole);
	end(&outer);
	free(base);
}

/* With its handle at the same address, too; the chunks are of another size. */
static void again(void)
{
	struct pool p;

	for (size_t chunk = 32; chunk <= 128; chunk *= 2) {
		char *base = malloc(CHUNKS * CHUNK);

		make(&p, "p", base, CHUNKS * CHUNK, chunk);
		for (size_t at = 0; at < CHUNKS * CHUNK; at += chunk)
			take(&p, base + at, chunk, 8);
		for (size_t at = 0; at < CHUNKS * CHUNK; at += chunk)
			give(&p, base + at);
		end(&p);
		free(base);
	}
}

static void odd(void)
{
	struct pool p, nowhere;

	make(&p, "p", region, sizeof(region), 0);
	make(&nowhere, "nowhere", NULL, 0, 0);
	take(&p, NULL, 1 << 20, 0);
	take(&p, region, 0, 0); /* of no bytes, and where it ends another one begins */
	take(&p, region + 16, 48, 16);
	take(&p, region + 64, CHUNKS * CHUNK - 64, 64); /* up to the very end */
	take(&nowhere, &p, sizeof(p), 8);
	take(&nowhere, NULL, 8, 8);
	give(&nowhere, &p);
	give(&p, region + 64);
	give(&p, region + 16);
	give(&p, region);
	end(&nowhere);
	end(&p);
}

static void left(void)
{
	static struct pool p;
	char *base = malloc(CHUNKS * CHUNK);

	make(&p, "p", base, CHUNKS * CHUNK, CHUNK);
	for (int i = 0; i < CHUNKS; i++)
		take(&p, base + i * CHUNK, CHUNK, 8);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"misaligned", misaligned},
	{"overlapping", overlapping},
	{"handed-out-twice", handed_out_twice},
	{"region-freed-while-live", region_freed_while_live},
	{"exchange", exchange},
	{"before", before},
	{"fork", forking},
	{"nested", nested},
	{"again", again},
	{"odd", odd},
	{"left", left},
};
#define NR_CASES (sizeof(cases) / sizeof(*cases))

int main(int argc, char **argv)
{
	size_t i = 0;

	buffer_output();
	make_before();
	wait_if_asked(&argc, &argv);
	for (; i < sizeof(cases) / sizeof(*cases) && argc == 2 && strcmp(argv[1], cases[i].name);
	     i++)
		;
	if (i == sizeof(cases) / sizeof(*cases) || argc != 2)
		return 2;
	cases[i].run();
	if (first)
		printf("bug %s first=poolbugs.c:%d second=poolbugs.c:%d\n", cases[i].name, first,
		       second);
	else if (second)
		printf("bug %s second=poolbugs.c:%d\n", cases[i].name, second);
	printf("truth calls=%ld\n", (long)calls);
	return fflush(stdout) ? 1 : 0;
}
