/* SPDX-License-Identifier: MIT */
/* What heap.c keeps of processes, blocks and pools. For heap*.c, check*.c and doubt.c alone. */
#ifndef ALLOCTRACE_CORE_HEAP_STATE_H
#define ALLOCTRACE_CORE_HEAP_STATE_H

#include "core/extents.h"
#include "core/heap.h"
#include "core/starts.h"

struct heap_process {
	struct table blocks;    /* struct heap_key -> struct heap_block */
	struct table asides;    /* struct aside_key -> block under a younger one */
	struct extents extents; /* of the blocks without pools; only when `mapped` */
	struct table pools;     /* address of a pool -> struct pool_state */
	struct table held;      /* address of a block that holds a pool's region -> that pool's */
	struct table told;      /* what was found: struct told_key -> nothing */
	struct table freed;     /* addresses -> struct freed_block */
	uint64_t freed_serial;  /* of the last one that was freed */
	uint64_t remembered;    /* freed chunks among the blocks */
	uint32_t pid;
	uint32_t tid;    /* of its pools' first event */
	bool one_thread; /* all other events of its pools are of that thread, too */
	bool unsure;     /* more blocks were late than can be kept, or others write there */
	bool mapped;     /* since records may be missing: see heap_expect_losses */
	bool forked;     /* seen to be made, and its image is its parent's */
};

/* Where an event belongs. */
struct heap_key {
	uint64_t pool, addr;
};

#define OWN_POOL UINT64_MAX /* in a key: of the user's own functions */

struct heap_block {
	uint64_t size;
	uint64_t since_ns; /* when it had been handed out; remembered: when it had been freed */
	uint64_t site;     /* return address into who did that; 0: unknown */
	uint32_t tid;
	uint16_t pool_row; /* of a chunk; of a block the function that handed it out */
	uint8_t under; /* blocks that lay here before it, set aside until a late record claims them
			*/
	bool gone : 1; /* freed itself: only those under it are waited for, or it is remembered */
	bool remembered : 1; /* a chunk that was freed, kept for the checks */
	bool away : 1; /* a chunk that was freed to another pool: where it belongs, and there */
	/* Remembered: the free was that of this hand-out, since it was done by the thread that had
	 * got it, or long after; not the late one of an older hand-out that was not seen. */
	bool sure_by_thread : 1, sure_by_time : 1;
	bool excess : 1; /* freed once too often: its pool has it twice from then on */
	struct heap_mark mark;
};

_Static_assert(HEAP_MAX_POOLS <= UINT16_MAX, "a block knows its pool's row");

struct pool_state {
	uint64_t row;              /* in pool_rows */
	uint64_t live;             /* chunks */
	uint64_t since_ns;         /* chunks from before that are not judged */
	uint64_t created_ns;       /* 0: it is not known how it began */
	uint64_t created_site;     /* return address into who made it; 0: unknown */
	uint64_t base, bytes;      /* the region; 0 bytes: unknown */
	uint64_t chunk_size, held; /* held: the block that the region lies in; 0: unknown */
	uint64_t largest;          /* chunk so far, in bytes */
	struct starts starts;      /* of the live chunks in the region */
	uint32_t suspects;         /* that wait for a late free of this pool */
	bool exists;               /* created, and not destroyed since */
	bool hidden;               /* not all its allocations are seen */
	bool shared_known, shared; /* with other processes */
	bool unmapped;             /* there is no room for a map of its chunks */
};

_Static_assert(sizeof(struct pool_state) % 8 == 0, "a table's values are words");

/* The block is live from now on. `state` is its pool's, if any. */
void heap_begin_block(struct heap *h, const struct heap_key *key, struct pool_state *state,
		      const struct heap_block *block);

/* The block is not live any more, and who asks is told; HEAP_ENDED: it stays in the sums. */
void heap_end_block(struct heap *h, const struct heap_process *p, const struct heap_key *key,
		    struct pool_state *state, const struct heap_block *block, enum heap_end end);

/* What never takes anything back: its chunks are not in use, they just lie there. */
static inline bool heap_pool_is_arena(const struct heap *h, const struct pool_state *state)
{
	return !h->pool_rows[state->row].free.count;
}

/* The user's own functions are no pool. */
static inline bool heap_key_is_pool(const struct heap_key *key)
{
	return key->pool && key->pool != OWN_POOL;
}

#endif
