/* SPDX-License-Identifier: MIT */
/* What heap.c keeps of pools, all of one name in one row. For heap.c alone. */
#ifndef ALLOCTRACE_CORE_HEAP_POOL_H
#define ALLOCTRACE_CORE_HEAP_POOL_H

#include "core/heap.h"

/* The row of that name, made when new; the last row takes all names beyond the cap. */
size_t heap_pool_row(struct heap *h, const char *name);

/* Adds what an allocation stands for that its maker has sampled. */
void heap_pool_weigh(struct heap_pool *pool, const struct event *e);

#endif
