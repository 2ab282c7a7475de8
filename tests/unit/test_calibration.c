// SPDX-License-Identifier: MIT
/* What is subtracted, and what cannot be resolved: by hand, and against a clock that is simulated.
 */
#include <math.h>
#include <string.h>

#include "core/calibration.h"
#include "hist_values.h"

#define HITS 24000

static void test_by_hand(void **state)
{
	const struct calibration c = {
		.windows = {
			[CALIBRATION_PUSH] = {.hits = HITS, .p5 = 1600, .p50 = 1620, .p95 = 1650},
			[CALIBRATION_CLOCK] = {.hits = HITS, .p5 = 20, .p50 = 32, .p95 = 40},
		}};

	(void)state;
	assert_true(calibration_cost(&c, CALIBRATION_PUSH, 0) == 1620);
	assert_true(calibration_cost(&c, CALIBRATION_PUSH, 1) == 1620);
	assert_true(calibration_floor(&c, CALIBRATION_PUSH, 0) == 50);
	assert_true(calibration_cost(&c, CALIBRATION_CLOCK, 64) == 0.5);
	assert_true(calibration_floor(&c, CALIBRATION_CLOCK, 64) == 20.0 / 64);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < CALIBRATION_NR; i++) {
		assert_true(strlen(calibration_name(i)) > 2);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(calibration_name(i), calibration_name(k));
	}
	assert_string_equal(calibration_name(CALIBRATION_NR), "?");
}

/* The cost of the probes in one hit: never less than 1600 ns, and now and then an interrupt. */
static uint64_t window(uint64_t *seed)
{
	return 1600 + next_random(seed) % 60 + (next_random(seed) % 100 ? 0 : 5000);
}

static struct calibration_window measure(uint64_t *seed)
{
	struct calibration_window w = {.hits = HITS};
	struct hist h = {0};

	for (size_t i = 0; i < HITS; i++)
		assert_int_equal(hist_add(&h, window(seed)), 0);
	w.p5 = hist_quantile_between(&h, 0.05);
	w.p50 = hist_quantile_between(&h, 0.5);
	w.p95 = hist_quantile_between(&h, 0.95);
	hist_fini(&h);
	return w;
}

/* A function that takes `truth` ns, seen through the probes: corrected it is known to the floor. */
static void test_correction_of_known_lengths(void **state)
{
	static const uint64_t lengths[] = {0, 25, 50, 100, 200, 1000, 10000};
	struct calibration c = {0};
	uint64_t seed = 5;

	(void)state;
	c.windows[CALIBRATION_NOP] = measure(&seed);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		double floor = calibration_floor(&c, CALIBRATION_NOP, 0), corrected;
		struct hist h = {0};

		for (size_t k = 0; k < HITS; k++)
			assert_int_equal(hist_add(&h, window(&seed) + lengths[i]), 0);
		corrected =
			hist_quantile_between(&h, 0.5) - calibration_cost(&c, CALIBRATION_NOP, 0);
		assert_true(floor > 40 && floor < 80);
		assert_true(fabs(corrected - (double)lengths[i]) <
			    fmax(floor / 4, (double)lengths[i] / 64));
		hist_fini(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_correction_of_known_lengths),
	};

	return cmocka_run_group_tests_name("calibration", tests, NULL, NULL);
}
