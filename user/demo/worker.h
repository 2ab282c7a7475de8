/* SPDX-License-Identifier: MIT */
/*
 * What one thread of a lane does: the patterns, on whatever allocator the lane has.
 */
#ifndef DEMO_WORKER_H
#define DEMO_WORKER_H

#include <pthread.h>
#include <stdint.h>

#include "lane.h"
#include "pool.h"
#include "protocol.h"

struct lane_worker;

/* An allocator, by the operations of a pattern. */
struct lane_ops {
	/* Fills slots[0..n-1], back to back; fewer when memory is short. How many it filled. */
	unsigned (*take)(struct lane_worker *worker, struct protocol_message **slots, unsigned n);
	/* Takes back the n messages in slots, back to back. */
	void (*give)(struct lane_worker *worker, struct protocol_message **slots, unsigned n);
	/* n times, back to back: takes a message, touches it and gives it back. How many it had. */
	unsigned (*swap)(struct lane_worker *worker, unsigned n);
};

struct lane_turn;

struct lane_worker {
	pthread_t thread;       /* lane.c's, */
	struct lane_turn *turn; /* and this too */
	const struct lane_ops *ops;
	struct pool *pool;    /* NULL unless the lane is the pool's */
	const void *identity; /* of the allocator in a trace; NULL: it is not to be timed */
	uint64_t first, end;  /* numbers of the messages, first .. end-1 */
	uint64_t seed;
	struct protocol_message *slots[LANE_GROUP]; /* the messages that are out */
	struct lane_result sum;                     /* of worker_run, without wall_ns */
};

/* Nanoseconds on CLOCK_MONOTONIC. */
uint64_t worker_now(void);

/* All messages of the worker by that pattern, each allocated, built, handled and freed. */
void worker_run(struct lane_worker *worker, enum lane_pattern pattern);

#endif
