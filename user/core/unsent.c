// SPDX-License-Identifier: MIT
/* From a pool's birth to its row. */
#include "core/unsent.h"

#include <string.h>

#define MAX_BIRTHS (1 << 18)

_Static_assert(sizeof(struct event_pool) % 8 == 0, "a table's keys are words");

void unsent_init(struct unsent *u, struct heap *heap)
{
	*u = (struct unsent){.heap = heap};
	table_init(&u->births, sizeof(struct event_pool), sizeof(uint64_t), MAX_BIRTHS);
}

void unsent_fini(struct unsent *u)
{
	if (u->heap)
		table_fini(&u->births);
}

void unsent_learn(struct unsent *u, const struct event *e, size_t row)
{
	const struct event_pool key = {.pid = e->pid, .addr = e->pool, .birth_ns = e->ts_ns};
	uint64_t *at;
	bool fresh;

	at = table_insert(&u->births, &key, &fresh);
	if (at)
		*at = row;
}

void unsent_clear(struct unsent *u)
{
	for (size_t i = 0; i < u->heap->pool_count; i++)
		u->heap->pool_rows[i].unsent = (struct heap_unsent){0};
}

void unsent_add(struct unsent *u, const struct event_pool *pool, const struct event_pool_totals *t)
{
	struct event_pool key = *pool;
	const uint64_t *row;
	struct heap_pool *p;

	key.addr = event_pool_handle(pool->addr);
	row = table_find(&u->births, &key);
	p = &u->heap->pool_rows[row ? *row : heap_row_at(u->heap, key.pid, key.addr)];
	if (u->heap->only_pool[0] && strcmp(u->heap->only_pool, p->name) != 0)
		return;
	event_totals_add(&p->unsent.alloc, &t->alloc);
	event_totals_add(&p->unsent.free, &t->free);
	p->unsent.weighted_bytes += t->weighted_bytes;
	p->unsent.weighted_count += (double)t->weighted_thousandths / 1000;
}
