/* SPDX-License-Identifier: MIT */
/*
 * The one hash table. Entries, each a key and a value of fixed sizes, lie densely in the order of
 * their insertion; an index of 8-byte slots beside them is what is hashed: open addressing with
 * linear probing, deletion by shifting back (no tombstones, so a table that lives for weeks does
 * not decay). Every table has a cap, and counts what it refused because of it.
 *
 *	index   | hash, number | empty | hash, number | …       power of two, at most 3/4 full
 *	                 |                      |
 *	entries   key, value | key, value | key, value | …      in chunks; a hole is filled by the
 *last
 *
 * Memory. Entries never move to grow: another chunk is added, and one that is not needed any more
 * is given back. So what is held beside the entries is the index, 11 to 21 bytes for each, and
 * while that grows, half as much again.
 */
#ifndef ALLOCTRACE_CORE_TABLE_H
#define ALLOCTRACE_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	uint32_t hash;   /* of the key; its low bits are the slot where it is looked for */
	uint32_t number; /* of the entry, from 1; 0: the slot is empty */
};

struct table {
	size_t key_size, value_size; /* bytes; multiples of 8 */
	size_t count;                /* entries */
	size_t cap;                  /* the most entries it takes */
	uint64_t refused;            /* insertions that the cap or the lack of memory turned away */
	size_t slots;                /* 0 or a power of two */
	struct table_slot *index;
	unsigned char **chunks; /* of the same size; a single one may be smaller */
	size_t chunk_count;
	size_t room; /* in the chunks, for entries */
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
 * Visits every entry once, in no order. `visit` returns true to have the entry removed; it must not
 * touch the table itself.
 */
void table_sweep(struct table *t, bool (*visit)(const void *key, void *value, void *context),
		 void *context);

#endif
