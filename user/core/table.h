/* SPDX-License-Identifier: MIT */
/*
 * The one hash table: open addressing with linear probing, keys and values of fixed sizes lying
 * side by side in one array, deletion by shifting back (no tombstones, so a table that lives for
 * weeks does not decay). Every table has a cap, and counts what it refused because of it.
 */
#ifndef ALLOCTRACE_CORE_TABLE_H
#define ALLOCTRACE_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	size_t key_size, value_size; /* bytes; multiples of 8 */
	size_t count;                /* entries */
	size_t cap;                  /* the most entries it takes */
	uint64_t refused;            /* insertions that the cap or the lack of memory turned away */
	size_t slots;                /* 0 or a power of two */
	uint8_t *used;               /* one flag a slot */
	unsigned char *entries;      /* slots x (key, value) */
};

/* An empty table; no memory is taken before the first insertion. Keys must have no padding. */
void table_init(struct table *t, size_t key_size, size_t value_size, size_t cap);
void table_fini(struct table *t);

/* The value of `key`, or NULL. The pointer lives until the next insertion or removal. */
void *table_find(const struct table *t, const void *key);

/*
 * The value of `key`, inserted as zeros when it was not there (*fresh tells). NULL when the table
 * is full or memory is out; `refused` has counted it then.
 */
void *table_insert(struct table *t, const void *key, bool *fresh);

/* Removes `key`; false when it was not there. */
bool table_remove(struct table *t, const void *key);

/*
 * Visits every entry, in no order. `visit` returns true to have the entry removed; it must not
 * touch the table itself.
 */
void table_sweep(struct table *t, bool (*visit)(const void *key, void *value, void *context),
		 void *context);

#endif
