/*
 * Memory that is handed out piece by piece and released all at once. The names and frames the
 * symbolizer gives away live as long as it does, so nothing is ever freed singly.
 */
#ifndef ALLOCTRACE_SYM_ARENA_H
#define ALLOCTRACE_SYM_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* All zero is an empty arena. */
struct arena {
	struct arena_chunk *chunks; /* the newest first; pieces are cut from it */
	size_t used;                /* bytes handed out of the newest chunk */
};

/* `size` bytes, not cleared, aligned for any type when `align` is true and to one byte otherwise.
 * NULL when memory is out. Lives until arena_fini. */
void *arena_alloc(struct arena *a, size_t size, int align);

/* Releases every piece; the arena is empty afterwards and may be used again. */
void arena_fini(struct arena *a);

#endif
