/*
 * Hides the table behind the string pool: open addressing over pointers, at most half full, so
 * that a probe is short; the bytes lie in an arena.
 */
#include "sym/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sym/arena.h"

#define FIRST_SLOTS 1024

struct names {
	const char **slots;
	size_t mask; /* slots - 1; a power of two minus one */
	size_t count;
	size_t bytes; /* of the strings */
	struct arena arena;
};

/* Eight bytes a step: names of C++ are hundreds of bytes long. */
static uint64_t name_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ull, word;
	size_t n = strlen(s);

	for (; n >= sizeof(word); n -= sizeof(word), s += sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, s, n);
	h = (h ^ word ^ n << 56) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->mask = FIRST_SLOTS - 1;
	n->slots = calloc(FIRST_SLOTS, sizeof(*n->slots));
	if (!n->slots) {
		free(n);
		return NULL;
	}
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	arena_fini(&n->arena);
	free(n->slots);
	free(n);
}

/* The slot that holds `s`, or the empty one where it belongs. */
static const char **slot_of(const char **slots, size_t mask, const char *s)
{
	size_t i = name_hash(s) & mask;

	while (slots[i] && strcmp(slots[i], s))
		i = (i + 1) & mask;
	return &slots[i];
}

static int names_grow(struct names *n)
{
	size_t mask = n->mask * 2 + 1;
	const char **slots = calloc(mask + 1, sizeof(*slots));

	if (!slots)
		return -1;
	for (size_t i = 0; i <= n->mask; i++)
		if (n->slots[i])
			*slot_of(slots, mask, n->slots[i]) = n->slots[i];
	free(n->slots);
	n->slots = slots;
	n->mask = mask;
	return 0;
}

const char *names_intern(struct names *n, const char *s)
{
	const char **slot, *known;
	size_t size;
	char *copy;

	if (!s)
		return NULL;
	slot = slot_of(n->slots, n->mask, s);
	known = *slot;
	if (known)
		return known;
	if (n->count * 2 > n->mask) {
		if (names_grow(n))
			return NULL;
		slot = slot_of(n->slots, n->mask, s);
	}
	size = strlen(s) + 1;
	copy = arena_alloc(&n->arena, size, 0);
	if (!copy)
		return NULL;
	memcpy(copy, s, size);
	*slot = copy;
	n->count++;
	n->bytes += size;
	return copy;
}

size_t names_bytes(const struct names *n)
{
	return n->bytes;
}
