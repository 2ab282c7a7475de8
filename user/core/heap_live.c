// SPDX-License-Identifier: MIT
/* The sums of what is live, and those who are told of a block that goes. */
#include "core/heap_state.h"

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

static void count(struct heap *h, const struct heap_key *key, struct pool_state *state,
		  const struct heap_block *block, int sign)
{
	bool pooled = heap_key_is_pool(key);
	struct heap_live *live = pooled ? &h->pool_rows[block->pool_row].live : &h->live;

	live->blocks += (uint64_t)sign; /* unsigned: -1 wraps to the right sum */
	live->bytes += (uint64_t)sign * block->size;
	if (state)
		state->live += (uint64_t)sign;
	if (!pooled)
		estimate(h, block->size, sign);
}

void heap_begin_block(struct heap *h, const struct heap_key *key, struct pool_state *state,
		      const struct heap_block *block)
{
	count(h, key, state, block, 1);
}

static struct heap_gone gone_of(const struct heap_process *p, const struct heap_key *key,
				const struct heap_block *block)
{
	return (struct heap_gone){.mark = block->mark,
				  .size = block->size,
				  .since_ns = block->since_ns,
				  .pid = p->pid,
				  .tid = block->tid,
				  .of_pool = heap_key_is_pool(key)};
}

void heap_end_block(struct heap *h, const struct heap_process *p, const struct heap_key *key,
		    struct pool_state *state, const struct heap_block *block, enum heap_end end)
{
	struct heap_gone gone;

	if (end != HEAP_ENDED)
		count(h, key, state, block, -1);
	if (!h->on_gone)
		return;
	gone = gone_of(p, key, block);
	gone.end = end;
	h->on_gone(h->gone_context, &gone);
}

struct visitor {
	void (*visit)(void *context, const struct heap_gone *block);
	void *context;
	const struct heap_process *process;
};

static bool visit_block(const void *key, void *value, void *context)
{
	const struct heap_block *block = value;
	const struct visitor *v = context;
	struct heap_gone gone;

	if (block->gone)
		return false;
	gone = gone_of(v->process, key, block);
	v->visit(v->context, &gone);
	return false;
}

static bool visit_process(const void *key, void *value, void *context)
{
	struct heap_process *p = value;
	struct visitor *v = context;

	(void)key;
	v->process = p;
	table_sweep(&p->blocks, visit_block, v);
	return false;
}

void heap_each_live(struct heap *h, void (*visit)(void *context, const struct heap_gone *block),
		    void *context)
{
	struct visitor v = {.visit = visit, .context = context};

	table_sweep(&h->processes, visit_process, &v);
}
