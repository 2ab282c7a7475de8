/* SPDX-License-Identifier: MIT */
/*
 * How the live heap, the memory that the allocator holds for it, and what of that is resident went
 * along, so that it can be told which of them grows: blocks that nobody frees, or memory that was
 * freed and is kept by the allocator.
 */
#ifndef ALLOCTRACE_CORE_MEMORY_H
#define ALLOCTRACE_CORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_MAX_POINTS 4096

/* Bytes, of all processes that were looked at, at one moment. */
struct memory_point {
	uint64_t ts_ns;    /* CLOCK_MONOTONIC */
	uint64_t live;     /* blocks that were handed out and not freed */
	uint64_t mapped;   /* private writable memory without a file, stacks excepted */
	uint64_t resident; /* of all such memory, what is in RAM */
	uint64_t rss;      /* all of the processes' that is */
};

/* Starts as zeros. */
struct memory {
	struct memory_point *points;
	size_t count, room;
	uint64_t refused; /* points beyond the cap or memory */
};

void memory_fini(struct memory *m);

/* Adds what one process has. Points of the same moment are one: they add up, but for `live`. */
void memory_add(struct memory *m, const struct memory_point *point);

/* What has grown from the first quarter of the time to its end. */
enum memory_growth {
	MEMORY_STEADY, /* nothing, by more than a twentieth of what is mapped, and a MiB */
	MEMORY_LIVE,   /* what is live */
	MEMORY_KEPT,   /* what is mapped, and not live: freed, but kept by the allocator */
	MEMORY_OTHER,  /* what is resident, and none of both */
};

/* MEMORY_STEADY with less than two points. */
enum memory_growth memory_growth(const struct memory *m);

#endif
