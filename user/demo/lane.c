// SPDX-License-Identifier: MIT
/*
 * Hides the threads, and the difference between the two allocators.
 *
 * Decisions
 * - Each thread keeps a window of outstanding messages and answers them out of order, as a queue
 *   with several consumers does: slot by slot at random, the old message is handled and freed, a
 *   new one allocated and built. Lifetimes thus vary, and the allocator is never merely a stack.
 * - Random choices come from the seed and the thread's number, never from addresses or time: both
 *   lanes do the same in the same order.
 * - The whole loop is timed, building and handling included. Both lanes do the same of that: what
 *   they differ in is the allocators'.
 * - Allocation and release have a function and a line of their own in each lane, and never as the
 *   last act of that function: a tail call would hide the line from a tracer.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "lane.h"
#include "pool.h"
#include "protocol.h"

struct worker;

struct lane_ops {
	const char *name;
	bool (*take)(struct worker *worker, struct protocol_message **slot);
	void (*give)(struct worker *worker, struct protocol_message **slot);
};

/* One lane under way. gate is held by the starter until all threads stand behind it. */
struct run {
	const struct lane_ops *ops;
	struct pool *pool; /* NULL in the malloc lane */
	pthread_mutex_t gate;
	bool cancelled; /* guarded by gate: not all threads could be had, go home */
};

struct worker {
	struct run *run;
	pthread_t thread;
	uint64_t messages;
	uint64_t seed;
	uint64_t elapsed_ns;
	struct lane_result sum;
};

static __attribute__((noinline)) bool pool_take(struct worker *worker,
						struct protocol_message **slot)
{
	*slot = pool_alloc(worker->run->pool, sizeof(**slot), _Alignof(struct protocol_message));
	return *slot != NULL;
}

static __attribute__((noinline)) void pool_give(struct worker *worker,
						struct protocol_message **slot)
{
	if (pool_free(worker->run->pool, *slot) != 0)
		abort(); /* the pool disowns its own chunk: no figure after this means anything */
	*slot = NULL;
}

static __attribute__((noinline)) bool malloc_take(struct worker *worker,
						  struct protocol_message **slot)
{
	(void)worker;
	*slot = malloc(sizeof(struct protocol_message));
	return *slot != NULL;
}

static __attribute__((noinline)) void malloc_give(struct worker *worker,
						  struct protocol_message **slot)
{
	(void)worker;
	free(*slot);
	*slot = NULL;
}

static const struct lane_ops lanes[] = {
	[LANE_POOL] = {"pool", pool_take, pool_give},
	[LANE_MALLOC] = {"malloc", malloc_take, malloc_give},
};

const char *lane_name(enum lane_kind kind)
{
	return lanes[kind].name;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Handles and frees the message in the slot, if there is one. */
static void answer(struct worker *worker, struct protocol_message **slot)
{
	if (!*slot)
		return;
	worker->sum.checksum += protocol_handle(*slot);
	worker->run->ops->give(worker, slot);
	worker->sum.frees++;
}

static void send(struct worker *worker, struct protocol_message **slot, uint64_t id)
{
	if (!worker->run->ops->take(worker, slot)) {
		worker->sum.failed++;
		return;
	}
	worker->sum.allocs++;
	worker->sum.bytes += sizeof(**slot);
	protocol_build(*slot, id, worker->seed);
}

static void work(struct worker *worker)
{
	struct protocol_message *window[LANE_WINDOW] = {NULL};
	uint64_t random = worker->seed;
	uint64_t start = now_ns();

	for (uint64_t id = 0; id < worker->messages; id++) {
		struct protocol_message **slot = &window[protocol_random(&random) % LANE_WINDOW];

		answer(worker, slot);
		send(worker, slot, id);
	}
	for (int i = 0; i < LANE_WINDOW; i++)
		answer(worker, &window[i]);
	worker->elapsed_ns = now_ns() - start;
}

static void *work_behind_gate(void *arg)
{
	struct worker *shared = arg;
	struct worker worker = *shared; /* counted on this thread's stack: no shared cache lines */
	bool cancelled;

	pthread_mutex_lock(&worker.run->gate);
	cancelled = worker.run->cancelled;
	pthread_mutex_unlock(&worker.run->gate);
	if (cancelled)
		return NULL;
	work(&worker);
	shared->sum = worker.sum;
	shared->elapsed_ns = worker.elapsed_ns;
	return NULL;
}

/* 0 or a negative errno; *wall_ns runs from the opening of the gate to the last thread's end. */
static int work_in_threads(struct run *run, struct worker *workers, unsigned count,
			   uint64_t *wall_ns)
{
	unsigned started = 0;
	uint64_t start;
	int err = 0;

	pthread_mutex_lock(&run->gate);
	for (; started < count && err == 0; started += err == 0)
		err = -pthread_create(&workers[started].thread, NULL, work_behind_gate,
				      &workers[started]);
	run->cancelled = err != 0;
	start = now_ns();
	pthread_mutex_unlock(&run->gate);
	while (started > 0)
		pthread_join(workers[--started].thread, NULL);
	*wall_ns = now_ns() - start;
	return err;
}

static struct worker *new_workers(struct run *run, const struct lane_config *config)
{
	struct worker *workers = calloc(config->threads, sizeof(*workers));
	uint64_t seeds = config->seed;

	for (unsigned i = 0; workers && i < config->threads; i++) {
		workers[i].run = run;
		workers[i].seed = protocol_random(&seeds);
		workers[i].messages = config->messages / config->threads +
				      (i < config->messages % config->threads);
	}
	return workers;
}

static void sum_up(const struct worker *workers, unsigned count, struct lane_result *result)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct worker *worker = &workers[i];

		result->allocs += worker->sum.allocs;
		result->bytes += worker->sum.bytes;
		result->frees += worker->sum.frees;
		result->failed += worker->sum.failed;
		result->checksum += worker->sum.checksum;
		if (worker->messages == 0)
			continue;
		result->pair_ns += (double)worker->elapsed_ns / (double)worker->messages;
		busy++;
	}
	if (busy > 0)
		result->pair_ns /= busy;
}

static struct pool *new_message_pool(const struct lane_config *config)
{
	struct pool_options options = {
		.name = "protocol",
		.chunk_size = sizeof(struct protocol_message),
		.chunk_count = config->chunks,
		.thread_safe = config->threads > 1,
	};

	if (options.chunk_count == 0)
		options.chunk_count = (size_t)config->threads * LANE_WINDOW;
	return pool_new(&options);
}

int lane_run(enum lane_kind kind, const struct lane_config *config, struct lane_result *result)
{
	struct run run = {.ops = &lanes[kind], .gate = PTHREAD_MUTEX_INITIALIZER};
	struct worker *workers = NULL;
	int err = 0;

	*result = (struct lane_result){0};
	if (kind == LANE_POOL) {
		run.pool = new_message_pool(config);
		if (!run.pool)
			return -errno;
	}
	workers = new_workers(&run, config);
	if (!workers) {
		err = -ENOMEM;
		goto out;
	}
	if (config->threads == 1) {
		work(&workers[0]);
		result->wall_ns = workers[0].elapsed_ns;
	} else {
		err = work_in_threads(&run, workers, config->threads, &result->wall_ns);
		if (err)
			goto out;
	}
	sum_up(workers, config->threads, result);
out:
	free(workers);
	pool_destroy(run.pool);
	return err;
}
