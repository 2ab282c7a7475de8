/* SPDX-License-Identifier: MIT */
/*
 * What the events add up to: the blocks that are live, and the totals of every call. Pure
 * arithmetic over core/event, the same for a live run and a recording.
 *
 * A block is known by (process, pool, address): a pool's first chunk lies at the address of the
 * region that the pool got from malloc, and both are live at once.
 *
 * Order. Records of one address arrive in the order in which the address was handed out, but for
 * two cases: a realloc that moves reports its old block only on return, and a pool's free is
 * reported after the operation. In between another thread may be given the address, and its record
 * comes first. So an allocation over a live block is accepted; the block under it is set aside as
 * superseded until the late record claims it. A late record is told from a normal one by time: the
 * block that lies at its address was handed out after the late operation had begun. What nobody
 * claims was a free that was not seen.
 */
#ifndef ALLOCTRACE_CORE_HEAP_H
#define ALLOCTRACE_CORE_HEAP_H

#include "core/event.h"
#include "core/table.h"

#define HEAP_MAX_CALLS EVENT_MAX_FUNCTIONS
#define HEAP_MAX_POOLS 1024 /* distinct pool names */
#define HEAP_MAX_LIVE  (32 << 20)

struct heap_live {
	uint64_t blocks, bytes;
};

/* The books of one function. */
struct heap_total {
	uint64_t count;  /* calls, failed ones and free(NULL) included */
	uint64_t bytes;  /* asked for by the calls that did not fail */
	uint64_t failed; /* calls that returned an error */
	uint64_t null;   /* free(NULL) */
	uint64_t freed;  /* realloc to size 0, which freed the block */
};

/* The books of all pools of one name. */
struct heap_pool {
	char name[65];
	struct heap_total alloc, free;
	struct heap_live live;
	uint64_t unmatched; /* frees of chunks that were not seen allocated */
	uint64_t created, destroyed;
	uint64_t live_at_destroy; /* chunks that were in use when their pool was destroyed */
};

struct heap {
	struct table blocks; /* struct heap_key -> struct heap_block */
	struct table asides; /* (key, depth) -> block under a younger one */
	struct table pools;  /* (process, pool address) -> index into pool_rows */
	struct heap_total calls[HEAP_MAX_CALLS];
	struct heap_pool *pool_rows;
	size_t pool_count;
	struct heap_live live;    /* without pools */
	uint64_t unmatched_frees; /* frees of blocks that were not seen allocated */
	uint64_t superseded;      /* allocations over a live block that no late record explained */
	char only_pool[65];       /* pools of other names are ignored; "": none is */
	uint64_t events;          /* applied */
	uint64_t ignored;         /* events of pools that were not asked for */
};

/* What the heap knew about the blocks of an event just before it applied it. */
struct heap_note {
	const struct heap_pool *pool; /* NULL: not a pool's. Lives until heap_fini */
	size_t row;                   /* of the pool in pool_rows */
	bool old_known;               /* the block that was freed or resized was seen allocated */
	uint64_t old_size;
};

int heap_init(struct heap *h);
void heap_fini(struct heap *h);

/* Applies one event; false when it was ignored. `note` is filled, never NULL. */
bool heap_apply(struct heap *h, const struct event *e, struct heap_note *note);

/* The process replaced its image: its blocks are gone, and were neither freed nor leaked. */
void heap_forget_process(struct heap *h, uint32_t pid);

#endif
