// SPDX-License-Identifier: MIT
/* Live blocks and totals. The rules stand in the header. */
#include "core/heap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct heap_key {
	uint64_t pid, pool, addr;
};

struct heap_block {
	uint64_t size;
	uint64_t since_ns; /* when it had been handed out */
	uint32_t pool_row;
	uint16_t under; /* blocks that lay here before it, set aside until a late record claims them
			 */
	bool gone;      /* freed itself: only those under it are waited for */
};

#define MAX_UNDER 8 /* what is older than these will not be claimed any more */

struct aside_key {
	struct heap_key block;
	uint64_t depth; /* 0: the oldest */
};

struct aside {
	uint64_t size, since_ns;
};

struct pool_key {
	uint64_t pid, pool;
};

struct pool_state {
	uint64_t row;  /* in pool_rows */
	uint64_t live; /* chunks */
};

int heap_init(struct heap *h)
{
	memset(h, 0, sizeof(*h));
	table_init(&h->blocks, sizeof(struct heap_key), sizeof(struct heap_block), HEAP_MAX_LIVE);
	table_init(&h->asides, sizeof(struct aside_key), sizeof(struct aside), HEAP_MAX_LIVE);
	table_init(&h->pools, sizeof(struct pool_key), sizeof(struct pool_state), 1 << 20);
	h->pool_rows = calloc(HEAP_MAX_POOLS, sizeof(*h->pool_rows));
	return h->pool_rows ? 0 : -ENOMEM;
}

void heap_fini(struct heap *h)
{
	table_fini(&h->blocks);
	table_fini(&h->asides);
	table_fini(&h->pools);
	free(h->pool_rows);
	h->pool_rows = NULL;
}

/* The row of that name, made when new; the last row takes all names beyond the cap. */
static size_t pool_row_named(struct heap *h, const char *name)
{
	size_t row;

	for (row = 0; row < h->pool_count; row++) {
		if (!strcmp(h->pool_rows[row].name, name))
			return row;
	}
	if (h->pool_count == HEAP_MAX_POOLS)
		return HEAP_MAX_POOLS - 1;
	snprintf(h->pool_rows[row].name, sizeof(h->pool_rows[row].name), "%s", name);
	if (++h->pool_count == HEAP_MAX_POOLS)
		strcpy(h->pool_rows[row].name, "(other pools)");
	return row;
}

/* A pool that was made before the run began has no name here: its address serves. NULL: no room for
 * more. */
static struct pool_state *pool_state_of(struct heap *h, const struct event *e)
{
	struct pool_key key = {.pid = e->pid, .pool = e->pool};
	struct pool_state *state;
	char name[65];
	bool fresh;

	state = table_insert(&h->pools, &key, &fresh);
	if (!state)
		return NULL;
	if (e->kind == EVENT_POOL_CREATE && e->name[0]) {
		state->row = pool_row_named(h, e->name);
	} else if (fresh) {
		snprintf(name, sizeof(name), "pool@0x%llx", (unsigned long long)e->pool);
		state->row = pool_row_named(h, name);
	}
	return state;
}

/* Counts the block of that key as one more or one less that is live. */
static void count_live(struct heap *h, const struct heap_key *key, size_t row, int64_t blocks,
		       uint64_t bytes)
{
	struct heap_live *live = key->pool ? &h->pool_rows[row].live : &h->live;
	struct pool_key pool = {.pid = key->pid, .pool = key->pool};
	struct pool_state *state = key->pool ? table_find(&h->pools, &pool) : NULL;

	live->blocks += (uint64_t)blocks;
	live->bytes += bytes; /* unsigned: a negative number wraps to the right sum */
	if (state)
		state->live += (uint64_t)blocks;
}

static struct aside *aside_at(struct heap *h, const struct heap_key *key, unsigned int depth)
{
	struct aside_key at = {.block = *key, .depth = depth};

	return table_find(&h->asides, &at);
}

/* Takes one out of those under the block; the younger ones move down. */
static void remove_aside(struct heap *h, const struct heap_key *key, struct heap_block *block,
			 unsigned int depth)
{
	struct aside_key last = {.block = *key, .depth = --block->under};

	for (; depth < block->under; depth++)
		*aside_at(h, key, depth) = *aside_at(h, key, depth + 1);
	table_remove(&h->asides, &last);
}

static void set_aside(struct heap *h, const struct heap_key *key, struct heap_block *block)
{
	struct aside_key at = {.block = *key};
	struct aside *aside;
	bool fresh;

	h->superseded++;
	if (block->under == MAX_UNDER)
		remove_aside(h, key, block, 0);
	at.depth = block->under;
	aside = table_insert(&h->asides, &at, &fresh);
	if (!aside)
		return;
	*aside = (struct aside){.size = block->size, .since_ns = block->since_ns};
	block->under++;
}

static void add_block(struct heap *h, const struct event *e, size_t row)
{
	struct heap_key key = {.pid = e->pid, .pool = e->pool, .addr = e->addr};
	struct heap_block *block;
	bool fresh;

	block = table_insert(&h->blocks, &key, &fresh);
	if (!block)
		return;
	if (fresh || block->gone) {
		count_live(h, &key, row, 1, e->size);
	} else {
		count_live(h, &key, row, 0, e->size - block->size);
		set_aside(h, &key, block);
	}
	block->gone = false;
	block->size = e->size;
	block->since_ns = event_end_ns(e);
	block->pool_row = (uint32_t)row;
}

/* The youngest of those under the block that the operation can have meant. */
static bool claim_aside(struct heap *h, const struct heap_key *key, struct heap_block *block,
			uint64_t begin_ns, struct heap_note *note)
{
	for (unsigned int depth = block->under; depth-- > 0;) {
		const struct aside *aside = aside_at(h, key, depth);

		if (aside->since_ns > begin_ns)
			continue;
		note->old_known = true;
		note->old_size = aside->size;
		h->superseded--;
		remove_aside(h, key, block, depth);
		if (block->gone && !block->under)
			table_remove(&h->blocks, key);
		return true;
	}
	return false;
}

/*
 * Takes out what lay at the address when the operation began: the youngest block that had been
 * handed out by then. When a pool's free began is not known well enough (its thread may have been
 * stopped before the probe), so there the block set aside goes first: of the two frees that must
 * come, it does not matter which is called the late one.
 */
static bool drop_block(struct heap *h, const struct heap_key *key, uint64_t begin_ns,
		       struct heap_note *note)
{
	struct heap_block *block = table_find(&h->blocks, key);

	if (!block)
		return false;
	if (key->pool && block->under)
		return claim_aside(h, key, block, UINT64_MAX, note);
	if (block->gone || block->since_ns > begin_ns)
		return claim_aside(h, key, block, begin_ns, note);
	note->old_known = true;
	note->old_size = block->size;
	count_live(h, key, block->pool_row, -1, -block->size);
	if (block->under)
		block->gone = true;
	else
		table_remove(&h->blocks, key);
	return true;
}

static void apply_alloc(struct heap *h, const struct event *e, struct heap_total *total, size_t row)
{
	total->count++;
	if (e->failed) {
		total->failed++;
		return;
	}
	total->bytes += e->size;
	if (e->addr)
		add_block(h, e, row);
}

static void apply_free(struct heap *h, const struct event *e, struct heap_total *total,
		       uint64_t *unmatched, struct heap_note *note)
{
	struct heap_key key = {.pid = e->pid, .pool = e->pool, .addr = e->addr};

	total->count++;
	if (!e->addr)
		total->null++;
	else if (!drop_block(h, &key, event_begin_ns(e), note))
		++*unmatched;
}

/* realloc counts as one call of its size; on failure the old block lives on. */
static void apply_realloc(struct heap *h, const struct event *e, struct heap_note *note)
{
	struct heap_key key = {.pid = e->pid, .addr = e->old_addr};
	struct heap_total *total = &h->calls[e->function];
	const struct heap_block *block;

	if (e->failed) {
		block = table_find(&h->blocks, &key);
		note->old_known = block && !block->gone;
		note->old_size = note->old_known ? block->size : 0;
	} else if (!drop_block(h, &key, e->ts_ns, note)) {
		h->unmatched_frees++;
	}
	apply_alloc(h, e, total, 0);
}

/* Which blocks a sweep takes out: all of a process, or those of one of its pools. */
struct sweep {
	struct heap *heap;
	uint64_t pid, pool; /* pool 0: whatever it is */
};

static bool is_swept(const struct sweep *s, const struct heap_key *key)
{
	return key->pid == s->pid && (!s->pool || key->pool == s->pool);
}

static bool sweep_block(const void *key, void *value, void *context)
{
	const struct heap_block *block = value;
	const struct sweep *s = context;

	if (!is_swept(s, key))
		return false;
	if (!block->gone)
		count_live(s->heap, key, block->pool_row, -1, -block->size);
	return true;
}

static bool sweep_aside(const void *key, void *value, void *context)
{
	(void)value;
	return is_swept(context, &((const struct aside_key *)key)->block);
}

static bool sweep_pool(const void *key, void *value, void *context)
{
	(void)value;
	return ((const struct pool_key *)key)->pid == ((const struct sweep *)context)->pid;
}

static void sweep_blocks(struct heap *h, struct sweep *s)
{
	table_sweep(&h->blocks, sweep_block, s);
	table_sweep(&h->asides, sweep_aside, s);
}

/* Chunks that were in use are gone with their pool. */
static void apply_destroy(struct heap *h, const struct event *e, struct heap_pool *pool,
			  uint64_t live)
{
	struct sweep s = {.heap = h, .pid = e->pid, .pool = e->pool};

	pool->destroyed++;
	pool->live_at_destroy += live;
	if (live)
		sweep_blocks(h, &s);
}

static bool apply_pool(struct heap *h, const struct event *e, struct heap_note *note)
{
	const struct pool_state *state = pool_state_of(h, e);
	size_t row = state ? state->row : pool_row_named(h, "(other pools)");
	struct heap_pool *pool = &h->pool_rows[row];

	note->pool = pool;
	note->row = row;
	if (h->only_pool[0] && strcmp(h->only_pool, pool->name))
		return false;
	if (e->kind == EVENT_POOL_CREATE)
		pool->created++;
	else if (e->kind == EVENT_POOL_ALLOC)
		apply_alloc(h, e, &pool->alloc, row);
	else if (e->kind == EVENT_POOL_FREE)
		apply_free(h, e, &pool->free, &pool->unmatched, note);
	else
		apply_destroy(h, e, pool, state ? state->live : 0);
	return true;
}

static void apply_call(struct heap *h, const struct event *e, struct heap_note *note)
{
	struct heap_total *total = &h->calls[e->function];

	if (e->kind == EVENT_ALLOC) {
		apply_alloc(h, e, total, 0);
	} else if (e->kind == EVENT_REALLOC) {
		apply_realloc(h, e, note);
	} else {
		total->freed += e->by_realloc;
		apply_free(h, e, total, &h->unmatched_frees, note);
	}
}

bool heap_apply(struct heap *h, const struct event *e, struct heap_note *note)
{
	bool wanted = true;

	*note = (struct heap_note){0};
	if (event_is_pool(e))
		wanted = apply_pool(h, e, note);
	else
		apply_call(h, e, note);
	if (wanted)
		h->events++;
	else
		h->ignored++;
	return wanted;
}

void heap_forget_process(struct heap *h, uint32_t pid)
{
	struct sweep s = {.heap = h, .pid = pid};

	sweep_blocks(h, &s);
	table_sweep(&h->pools, sweep_pool, &s);
}
