/* SPDX-License-Identifier: MIT */
/*
 * One lane of the experiment: the same messages, once with a pool and once with malloc beneath.
 * Whatever a lane is asked to do it counts itself; a tracer's figures must agree with its own.
 */
#ifndef DEMO_LANE_H
#define DEMO_LANE_H

#include <stddef.h>
#include <stdint.h>

#define LANE_WINDOW      32 /* messages that each thread keeps outstanding */
#define LANE_MAX_THREADS 256

enum lane_kind { LANE_POOL, LANE_MALLOC };

struct lane_config {
	uint64_t messages; /* all threads together; the first threads take what does not divide */
	unsigned threads;  /* 1 .. LANE_MAX_THREADS; 1 runs in the calling thread */
	uint64_t seed;
	size_t chunks; /* of the pool; 0 = as many as can ever be outstanding */
};

struct lane_result {
	uint64_t allocs; /* that succeeded */
	uint64_t bytes;  /* asked for by those */
	uint64_t frees;
	uint64_t failed;   /* allocations refused, each a message dropped */
	uint64_t checksum; /* over all messages handled, independent of order and of the lane */
	uint64_t wall_ns;  /* from the start of the first thread's loop to the end of the last */
	double pair_ns;    /* ns per message of one thread's loop, averaged over the threads */
};

const char *lane_name(enum lane_kind kind);

/*
 * Runs a lane from start to end and leaves nothing behind. 0, or a negative errno: the memory or
 * the threads could not be had, and *result says nothing. A pool too small is no error: see failed.
 */
int lane_run(enum lane_kind kind, const struct lane_config *config, struct lane_result *result);

#endif
