/* SPDX-License-Identifier: MIT */
/* What heap.c keeps of pools, all of one name in one row. For heap.c alone. */
#ifndef ALLOCTRACE_CORE_HEAP_POOL_H
#define ALLOCTRACE_CORE_HEAP_POOL_H

#include "core/heap_state.h"

/* What is known of the event's pool; NULL: no room for more. Lives until the next one is asked for.
 */
struct pool_state *heap_pool_state(struct heap *h, struct heap_process *p, const struct event *e);

/* Adds what an allocation stands for that its maker has sampled. */
void heap_pool_weigh(struct heap_pool *pool, const struct event *e);

#endif
