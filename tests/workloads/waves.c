// SPDX-License-Identifier: MIT
/*
 * Bursts with pauses between them: in each wave four threads make as many calls as they can, COUNT
 * rounds of every kind of call, and as many to a pool of their own. In odd waves the pools are
 * called "odd", in even ones "even", and lie at the same addresses. Pools and functions behave.
 *
 *	waves [--wait] COUNT WAVES
 *
 *	ready PID                with --wait: goes on at a line or the end of stdin …
 *	wave 1                   … and after each wave but the last one
 *	took 1 1234567           nanoseconds of each wave
 *	call malloc 120 5120 3   CALL COUNT BYTES FAILED, after "ready"
 *	of free null=4 freed=0   what else there is to tell
 *	truth calls=500          all of them, and the creations and destructions of pools
 *
 * The threads are there before "ready", and end only with the program: no other calls are made.
 */
#include <alloctrace/pool.h>

#include <pthread.h>
#include <time.h>

#include "tally.h"

#define THREADS 4
#define CHUNK   64
#define CHUNKS  32

enum {
	MALLOC,
	CALLOC,
	REALLOC,
	POSIX_MEMALIGN,
	FREE,
	ODD_ALLOC,
	ODD_FREE,
	EVEN_ALLOC,
	EVEN_FREE,
	CALLS
};

static const char *const names[CALLS] = {
	"malloc",    "calloc",   "realloc",    "posix_memalign", "free",
	"odd:alloc", "odd:free", "even:alloc", "even:free",
};

struct pool {
	char region[CHUNK * CHUNKS];
	long turn;
};

struct worker {
	struct tally calls[CALLS];
	struct pool pool;
};

static struct worker workers[THREADS];
static pthread_barrier_t start, done;
static long count = 1000, waves = 1, wave;

static void call_made(struct worker *w, int call, size_t size, const void *ptr)
{
	struct tally *t = &w->calls[call];

	t->count++;
	if (ptr)
		t->bytes += (long)size;
	else
		t->failed++;
}

TRACED ALLOCTRACE_NOINLINE static char *take(struct pool *pool, size_t size)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
	char *chunk = size <= CHUNK ? &pool->region[pool->turn++ % CHUNKS * CHUNK] : NULL;

	ALLOCTRACE_POOL_ALLOC(pool, chunk, size, 0, t0);
	return chunk;
}

TRACED ALLOCTRACE_NOINLINE static void give(struct pool *pool, char *chunk)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();

	ALLOCTRACE_POOL_FREE(pool, chunk, t0);
}

static void use_pool(struct worker *w, long i)
{
	int alloc = wave % 2 ? ODD_ALLOC : EVEN_ALLOC;
	size_t size = i % 50 ? 1 + (size_t)i % CHUNK : CHUNK + 1;
	char *chunk = take(&w->pool, size);

	call_made(w, alloc, size, chunk);
	if (!chunk)
		return;
	give(&w->pool, chunk);
	w->calls[alloc + 1].count++;
}

static void release(struct worker *w, void *block)
{
	free(block);
	w->calls[FREE].count++;
	w->calls[FREE].null += !block;
}

/* Reallocations move now and then; one to nothing frees. */
static void use_functions(struct worker *w, long i)
{
	size_t first = 16 + (size_t)i % 512, second = 40 + (size_t)i * 7 % 3000,
	       more = 1 + (size_t)i % 7;
	void *p = malloc(first), *q, *r = NULL;

	call_made(w, MALLOC, first, p);
	q = calloc(more, 24);
	call_made(w, CALLOC, more * 24, q);
	p = realloc(p, second);
	call_made(w, REALLOC, second, p);
	if (i % 4 == 0) {
		if (posix_memalign(&r, 64, first))
			r = NULL;
		call_made(w, POSIX_MEMALIGN, first, r);
	}
	if (i % 16 == 0)
		call_made(w, MALLOC, impossible, malloc(impossible));
	if (i % 32 == 0)
		call_made(w, REALLOC, impossible, realloc(p, impossible));
	if (i % 64 == 0) {
		w->calls[REALLOC].count++;
		w->calls[REALLOC].freed++;
		q = realloc(q, zero);
	}
	release(w, r);
	release(w, p);
	release(w, q);
}

static void *work(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&start);
		for (long i = 0; i < count; i++) {
			use_functions(arg, i);
			use_pool(arg, i);
		}
		pthread_barrier_wait(&done);
	}
	return NULL;
}

static long clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The pools are made and destroyed while the threads are quiet. */
static void make_wave(void)
{
	const char *name = wave % 2 ? "odd" : "even";
	long began = clock_ns();

	for (int i = 0; i < THREADS; i++)
		ALLOCTRACE_POOL_CREATE(&workers[i].pool, name, workers[i].pool.region,
				       sizeof(workers[i].pool.region), CHUNK, CHUNKS);
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&done);
	for (int i = 0; i < THREADS; i++)
		ALLOCTRACE_POOL_DESTROY(&workers[i].pool);
	printf("took %ld %ld\n", wave, clock_ns() - began);
}

static void print_calls(void)
{
	long all = 2 * THREADS * waves;

	for (int call = 0; call < CALLS; call++) {
		struct tally sum = {.name = names[call]};

		for (int i = 0; i < THREADS; i++) {
			const struct tally *t = &workers[i].calls[call];

			sum.count += t->count;
			sum.bytes += t->bytes;
			sum.failed += t->failed;
			sum.null += t->null;
			sum.freed += t->freed;
		}
		if (!sum.count)
			continue;
		all += sum.count;
		printf("call %s %ld %ld %ld\n", sum.name, sum.count, sum.bytes, sum.failed);
		printf("of %s null=%ld freed=%ld\n", sum.name, sum.null, sum.freed);
	}
	printf("truth calls=%ld\n", all);
}

int main(int argc, char **argv)
{
	static pthread_t threads[THREADS];
	char number[24];
	int waiting = argc > 1 && !strcmp(argv[1], "--wait");

	buffer_output();
	pthread_barrier_init(&start, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			return 1;
	}
	wait_if_asked(&argc, &argv);
	if (argc > 1)
		count = atol(argv[1]);
	if (argc > 2)
		waves = atol(argv[2]);
	for (wave = 1; wave <= waves; wave++) {
		make_wave();
		snprintf(number, sizeof(number), "%ld", wave);
		if (waiting && wave < waves)
			wait_for_line("wave", number);
	}
	print_calls();
	return fflush(stdout) ? 1 : 0;
}
