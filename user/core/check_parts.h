/* SPDX-License-Identifier: MIT */
/* What the parts of the checks share. For check*.c alone. */
#ifndef ALLOCTRACE_CORE_CHECK_PARTS_H
#define ALLOCTRACE_CORE_CHECK_PARTS_H

#include "core/check.h"

#define CHECK_MAX_REMEMBERED (1 << 20) /* freed chunks, of all processes */

#define CHECK_MAX_FREED (1 << 16) /* freed blocks of malloc's kin, of a process … */
#define CHECK_ALL_FREED (1 << 20) /* … and of all */

/* A block of malloc's kin that was freed: where it had been handed out, and where it went. */
struct freed_block {
	uint64_t size;
	uint64_t made_ns, made_site, freed_ns, freed_site;
	uint64_t serial; /* the oldest have the lowest */
	uint32_t made_tid, freed_tid;
	uint16_t made_function, freed_function;
	bool by_free; /* not by realloc */
};

_Static_assert(sizeof(struct freed_block) % 8 == 0, "a table's values are words");

/* The pool whose chunk in use lies there, among the process's other pools; NULL: none, or it is not
 * judged. `pool`: the one that it is not. */
struct heap_block *check_owner(struct heap_process *p, uint64_t addr, uint64_t pool,
			       struct pool_state **state, uint64_t *owner);

static inline bool checks_any(const struct heap *h, const struct event *e)
{
	return h->findings.on_finding && !h->findings.partial_threads && !e->otel;
}

static inline bool checks_history(const struct heap *h, const struct event *e)
{
	return checks_any(h, e) && !h->findings.partial;
}

/* Whether a chunk is one of the pool as it is now, all of whose calls are seen. */
static inline bool is_judged(const struct pool_state *state, const struct heap_block *block)
{
	return block->since_ns > state->since_ns && !state->hidden;
}

static inline struct heap_block *block_at(const struct heap_process *p, uint64_t pool,
					  uint64_t addr)
{
	struct heap_key key = {.pool = pool, .addr = addr};

	return table_find(&p->blocks, &key);
}

static inline bool is_inside(const struct pool_state *state, const struct event *e)
{
	uint64_t offset = e->addr - state->base;

	return e->addr >= state->base && offset <= state->bytes && e->size <= state->bytes - offset;
}

/* The other side: where a chunk was handed out or freed. */
static inline void set_other(struct finding *f, const struct heap_block *block)
{
	f->other_site = block->site;
	f->other_tid = block->tid;
	f->other_ns = block->since_ns;
}

static inline void check_thread(struct heap_process *p, const struct event *e)
{
	if (!p->tid)
		p->tid = e->tid;
	else if (p->tid != e->tid)
		p->one_thread = false;
}

/* This side of a finding: the event, in the pool of that handle. */
struct finding check_found(const struct heap *h, const struct pool_state *state,
			   const struct event *e, uint64_t pool, enum finding_check check);

/* The memory in which the pool lies is not the pool's concern any more. */
void check_let_go(struct heap_process *p, struct pool_state *state, uint64_t pool);

/* Nothing that was known of the pool is true any more. */
void check_start_anew(struct heap *h, struct heap_process *p, struct pool_state *state,
		      const struct event *e);

#endif
