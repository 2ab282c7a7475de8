// SPDX-License-Identifier: MIT
/* The one hash table. The decisions stand in the header. */
#include "core/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

static size_t stride(const struct table *t)
{
	return t->key_size + t->value_size;
}

static unsigned char *slot_at(const struct table *t, size_t slot)
{
	return t->entries + slot * stride(t);
}

/* Multiply and fold, word by word; the constants are the fractional bits of the golden ratio and
 * pi. */
static uint64_t hash_key(const void *key, size_t size)
{
	uint64_t hash = 0x243f6a8885a308d3ULL;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, (const char *)key + i, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

static size_t home_of(const struct table *t, const void *key)
{
	return hash_key(key, t->key_size) & (t->slots - 1);
}

/* The slot that holds the key, or the empty one where it would go. */
static size_t slot_of(const struct table *t, const void *key)
{
	size_t slot = home_of(t, key);

	while (t->used[slot] && memcmp(slot_at(t, slot), key, t->key_size))
		slot = (slot + 1) & (t->slots - 1);
	return slot;
}

void table_init(struct table *t, size_t key_size, size_t value_size, size_t cap)
{
	*t = (struct table){.key_size = key_size, .value_size = value_size, .cap = cap};
}

void table_fini(struct table *t)
{
	free(t->used);
	free(t->entries);
	*t = (struct table){0};
}

static bool grow(struct table *t)
{
	struct table bigger = *t;

	bigger.slots = t->slots ? t->slots * 2 : FIRST_SLOTS;
	bigger.used = calloc(bigger.slots, 1);
	bigger.entries = malloc(bigger.slots * stride(t));
	if (!bigger.used || !bigger.entries) {
		free(bigger.used);
		free(bigger.entries);
		return false;
	}
	for (size_t i = 0; i < t->slots; i++) {
		if (!t->used[i])
			continue;
		size_t slot = slot_of(&bigger, slot_at(t, i));

		bigger.used[slot] = 1;
		memcpy(slot_at(&bigger, slot), slot_at(t, i), stride(t));
	}
	free(t->used);
	free(t->entries);
	t->used = bigger.used;
	t->entries = bigger.entries;
	t->slots = bigger.slots;
	return true;
}

void *table_find(const struct table *t, const void *key)
{
	size_t slot;

	if (!t->count)
		return NULL;
	slot = slot_of(t, key);
	return t->used[slot] ? slot_at(t, slot) + t->key_size : NULL;
}

void *table_insert(struct table *t, const void *key, bool *fresh)
{
	void *value = table_find(t, key);
	size_t slot;

	*fresh = !value;
	if (value)
		return value;
	/* Three quarters full is where linear probing begins to hurt. */
	if (t->count >= t->cap || ((t->count + 1) * 4 > t->slots * 3 && !grow(t))) {
		t->refused++;
		return NULL;
	}
	slot = slot_of(t, key);
	t->used[slot] = 1;
	t->count++;
	memcpy(slot_at(t, slot), key, t->key_size);
	return memset(slot_at(t, slot) + t->key_size, 0, t->value_size);
}

/* Closes the gap: an entry behind it moves in unless its home lies between the gap and itself. */
static void remove_slot(struct table *t, size_t gap)
{
	size_t mask = t->slots - 1;

	for (size_t next = (gap + 1) & mask; t->used[next]; next = (next + 1) & mask) {
		size_t home = home_of(t, slot_at(t, next));

		if (((next - home) & mask) < ((next - gap) & mask))
			continue;
		memcpy(slot_at(t, gap), slot_at(t, next), stride(t));
		gap = next;
	}
	t->used[gap] = 0;
	t->count--;
}

bool table_remove(struct table *t, const void *key)
{
	size_t slot;

	if (!t->count)
		return false;
	slot = slot_of(t, key);
	if (!t->used[slot])
		return false;
	remove_slot(t, slot);
	return true;
}

/*
 * A removal may move an entry from behind into the slot at hand, so that slot is looked at again.
 * An entry that wraps round from the end to the front was visited and kept, or will be: visiting
 * twice is harmless for predicates, which is what `visit` is when it removes.
 */
void table_sweep(struct table *t, bool (*visit)(const void *key, void *value, void *context),
		 void *context)
{
	for (size_t slot = 0; slot < t->slots;) {
		unsigned char *entry = slot_at(t, slot);

		if (t->used[slot] && visit(entry, entry + t->key_size, context))
			remove_slot(t, slot);
		else
			slot++;
	}
}
