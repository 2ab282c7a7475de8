/*
 * Hides the search: ranges sorted by start, the larger first among equals, each with the largest
 * end seen so far. A search goes to the last range that starts at or before the address and walks
 * back; `reach` tells when nothing further back can hold the address, so the walk is short unless
 * the ranges really nest.
 */
#include "sym/ranges.h"

#include <errno.h>
#include <stdlib.h>

int ranges_add(struct ranges *r, uint64_t start, uint64_t end, size_t value)
{
	if (start >= end)
		return 0;
	if (r->count == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 2 : 16;
		struct range *at = reallocarray(r->at, capacity, sizeof(*at));

		if (!at)
			return -ENOMEM;
		r->at = at;
		r->capacity = capacity;
	}
	r->at[r->count++] = (struct range){.start = start, .end = end, .value = value};
	return 0;
}

static int range_order(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	/* The walk goes back, so of two equal ranges the one with the lower value wins. */
	return (x->value < y->value) - (x->value > y->value);
}

void ranges_seal(struct ranges *r)
{
	uint64_t reach = 0;

	if (r->count)
		qsort(r->at, r->count, sizeof(*r->at), range_order);
	for (size_t i = 0; i < r->count; i++) {
		if (r->at[i].end > reach)
			reach = r->at[i].end;
		r->at[i].reach = reach;
	}
}

const struct range *ranges_find(const struct ranges *r, uint64_t address)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low > 0 && r->at[low - 1].reach > address; low--)
		if (r->at[low - 1].end > address)
			return &r->at[low - 1];
	return NULL;
}

void ranges_fini(struct ranges *r)
{
	free(r->at);
	*r = (struct ranges){0};
}
