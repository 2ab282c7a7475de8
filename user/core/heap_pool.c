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

void heap_pool_weigh(struct heap_pool *pool, const struct event *e)
{
	if (!e->weighted_bytes || e->failed)
		return;
	pool->weighted_bytes += e->weighted_bytes;
	pool->weighted_count += (double)e->weighted_bytes / (e->size ? (double)e->size : 1);
}

double heap_weighted_bytes(uint64_t size, uint64_t sample_bytes)
{
	double bytes = size ? (double)size : 1; /* what the sampler takes it for */

	return bytes / -expm1(-bytes / (double)sample_bytes);
}
