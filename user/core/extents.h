/* SPDX-License-Identifier: MIT */
/*
 * Where blocks begin, in a whole address space: a map of 4 KiB each where there are any. It finds
 * what lies within a block, or reaches into it, so that blocks whose release was not seen can be
 * told from those that are there.
 */
#ifndef ALLOCTRACE_CORE_EXTENTS_H
#define ALLOCTRACE_CORE_EXTENTS_H

#include "core/table.h"

struct extents {
	struct table pages; /* address / 4096 -> a bit for every 8 bytes */
};

/* No memory is taken before the first block. Where there is none later, blocks are not found. */
void extents_init(struct extents *x);
void extents_fini(struct extents *x);

/* Of two that begin within the same 8 bytes only one is known. */
void extents_add(struct extents *x, uint64_t addr);
void extents_remove(struct extents *x, uint64_t addr);

/*
 * The first begin in [addr, end), and the last one below `addr`; both rounded down to 8 bytes.
 * False: there is none, or none near enough, which is 4 MiB above and 256 KiB below.
 */
bool extents_above(const struct extents *x, uint64_t addr, uint64_t end, uint64_t *found);
bool extents_below(const struct extents *x, uint64_t addr, uint64_t *found);

#endif
