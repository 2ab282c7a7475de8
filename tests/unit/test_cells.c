// SPDX-License-Identifier: MIT
/*
 * Quantiles of values that a coarse clock has told: the truth is what the durations were before
 * they were read from it. Linked with libcore.a alone.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cells.h"

#define VALUES 20000

static const cells_weights once = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
				   1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static uint64_t seed = 9;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / (double)(1ULL << 53);
}

static int compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void add(struct hist *slices, size_t slice, double value)
{
	assert_int_equal(hist_add(&slices[slice % LANE_SLICES], (uint64_t)value), 0);
}

static void forget(struct hist *slices)
{
	for (size_t k = 0; k < LANE_SLICES; k++)
		hist_fini(&slices[k]);
}

/* What a clock that moves in steps makes of a duration. */
static double on_clock(double ns, double step)
{
	double start = 1e6 * uniform();

	return floor((start + ns) / step) * step - floor(start / step) * step;
}

/* Spread evenly around `middle`, read from the clock; returns the step that is found. */
static double check_median(double middle, double spread, double step, unsigned int group,
			   double error)
{
	static double truth[VALUES];
	struct hist slices[LANE_SLICES] = {0};
	struct cells cells;
	double found, median, unit = group ? 1000.0 / group : 1;

	for (size_t i = 0; i < VALUES; i++) {
		double ns = (group ? group : 1) * (middle + spread * (uniform() - 0.5));

		truth[i] = group ? ns * unit : ns;
		add(slices, i, on_clock(ns, step) * unit);
	}
	qsort(truth, VALUES, sizeof(truth[0]), compare_numbers);
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_int_equal(cells_total(&cells, once), VALUES);
	median = cells_quantile(&cells, once, 0.5);
	if (fabs(median - truth[VALUES / 2]) > error)
		fail_msg("median %f, truth %f", median, truth[VALUES / 2]);
	found = cells.step;
	cells_fini(&cells);
	forget(slices);
	return found;
}

static void test_median_between_steps(void **state)
{
	(void)state;
	/* On a clock of 10 ns most of these are told as 20 or 30, of which one would be the median:
	 * up to half a step off. What is asked for here is half of that. */
	for (double middle = 20; middle < 30; middle += 0.5)
		assert_true(fabs(check_median(middle, 10, 10, 0, 2.5) - 10) < 0.01);
	/* In groups of 64, in ps: 156.25 a step, and the buckets are 32 wide. */
	for (double middle = 4; middle < 4.3; middle += 0.02)
		assert_true(fabs(check_median(middle, 0.5, 10, 64, 40) - 156.25) < 32);
	check_median(1700, 300, 10, 0, 10);
}

/* Each of 0..59 as often: a cell is one value, half a unit to either side. */
static void test_without_steps(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	struct cells cells;

	(void)state;
	for (size_t i = 0; i < 6000; i++)
		add(slices, i, (double)(i % 60));
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_int_equal(cells.count, 60);
	assert_true(fabs(cells.step - 1) < 1e-9);
	for (size_t i = 0; i < 60; i++)
		assert_true(fabs(cells_quantile(&cells, once, (double)i / 60) - ((double)i - 0.5)) <
			    1e-9);
	assert_true(fabs(cells_below(&cells, 29.5) - 0.5) < 1e-9);
	assert_true(cells_below(&cells, -5) == 0 && cells_below(&cells, 1e6) == 1);
	cells_fini(&cells);
	forget(slices);
}

/* The clock's rate was adjusted now and then: 1 in 500 is off by one. */
static void test_rare_values_join(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	struct cells cells;

	(void)state;
	for (size_t i = 0; i < 10000; i++)
		add(slices, i, 10.0 * (double)(1 + i % 5) + (i % 500 == 7));
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_true(fabs(cells.step - 10) < 1e-9);
	assert_int_equal(cells.count, 5);
	assert_true(fabs(cells_quantile(&cells, once, 0.5) - 30) < 0.1);
	cells_fini(&cells);
	forget(slices);
}

/* One value has no neighbour that could tell a step: it is taken as it is. Far away a few more. */
static void test_one_value(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	struct cells cells;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		add(slices, i, i % 100 ? 20 : 5000);
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_true(cells.step == 0);
	assert_true(fabs(cells_quantile(&cells, once, 0.5) - 20) <= 0.5);
	assert_true(cells_quantile(&cells, once, 0.989) < 21);
	assert_true(fabs(cells_quantile(&cells, once, 0.999) - 5000) < 80);
	cells_fini(&cells);
	forget(slices);
}

/* A slice that is counted twice counts as if its values were there twice. */
static void test_weights(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	cells_weights weights = {[0] = 1, [1] = 3};
	struct cells cells;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		add(slices, 0, 10);
		add(slices, 1, 20);
		add(slices, 2, 40); /* weighs nothing */
	}
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_int_equal(cells_total(&cells, weights), 400);
	assert_true(cells_quantile(&cells, weights, 0.24) < 16);
	assert_true(cells_quantile(&cells, weights, 0.26) > 14);
	assert_true(cells_quantile(&cells, weights, 1) < 26);
	cells_fini(&cells);
	forget(slices);
}

/* Cells lie in order, disjoint, and hold everything, whatever comes. */
static void test_any_values(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	struct cells cells;

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		add(slices, i * 7, pow(2, 64 * uniform()) * 0.999);
	hist_add(&slices[3], 0);
	hist_add(&slices[3], UINT64_MAX);
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_int_equal(cells_total(&cells, once), 5002);
	for (size_t i = 0; i < cells.count; i++) {
		assert_true(cells.all[i].lo < cells.all[i].hi);
		assert_true(!i || cells.all[i - 1].hi <= cells.all[i].lo);
	}
	for (double p = 0; p < 0.99; p += 0.01)
		assert_true(cells_quantile(&cells, once, p) <=
			    cells_quantile(&cells, once, p + 0.01));
	cells_fini(&cells);
	forget(slices);
}

/* The mean of the fastest 99 % is that of the sorted values, whatever the slowest 1 % are. */
static void test_low_mean(void **state)
{
	struct hist slices[LANE_SLICES] = {{0}};
	static double values[VALUES];
	struct cells c;
	double sum = 0;

	(void)state;
	for (size_t i = 0; i < VALUES; i++) {
		values[i] = floor(i % 200 ? 1000 + 3000 * uniform() : 1e6 + 1e6 * uniform());
		add(slices, i, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), compare_numbers);
	for (size_t i = 0; i < VALUES * 99 / 100; i++)
		sum += values[i];
	sum /= VALUES * 99.0 / 100;
	assert_int_equal(cells_init(&c, slices), 0);
	assert_true(fabs(cells_low_mean(&c, 0.99) - sum) < 0.01 * sum);
	assert_true(cells_low_mean(&c, 1) > 1.5 * sum);
	cells_fini(&c);
	forget(slices);
}

static void test_empty(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	struct cells cells;

	(void)state;
	assert_int_equal(cells_init(&cells, slices), 0);
	assert_int_equal(cells.count, 0);
	assert_int_equal(cells_total(&cells, once), 0);
	assert_true(cells_below(&cells, 5) == 0);
	cells_fini(&cells);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median_between_steps),
		cmocka_unit_test(test_without_steps),
		cmocka_unit_test(test_rare_values_join),
		cmocka_unit_test(test_one_value),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_any_values),
		cmocka_unit_test(test_low_mean),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
