/* SPDX-License-Identifier: MIT */
/*
 * Lanes of the experiment: the same messages, with a pool, with malloc and with no allocator at
 * all beneath. Whatever a lane is asked to do it counts itself; a tracer's figures must agree with
 * its own.
 */
#ifndef DEMO_LANE_H
#define DEMO_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_WINDOW      32 /* LANE_QUEUE: messages that each thread keeps outstanding */
#define LANE_GROUP       64 /* LANE_BATCH, LANE_PINGPONG: operations that follow back to back */
#define LANE_MAX_THREADS 256
#define LANE_MAX_ROUNDS  1000

/* LANE_NONE hands out slots of a fixed array: what is left is what the others' loops cost. */
enum lane_kind { LANE_POOL, LANE_MALLOC, LANE_NONE, LANE_KINDS };

enum lane_pattern {
	LANE_QUEUE,    /* out of order, out of a window of outstanding messages */
	LANE_BATCH,    /* a group of allocations, then the group's releases */
	LANE_PINGPONG, /* each allocation is followed by its release */
	LANE_PATTERNS
};

struct lane_config {
	enum lane_pattern pattern;
	uint64_t messages; /* all threads together; the first threads take what does not divide */
	unsigned threads;  /* 1 .. LANE_MAX_THREADS; 1 runs in the calling thread */
	unsigned rounds;   /* turns that each lane's messages are shared out to, at least 1 */
	uint64_t seed;
	size_t chunks;    /* of the pool; 0 = as many as can ever be outstanding */
	bool time_malloc; /* malloc's lane tells alloc and free as a pool does */
};

/* Sums over threads, and where that is said over turns. */
struct lane_result {
	uint64_t allocs; /* that succeeded */
	uint64_t bytes;  /* asked for by those */
	uint64_t frees;
	uint64_t failed;   /* allocations refused, each a message dropped */
	uint64_t checksum; /* over all messages handled, independent of order and of the lane */
	uint64_t wall_ns;  /* from the start of the first thread's loop to the end of the last */
	uint64_t loop_ns;  /* of each thread's loop */
	uint64_t cpu_ns;   /* of each thread's loop, its processor time */
};

struct lane_worker; /* see worker.h */

/* A lane that is being run, the caller's; the members are lane.c's. */
struct lane {
	enum lane_kind kind;
	const struct lane_config *config;
	struct lane_worker *workers; /* one per thread */
	struct pool *pool;           /* LANE_POOL's */
};

const char *lane_name(enum lane_kind kind);

void lane_add(struct lane_result *sum, const struct lane_result *result);

/*
 * Makes what a lane needs. The config must outlive the lane. 0, and then lane_close is due; or
 * -ENOMEM, and there is nothing to close.
 */
int lane_open(struct lane *lane, enum lane_kind kind, const struct lane_config *config);

/*
 * Runs the messages of one round, 0 .. config->rounds-1, from start to end; *result is that turn's.
 * 0, or a negative errno: the threads could not be had, and *result says nothing. A pool too small
 * is no error: see failed.
 */
int lane_turn(struct lane *lane, unsigned round, struct lane_result *result);

void lane_close(struct lane *lane);

#endif
