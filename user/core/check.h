/* SPDX-License-Identifier: MIT */
/*
 * The checks of pools, one call for each thing that happens to a chunk, and those of blocks. What
 * is found and what is never told stands in finding.h. For heap.c alone.
 *
 * A pool is checked as far as it is known: its region and what the call asked for from its creation
 * on; what contradicts its history, from the first chunk that was seen handed out. Pools of
 * OpenTelemetry have no region and are sampled: they are not checked. A pool that never takes
 * anything back is an arena: what it hands out is not "in use" in a sense that could be checked.
 *
 * An event leads to one finding at most, and what follows from a bug is not another one: a chunk
 * that was freed twice will be handed out twice, one that was freed to another pool will be handed
 * out by that, far from its region, and be missing in its own.
 */
#ifndef ALLOCTRACE_CORE_CHECK_H
#define ALLOCTRACE_CORE_CHECK_H

#include "core/heap_state.h"
#include "core/doubt.h"

void check_init_process(struct heap_process *p);
void check_fini_process(struct heap *h, struct heap_process *p);

/* Before each event: those that waited for late records may have waited long enough. */
static inline void check_now(struct heap *h, uint64_t ts_ns)
{
	if (ts_ns > h->findings.now_ns)
		h->findings.now_ns = ts_ns;
	if (ts_ns >= h->findings.due_ns)
		heap_settle_findings(h, ts_ns);
}

void check_create(struct heap *h, struct heap_process *p, struct pool_state *state,
		  const struct event *e);

/* Before the chunk is handed out. `older`: what was at its address, NULL: nothing. */
void check_alloc(struct heap *h, struct heap_process *p, struct pool_state *state,
		 const struct event *e, struct heap_block *older);

/* Before a chunk is looked for that is freed. */
void check_free(struct heap *h, struct heap_process *p, struct pool_state *state,
		const struct event *e);

/* A chunk that is not in use any more. True: it stays among the blocks, and is remembered. */
bool check_remember(struct heap *h, struct heap_process *p, struct pool_state *state,
		    const struct event *e, struct heap_block *block);

/* A remembered chunk, or any other, is about to be taken out of the blocks. */
void check_forget(struct heap *h, struct heap_process *p, const struct heap_block *block);

/* A chunk was freed that was not in use. */
void check_unmatched(struct heap *h, struct heap_process *p, struct pool_state *state,
		     const struct event *e);

/* Before the pool's chunks are taken out. */
void check_destroy(struct heap *h, struct heap_process *p, struct pool_state *state,
		   const struct event *e);

void check_region_freed(struct heap *h, struct heap_process *p, const struct event *e,
			uint64_t addr);

/* A block is freed that is no chunk: a pool may lie in it. */
static inline void check_region(struct heap *h, struct heap_process *p, const struct event *e,
				uint64_t addr)
{
	if (p->held.count)
		check_region_freed(h, p, e, addr);
}

/* ---- blocks of malloc's kin (check_block.c) ---- */

/* Before the block, which was at that address when the call began, is taken out. */
void check_block_freed(struct heap *h, struct heap_process *p, const struct event *e, uint64_t addr,
		       const struct heap_block *block);

/* A block was freed late: of the one at that address it is not known where it was freed last. */
void check_block_late(struct heap *h, struct heap_process *p, uint64_t addr);

/* Something was freed that was not in use. */
void check_block_unknown(struct heap *h, struct heap_process *p, const struct event *e,
			 uint64_t addr);

#endif
