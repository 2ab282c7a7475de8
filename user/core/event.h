/* SPDX-License-Identifier: MIT */
/*
 * An event as all of the user side sees it: a checked view of the bytes of one record, whether they
 * come from the ring buffer or from a file. What lies on the wire is known to event.c alone.
 */
#ifndef ALLOCTRACE_CORE_EVENT_H
#define ALLOCTRACE_CORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_MAX_FUNCTIONS 64  /* rows of a run's table of functions */
#define EVENT_MAX_FRAMES    128 /* the caller, and what is above it */

enum event_kind {
	EVENT_ALLOC = 1,
	EVENT_FREE,
	EVENT_REALLOC,
	EVENT_POOL_CREATE,
	EVENT_POOL_ALLOC,
	EVENT_POOL_FREE,
	EVENT_POOL_DESTROY,
};

/* What the kernel side counts beside the events: why one did not arrive, or arrived incomplete. */
enum event_counter {
	EVENT_ENTERED,          /* outermost calls that began */
	EVENT_LOST_RING_FULL,   /* no room in the ring buffer */
	EVENT_LOST_MAP_FULL,    /* no memory to remember the thread's open call */
	EVENT_LOST_UNPAIRED,    /* the call was left without a return (longjmp, exception) */
	EVENT_UNREADABLE_STACK, /* the event is there, but not its caller */
	EVENT_MAIN_LEFT, /* main threads that left while others went on, unseen from then on */
	EVENT_NR_COUNTERS,
};

struct event {
	enum event_kind kind;
	unsigned int function; /* row of the run's table of functions; pools: 0 */
	bool failed;
	bool by_realloc; /* EVENT_FREE: a realloc to size 0 */
	bool measured;   /* latency_ns says something */
	uint32_t pid, tid;
	uint64_t ts_ns;      /* CLOCK_MONOTONIC at entry; pools: when the operation had ended */
	uint64_t latency_ns; /* includes the probe's own cost; pools: timed inside the process */
	uint64_t size;       /* bytes asked for; ~0 when count * size overflowed */
	uint64_t align;      /* 0: not asked for */
	uint64_t addr;       /* the block; 0: none */
	uint64_t old_addr;   /* realloc: the block passed in; 0 elsewhere */
	uint64_t pool;       /* address of the pool; 0: not a pool's */
	uint64_t base, chunk_size,
		chunk_count; /* EVENT_POOL_CREATE alone; size is the region's bytes */
	char comm[17];
	char name[65];                    /* EVENT_POOL_CREATE: the pool's name */
	unsigned int frames;              /* words in stack */
	uint64_t stack[EVENT_MAX_FRAMES]; /* [0]: return address into the caller; 0: unknown */
};

/*
 * Fills `e` from the record of `len` bytes at `data`, every field checked. Nothing of `data` is
 * kept. -EPROTO for another version of the wire, -EINVAL for anything malformed.
 */
int event_decode(struct event *e, const void *data, size_t len);

/* When the operation had ended, and when it began, in the same clock as ts_ns. */
uint64_t event_end_ns(const struct event *e);
uint64_t event_begin_ns(const struct event *e);

static inline bool event_is_pool(const struct event *e)
{
	return e->kind >= EVENT_POOL_CREATE;
}

#endif
