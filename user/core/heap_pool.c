// SPDX-License-Identifier: MIT
/* Rows of pools by name, and the arithmetic of samples. */
#include "core/heap_pool.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t heap_row_of_pool(struct heap *h, const char *name)
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
static size_t row_of_nameless(struct heap *h, uint64_t pool, bool otel)
{
	char name[65];

	if (otel)
		strcpy(name, "otel_memory");
	else
		snprintf(name, sizeof(name), "pool@0x%llx", (unsigned long long)pool);
	return heap_row_of_pool(h, name);
}

size_t heap_row_at(struct heap *h, uint32_t pid, uint64_t pool)
{
	uint64_t key = pid;
	const struct heap_process *p = table_find(&h->processes, &key);
	const struct pool_state *state = p ? table_find(&p->pools, &pool) : NULL;

	return state ? state->row : row_of_nameless(h, pool, pool == EVENT_OTEL_POOL);
}

struct pool_state *heap_pool_state(struct heap *h, struct heap_process *p, const struct event *e)
{
	struct pool_state *state;
	bool fresh;

	state = table_insert(&p->pools, &e->pool, &fresh);
	if (!state)
		return NULL;
	if (e->kind == EVENT_POOL_CREATE && e->name[0]) {
		state->row = heap_row_of_pool(h, e->name);
	} else if (fresh) {
		state->row = row_of_nameless(h, e->pool, e->otel);
	}
	return state;
}

void heap_pool_weigh(struct heap_pool *pool, const struct event *e)
{
	if (!e->weighted_bytes || e->failed)
		return;
	pool->weighted_bytes += e->weighted_bytes;
	pool->weighted_count += (double)e->weighted_bytes / (e->size ? (double)e->size : 1);
}

struct event_totals heap_pool_allocs(const struct heap_pool *p)
{
	struct event_totals t = p->alloc;

	event_totals_add(&t, &p->unsent.alloc);
	return t;
}

struct event_totals heap_pool_frees(const struct heap_pool *p)
{
	struct event_totals t = p->free;

	event_totals_add(&t, &p->unsent.free);
	return t;
}

double heap_weighted_bytes(uint64_t size, uint64_t sample_bytes)
{
	double bytes = size ? (double)size : 1; /* what the sampler takes it for */

	return bytes / -expm1(-bytes / (double)sample_bytes);
}
