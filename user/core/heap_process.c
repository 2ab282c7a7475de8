// SPDX-License-Identifier: MIT
/* Processes come and go, and pools go, with all their blocks. */
#include "core/heap_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/heap_aside.h"

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
	aside_fini(p);
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

struct heap_process *heap_process_of(struct heap *h, uint32_t pid)
{
	struct heap_process *p;
	uint64_t key = pid;
	bool fresh;

	p = table_insert(&h->processes, &key, &fresh);
	if (p && fresh) {
		p->pid = pid;
		table_init(&p->blocks, sizeof(struct heap_key), sizeof(struct heap_block),
			   HEAP_MAX_LIVE);
		aside_init(p);
		extents_init(&p->extents);
		table_init(&p->pools, sizeof(uint64_t), sizeof(struct pool_state), 1 << 20);
		check_init_process(p);
	}
	return p;
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

		heap_end_block(s->heap, s->process, at, state, block, HEAP_DROPPED);
	}
	check_forget(s->heap, s->process, block);
	return true;
}

void heap_end_pool(struct heap *h, struct heap_process *p, uint64_t pool, uint64_t live)
{
	struct sweep s = {.heap = h, .process = p, .pool = pool};

	if (!live)
		return;
	table_sweep(&p->blocks, sweep_block, &s);
	aside_drop_pool(p, pool);
}

static bool end_block(const void *key, void *value, void *context)
{
	const struct heap_block *block = value;
	const struct sweep *s = context;

	if (block->gone)
		return false;
	if (!heap_key_is_pool(key)) {
		s->heap->ended.blocks++;
		s->heap->ended.bytes += block->size;
	}
	heap_end_block(s->heap, s->process, key, NULL, block, HEAP_ENDED);
	return false;
}

void heap_end_process(struct heap *h, uint32_t pid)
{
	uint64_t key = pid;
	struct heap_process *p = table_find(&h->processes, &key);
	struct sweep s = {.heap = h, .process = p};

	if (!p)
		return;
	doubt_end_process(h, pid);
	table_sweep(&p->blocks, end_block, &s);
	process_fini(h, p);
	table_remove(&h->processes, &key);
}

void heap_fork_process(struct heap *h, uint32_t pid)
{
	struct heap_process *p;

	heap_end_process(h, pid);
	p = heap_process_of(h, pid);
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
