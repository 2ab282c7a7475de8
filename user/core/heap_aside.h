/* SPDX-License-Identifier: MIT */
/* Blocks under an allocation that wait for the late record of their end. For heap*.c alone. */
#ifndef ALLOCTRACE_CORE_HEAP_ASIDE_H
#define ALLOCTRACE_CORE_HEAP_ASIDE_H

#include "core/heap_state.h"

void aside_init(struct heap_process *p);
void aside_fini(struct heap_process *p);

/* The block, which is not counted as live any more, waits below the one that takes its place. */
void aside_add(struct heap *h, struct heap_process *p, const struct heap_key *key,
	       struct heap_block *block);

/*
 * The youngest of those under the block that an operation which began at `begin_ns` can have meant
 * waits no more, and stands in the note. False: there is none. The block may be gone then.
 */
bool aside_claim(struct heap *h, struct heap_process *p, const struct heap_key *key,
		 struct heap_block *block, uint64_t begin_ns, struct heap_note *note);

/* Nobody will claim those that lay there before the block. */
void aside_drop(struct heap_process *p, const struct heap_key *key, struct heap_block *block);

/* The same for all of a pool. */
void aside_drop_pool(struct heap_process *p, uint64_t pool);

#endif
