/*
 * Hides how an arena grows: chunks of 64 KiB in a list, a larger one for a larger piece. The rest
 * of a chunk is given up when a piece does not fit; pieces are small, so little is lost.
 */
#include "sym/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *older;
	size_t capacity; /* bytes of data */
	alignas(max_align_t) char data[];
};

static int arena_grow(struct arena *a, size_t size)
{
	size_t capacity = size > CHUNK_BYTES ? size : CHUNK_BYTES;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + capacity);

	if (!chunk)
		return -1;
	chunk->older = a->chunks;
	chunk->capacity = capacity;
	a->chunks = chunk;
	a->used = 0;
	return 0;
}

void *arena_alloc(struct arena *a, size_t size, int align)
{
	size_t mask = align ? alignof(max_align_t) - 1 : 0;
	size_t at = (a->used + mask) & ~mask;

	if (!a->chunks || at > a->chunks->capacity || size > a->chunks->capacity - at) {
		if (arena_grow(a, size))
			return NULL;
		at = 0;
	}
	a->used = at + size;
	return a->chunks->data + at;
}

void arena_fini(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *older = a->chunks->older;

		free(a->chunks);
		a->chunks = older;
	}
	a->used = 0;
}
