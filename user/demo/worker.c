// SPDX-License-Identifier: MIT
/*
 * Hides the order in which messages come and go.
 *
 * Decisions
 * - Queue: slot by slot at random, the old message is handled and freed, a new one allocated and
 *   built, as with a queue of several consumers. Lifetimes vary, and the allocator is never merely
 *   a stack.
 * - Batch and ping-pong do LANE_GROUP operations back to back, and tell a tracer how long each
 *   group took: see alloctrace/pool.h. Between the operations of a group lies nothing but the loop,
 *   so ping-pong builds its messages in a buffer of its own, after the group.
 * - Random choices come from the seed and the thread's number, never from addresses or time: all
 *   lanes do the same in the same order, whatever the number of rounds.
 * - The whole loop is timed, building and handling included. All lanes run the same code for that,
 *   through the same pointers: what they differ in is the allocators'.
 */
#include <stddef.h>
#include <time.h>

#include "worker.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t worker_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* Counts what was asked for and what came. */
static void count_taken(struct lane_worker *worker, unsigned asked, unsigned got)
{
	worker->sum.allocs += got;
	worker->sum.bytes += got * sizeof(struct protocol_message);
	worker->sum.failed += asked - got;
}

/* Handles and frees the message in the slot, if there is one. */
static void answer(struct lane_worker *worker, struct protocol_message **slot)
{
	if (!*slot)
		return;
	worker->sum.checksum += protocol_handle(*slot);
	worker->ops->give(worker, slot, 1);
	worker->sum.frees++;
	*slot = NULL;
}

static void send(struct lane_worker *worker, struct protocol_message **slot, uint64_t id)
{
	unsigned got = worker->ops->take(worker, slot, 1);

	count_taken(worker, 1, got);
	if (got > 0)
		protocol_build(*slot, id, worker->seed);
}

static void run_queue(struct lane_worker *worker)
{
	struct protocol_message **window = worker->slots;
	uint64_t random = worker->seed + worker->first;

	for (uint64_t id = worker->first; id < worker->end; id++) {
		struct protocol_message **slot = &window[protocol_random(&random) % LANE_WINDOW];

		answer(worker, slot);
		send(worker, slot, id);
	}
	for (int i = 0; i < LANE_WINDOW; i++)
		answer(worker, &window[i]);
}

/* The next operations at most a group: how many of the worker's messages from id on. */
static unsigned group_at(const struct lane_worker *worker, uint64_t id)
{
	uint64_t left = worker->end - id;

	return left < LANE_GROUP ? (unsigned)left : LANE_GROUP;
}

/* The first group of a turn runs cold, after another lane's turn: it is not timed. */
static uint64_t begin(const struct lane_worker *worker, uint64_t id)
{
	return worker->identity && id != worker->first ? ALLOCTRACE_TIMER_BEGIN() : 0;
}

/* A group that came out shorter would make the others look longer. */
static void end(struct alloctrace_timer *timer, uint64_t t0, unsigned n)
{
	if (n == LANE_GROUP)
		ALLOCTRACE_TIMER_END(timer, t0);
}

static void run_batch(struct lane_worker *worker)
{
	struct alloctrace_timer takes =
		ALLOCTRACE_TIMER_INIT(worker->identity, ALLOCTRACE_TIMED_ALLOC, LANE_GROUP);
	struct alloctrace_timer gives =
		ALLOCTRACE_TIMER_INIT(worker->identity, ALLOCTRACE_TIMED_FREE, LANE_GROUP);
	struct protocol_message **slots = worker->slots;
	unsigned n = 0;

	for (uint64_t id = worker->first; id < worker->end; id += n) {
		uint64_t t0 = begin(worker, id);
		unsigned got = worker->ops->take(worker, slots, n = group_at(worker, id));

		end(&takes, t0, got);
		count_taken(worker, n, got);
		for (unsigned i = 0; i < got; i++)
			protocol_build(slots[i], id + i, worker->seed);
		for (unsigned i = 0; i < got; i++)
			worker->sum.checksum += protocol_handle(slots[i]);
		t0 = begin(worker, id);
		worker->ops->give(worker, slots, got);
		end(&gives, t0, got);
		worker->sum.frees += got;
	}
	ALLOCTRACE_TIMER_FLUSH(&takes);
	ALLOCTRACE_TIMER_FLUSH(&gives);
}

static void run_pingpong(struct lane_worker *worker)
{
	struct alloctrace_timer pairs =
		ALLOCTRACE_TIMER_INIT(worker->identity, ALLOCTRACE_TIMED_PAIR, LANE_GROUP);
	struct protocol_message message;
	unsigned n = 0;

	for (uint64_t id = worker->first; id < worker->end; id += n) {
		uint64_t t0 = begin(worker, id);
		unsigned got = worker->ops->swap(worker, n = group_at(worker, id));

		end(&pairs, t0, got);
		count_taken(worker, n, got);
		worker->sum.frees += got;
		for (unsigned i = 0; i < got; i++) {
			protocol_build(&message, id + i, worker->seed);
			worker->sum.checksum += protocol_handle(&message);
		}
	}
	ALLOCTRACE_TIMER_FLUSH(&pairs);
}

void worker_run(struct lane_worker *worker, enum lane_pattern pattern)
{
	static void (*const patterns[])(struct lane_worker *) = {
		[LANE_QUEUE] = run_queue,
		[LANE_BATCH] = run_batch,
		[LANE_PINGPONG] = run_pingpong,
	};
	uint64_t start = worker_now(), cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);

	patterns[pattern](worker);
	worker->sum.cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
	worker->sum.loop_ns = worker_now() - start;
}
