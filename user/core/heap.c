// SPDX-License-Identifier: MIT
/* What an event does to blocks and totals. The rules stand in the header. */
#include "core/heap.h"

#include <string.h>

#include "core/check.h"
#include "core/heap_aside.h"
#include "core/heap_pool.h"
#include "core/heap_process.h"
#include "core/heap_stale.h"

static struct heap_key key_of(const struct heap *h, const struct event *e, uint64_t addr)
{
	bool own = !event_is_pool(e) && h->own_functions >> e->function & 1;

	return (struct heap_key){.pool = own ? OWN_POOL : e->pool, .addr = addr};
}

static void add_block(struct heap *h, struct heap_process *p, const struct event *e,
		      struct pool_state *state, size_t row, struct heap_note *note)
{
	struct heap_key key = key_of(h, e, e->addr);
	struct heap_block *block;
	bool fresh;

	stale_make_room(h, p, &key, e->size);
	block = table_insert(&p->blocks, &key, &fresh);
	if (!block) {
		h->refused++;
		return;
	}
	if (state)
		check_alloc(h, p, state, e, fresh ? NULL : block);
	if (!fresh && !block->gone) {
		heap_end_block(h, p, &key, state, block, HEAP_SUPERSEDED);
		aside_add(h, p, &key, block);
	}
	block->gone = false;
	block->size = e->size;
	block->since_ns = event_end_ns(e);
	block->site = e->frames ? e->stack[0] : 0;
	block->tid = e->tid;
	block->pool_row = (uint16_t)(event_is_pool(e) ? row : e->function);
	block->mark = (struct heap_mark){.function = e->function};
	note->mark = &block->mark;
	heap_begin_block(h, &key, state, block);
}

static void note_old(struct heap_note *note, const struct heap_block *block)
{
	note->old_known = true;
	note->old_size = block->size;
	note->old_mark = block->mark;
	note->old_since_ns = block->since_ns;
	note->old_tid = block->tid;
}

/*
 * Takes out what lay at the address when the operation began: the youngest block that had been
 * handed out by then. When a pool's free began is not known well enough (its thread may have been
 * stopped before the probe), so there the block set aside goes first: of the two frees that must
 * come, it does not matter which is called the late one.
 */
static bool drop_block(struct heap *h, struct heap_process *p, const struct event *e,
		       const struct heap_key *key, uint64_t begin_ns, struct pool_state *state,
		       struct heap_note *note)
{
	struct heap_block *block = table_find(&p->blocks, key);

	if (!block)
		return false;
	if (heap_key_is_pool(key) && block->under)
		return aside_claim(h, p, key, block, UINT64_MAX, note);
	if (block->gone || block->since_ns > begin_ns)
		return aside_claim(h, p, key, block, begin_ns, note);
	note_old(note, block);
	heap_end_block(h, p, key, state, block, HEAP_FREED);
	if (!key->pool)
		check_block_freed(h, p, e, key->addr, block);
	if (block->under)
		block->gone = true;
	else if (!state || !check_remember(h, p, state, e, block))
		stale_forget(p, key);
	return true;
}

/* The user's own function may wrap malloc: what it hands out may go by free, and the other way. */
static bool drop_either(struct heap *h, struct heap_process *p, const struct event *e,
			struct heap_key key, uint64_t begin_ns, struct heap_note *note)
{
	if (drop_block(h, p, e, &key, begin_ns, NULL, note))
		return true;
	if (!h->own_functions)
		return false;
	key.pool = ~key.pool; /* 0 and OWN_POOL */
	return drop_block(h, p, e, &key, begin_ns, NULL, note);
}

static void apply_alloc(struct heap *h, struct heap_process *p, const struct event *e,
			struct event_totals *total, struct pool_state *state, size_t row,
			struct heap_note *note)
{
	total->count++;
	if (e->failed) {
		total->failed++;
		return;
	}
	total->bytes += e->size;
	if (e->addr && !e->new_unsampled)
		add_block(h, p, e, state, row, note);
}

/* A child inherits its parent's blocks, and what it frees of them was allocated in another process.
 */
static void count_unmatched(struct heap *h, const struct heap_process *p)
{
	if (p->forked)
		h->inherited_frees++;
	else
		h->unmatched_frees++;
}

static bool apply_free(struct heap *h, struct heap_process *p, const struct event *e,
		       struct event_totals *total, struct heap_note *note)
{
	total->count++;
	if (e->addr) {
		check_region(h, p, e, e->addr);
		if (drop_either(h, p, e, key_of(h, e, e->addr), event_begin_ns(e), note))
			return true;
		check_block_unknown(h, p, e, e->addr);
		return false;
	}
	total->null++;
	return true;
}

static bool apply_pool_free(struct heap *h, struct heap_process *p, const struct event *e,
			    struct event_totals *total, struct pool_state *state,
			    struct heap_note *note)
{
	struct heap_key key = key_of(h, e, e->addr);

	total->count++;
	if (!e->addr) {
		total->null++;
		return true;
	}
	if (state)
		check_free(h, p, state, e);
	if (drop_block(h, p, e, &key, event_begin_ns(e), state, note))
		return true;
	if (state)
		check_unmatched(h, p, state, e);
	return false;
}

/* realloc counts as one call of its size; on failure the old block lives on. */
static void apply_realloc(struct heap *h, struct heap_process *p, const struct event *e,
			  struct heap_note *note)
{
	struct heap_key key = key_of(h, e, e->old_addr);
	const struct heap_block *block;

	if (e->failed) {
		block = table_find(&p->blocks, &key);
		if (block && !block->gone)
			note_old(note, block);
	} else {
		if (e->addr != e->old_addr)
			check_region(h, p, e, e->old_addr);
		if (!drop_either(h, p, e, key, e->ts_ns, note) && !e->old_unsampled) {
			check_block_unknown(h, p, e, e->old_addr);
			count_unmatched(h, p);
		}
	}
	apply_alloc(h, p, e, &h->calls[e->function], NULL, 0, note);
}

/* Chunks that were in use are gone with their pool. */
static void apply_destroy(struct heap *h, struct heap_process *p, const struct event *e,
			  struct heap_pool *pool, uint64_t live)
{
	pool->destroyed++;
	pool->live_at_destroy += live;
	heap_end_pool(h, p, e->pool, live);
}

static bool apply_pool(struct heap *h, struct heap_process *p, const struct event *e,
		       struct heap_note *note)
{
	struct pool_state *state = heap_pool_state(h, p, e);
	size_t row = state ? state->row : heap_row_of_pool(h, "(other pools)");
	struct heap_pool *pool = &h->pool_rows[row];

	note->pool = pool;
	note->row = row;
	if (h->only_pool[0] && strcmp(h->only_pool, pool->name))
		return false;
	if (e->kind == EVENT_POOL_CREATE) {
		pool->created++;
		if (state)
			check_create(h, p, state, e);
	} else if (e->kind == EVENT_POOL_ALLOC) {
		apply_alloc(h, p, e, &pool->alloc, state, row, note);
		heap_pool_weigh(pool, e);
	} else if (e->kind == EVENT_POOL_FREE) {
		pool->unmatched += !apply_pool_free(h, p, e, &pool->free, state, note);
	} else {
		if (state)
			check_destroy(h, p, state, e);
		apply_destroy(h, p, e, pool, state ? state->live : 0);
	}
	return true;
}

static void apply_call(struct heap *h, struct heap_process *p, const struct event *e,
		       struct heap_note *note)
{
	struct event_totals *total = &h->calls[e->function];

	if (e->kind == EVENT_ALLOC) {
		apply_alloc(h, p, e, total, NULL, 0, note);
	} else if (e->kind == EVENT_REALLOC) {
		apply_realloc(h, p, e, note);
	} else {
		total->freed += e->by_realloc;
		if (!apply_free(h, p, e, total, note))
			count_unmatched(h, p);
	}
}

void heap_expect_losses(struct heap *h)
{
	h->expects_losses = true;
}

bool heap_apply(struct heap *h, const struct event *e, struct heap_note *note)
{
	struct heap_process *p;
	bool wanted = true;

	check_now(h, e->ts_ns);
	p = heap_process_of(h, e->pid);
	*note = (struct heap_note){0};
	if (p && h->expects_losses && !p->mapped)
		stale_begin(p);
	if (!p)
		h->refused++;
	else if (event_is_pool(e))
		wanted = apply_pool(h, p, e, note);
	else
		apply_call(h, p, e, note);
	if (wanted)
		h->events++;
	else
		h->ignored++;
	return wanted;
}
