/* SPDX-License-Identifier: MIT */
/*
 * Back to all calls when the ring is empty and no call may come that would notice. The word of the
 * level is changed by whoever is first, the kernel side or this one; a level that began a moment
 * ago is left alone, since its record may still be under way. It is told when the ring is empty the
 * next time: until then there may be calls in it that are from before.
 */
#ifndef ALLOCTRACE_PROBE_RELIEF_H
#define ALLOCTRACE_PROBE_RELIEF_H

#include <linux/types.h>
#include <stdbool.h>

#include "core/event.h"

#define RELIEF_REST_NS 100000000ULL /* how long a level lasts before all is sent again */

/* Zeros: nothing is to be told. */
struct relief {
	uint64_t untold_ns; /* when we changed the level; 0: it has been told */
};

/* The mark to tell now, if there is one: before the next one of the kernel side, and when the ring
 * is empty. */
bool relief_take(struct relief *r, struct event *e);

/* The ring is empty, at that time: sets the level in `word`, shared with the kernel side, back. */
void relief_give(struct relief *r, __u64 *word, uint64_t now_ns);

#endif
