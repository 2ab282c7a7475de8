/* SPDX-License-Identifier: MIT */
/*
 * Where the live chunks of a region begin: a bit a byte, and above it a bit for each word that is
 * not empty. So the next chunk below or above an address is found in a few steps however far apart
 * they lie, and whatever their sizes and boundaries are. 1/8 of the region, of which only the pages
 * in use are ever touched.
 */
#ifndef ALLOCTRACE_CORE_STARTS_H
#define ALLOCTRACE_CORE_STARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct starts {
	uint64_t base;
	uint64_t *words, *summary; /* NULL: nothing can be kept */
	size_t word_count, summary_count;
};

/* Bytes that the map of such a region takes. */
size_t starts_bytes(uint64_t region_bytes);

/* -ENOMEM or 0. A struct of zeros is an empty map of nothing, also after starts_fini. */
int starts_init(struct starts *s, uint64_t base, uint64_t region_bytes);
void starts_fini(struct starts *s);

/* `addr` lies within the region, or at its end. */
void starts_add(struct starts *s, uint64_t addr);
void starts_remove(struct starts *s, uint64_t addr);

/* The nearest start below `addr` and not below `lowest`; false: there is none. */
bool starts_below(const struct starts *s, uint64_t addr, uint64_t lowest, uint64_t *found);

/* The nearest start above `addr` and below `end`; false: there is none. */
bool starts_above(const struct starts *s, uint64_t addr, uint64_t end, uint64_t *found);

#endif
