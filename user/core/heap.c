// SPDX-License-Identifier: MIT
/* Live blocks and totals. The rules stand in the header. */
#include "core/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/heap_pool.h"
#include "core/heap_stale.h"

#define MAX_UNDER 8 /* what is older than these will not be claimed any more */

struct aside_key {
	struct heap_key block;
	uint64_t depth; /* 0: the oldest */
};

struct aside {
	uint64_t size, since_ns;
};

int heap_init(struct heap *h)
{
	memset(h, 0, sizeof(*h));
	table_init(&h->processes, sizeof(uint64_t), sizeof(struct heap_process), 1 << 22);
	h->findings.due_ns = UINT64_MAX;
	h->pool_rows = calloc(HEAP_MAX_POOLS, sizeof(*h->pool_rows));
	return h->pool_rows ? 0 : -ENOMEM;
}

static void process_fini(struct heap *h, struct heap_process *p)
{
	check_fini_process(h, p);
	table_fini(&p->blocks);
	table_fini(&p->asides);
	extents_fini(&p->extents);
	table_fini(&p->pools);
}

static bool fini_any(const void *key, void *value, void *context)
{
	(void)key;
	process_fini(context, value);
	return true;
}

void heap_fini(struct heap *h)
{
	table_sweep(&h->processes, fini_any, h);
	table_fini(&h->processes);
	doubt_fini(h);
	free(h->pool_rows);
	h->pool_rows = NULL;
}

/* NULL: there is no room for it. Lives until the next one is asked for. */
static struct heap_process *process_of(struct heap *h, uint64_t pid)
{
	struct heap_process *p;
	bool fresh;

	p = table_insert(&h->processes, &pid, &fresh);
	if (p && fresh) {
		table_init(&p->blocks, sizeof(struct heap_key), sizeof(struct heap_block),
			   HEAP_MAX_LIVE);
		table_init(&p->asides, sizeof(struct aside_key), sizeof(struct aside),
			   HEAP_MAX_ASIDE);
		extents_init(&p->extents);
		table_init(&p->pools, sizeof(uint64_t), sizeof(struct pool_state), 1 << 20);
		check_init_process(p);
	}
	return p;
}

static struct heap_key key_of(const struct heap *h, const struct event *e, uint64_t addr)
{
	bool own = !event_is_pool(e) && h->own_functions >> e->function & 1;

	return (struct heap_key){.pool = own ? OWN_POOL : e->pool, .addr = addr};
}

/* What the live blocks stand for: one of that size more (+1) or less (-1). */
static void estimate(struct heap *h, uint64_t size, int sign)
{
	double bytes;

	if (!h->sample_bytes)
		return;
	bytes = heap_weighted_bytes(size, h->sample_bytes);
	h->estimated_bytes += sign * bytes;
	h->estimated_blocks += sign * bytes / (size ? (double)size : 1);
	if (!h->live.blocks) /* no residue of rounding */
		h->estimated_bytes = h->estimated_blocks = 0;
}

/* A block of that size at the key is live from now on, or is not any more. `state` is its pool's,
 * if any. */
void heap_count_live(struct heap *h, const struct heap_key *key, struct pool_state *state,
		     size_t row, uint64_t size, int sign)
{
	bool pooled = heap_key_is_pool(key);
	struct heap_live *live = pooled ? &h->pool_rows[row].live : &h->live;

	live->blocks += (uint64_t)sign; /* unsigned: -1 wraps to the right sum */
	live->bytes += (uint64_t)sign * size;
	if (state)
		state->live += (uint64_t)sign;
	if (!pooled)
		estimate(h, size, sign);
}

static struct aside *aside_at(struct heap_process *p, const struct heap_key *key,
			      unsigned int depth)
{
	struct aside_key at = {.block = *key, .depth = depth};

	return table_find(&p->asides, &at);
}

/* Takes one out of those under the block; the younger ones move down. */
static void remove_aside(struct heap_process *p, const struct heap_key *key,
			 struct heap_block *block, unsigned int depth)
{
	struct aside_key last = {.block = *key, .depth = --block->under};

	for (; depth < block->under; depth++)
		*aside_at(p, key, depth) = *aside_at(p, key, depth + 1);
	table_remove(&p->asides, &last);
}

static void set_aside(struct heap *h, struct heap_process *p, const struct heap_key *key,
		      struct heap_block *block)
{
	struct aside_key at = {.block = *key};
	struct aside *aside;
	bool fresh;

	h->superseded++;
	if (block->under == MAX_UNDER) {
		remove_aside(p, key, block, 0);
		p->unsure = true;
	}
	at.depth = block->under;
	aside = table_insert(&p->asides, &at, &fresh);
	if (!aside) {
		p->unsure = true;
		return;
	}
	*aside = (struct aside){.size = block->size, .since_ns = block->since_ns};
	block->under++;
}

void heap_drop_asides(struct heap_process *p, const struct heap_key *key, struct heap_block *block)
{
	while (block->under)
		remove_aside(p, key, block, 0);
}

static void add_block(struct heap *h, struct heap_process *p, const struct event *e,
		      struct pool_state *state, size_t row)
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
		heap_count_live(h, &key, state, row, block->size, -1);
		set_aside(h, p, &key, block);
	}
	heap_count_live(h, &key, state, row, e->size, 1);
	block->gone = false;
	block->size = e->size;
	block->since_ns = event_end_ns(e);
	block->site = e->frames ? e->stack[0] : 0;
	block->tid = e->tid;
	block->pool_row = (uint16_t)(event_is_pool(e) ? row : e->function);
}

/* The youngest of those under the block that the operation can have meant. */
static bool claim_aside(struct heap *h, struct heap_process *p, const struct heap_key *key,
			struct heap_block *block, uint64_t begin_ns, struct heap_note *note)
{
	for (unsigned int depth = block->under; depth-- > 0;) {
		const struct aside *aside = aside_at(p, key, depth);

		if (aside->since_ns > begin_ns)
			continue;
		note->old_known = true;
		note->old_size = aside->size;
		/* Which of the two is left is not certain: what is known of it begins with the
		 * older. */
		if (heap_key_is_pool(key) && aside->since_ns < block->since_ns)
			block->since_ns = aside->since_ns;
		h->superseded--;
		check_block_late(h, p, key->addr);
		remove_aside(p, key, block, depth);
		if (block->gone && !block->under)
			stale_forget(p, key);
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
static bool drop_block(struct heap *h, struct heap_process *p, const struct event *e,
		       const struct heap_key *key, uint64_t begin_ns, struct pool_state *state,
		       struct heap_note *note)
{
	struct heap_block *block = table_find(&p->blocks, key);

	if (!block)
		return false;
	if (heap_key_is_pool(key) && block->under)
		return claim_aside(h, p, key, block, UINT64_MAX, note);
	if (block->gone || block->since_ns > begin_ns)
		return claim_aside(h, p, key, block, begin_ns, note);
	note->old_known = true;
	note->old_size = block->size;
	heap_count_live(h, key, state, block->pool_row, block->size, -1);
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
			struct event_totals *total, struct pool_state *state, size_t row)
{
	total->count++;
	if (e->failed) {
		total->failed++;
		return;
	}
	total->bytes += e->size;
	if (e->addr && !e->new_unsampled)
		add_block(h, p, e, state, row);
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
		note->old_known = block && !block->gone;
		note->old_size = note->old_known ? block->size : 0;
	} else {
		if (e->addr != e->old_addr)
			check_region(h, p, e, e->old_addr);
		if (!drop_either(h, p, e, key, e->ts_ns, note) && !e->old_unsampled) {
			check_block_unknown(h, p, e, e->old_addr);
			count_unmatched(h, p);
		}
	}
	apply_alloc(h, p, e, &h->calls[e->function], NULL, 0);
}

/* Which blocks a sweep takes out of a process: all, or those of one of its pools. */
struct sweep {
	struct heap *heap;
	struct heap_process *process;
	uint64_t pool; /* 0: whatever it is */
};

static bool sweep_block(const void *key, void *value, void *context)
{
	const struct heap_block *block = value;
	const struct heap_key *at = key;
	const struct sweep *s = context;

	if (s->pool && at->pool != s->pool)
		return false;
	if (!block->gone) {
		struct pool_state *state =
			heap_key_is_pool(at) ? table_find(&s->process->pools, &at->pool) : NULL;

		heap_count_live(s->heap, at, state, block->pool_row, block->size, -1);
	}
	check_forget(s->heap, s->process, block);
	return true;
}

static bool sweep_aside(const void *key, void *value, void *context)
{
	return value &&
	       ((const struct aside_key *)key)->block.pool == ((const struct sweep *)context)->pool;
}

/* Chunks that were in use are gone with their pool. */
static void apply_destroy(struct heap *h, struct heap_process *p, const struct event *e,
			  struct heap_pool *pool, uint64_t live)
{
	struct sweep s = {.heap = h, .process = p, .pool = e->pool};

	pool->destroyed++;
	pool->live_at_destroy += live;
	if (!live)
		return;
	table_sweep(&p->blocks, sweep_block, &s);
	table_sweep(&p->asides, sweep_aside, &s);
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
		apply_alloc(h, p, e, &pool->alloc, state, row);
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
		apply_alloc(h, p, e, total, NULL, 0);
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
	p = process_of(h, e->pid);
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

static bool count_ended(const void *key, void *value, void *context)
{
	const struct heap_block *block = value;
	struct heap *h = context;

	if (!heap_key_is_pool(key) && !block->gone) {
		h->ended.blocks++;
		h->ended.bytes += block->size;
	}
	return false;
}

void heap_end_process(struct heap *h, uint32_t pid)
{
	uint64_t key = pid;
	struct heap_process *p = table_find(&h->processes, &key);

	if (!p)
		return;
	doubt_end_process(h, pid);
	table_sweep(&p->blocks, count_ended, h);
	process_fini(h, p);
	table_remove(&h->processes, &key);
}

void heap_fork_process(struct heap *h, uint32_t pid)
{
	struct heap_process *p;

	heap_end_process(h, pid);
	p = process_of(h, pid);
	if (p)
		p->forked = true;
}

void heap_forget_process(struct heap *h, uint32_t pid)
{
	uint64_t key = pid;
	struct heap_process *p = table_find(&h->processes, &key);
	struct sweep s = {.heap = h, .process = p};

	if (!p)
		return;
	doubt_drop_process(h, pid);
	table_sweep(&p->blocks, sweep_block, &s);
	process_fini(h, p);
	table_remove(&h->processes, &key);
}
