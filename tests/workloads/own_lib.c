// SPDX-License-Identifier: MIT
/* libown.so: an allocator that nobody knows, for whoever preloads it: malloc, free and the rest. */
#define PREFIX
#define REGION_BYTES (256 << 20)
#include "own_heap.h"
