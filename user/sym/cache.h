/* The answers given so far, by module and address. They are never forgotten: callers keep them. */
#ifndef ALLOCTRACE_SYM_CACHE_H
#define ALLOCTRACE_SYM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sym/frame.h"

struct cache;

/* `address` is one of the module; a return address is another question than the same address. */
struct cache_key {
	uint64_t address;
	uint32_t module;
	bool is_return;
};

/* An empty cache, or NULL when memory is out. */
struct cache *cache_new(void);
void cache_free(struct cache *c);

/* Nothing more can be added. */
bool cache_is_full(const struct cache *c);

/* True when there is an answer; then *answer is set to it. */
bool cache_find(const struct cache *c, const struct cache_key *key, struct sym_stack *answer);

/*
 * Copies the frames, whose strings are borrowed, under a key that is not there yet, and sets
 * *answer to the copy, which lives until cache_free. 0, -ENOMEM or -ENOSPC: the cache has its
 * largest size, 2^20 answers.
 */
int cache_add(struct cache *c, const struct cache_key *key, const struct sym_frame *frames,
	      size_t count, struct sym_stack *answer);

#endif
