/*
 * Hides the hash table of answers: open addressing, 24 bytes an entry, at most half full, so that
 * most lookups touch one line of the processor's cache. Frames lie in an arena.
 */
#include "sym/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sym/arena.h"

#define FIRST_SLOTS 4096
#define ANSWERS_MAX (1u << 20)

struct slot {
	uint64_t address;
	const struct sym_frame *frames; /* NULL: the slot is empty */
	uint32_t module;
	uint32_t count_and_return; /* frames * 2 + is_return */
};

struct cache {
	struct slot *slots;
	size_t mask; /* slots - 1; a power of two minus one */
	size_t count;
	struct arena arena;
};

struct cache *cache_new(void)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->mask = FIRST_SLOTS - 1;
	c->slots = calloc(FIRST_SLOTS, sizeof(*c->slots));
	if (!c->slots) {
		free(c);
		return NULL;
	}
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	free(c->slots);
	free(c);
}

static size_t slot_hash(uint64_t address, uint32_t module, bool is_return)
{
	uint64_t h = address ^ (uint64_t)module << 40 ^ (uint64_t)is_return << 63;

	/* A multiplication spreads the low bits up, the shift brings them back down. */
	h *= 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

/* The slot of the key, or the empty one where it belongs. */
static struct slot *slot_of(struct slot *slots, size_t mask, uint64_t address, uint32_t module,
			    bool is_return)
{
	size_t i = slot_hash(address, module, is_return) & mask;

	while (slots[i].frames && (slots[i].address != address || slots[i].module != module ||
				   (slots[i].count_and_return & 1) != is_return))
		i = (i + 1) & mask;
	return &slots[i];
}

static int cache_grow(struct cache *c)
{
	size_t mask = c->mask * 2 + 1;
	struct slot *slots = calloc(mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i <= c->mask; i++) {
		const struct slot *s = &c->slots[i];

		if (s->frames)
			*slot_of(slots, mask, s->address, s->module, s->count_and_return & 1) = *s;
	}
	free(c->slots);
	c->slots = slots;
	c->mask = mask;
	return 0;
}

bool cache_is_full(const struct cache *c)
{
	return c->count >= ANSWERS_MAX;
}

bool cache_find(const struct cache *c, const struct cache_key *key, struct sym_stack *answer)
{
	const struct slot *s =
		slot_of(c->slots, c->mask, key->address, key->module, key->is_return);

	if (!s->frames)
		return false;
	*answer = (struct sym_stack){s->count_and_return / 2, s->frames};
	return true;
}

int cache_add(struct cache *c, const struct cache_key *key, const struct sym_frame *frames,
	      size_t count, struct sym_stack *answer)
{
	struct sym_frame *copy;

	if (cache_is_full(c))
		return -ENOSPC;
	if (c->count * 2 > c->mask && cache_grow(c))
		return -ENOMEM;
	copy = arena_alloc(&c->arena, count * sizeof(*copy), 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, frames, count * sizeof(*copy));
	*slot_of(c->slots, c->mask, key->address, key->module, key->is_return) = (struct slot){
		.address = key->address,
		.frames = copy,
		.module = key->module,
		.count_and_return = (uint32_t)count * 2 + key->is_return,
	};
	c->count++;
	*answer = (struct sym_stack){count, copy};
	return 0;
}
