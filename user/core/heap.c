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
	uint16_t under; /* blocks that lay here before it, set aside until a late record claims them */
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

int heap_init(struct heap *h)
{
	memset(h, 0, sizeof(*h));
	table_init(&h->blocks, sizeof(struct heap_key), sizeof(struct heap_block), HEAP_MAX_LIVE);
	table_init(&h->asides, sizeof(struct aside_key), sizeof(struct aside), HEAP_MAX_LIVE);
	table_init(&h->pools, sizeof(struct pool_key), sizeof(uint64_t), 1 << 20);
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

/* A pool that was made before the run began has no name here: its address serves. */
static size_t pool_row_of(struct heap *h, const struct event *e)
{
	struct pool_key key = {.pid = e->pid, .pool = e->pool};
	char name[65];
	uint64_t *row;
	bool fresh;

	row = table_insert(&h->pools, &key, &fresh);
	if (!row)
		return pool_row_named(h, "(other pools)");
	if (e->kind == EVENT_POOL_CREATE && e->name[0]) {
		*row = pool_row_named(h, e->name);
	} else if (fresh) {
		snprintf(name, sizeof(name), "pool@0x%llx", (unsigned long long)e->pool);
		*row = pool_row_named(h, name);
	}
	return *row;
}

static struct heap_live *live_of(struct heap *h, const struct heap_key *key, size_t row)
{
	return key->pool ? &h->pool_rows[row].live : &h->live;
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
	struct heap_live *live = live_of(h, &key, row);
	struct heap_block *block;
	bool fresh;

	block = table_insert(&h->blocks, &key, &fresh);
	if (!block)
		return;
	if (fresh || block->gone) {
		live->blocks++;
	} else {
		live->bytes -= block->size;
		set_aside(h, &key, block);
	}
	live->bytes += e->size;
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

/* Takes out what lay at the address when the operation began: the youngest block that had been
 * handed out by then. */
static bool drop_block(struct heap *h, const struct heap_key *key, uint64_t begin_ns,
		       struct heap_note *note)
{
	struct heap_block *block = table_find(&h->blocks, key);
	struct heap_live *live;

	if (!block)
		return false;
	if (block->gone || block->since_ns > begin_ns)
		return claim_aside(h, key, block, begin_ns, note);
	note->old_known = true;
	note->old_size = block->size;
	live = live_of(h, key, block->pool_row);
	live->blocks--;
	live->bytes -= block->size;
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
	struct heap_total *total = &h->calls[e->function % HEAP_MAX_CALLS];
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

static bool apply_pool(struct heap *h, const struct event *e, struct heap_note *note)
{
	size_t row = pool_row_of(h, e);
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
		pool->destroyed++;
	return true;
}

static void apply_call(struct heap *h, const struct event *e, struct heap_note *note)
{
	struct heap_total *total = &h->calls[e->function % HEAP_MAX_CALLS];

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

static bool is_of_process(const void *key, void *value, void *context)
{
	const struct heap_key *k = key;
	const struct heap_block *block = value;
	struct heap_live *live;
	struct heap *h = ((void **)context)[0];

	if (k->pid != *(const uint32_t *)((void **)context)[1])
		return false;
	if (block->gone)
		return true;
	live = live_of(h, k, block->pool_row);
	live->blocks--;
	live->bytes -= block->size;
	return true;
}

static bool is_aside_of_process(const void *key, void *value, void *context)
{
	(void)value;
	return ((const struct aside_key *)key)->block.pid == *(const uint32_t *)context;
}

void heap_forget_process(struct heap *h, uint32_t pid)
{
	void *context[] = {h, &pid};

	table_sweep(&h->blocks, is_of_process, context);
	table_sweep(&h->asides, is_aside_of_process, &pid);
}
