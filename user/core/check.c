// SPDX-License-Identifier: MIT
/*
 * The checks of pools that come into being and of chunks that are handed out. Neighbours are found
 * in a map of the region (starts.h).
 */
#include "core/check_parts.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MAPS (256U << 20) /* bytes, of all pools; untouched pages cost nothing */

void check_init_process(struct heap_process *p)
{
	p->one_thread = true;
	table_init(&p->held, sizeof(uint64_t), sizeof(uint64_t), 1 << 20);
	table_init(&p->freed, sizeof(uint64_t), sizeof(struct freed_block), CHECK_MAX_FREED);
}

static void drop_map(struct heap *h, struct pool_state *state)
{
	if (!state->starts.words)
		return;
	h->findings.map_bytes -= starts_bytes(state->bytes);
	starts_fini(&state->starts);
}

static bool drop_map_of(const void *key, void *value, void *context)
{
	(void)key;
	drop_map(context, value);
	return false;
}

void check_fini_process(struct heap *h, struct heap_process *p)
{
	table_sweep(&p->pools, drop_map_of, h);
	h->findings.remembered -= p->remembered;
	h->findings.freed -= p->freed.count;
	table_fini(&p->freed);
	table_fini(&p->held);
	table_fini(&p->told);
}

struct finding check_found(const struct heap *h, const struct pool_state *state,
			   const struct event *e, uint64_t pool, enum finding_check check)
{
	struct finding f = {
		.check = check,
		.pool = h->pool_rows[state->row].name,
		.function = FINDING_NO_FUNCTION,
		.other_function = FINDING_NO_FUNCTION,
		.made_function = FINDING_NO_FUNCTION,
		.pid = e->pid,
		.tid = e->tid,
		.ts_ns = e->ts_ns,
		.pool_addr = pool,
		.addr = e->addr,
		.stack = e->stack,
		.frames = e->frames,
	};

	memcpy(f.comm, e->comm, sizeof(f.comm));
	return f;
}

/* ---- from its creation on ---- */

/* The region is a part of a block that malloc's kin handed out: freeing that takes it away. */
static bool hold(struct heap_process *p, struct pool_state *state, uint64_t pool, uint64_t addr)
{
	const struct heap_block *block = block_at(p, 0, addr);
	uint64_t *holds;
	bool fresh;

	if (!block || block->gone || state->base < addr || state->base - addr > block->size ||
	    state->bytes > block->size - (state->base - addr))
		return false;
	holds = table_insert(&p->held, &addr, &fresh);
	if (!holds)
		return false;
	*holds = pool;
	state->held = addr;
	return true;
}

void check_let_go(struct heap_process *p, struct pool_state *state, uint64_t pool)
{
	const uint64_t *holds = state->held ? table_find(&p->held, &state->held) : NULL;

	if (holds && *holds == pool)
		table_remove(&p->held, &state->held);
	state->held = 0;
}

void check_start_anew(struct heap *h, struct heap_process *p, struct pool_state *state,
		      const struct event *e)
{
	check_let_go(p, state, e->pool);
	drop_map(h, state);
	state->since_ns = e->ts_ns;
	state->created_ns = state->base = state->bytes = state->chunk_size = state->largest = 0;
	state->exists = state->hidden = state->unmapped = state->shared_known = false;
}

/*
 * A pool that was created twice has grown by a second region, or its end was not announced: then
 * its region is not known, nor whether it had chunks out before.
 */
void check_create(struct heap *h, struct heap_process *p, struct pool_state *state,
		  const struct event *e)
{
	bool again = state->exists;

	if (!checks_any(h, e))
		return;
	doubt_drop_pool(h, state, e);
	check_start_anew(h, p, state, e);
	state->exists = true;
	if (again)
		return;
	state->created_ns = e->ts_ns;
	state->created_site = e->frames ? e->stack[0] : 0;
	state->base = e->base;
	state->bytes = e->size;
	state->chunk_size = e->chunk_size;
	if (state->bytes && !hold(p, state, e->pool, e->base))
		hold(p, state, e->pool, e->pool);
}

static bool is_misaligned(const struct pool_state *state, const struct event *e)
{
	bool sensible = e->align && !(e->align & (e->align - 1));

	return state->created_ns && sensible && e->addr & (e->align - 1);
}

static void tell_place(struct heap *h, struct heap_process *p, struct pool_state *state,
		       const struct event *e, enum finding_check check)
{
	struct finding f = check_found(h, state, e, e->pool, check);

	f.size = e->size;
	f.align = e->align;
	f.other_ns = state->created_ns;
	f.other_site = state->created_site;
	f.base = state->base;
	f.bytes = state->bytes;
	f.chunk_size = state->chunk_size;
	if (doubt_is_sound(h, state, &f, state->created_ns))
		doubt_tell(h, p, &f);
}

/* False: it does not lie where it may. */
static bool check_place(struct heap *h, struct heap_process *p, struct pool_state *state,
			const struct event *e, const struct heap_block *older)
{
	if (state->bytes && !is_inside(state, e)) {
		if (!older || !older->away)
			tell_place(h, p, state, e, FINDING_OUTSIDE);
		return false;
	}
	if (is_misaligned(state, e)) {
		tell_place(h, p, state, e, FINDING_MISALIGNED);
		return false;
	}
	return true;
}

/* ---- handing out ---- */

static bool has_map(struct heap *h, struct pool_state *state)
{
	size_t bytes;

	if (state->starts.words)
		return true;
	if (!state->bytes || state->unmapped)
		return false;
	bytes = starts_bytes(state->bytes);
	if (bytes > MAX_MAPS - h->findings.map_bytes ||
	    starts_init(&state->starts, state->base, state->bytes)) {
		state->unmapped = true;
		h->findings.refused++;
		return false;
	}
	h->findings.map_bytes += bytes;
	return true;
}

/* A chunk is as large as it was asked for: what a pool adds to that is its own affair. */
static const struct heap_block *neighbour(const struct heap_process *p,
					  const struct pool_state *state, const struct event *e,
					  uint64_t *at)
{
	uint64_t reach = state->largest ? state->largest - 1 : 0;
	const struct heap_block *block;

	if (starts_above(&state->starts, e->addr, e->addr + e->size, at))
		return block_at(p, e->pool, *at);
	if (!starts_below(&state->starts, e->addr, e->addr > reach ? e->addr - reach : 0, at))
		return NULL;
	block = block_at(p, e->pool, *at);
	return block && block->size > e->addr - *at ? block : NULL;
}

static void check_neighbours(struct heap *h, struct heap_process *p, struct pool_state *state,
			     const struct event *e)
{
	const struct heap_block *block;
	struct finding f;
	uint64_t at;

	block = e->size ? neighbour(p, state, e, &at) : NULL;
	if (!block || block->gone || !block->size || !is_judged(state, block))
		return;
	f = check_found(h, state, e, e->pool, FINDING_OVERLAPPING);
	f.size = e->size;
	f.other_addr = at;
	f.other_size = block->size;
	set_other(&f, block);
	doubt_wait(h, p, state, &f, at, block->since_ns);
}

static void check_twice_out(struct heap *h, struct heap_process *p, struct pool_state *state,
			    const struct event *e, const struct heap_block *older)
{
	struct finding f;

	if (older->excess || older->away || !is_judged(state, older))
		return;
	f = check_found(h, state, e, e->pool, FINDING_TWICE_OUT);
	f.size = e->size;
	set_other(&f, older);
	doubt_wait(h, p, state, &f, e->addr, older->since_ns);
}

/* It was remembered, and is handed out again. What it was in an older pool says nothing. */
static void reuse(struct heap *h, struct heap_process *p, const struct pool_state *state,
		  struct heap_block *older)
{
	check_forget(h, p, older);
	older->remembered = false;
	if (older->since_ns <= state->since_ns)
		older->away = older->excess = false;
}

void check_alloc(struct heap *h, struct heap_process *p, struct pool_state *state,
		 const struct event *e, struct heap_block *older)
{
	bool well_placed;

	if (!checks_any(h, e))
		return;
	check_thread(p, e);
	if (older)
		reuse(h, p, state, older);
	well_placed = check_place(h, p, state, e, older);
	if (!checks_history(h, e))
		return;
	if (older && !older->gone && well_placed)
		check_twice_out(h, p, state, e, older);
	if (!has_map(h, state) || !is_inside(state, e))
		return;
	if ((!older || older->gone) && well_placed)
		check_neighbours(h, p, state, e);
	starts_add(&state->starts, e->addr);
	if (e->size > state->largest)
		state->largest = e->size;
}
