/* SPDX-License-Identifier: MIT */
/* What heap.c keeps of pools, all of one name in one row. For heap.c alone. */
#ifndef ALLOCTRACE_CORE_HEAP_POOL_H
#define ALLOCTRACE_CORE_HEAP_POOL_H

#include "core/heap.h"

/* Adds what an allocation stands for that its maker has sampled. */
void heap_pool_weigh(struct heap_pool *pool, const struct event *e);

#endif
