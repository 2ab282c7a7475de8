// SPDX-License-Identifier: MIT
/* The map of chunks against a plain array of flags. Linked with libcore.a alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/starts.h"

#define BASE  0x7f0000000123ULL
#define BYTES 40000

static bool truth[BYTES + 1];
static struct starts map;
static uint64_t seed = 99;

static uint64_t roll(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % sides;
}

static bool true_below(uint64_t at, uint64_t lowest, uint64_t *found)
{
	for (*found = at; *found > lowest;) {
		if (truth[--*found])
			return true;
	}
	return false;
}

static bool true_above(uint64_t at, uint64_t end, uint64_t *found)
{
	for (*found = at + 1; *found < end && *found <= BYTES; ++*found) {
		if (truth[*found])
			return true;
	}
	return false;
}

static void ask(uint64_t at, uint64_t lowest, uint64_t end)
{
	uint64_t want, got;
	bool there = true_below(at, lowest, &want);

	assert_int_equal(starts_below(&map, BASE + at, BASE + lowest, &got), there);
	if (there)
		assert_int_equal(got, BASE + want);
	there = true_above(at, end, &want);
	assert_int_equal(starts_above(&map, BASE + at, BASE + end, &got), there);
	if (there)
		assert_int_equal(got, BASE + want);
}

static void ask_all(size_t times)
{
	for (size_t i = 0; i < times; i++) {
		uint64_t at = roll(BYTES + 1), reach = 1 + roll(i % 2 ? 200 : BYTES);

		ask(at, at > reach ? at - reach : 0, at + reach);
	}
	ask(0, 0, BYTES + 1);
	ask(BYTES, 0, BYTES + 1);
}

/* From empty to full to empty, by steps of all widths. */
static void test_against_an_array(void **state)
{
	(void)state;
	assert_int_equal(starts_init(&map, BASE, BYTES), 0);
	for (size_t round = 0; round < 60; round++) {
		bool fill = round < 30;

		for (size_t n = 0; n < 1U << round % 30 / 3; n++) {
			uint64_t at = roll(50) ? roll(BYTES + 1) : roll(2) * BYTES;

			truth[at] = fill;
			if (fill)
				starts_add(&map, BASE + at);
			else
				starts_remove(&map, BASE + at);
		}
		ask_all(200);
	}
	for (uint64_t at = 0; at <= BYTES; at++) {
		truth[at] = false;
		starts_remove(&map, BASE + at);
	}
	ask_all(50);
	starts_fini(&map);
	assert_null(map.words);
}

/* What lies outside is nowhere, and harms nothing. */
static void test_outside(void **state)
{
	uint64_t at;

	(void)state;
	assert_int_equal(starts_init(&map, BASE, 100), 0);
	starts_add(&map, BASE - 1);
	starts_add(&map, BASE + 100000);
	starts_remove(&map, BASE - 1);
	starts_add(&map, BASE + 7);
	assert_true(starts_below(&map, BASE + 50, 0, &at));
	assert_int_equal(at, BASE + 7);
	assert_true(starts_above(&map, BASE, UINT64_MAX, &at));
	assert_int_equal(at, BASE + 7);
	assert_false(starts_below(&map, BASE - 1, 0, &at));
	assert_false(starts_above(&map, BASE + 100000, UINT64_MAX, &at));
	assert_false(starts_below(&map, BASE + 7, 0, &at));
	assert_true(starts_bytes(100) >= 100 / 8);
	starts_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_an_array),
		cmocka_unit_test(test_outside),
	};

	return cmocka_run_group_tests_name("starts", tests, NULL, NULL);
}
