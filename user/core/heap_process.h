/* SPDX-License-Identifier: MIT */
/* Processes, and what takes many of their blocks at once. For heap.c alone. */
#ifndef ALLOCTRACE_CORE_HEAP_PROCESS_H
#define ALLOCTRACE_CORE_HEAP_PROCESS_H

#include "core/heap_state.h"

/* Made when it is new. NULL: there is no room for it. Lives until the next one is asked for. */
struct heap_process *heap_process_of(struct heap *h, uint32_t pid);

/* A pool is gone, and with it its chunks that were in use, `live` of them. */
void heap_end_pool(struct heap *h, struct heap_process *p, uint64_t pool, uint64_t live);

#endif
