// SPDX-License-Identifier: MIT
/* Two blocks cannot lie in the same place. */
#include "core/heap_stale.h"

#include "core/heap_aside.h"

static bool map_block(const void *key, void *value, void *context)
{
	const struct heap_key *at = key;
	struct heap_process *p = context;

	if (value && !at->pool)
		extents_add(&p->extents, at->addr);
	return false;
}

void stale_begin(struct heap_process *p)
{
	p->mapped = true;
	table_sweep(&p->blocks, map_block, p);
}

void stale_forget(struct heap_process *p, const struct heap_key *key)
{
	table_remove(&p->blocks, key);
	if (p->mapped && !key->pool)
		extents_remove(&p->extents, key->addr);
}

static void drop(struct heap *h, struct heap_process *p, uint64_t addr)
{
	struct heap_key key = {.addr = addr};
	struct heap_block *block = table_find(&p->blocks, &key);

	if (!block) { /* it begins somewhere in these 8 bytes, and is not looked for */
		extents_remove(&p->extents, addr);
		return;
	}
	if (!block->gone) {
		heap_end_block(h, p, &key, NULL, block, HEAP_DROPPED);
		h->superseded++;
	}
	aside_drop(p, &key, block);
	stale_forget(p, &key);
}

static bool reaches(const struct heap_process *p, uint64_t from, uint64_t addr)
{
	struct heap_key key = {.addr = from};
	const struct heap_block *block = table_find(&p->blocks, &key);

	return !block || block->size > addr - from;
}

void stale_make_room(struct heap *h, struct heap_process *p, const struct heap_key *key,
		     uint64_t size)
{
	uint64_t addr = key->addr, found;

	if (!p->mapped || key->pool)
		return;
	while (extents_above(&p->extents, (addr | 7) + 1, addr + size, &found))
		drop(h, p, found);
	if (extents_below(&p->extents, addr, &found) && reaches(p, found, addr))
		drop(h, p, found);
	extents_add(&p->extents, addr);
}
