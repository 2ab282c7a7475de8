// SPDX-License-Identifier: MIT
/*
 * The hash table against models that cannot be wrong in the same way: an array of flags for small
 * key spaces, where slots collide and runs wrap round the end all the time, and a search tree for
 * large ones, where the table grows. Linked with libcore.a alone.
 */
#include <search.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/table.h"

#define OPERATIONS 100000
#define MAX_KEYS   4096

struct key {
	uint64_t a, b;
};

struct value {
	uint64_t x, y, z;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Keys that differ in one word only, in the low bits of one and the high bits of the other. */
static struct key key_number(uint64_t i)
{
	return i % 2 ? (struct key){.a = i} : (struct key){.b = i << 48};
}

static bool wraps(const struct table *t)
{
	return t->slots && t->index[0].number && t->index[t->slots - 1].number;
}

/* ---- against an array of flags ---- */

struct model {
	size_t keys, cap, count;
	uint64_t refused, removed_while_wrapped;
	bool present[MAX_KEYS];
	uint64_t value[MAX_KEYS];
};

static void compare_all(const struct table *t, const struct model *m)
{
	assert_int_equal(t->count, m->count);
	assert_int_equal(t->refused, m->refused);
	for (size_t i = 0; i < m->keys; i++) {
		struct key key = key_number(i);
		const struct value *value = table_find(t, &key);

		assert_int_equal(value != NULL, m->present[i]);
		if (value) {
			assert_int_equal(value->x, m->value[i]);
			assert_int_equal(value->y, 0);
			assert_int_equal(value->z, ~m->value[i]);
		}
	}
}

static void insert_one(struct table *t, struct model *m, size_t i, uint64_t number)
{
	struct key key = key_number(i);
	bool fresh = false;
	struct value *value = table_insert(t, &key, &fresh);

	if (!m->present[i] && m->count == m->cap) {
		assert_null(value);
		m->refused++;
		return;
	}
	assert_non_null(value);
	assert_int_equal(fresh, !m->present[i]);
	if (fresh)
		assert_true(!value->x && !value->y && !value->z);
	else
		assert_int_equal(value->x, m->value[i]);
	m->count += fresh;
	m->present[i] = true;
	m->value[i] = number;
	*value = (struct value){.x = number, .z = ~number};
}

static void remove_one(struct table *t, struct model *m, size_t i)
{
	struct key key = key_number(i);

	m->removed_while_wrapped += m->present[i] && wraps(t);
	assert_int_equal(table_remove(t, &key), m->present[i]);
	m->count -= m->present[i];
	m->present[i] = false;
}

/* Half the time more goes in than out, half the time the other way round. */
static void run_against_flags(size_t keys, size_t cap, uint64_t seed)
{
	static struct model m;
	struct table t;

	m = (struct model){.keys = keys, .cap = cap};
	table_init(&t, sizeof(struct key), sizeof(struct value), cap);
	for (uint64_t n = 0; n < OPERATIONS; n++) {
		uint64_t r = next_random(&seed);
		size_t i = (r >> 16) % keys;
		unsigned int inserts = n / 5000 % 2 ? 40 : 60;

		if (r % 100 < inserts)
			insert_one(&t, &m, i, r);
		else
			remove_one(&t, &m, i);
		if (n % 2500 == 0)
			compare_all(&t, &m);
	}
	compare_all(&t, &m);
	assert_true(m.removed_while_wrapped > 100);
	if (cap < keys)
		assert_true(m.refused > 100);
	table_fini(&t);
}

static void test_crowded(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_against_flags(100, 48, seed); /* 64 slots, three quarters full */
}

static void test_crowded_at_cap(void **state)
{
	(void)state;
	run_against_flags(1000, 384, 11);
	run_against_flags(MAX_KEYS, 1500, 12);
}

static void test_without_cap(void **state)
{
	(void)state;
	run_against_flags(MAX_KEYS, SIZE_MAX, 13);
}

/* ---- against a search tree ---- */

static int compare_words(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void insert_word(struct table *t, void **tree, uint64_t word, size_t *count)
{
	uint64_t *copy = malloc(sizeof(*copy)), *value;
	bool fresh, known;

	assert_non_null(copy);
	*copy = word;
	known = *(uint64_t **)tsearch(copy, tree, compare_words) != copy;
	if (known)
		free(copy);
	value = table_insert(t, &word, &fresh);
	assert_non_null(value);
	assert_int_equal(fresh, !known);
	*value = word * 3;
	*count += fresh;
}

static void remove_word(struct table *t, void **tree, uint64_t word, size_t *count)
{
	uint64_t **node = tfind(&word, tree, compare_words);
	uint64_t *old = node ? *node : NULL;

	if (old)
		tdelete(&word, tree, compare_words);
	assert_int_equal(table_remove(t, &word), old != NULL);
	*count -= old != NULL;
	free(old);
}

/* Addresses as allocators give them out: multiples of 16 in a few regions. */
static void test_addresses(void **state)
{
	uint64_t seed = 99, found = 0;
	size_t count = 0;
	void *tree = NULL;
	struct table t;

	(void)state;
	table_init(&t, sizeof(uint64_t), sizeof(uint64_t), SIZE_MAX);
	for (size_t n = 0; n < OPERATIONS; n++) {
		uint64_t r = next_random(&seed);
		uint64_t word = 0x7f0000000000 + (r >> 8) % 4 * 0x10000000 + (r >> 16) % 20000 * 16;
		uint64_t **node, *value;

		if (r % 8 < 5)
			insert_word(&t, &tree, word, &count);
		else
			remove_word(&t, &tree, word, &count);
		word += (r >> 50) * 16;
		node = tfind(&word, &tree, compare_words);
		value = table_find(&t, &word);
		assert_int_equal(value != NULL, node != NULL);
		if (value)
			assert_int_equal(*value, word * 3);
		found += value != NULL;
		assert_int_equal(t.count, count);
	}
	assert_true(count > 10000 && found > 100);
	table_fini(&t);
	tdestroy(tree, free);
}

/* ---- edges ---- */

static void test_empty(void **state)
{
	uint64_t key = 0;
	struct table t;

	(void)state;
	table_init(&t, 8, 8, 10);
	assert_null(table_find(&t, &key));
	assert_false(table_remove(&t, &key));
	assert_int_equal(t.count + t.refused + t.slots, 0);
	table_fini(&t);
	table_fini(&t); /* twice does no harm */
}

static void test_cap(void **state)
{
	struct table t;
	uint64_t key;
	bool fresh;

	(void)state;
	table_init(&t, 8, 8, 3);
	for (key = 0; key < 3; key++)
		assert_non_null(table_insert(&t, &key, &fresh));
	assert_null(table_insert(&t, &key, &fresh));
	assert_null(table_insert(&t, &key, &fresh));
	assert_int_equal(t.refused, 2);
	key = 1; /* what is there is still to be had */
	assert_non_null(table_insert(&t, &key, &fresh));
	assert_false(fresh);
	assert_int_equal(t.refused, 2);
	assert_true(table_remove(&t, &key));
	key = 77;
	assert_non_null(table_insert(&t, &key, &fresh));
	assert_true(fresh);
	assert_int_equal(t.count, 3);
	table_fini(&t);
	table_init(&t, 8, 8, 0);
	assert_null(table_insert(&t, &key, &fresh));
	assert_int_equal(t.refused, 1);
	table_fini(&t);
}

/* What was needed at the peak is given back, but for a reserve; what is left is where it was. */
static void test_memory_given_back(void **state)
{
	uint64_t key, *value;
	struct table t;
	bool fresh;

	(void)state;
	table_init(&t, 8, 8, SIZE_MAX);
	for (key = 0; key < 100000; key++)
		*(uint64_t *)table_insert(&t, &key, &fresh) = ~key;
	assert_true(t.room >= 100000 && t.room < 102000);
	for (key = 0; key < 100000; key++) {
		if (key % 100)
			assert_true(table_remove(&t, &key));
	}
	assert_true(t.room >= 1000 && t.room < 4000);
	for (key = 0; key < 100000; key++) {
		value = table_find(&t, &key);
		assert_int_equal(value != NULL, key % 100 == 0);
		if (value)
			assert_int_equal(*value, ~key);
	}
	table_fini(&t);
}

/* To and fro, wherever: memory is not taken and given back each time. */
static void test_no_flutter(void **state)
{
	struct table t;
	bool fresh;

	(void)state;
	table_init(&t, 8, 8, SIZE_MAX);
	for (uint64_t key = 0; key < 5000; key++) {
		uint64_t other = key + 10000;
		size_t room;

		table_insert(&t, &key, &fresh);
		table_insert(&t, &other, &fresh);
		room = t.room;
		table_remove(&t, &other);
		assert_int_equal(t.room, room);
	}
	table_fini(&t);
}

/* ---- sweep ---- */

struct sweep {
	size_t visits[MAX_KEYS], keys, calls;
	uint64_t modulus, rest; /* what is removed: i % modulus == rest */
};

static size_t number_of(const struct key *key)
{
	return key->a ? key->a : key->b >> 48;
}

static bool visit(const void *key, void *value, void *context)
{
	struct sweep *s = context;
	size_t i = number_of(key);

	assert_true(i < s->keys);
	assert_int_equal(((struct value *)value)->x, i * 5);
	s->visits[i]++;
	s->calls++;
	return s->modulus && i % s->modulus == s->rest;
}

static void sweep_one(size_t keys, uint64_t modulus, uint64_t seed, uint64_t *wrapped)
{
	static struct sweep s;
	static bool present[MAX_KEYS];
	struct table t;
	size_t left = 0;
	bool fresh;

	s = (struct sweep){.keys = MAX_KEYS, .modulus = modulus};
	memset(present, 0, sizeof(present));
	s.rest = modulus ? seed % modulus : 0;
	table_init(&t, sizeof(struct key), sizeof(struct value), SIZE_MAX);
	for (size_t n = 0; n < keys; n++) {
		size_t i = next_random(&seed) % MAX_KEYS;
		struct key key = key_number(i);

		present[i] = true;
		((struct value *)table_insert(&t, &key, &fresh))->x = i * 5;
	}
	*wrapped += wraps(&t);
	table_sweep(&t, visit, &s);
	for (size_t i = 0; i < MAX_KEYS; i++) {
		struct key key = key_number(i);
		bool removed = present[i] && modulus && i % modulus == s.rest;

		assert_int_equal(s.visits[i], present[i]);
		assert_int_equal(table_find(&t, &key) != NULL, present[i] && !removed);
		left += present[i] && !removed;
	}
	assert_int_equal(t.count, left);
	table_fini(&t);
}

static void test_sweep(void **state)
{
	uint64_t wrapped = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		sweep_one(48, 1 + seed % 5, seed, &wrapped);
		sweep_one(96, 1 + seed % 3, seed, &wrapped);
		sweep_one(700, 2, seed, &wrapped);
	}
	sweep_one(3000, 0, 5, &wrapped); /* a look at everything */
	sweep_one(3000, 1, 6, &wrapped); /* nothing stays */
	assert_true(wrapped > 20);
}

static void test_sweep_of_nothing(void **state)
{
	struct sweep s = {.keys = 0};
	struct table t;

	(void)state;
	table_init(&t, sizeof(struct key), sizeof(struct value), 8);
	table_sweep(&t, visit, &s);
	assert_int_equal(s.calls, 0);
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_crowded_at_cap),
		cmocka_unit_test(test_without_cap),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sweep_of_nothing),
		cmocka_unit_test(test_memory_given_back),
		cmocka_unit_test(test_no_flutter),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
