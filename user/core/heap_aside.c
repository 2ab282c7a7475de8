// SPDX-License-Identifier: MIT
/*
 * Those under one block are numbered from the oldest on, and lie in a table beside the blocks: they
 * are few, and the blocks many.
 */
#include "core/heap_aside.h"

#include "core/check.h"
#include "core/heap_stale.h"

#define MAX_UNDER 8 /* what is older than these will not be claimed any more */

struct aside_key {
	struct heap_key block;
	uint64_t depth; /* 0: the oldest */
};

struct aside {
	uint64_t size, since_ns;
	struct heap_mark mark;
	uint64_t tid;
};

void aside_init(struct heap_process *p)
{
	table_init(&p->asides, sizeof(struct aside_key), sizeof(struct aside), HEAP_MAX_ASIDE);
}

void aside_fini(struct heap_process *p)
{
	table_fini(&p->asides);
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

void aside_add(struct heap *h, struct heap_process *p, const struct heap_key *key,
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
	*aside = (struct aside){.size = block->size,
				.since_ns = block->since_ns,
				.mark = block->mark,
				.tid = block->tid};
	block->under++;
}

bool aside_claim(struct heap *h, struct heap_process *p, const struct heap_key *key,
		 struct heap_block *block, uint64_t begin_ns, struct heap_note *note)
{
	for (unsigned int depth = block->under; depth-- > 0;) {
		const struct aside *aside = aside_at(p, key, depth);

		if (aside->since_ns > begin_ns)
			continue;
		note->old_known = true;
		note->old_size = aside->size;
		note->old_mark = aside->mark;
		note->old_since_ns = aside->since_ns;
		note->old_tid = (uint32_t)aside->tid;
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

void aside_drop(struct heap_process *p, const struct heap_key *key, struct heap_block *block)
{
	while (block->under)
		remove_aside(p, key, block, 0);
}

static bool is_of_pool(const void *key, void *value, void *context)
{
	return value && ((const struct aside_key *)key)->block.pool == *(const uint64_t *)context;
}

void aside_drop_pool(struct heap_process *p, uint64_t pool)
{
	table_sweep(&p->asides, is_of_pool, &pool);
}
