// SPDX-License-Identifier: MIT
/* The live heap beside the memory that it lies in: sums of several processes, and what grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"

#define MIB (1ULL << 20)

static void add(struct memory *m, uint64_t ts, uint64_t live, uint64_t mapped, uint64_t rss)
{
	const struct memory_point point = {ts, live * MIB, mapped * MIB, rss / 2 * MIB, rss * MIB};

	memory_add(m, &point);
}

static enum memory_growth growth(uint64_t live, uint64_t mapped, uint64_t rss)
{
	struct memory m = {0};
	enum memory_growth grown;

	add(&m, 10, 1, 2, 3); /* what it takes in the beginning does not count */
	add(&m, 12, 10, 100, 200);
	add(&m, 15, 50, 300, 900); /* nor does what lies between */
	add(&m, 18, live, mapped, rss);
	grown = memory_growth(&m);
	memory_fini(&m);
	return grown;
}

static void test_growth(void **state)
{
	(void)state;
	assert_int_equal(growth(10, 100, 200), MEMORY_STEADY);
	assert_int_equal(growth(14, 104, 204), MEMORY_STEADY); /* less than a twentieth */
	assert_int_equal(growth(40, 130, 230), MEMORY_LIVE);
	assert_int_equal(growth(10, 130, 230), MEMORY_KEPT);
	assert_int_equal(growth(20, 180, 280), MEMORY_KEPT); /* both, that one more */
	assert_int_equal(growth(90, 120, 220), MEMORY_LIVE);
	assert_int_equal(growth(10, 100, 300), MEMORY_OTHER);
	assert_int_equal(growth(5, 50, 100), MEMORY_STEADY); /* less than before */
	assert_int_equal(growth(0, 200, 200), MEMORY_KEPT);  /* freed, and not given back */
}

static void test_too_few(void **state)
{
	struct memory m = {0};

	(void)state;
	assert_int_equal(memory_growth(&m), MEMORY_STEADY);
	add(&m, 1, 10, 100, 200);
	assert_int_equal(memory_growth(&m), MEMORY_STEADY);
	add(&m, 2, 60, 150, 250); /* of two both count */
	assert_int_equal(memory_growth(&m), MEMORY_LIVE);
	memory_fini(&m);
}

/* Two processes at one moment; what is live is that of all of them already. */
static void test_sums(void **state)
{
	struct memory m = {0};

	(void)state;
	add(&m, 7, 10, 100, 200);
	add(&m, 7, 10, 20, 30);
	assert_int_equal(m.count, 1);
	assert_int_equal(m.points[0].live, 10 * MIB);
	assert_int_equal(m.points[0].mapped, 120 * MIB);
	assert_int_equal(m.points[0].resident, 115 * MIB);
	assert_int_equal(m.points[0].rss, 230 * MIB);
	memory_fini(&m);
}

static void test_cap(void **state)
{
	struct memory m = {0};

	(void)state;
	for (uint64_t ts = 1; ts <= MEMORY_MAX_POINTS + 5; ts++)
		add(&m, ts, ts, 1, 1);
	assert_int_equal(m.count, MEMORY_MAX_POINTS);
	assert_int_equal(m.refused, 5);
	assert_int_equal(m.points[MEMORY_MAX_POINTS - 1].live, MEMORY_MAX_POINTS * MIB);
	memory_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_too_few),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_cap),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
