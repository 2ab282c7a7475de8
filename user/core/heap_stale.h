/* SPDX-License-Identifier: MIT */
/*
 * Blocks whose end was not seen, because records are missing: they are told by what comes to lie in
 * their place (heap_expect_losses). Blocks of pools and of the user's own functions are left alone:
 * these lie within others. For heap.c alone.
 */
#ifndef ALLOCTRACE_CORE_HEAP_STALE_H
#define ALLOCTRACE_CORE_HEAP_STALE_H

#include "core/heap_state.h"

/* Records of the process may be missing from now on. */
void stale_begin(struct heap_process *p);

/* A block comes to lie there, and is known from now on; what it overlaps is dropped and counted as
 * superseded. Pointers to blocks are not valid any more. Nothing before stale_begin. */
void stale_make_room(struct heap *h, struct heap_process *p, const struct heap_key *key,
		     uint64_t size);

/* Takes the block out of the process's table. */
void stale_forget(struct heap_process *p, const struct heap_key *key);

#endif
