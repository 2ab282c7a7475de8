// SPDX-License-Identifier: MIT
/* The collection of lanes: one for each key, whatever the order, and sums that lose nothing. */
#include <string.h>

#include "core/lane.h"
#include "hist_values.h"

#define KEYS 5000

static struct lane_key key_of(size_t i)
{
	return (struct lane_key){
		.op = (uint8_t)(i % 4),
		.function = (uint8_t)(i % 7),
		.class = (uint8_t)(i % CALIBRATION_NR),
		.size_class = LANE_ALL_SIZES,
		.pid = (uint32_t)(i / 3),
		.site = 0x401000 + i,
	};
}

static void test_one_lane_a_key(void **state)
{
	struct lanes l;

	(void)state;
	lanes_init(&l);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < KEYS; i++) {
			struct lane_key key = key_of(i);
			struct lane *lane = lanes_get(&l, &key);

			assert_non_null(lane);
			assert_int_equal(hist_add(&lane->hist, i), 0);
		}
	}
	assert_int_equal(l.count, KEYS);
	for (size_t i = 0; i < KEYS; i++) {
		struct lane_key key = key_of(i);

		assert_memory_equal(&l.all[i].key, &key, sizeof(key));
		assert_int_equal(l.all[i].hist.count, 3);
		assert_int_equal(l.all[i].hist.max, i);
	}
	lanes_fini(&l);
}

/* Every field tells lanes apart. */
static void test_keys_differ_in_any_byte(void **state)
{
	unsigned char bytes[sizeof(struct lane_key)];
	struct lanes l;

	(void)state;
	lanes_init(&l);
	for (size_t i = 0; i <= sizeof(bytes); i++) {
		struct lane_key key;

		memset(bytes, 0, sizeof(bytes));
		if (i < sizeof(bytes))
			bytes[i] = 1;
		memcpy(&key, bytes, sizeof(key));
		assert_non_null(lanes_get(&l, &key));
	}
	assert_int_equal(l.count, sizeof(bytes) + 1);
	lanes_fini(&l);
}

static void test_clear(void **state)
{
	struct lane_key key = key_of(1);
	struct lanes l;

	(void)state;
	lanes_init(&l);
	hist_add(&lanes_get(&l, &key)->hist, 5);
	lanes_clear(&l);
	assert_int_equal(l.count, 0);
	assert_int_equal(lanes_get(&l, &key)->hist.count, 0);
	assert_int_equal(l.count, 1);
	lanes_fini(&l);
}

static void test_unit(void **state)
{
	struct lane alone = {.key = {.op = LANE_CALL}};
	struct lane one = {.key = {.op = LANE_POOL_PAIR, .group = 1}};
	struct lane many = {.key = {.op = LANE_POOL_PAIR, .group = 64}};

	(void)state;
	assert_true(lane_unit(&alone) == 1);
	assert_true(lane_unit(&one) == 0.001);
	assert_true(lane_unit(&many) == 0.001);
}

static void test_merge(void **state)
{
	struct lane to = {.key = {.pid = 1}}, from = {.key = {.pid = 2}, .bytes = 30};
	uint64_t seed = 3, sum = 0, max = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		uint64_t value = any_magnitude(&seed, 40);

		assert_int_equal(hist_add(i % 3 ? &to.hist : &from.hist, value), 0);
		sum += value;
		max = value > max ? value : max;
	}
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		to.times[i] = i;
		from.times[i] = 100 * i;
		to.ns[i] = 7 * i;
		from.ns[i] = 1000 * i;
	}
	to.bytes = 12;
	assert_int_equal(lane_merge(&to, &from), 0);
	assert_int_equal(to.key.pid, 1);
	assert_int_equal(to.bytes, 42);
	assert_int_equal(to.hist.count, 1000);
	assert_int_equal(to.hist.sum, sum);
	assert_int_equal(to.hist.max, max);
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		assert_int_equal(to.times[i], 101 * i);
		assert_int_equal(to.ns[i], 1007 * i);
	}
	hist_fini(&to.hist);
	hist_fini(&from.hist);
}

static void test_causes_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < LANE_NR_CAUSES; i++) {
		assert_true(strlen(lane_cause_text(i)) > 2);
		/* Of letters that need no quotes in a query. */
		assert_int_equal(strspn(lane_cause_name(i), "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(lane_cause_name(i)));
		for (int k = 0; k < i; k++) {
			assert_string_not_equal(lane_cause_name(i), lane_cause_name(k));
			assert_string_not_equal(lane_cause_text(i), lane_cause_text(k));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_lane_a_key),
		cmocka_unit_test(test_keys_differ_in_any_byte),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_unit),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_causes_have_names),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
