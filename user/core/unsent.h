/* SPDX-License-Identifier: MIT */
/*
 * Operations of pools that the kernel side counted and sent no record of: to which row of the books
 * they belong. It knows a pool by its process, its address, and when it was made; its name was in
 * the record of that moment, which is always sent.
 */
#ifndef ALLOCTRACE_CORE_UNSENT_H
#define ALLOCTRACE_CORE_UNSENT_H

#include "core/heap.h"

struct unsent {
	struct table births; /* struct event_pool -> row in pool_rows */
	struct heap *heap;   /* borrowed */
};

void unsent_init(struct unsent *u, struct heap *heap);
void unsent_fini(struct unsent *u);

/* A pool was made (EVENT_POOL_CREATE), which has that row. Beyond the cap the pool goes by its
 * address. */
void unsent_learn(struct unsent *u, const struct event *e, size_t row);

/* Sets the books of all rows anew: unsent_clear, then every pool once. */
void unsent_clear(struct unsent *u);
void unsent_add(struct unsent *u, const struct event_pool *pool, const struct event_pool_totals *t);

#endif
