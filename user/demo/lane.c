// SPDX-License-Identifier: MIT
/*
 * Hides the threads, and the difference between the allocators.
 *
 * Decisions
 * - Allocation and release have a function and a line of their own in each lane, and never as the
 *   last act of that function: a tail call would hide the line from a tracer.
 * - Operations that stand back to back are one call through a pointer, with the loop inside: what
 *   is timed is the allocator's function and not how the demo gets there. The loop itself is
 *   timed with them, so the lane without an allocator makes the same calls, but no loops in them.
 * - malloc's lane announces itself as a pool, so that both are timed by like means, but only where
 *   it has something to tell: else it would show in every trace of pools.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "lane.h"
#include "worker.h"

/* One turn under way. gate is held by the starter until all threads stand behind it. */
struct lane_turn {
	enum lane_pattern pattern;
	pthread_mutex_t gate;
	bool cancelled; /* guarded by gate: not all threads could be had, go home */
};

/* To the compiler the message is used here; it would drop a malloc that is merely freed. */
static inline void touch(struct protocol_message *message, unsigned i)
{
	message->id = i;
	__asm__ volatile("" : : "r"(message) : "memory");
}

static __attribute__((noinline)) unsigned pool_take(struct lane_worker *worker,
						    struct protocol_message **slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		slots[i] = pool_alloc(worker->pool, sizeof(**slots),
				      _Alignof(struct protocol_message));
		if (!slots[i])
			return i;
	}
	return n;
}

static __attribute__((noinline)) void pool_give(struct lane_worker *worker,
						struct protocol_message **slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (pool_free(worker->pool, slots[i]) != 0)
			abort(); /* the pool disowns its own chunk: no figure after this counts */
	}
}

static __attribute__((noinline)) unsigned pool_swap(struct lane_worker *worker, unsigned n)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++) {
		struct protocol_message *message = pool_alloc(worker->pool, sizeof(*message),
							      _Alignof(struct protocol_message));

		if (!message)
			continue;
		got++;
		touch(message, i);
		if (pool_free(worker->pool, message) != 0)
			abort();
	}
	return got;
}

static __attribute__((noinline)) unsigned malloc_take(struct lane_worker *worker,
						      struct protocol_message **slots, unsigned n)
{
	(void)worker;
	for (unsigned i = 0; i < n; i++) {
		slots[i] = malloc(sizeof(struct protocol_message));
		if (!slots[i])
			return i;
	}
	return n;
}

static __attribute__((noinline)) void malloc_give(struct lane_worker *worker,
						  struct protocol_message **slots, unsigned n)
{
	(void)worker;
	for (unsigned i = 0; i < n; i++) {
		free(slots[i]);
		__asm__ volatile(""); /* so that the last one is no tail call either */
	}
}

static __attribute__((noinline)) unsigned malloc_swap(struct lane_worker *worker, unsigned n)
{
	unsigned got = 0;

	(void)worker;
	for (unsigned i = 0; i < n; i++) {
		struct protocol_message *message = malloc(sizeof(*message));

		if (!message)
			continue;
		got++;
		touch(message, i);
		free(message);
	}
	return got;
}

/* malloc as a pool's function; see rule 1 of alloctrace/pool.h. */
static ALLOCTRACE_NOINLINE void *told_malloc(const void *identity, size_t size)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
	void *ptr = malloc(size);

	ALLOCTRACE_POOL_ALLOC(identity, ptr, size, 0, t0);
	return ptr;
}

/*
 * Rule 2 cannot be kept from outside of free: its time is known when it has returned. A block goes
 * back to its own arena, so another thread can only have it by then if it shares that arena.
 */
static ALLOCTRACE_NOINLINE void told_free(const void *identity, void *ptr)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();
	const void *name = ptr; /* of the block that was */

	__asm__("" : "+r"(name)); /* it is told, never used; the compiler is not to see the link */
	free(ptr);
	ALLOCTRACE_POOL_FREE(identity, name, t0);
}

static __attribute__((noinline)) unsigned told_take(struct lane_worker *worker,
						    struct protocol_message **slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		slots[i] = told_malloc(worker->identity, sizeof(struct protocol_message));
		if (!slots[i])
			return i;
	}
	return n;
}

static __attribute__((noinline)) void told_give(struct lane_worker *worker,
						struct protocol_message **slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		told_free(worker->identity, slots[i]);
		__asm__ volatile("");
	}
}

/* What the lane without an allocator hands out: a message for each slot of a pattern. */
static _Thread_local struct protocol_message fixed[LANE_GROUP];

static __attribute__((noinline)) unsigned none_take(struct lane_worker *worker,
						    struct protocol_message **slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		slots[i] = &fixed[slots + i - worker->slots];
	return n;
}

static __attribute__((noinline)) void none_give(struct lane_worker *worker,
						struct protocol_message **slots, unsigned n)
{
	__asm__ volatile("" : : "r"(worker), "r"(slots), "r"(n)); /* or there would be no call */
}

static __attribute__((noinline)) unsigned none_swap(struct lane_worker *worker, unsigned n)
{
	__asm__ volatile("" : : "r"(worker));
	return n;
}

static const struct lane_ops told_ops = {told_take, told_give, malloc_swap};

static const struct {
	const char *name;
	struct lane_ops ops;
} lanes[LANE_KINDS] = {
	[LANE_POOL] = {"pool", {pool_take, pool_give, pool_swap}},
	[LANE_MALLOC] = {"malloc", {malloc_take, malloc_give, malloc_swap}},
	[LANE_NONE] = {"none", {none_take, none_give, none_swap}},
};

const char *lane_name(enum lane_kind kind)
{
	return lanes[kind].name;
}

static void *work_behind_gate(void *arg)
{
	struct lane_worker *shared = arg;
	struct lane_worker worker = *shared; /* counted on this thread's stack: no shared lines */
	bool cancelled;

	pthread_mutex_lock(&worker.turn->gate);
	cancelled = worker.turn->cancelled;
	pthread_mutex_unlock(&worker.turn->gate);
	if (cancelled)
		return NULL;
	worker_run(&worker, worker.turn->pattern);
	shared->sum = worker.sum;
	return NULL;
}

/* 0 or a negative errno; *wall_ns runs from the opening of the gate to the last thread's end. */
static int work_in_threads(struct lane_turn *turn, struct lane_worker *workers, unsigned count,
			   uint64_t *wall_ns)
{
	unsigned started = 0;
	uint64_t start;
	int err = 0;

	pthread_mutex_lock(&turn->gate);
	for (; started < count && err == 0; started += err == 0)
		err = -pthread_create(&workers[started].thread, NULL, work_behind_gate,
				      &workers[started]);
	turn->cancelled = err != 0;
	start = worker_now();
	pthread_mutex_unlock(&turn->gate);
	while (started > 0)
		pthread_join(workers[--started].thread, NULL);
	*wall_ns = worker_now() - start;
	return err;
}

static struct pool *new_message_pool(const struct lane_config *config)
{
	struct pool_options options = {
		.name = "protocol",
		.chunk_size = sizeof(struct protocol_message),
		.chunk_count = config->chunks,
		.thread_safe = config->threads > 1,
	};
	size_t outstanding = config->pattern == LANE_BATCH ? LANE_GROUP : LANE_WINDOW;

	if (options.chunk_count == 0)
		options.chunk_count = config->threads * outstanding;
	return pool_new(&options);
}

/* Whether the lane has something to tell under the name of its allocator. */
static bool is_announced(const struct lane *lane)
{
	const struct lane_config *config = lane->config;

	return lane->kind == LANE_MALLOC && (config->time_malloc || config->pattern != LANE_QUEUE);
}

static void prepare_workers(struct lane *lane)
{
	uint64_t seeds = lane->config->seed;

	for (unsigned i = 0; i < lane->config->threads; i++) {
		struct lane_worker *worker = &lane->workers[i];

		worker->ops = &lanes[lane->kind].ops;
		worker->seed = protocol_random(&seeds);
		worker->pool = lane->pool;
		worker->identity = lane->pool;
		if (is_announced(lane))
			worker->identity = lane;
		if (lane->kind == LANE_MALLOC && lane->config->time_malloc)
			worker->ops = &told_ops;
	}
}

int lane_open(struct lane *lane, enum lane_kind kind, const struct lane_config *config)
{
	*lane = (struct lane){.kind = kind, .config = config};
	if (kind == LANE_POOL) {
		lane->pool = new_message_pool(config);
		if (!lane->pool)
			return -errno;
	}
	lane->workers = calloc(config->threads, sizeof(*lane->workers));
	if (!lane->workers) {
		pool_destroy(lane->pool);
		return -ENOMEM;
	}
	prepare_workers(lane);
	if (is_announced(lane))
		ALLOCTRACE_POOL_CREATE(lane, lane_name(kind), NULL, 0, 0, 0);
	return 0;
}

/* A thread's messages are numbered from 0; the rounds share them out in order. */
static void share_out(const struct lane *lane, unsigned round)
{
	const struct lane_config *config = lane->config;

	for (unsigned i = 0; i < config->threads; i++) {
		struct lane_worker *worker = &lane->workers[i];
		uint64_t messages = config->messages / config->threads +
				    (i < config->messages % config->threads);

		worker->first = messages * round / config->rounds;
		worker->end = messages * (round + 1) / config->rounds;
		worker->sum = (struct lane_result){0};
	}
}

void lane_add(struct lane_result *sum, const struct lane_result *result)
{
	sum->allocs += result->allocs;
	sum->bytes += result->bytes;
	sum->frees += result->frees;
	sum->failed += result->failed;
	sum->checksum += result->checksum;
	sum->wall_ns += result->wall_ns;
	sum->loop_ns += result->loop_ns;
	sum->cpu_ns += result->cpu_ns;
}

int lane_turn(struct lane *lane, unsigned round, struct lane_result *result)
{
	struct lane_turn turn = {.pattern = lane->config->pattern,
				 .gate = PTHREAD_MUTEX_INITIALIZER};
	unsigned threads = lane->config->threads;
	int err = 0;

	*result = (struct lane_result){0};
	share_out(lane, round);
	for (unsigned i = 0; i < threads; i++)
		lane->workers[i].turn = &turn;
	if (threads == 1) {
		worker_run(&lane->workers[0], turn.pattern);
		result->wall_ns = lane->workers[0].sum.loop_ns;
	} else {
		err = work_in_threads(&turn, lane->workers, threads, &result->wall_ns);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < threads; i++)
		lane_add(result, &lane->workers[i].sum);
	return 0;
}

void lane_close(struct lane *lane)
{
	if (is_announced(lane))
		ALLOCTRACE_POOL_DESTROY(lane);
	free(lane->workers);
	pool_destroy(lane->pool);
}
