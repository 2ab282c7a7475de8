// SPDX-License-Identifier: MIT
/* The one hash table. The decisions stand in the header. */
#include "core/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64
#define FIRST_ROOM  16
#define CHUNK       1024 /* entries */

static size_t stride(const struct table *t)
{
	return t->key_size + t->value_size;
}

static unsigned char *entry_at(const struct table *t, size_t i)
{
	return t->chunks[i / CHUNK] + i % CHUNK * stride(t);
}

/* Multiply and fold, word by word; the constants are the fractional bits of the golden ratio and
 * pi. */
static uint32_t hash_key(const void *key, size_t size)
{
	uint64_t hash = 0x243f6a8885a308d3ULL;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, (const char *)key + i, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return (uint32_t)hash;
}

/* The slot that holds the key, or the empty one where it would go. */
static size_t slot_of(const struct table *t, const void *key, uint32_t hash)
{
	size_t slot = hash & (t->slots - 1);

	while (t->index[slot].number &&
	       (t->index[slot].hash != hash ||
		memcmp(entry_at(t, t->index[slot].number - 1), key, t->key_size)))
		slot = (slot + 1) & (t->slots - 1);
	return slot;
}

/* The slot of the entry is about to be needed. */
static void expect_entry(const struct table *t, size_t i)
{
	__builtin_prefetch(&t->index[hash_key(entry_at(t, i), t->key_size) & (t->slots - 1)]);
}

/* The slot that holds the entry. */
static size_t slot_of_entry(const struct table *t, size_t i)
{
	size_t slot = hash_key(entry_at(t, i), t->key_size) & (t->slots - 1);

	while (t->index[slot].number != i + 1)
		slot = (slot + 1) & (t->slots - 1);
	return slot;
}

void table_init(struct table *t, size_t key_size, size_t value_size, size_t cap)
{
	/* Entries are numbered from 1 in 32 bits. */
	*t = (struct table){.key_size = key_size,
			    .value_size = value_size,
			    .cap = cap < UINT32_MAX ? cap : UINT32_MAX - 1};
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->chunk_count; i++)
		free(t->chunks[i]);
	free(t->chunks);
	free(t->index);
	*t = (struct table){0};
}

/* ---- room ---- */

static bool grow_index(struct table *t)
{
	size_t slots = t->slots ? t->slots * 2 : FIRST_SLOTS;
	struct table_slot *index = calloc(slots, sizeof(*index));

	if (!index)
		return false;
	for (size_t i = 0; i < t->slots; i++) {
		size_t slot = t->index[i].hash & (slots - 1);

		if (!t->index[i].number)
			continue;
		while (index[slot].number)
			slot = (slot + 1) & (slots - 1);
		index[slot] = t->index[i];
	}
	free(t->index);
	t->index = index;
	t->slots = slots;
	return true;
}

static bool grow_first(struct table *t)
{
	size_t room = t->room ? t->room * 2 : FIRST_ROOM;
	unsigned char *chunk = realloc(t->chunks[0], room * stride(t));

	if (!chunk)
		return false;
	t->chunks[0] = chunk;
	t->room = room;
	return true;
}

static bool add_chunk(struct table *t)
{
	size_t n = t->chunk_count;
	unsigned char **chunks = t->chunks;

	/* Room for a power of two of them. */
	if (!(n & (n - 1))) {
		chunks = realloc(t->chunks, (n ? n * 2 : 1) * sizeof(*chunks));
		if (!chunks)
			return false;
		t->chunks = chunks;
	}
	chunks[n] = malloc((n ? CHUNK : FIRST_ROOM) * stride(t));
	if (!chunks[n])
		return false;
	t->chunk_count++;
	t->room += n ? CHUNK : FIRST_ROOM;
	return true;
}

static bool grow_entries(struct table *t)
{
	return t->chunk_count == 1 && t->room < CHUNK ? grow_first(t) : add_chunk(t);
}

/* One chunk is kept in reserve, so that nothing is given back and taken again all the time. */
static void shrink_entries(struct table *t)
{
	if (t->chunk_count < 3 || t->count > t->room - 2 * CHUNK)
		return;
	free(t->chunks[--t->chunk_count]);
	t->room -= CHUNK;
}

/* For one more. Three quarters full is where linear probing begins to hurt. */
static bool make_room(struct table *t)
{
	if (t->count >= t->cap)
		return false;
	if ((t->count + 1) * 4 > t->slots * 3 && !grow_index(t))
		return false;
	return t->count < t->room || grow_entries(t);
}

/* ---- entries ---- */

void *table_find(const struct table *t, const void *key)
{
	size_t slot;

	if (!t->count)
		return NULL;
	slot = slot_of(t, key, hash_key(key, t->key_size));
	if (!t->index[slot].number)
		return NULL;
	return entry_at(t, t->index[slot].number - 1) + t->key_size;
}

void *table_insert(struct table *t, const void *key, bool *fresh)
{
	void *value = table_find(t, key);
	uint32_t hash = hash_key(key, t->key_size);
	unsigned char *entry;

	*fresh = !value;
	if (value)
		return value;
	if (!make_room(t)) {
		t->refused++;
		return NULL;
	}
	entry = entry_at(t, t->count);
	memcpy(entry, key, t->key_size);
	t->index[slot_of(t, key, hash)] = (struct table_slot){hash, (uint32_t)++t->count};
	return memset(entry + t->key_size, 0, t->value_size);
}

/* Closes the gap: what is behind it moves in unless its home lies between the gap and itself. */
static void empty_slot(struct table *t, size_t gap)
{
	size_t mask = t->slots - 1;

	for (size_t next = (gap + 1) & mask; t->index[next].number; next = (next + 1) & mask) {
		if (((next - t->index[next].hash) & mask) < ((next - gap) & mask))
			continue;
		t->index[gap] = t->index[next];
		gap = next;
	}
	t->index[gap].number = 0;
}

/* The last entry fills the hole. */
static void remove_slot(struct table *t, size_t slot)
{
	size_t hole = t->index[slot].number - 1, last = t->count - 1;

	if (hole != last) {
		t->index[slot_of_entry(t, last)].number = (uint32_t)hole + 1;
		memcpy(entry_at(t, hole), entry_at(t, last), stride(t));
	}
	empty_slot(t, slot);
	t->count--;
	shrink_entries(t);
}

bool table_remove(struct table *t, const void *key)
{
	size_t slot;

	if (!t->count)
		return false;
	expect_entry(t, t->count - 1);
	slot = slot_of(t, key, hash_key(key, t->key_size));
	if (!t->index[slot].number)
		return false;
	remove_slot(t, slot);
	return true;
}

/* From the last on: what fills a hole has been visited. */
void table_sweep(struct table *t, bool (*visit)(const void *key, void *value, void *context),
		 void *context)
{
	for (size_t i = t->count; i-- > 0;) {
		unsigned char *entry = entry_at(t, i);

		if (visit(entry, entry + t->key_size, context))
			remove_slot(t, slot_of_entry(t, i));
	}
}
