/*
 * Which of many address ranges holds an address? Used for compilation units, functions and
 * symbols. Ranges may nest and overlap: the one that starts last, the innermost, is the answer, the
 * one with the lower value among equals.
 */
#ifndef ALLOCTRACE_SYM_RANGES_H
#define ALLOCTRACE_SYM_RANGES_H

#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start, end; /* end is the first address outside */
	uint64_t reach; /* the largest end up to here in the sorted order; set by ranges_seal */
	size_t value;   /* the caller's, for instance an index */
};

/* All zero is an empty set. */
struct ranges {
	struct range *at;
	size_t count, capacity;
};

/* Adds [start, end); an empty or reversed range is left out. 0 or -ENOMEM. */
int ranges_add(struct ranges *r, uint64_t start, uint64_t end, size_t value);

/* Must be called once after the last ranges_add and before the first ranges_find. */
void ranges_seal(struct ranges *r);

/* The innermost range that holds `address`, or NULL. The view lives until ranges_fini. */
const struct range *ranges_find(const struct ranges *r, uint64_t address);

void ranges_fini(struct ranges *r);

#endif
