// SPDX-License-Identifier: MIT
/*
 * Verdicts about simulated lanes, whose truth is known: the durations are made here, and only then
 * read from a clock that moves in steps. Linked with libcore.a alone.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/verdict.h"

#define SEEDS   200
#define TURN_NS 16777216.0

/* ---- random numbers ---- */

static uint64_t seed;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / (double)(1ULL << 53);
}

/* Box and Muller. */
static double normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

/* ---- a machine ---- */

struct side {
	double ns;          /* of one operation: the median when all is quiet */
	unsigned int group; /* operations timed together */
	double state;       /* what the calls before leave behind */
};

struct machine {
	double step;   /* of the clock, ns */
	double drift;  /* in the run, of both sides */
	double unrest; /* of each call, by itself */
	double memory; /* 0..1: how much alike a call is to the one before */
	double tail;   /* part of the calls that take much longer */
	double run_ns; /* how long all of it takes */
	unsigned int calls;
};

static const struct machine usual = {
	.step = 10,
	.drift = 0.2,
	.unrest = 0.25,
	.memory = 0.7,
	.tail = 0.02,
	.run_ns = 3e9,
	.calls = 4000,
};

/* All that the sides have in common, at that part of the run: it gets slower, and up and down. */
static double weather(const struct machine *m, double part)
{
	return 1 + m->drift * (part + 0.5 * sin(20 * part));
}

static double duration(const struct machine *m, struct side *s, double part)
{
	double keep = m->memory, ns;

	s->state = keep * s->state + sqrt(1 - keep * keep) * normal();
	ns = s->ns * weather(m, part) * exp(m->unrest * s->state);
	if (uniform() < m->tail)
		ns *= pow(1 - uniform(), -0.8); /* Pareto's: the mean hardly exists */
	return ns * (s->group ? s->group : 1);
}

/* Two looks at the clock, in the lane's unit. */
static uint64_t measured(const struct machine *m, const struct side *s, double ns)
{
	double start = 1e6 * uniform();
	double read = floor((start + ns) / m->step) * m->step - floor(start / m->step) * m->step;

	return (uint64_t)(s->group ? read * 1000 / s->group : read);
}

/* The sides take turns, call by call. */
static void run(const struct machine *m, struct side *sides, struct hist (*lanes)[LANE_SLICES])
{
	memset(lanes, 0, 2 * sizeof(lanes[0]));
	for (unsigned int i = 0; i < m->calls; i++) {
		double part = (i + uniform()) / m->calls;
		size_t slice = (size_t)(part * m->run_ns / TURN_NS) % LANE_SLICES;

		for (size_t k = 0; k < 2; k++)
			assert_int_equal(
				hist_add(&lanes[k][slice],
					 measured(m, &sides[k], duration(m, &sides[k], part))),
				0);
	}
}

static void judge_lanes(struct hist (*lanes)[LANE_SLICES], const struct side *sides,
			const double *floors, struct verdict *v, struct verdict_lane *out)
{
	for (size_t k = 0; k < 2; k++) {
		assert_int_equal(verdict_lane_init(&out[k], lanes[k], sides[k].group ? 1e-3 : 1, 0,
						   floors[k]),
				 0);
	}
	verdict_judge(v, &out[0], &out[1]);
	for (size_t k = 0; k < 2; k++) {
		verdict_lane_fini(&out[k]);
		for (size_t i = 0; i < LANE_SLICES; i++)
			hist_fini(&lanes[k][i]);
	}
}

static void simulate(const struct machine *m, double first_ns, double second_ns, unsigned int group,
		     double floor, struct verdict *v, struct verdict_lane *out)
{
	struct side sides[2] = {{first_ns, group, 0}, {second_ns, group, 0}};
	struct hist lanes[2][LANE_SLICES];

	run(m, sides, lanes);
	judge_lanes(lanes, sides, (const double[]){floor, floor}, v, out);
}

static bool decided(const struct verdict *v)
{
	return v->kind == VERDICT_FASTER || v->kind == VERDICT_SLOWER;
}

/* ---- the same on both sides ---- */

static unsigned int wrong_of_same(const struct machine *m, double ns, unsigned int group,
				  double floor)
{
	unsigned int wrong = 0;

	for (unsigned int i = 1; i <= SEEDS; i++) {
		struct verdict_lane lanes[2];
		struct verdict v;

		seed = i * 0x9e3779b97f4a7c15;
		simulate(m, ns, ns, group, floor, &v, lanes);
		wrong += decided(&v);
	}
	return wrong;
}

static void expect_rarely(const char *what, unsigned int wrong, unsigned int most)
{
	print_message("%s: %u of %u are called different\n", what, wrong, SEEDS);
	if (wrong > most)
		fail_msg("%s: %u of %u", what, wrong, SEEDS);
}

static void test_same(void **state)
{
	struct machine m = usual;

	(void)state;
	expect_rarely("single operations", wrong_of_same(&m, 20, 0, 10), 9);
	expect_rarely("in groups", wrong_of_same(&m, 4, 64, 10.0 / 64), 9);
	expect_rarely("by probes", wrong_of_same(&m, 1700, 0, 48), 9);
	m.run_ns = 8 * TURN_NS;
	expect_rarely("in groups, 8 slices", wrong_of_same(&m, 4, 64, 10.0 / 64), 9);
}

/* Without a floor the interval alone stands between chance and a verdict: 5 % of the time it fails,
 * and so it should. 20 of 200 would come once in 400 tries. */
static void test_same_without_floor(void **state)
{
	(void)state;
	expect_rarely("no floor, groups", wrong_of_same(&usual, 4, 64, 0), 19);
}

/* ---- twice as long on one side ---- */

struct doubles {
	double least, most;
	unsigned int held; /* intervals that hold the truth */
};

static void check_double(unsigned int i, bool first_is_fast, struct doubles *d)
{
	struct verdict_lane lanes[2];
	struct verdict v;
	double ratio;

	seed = i * 0x9e3779b97f4a7c15;
	simulate(&usual, first_is_fast ? 4 : 8, first_is_fast ? 8 : 4, 64, 10.0 / 64, &v, lanes);
	ratio = first_is_fast ? v.ratio : 1 / v.ratio;
	if (v.kind != (first_is_fast ? VERDICT_FASTER : VERDICT_SLOWER) || !v.has_ratio ||
	    ratio < 1.8 || ratio > 2.2)
		fail_msg("seed %u: verdict %d, ratio %f", i, (int)v.kind, ratio);
	assert_true(v.ratio_in.low <= v.ratio && v.ratio <= v.ratio_in.high);
	assert_true(v.difference_in.low <= v.difference && v.difference <= v.difference_in.high);
	d->least = fmin(d->least, ratio);
	d->most = fmax(d->most, ratio);
	ratio = first_is_fast ? 2 : 0.5;
	d->held += v.ratio_in.low <= ratio && ratio <= v.ratio_in.high;
}

/* Always the right one; and the interval holds the truth as often as it says, give or take. */
static void test_double(void **state)
{
	struct doubles d = {.least = INFINITY};

	(void)state;
	for (unsigned int i = 1; i <= SEEDS; i++)
		check_double(i, i % 2, &d);
	print_message("twice as long: ratios %.3f .. %.3f, the interval holds 2 in %u of %u\n",
		      d.least, d.most, d.held, SEEDS);
	assert_true(d.held >= 180 && d.held <= 198);
}

/* ---- the ways not to decide, and to decide without a ratio ---- */

/* `calls` of about `ns` in each of `slices` slices: ns - spread .. ns + spread. */
static void fill(struct hist *slices, size_t used, size_t calls, double ns, double spread)
{
	for (size_t k = 0; k < used; k++) {
		for (size_t i = 0; i < calls; i++)
			assert_int_equal(
				hist_add(&slices[k], (uint64_t)(ns + spread * (2 * uniform() - 1))),
				0);
	}
}

struct lane_of {
	size_t slices, calls;
	double ns, spread, floor;
};

static struct verdict judge(struct lane_of first, struct lane_of second, struct verdict_lane *out)
{
	struct hist lanes[2][LANE_SLICES] = {0};
	const struct side sides[2] = {0};
	struct verdict v;

	seed = 77;
	fill(lanes[0], first.slices, first.calls, first.ns, first.spread);
	fill(lanes[1], second.slices, second.calls, second.ns, second.spread);
	judge_lanes(lanes, sides, (const double[]){first.floor, second.floor}, &v, out);
	return v;
}

static void test_too_few(void **state)
{
	struct lane_of plenty = {32, 100, 10, 3, 1}, many_in_few = {7, 1000, 50, 3, 1};
	struct lane_of few = {32, 3, 50, 3, 1}, none = {0};
	struct verdict_lane lanes[2];

	(void)state;
	assert_int_equal(judge(plenty, many_in_few, lanes).kind, VERDICT_TOO_FEW);
	assert_true(lanes[0].enough && !lanes[1].enough);
	assert_int_equal(judge(few, plenty, lanes).kind, VERDICT_TOO_FEW);
	assert_int_equal(judge(plenty, none, lanes).kind, VERDICT_TOO_FEW);
	assert_int_equal(judge(none, none, lanes).kind, VERDICT_TOO_FEW);
	assert_true(lanes[0].count == 0 && lanes[0].p50 == 0 && lanes[0].max == 0);
	few.calls = 4; /* 128 */
	assert_int_equal(judge(plenty, few, lanes).kind, VERDICT_FASTER);
	many_in_few.slices = 8;
	assert_int_equal(judge(plenty, many_in_few, lanes).kind, VERDICT_FASTER);
}

static void test_unresolved(void **state)
{
	struct verdict_lane lanes[2];
	struct verdict v = judge((struct lane_of){32, 100, 100, 3, 5},
				 (struct lane_of){32, 100, 112, 3, 40}, lanes);

	(void)state;
	assert_int_equal(v.kind, VERDICT_UNRESOLVED);
	assert_true(v.resolution == 40);
	assert_true(fabs(v.difference - 12) < 1);
	/* It is there, though: 12 +- 1. */
	assert_true(v.difference_in.low > 11 && v.difference_in.high < 13);
}

static void test_chance(void **state)
{
	struct verdict_lane lanes[2];
	struct verdict v = judge((struct lane_of){32, 5, 1000, 400, 0},
				 (struct lane_of){32, 5, 1010, 400, 0}, lanes);

	(void)state;
	assert_int_equal(v.kind, VERDICT_CHANCE);
	assert_true(v.difference_in.low < 0 && v.difference_in.high > 0);
}

/* No ratio with something at its floor. */
static void test_at_least(void **state)
{
	struct verdict_lane lanes[2];
	struct lane_of fast = {32, 100, 3, 2, 5}, slow = {32, 100, 200, 3, 5};
	struct verdict v = judge(fast, slow, lanes);

	(void)state;
	assert_int_equal(v.kind, VERDICT_FASTER);
	assert_false(v.has_ratio);
	/* 200 less 5, over 5 */
	assert_true(v.at_least > 38 && v.at_least < 39.5);
	v = judge(slow, fast, lanes);
	assert_int_equal(v.kind, VERDICT_SLOWER);
	assert_true(!v.has_ratio && v.at_least > 38 && v.at_least < 39.5);
	slow.ns = 9; /* more than 5 apart, but 9 - 5 is not more than 5 */
	v = judge(fast, slow, lanes);
	assert_int_equal(v.kind, VERDICT_FASTER);
	assert_true(!v.has_ratio && v.at_least == 0);
}

/* One lane after the other: no slice has both. */
static void test_apart(void **state)
{
	struct hist lanes[2][LANE_SLICES] = {0};
	const struct side sides[2] = {0};
	struct verdict_lane out[2];
	struct verdict v;

	(void)state;
	seed = 5;
	fill(lanes[0], 16, 100, 50, 10);
	fill(lanes[1] + 16, 16, 100, 100, 20);
	judge_lanes(lanes, sides, (const double[]){10, 10}, &v, out);
	assert_int_equal(v.kind, VERDICT_FASTER);
	assert_true(v.has_ratio && v.ratio_in.low < 2 && v.ratio_in.high > 2);
	assert_true(v.ratio_in.high - v.ratio_in.low < 0.2);
}

/* A cost is taken out of everything, and nothing is below 0. */
static void test_cost(void **state)
{
	struct hist slices[LANE_SLICES] = {0};
	struct verdict_lane lane;

	(void)state;
	seed = 6;
	fill(slices, 32, 100, 1000, 0);
	hist_add(&slices[5], 50000);
	assert_int_equal(verdict_lane_init(&lane, slices, 1e-3, 0.6, 0.1), 0);
	assert_int_equal(lane.count, 3201);
	assert_true(fabs(lane.p50 - 0.4) < 0.01 && fabs(lane.p999 - 0.4) < 0.01);
	assert_true(fabs(lane.max - 49.4) < 1e-9);
	assert_true(fabs(lane.mean - (1000 * 3200 + 50000) / 3201e3 + 0.6) < 1e-9);
	assert_true(verdict_lane_below(&lane, 0.3) == 0 && verdict_lane_below(&lane, 0.5) > 0.99);
	verdict_lane_fini(&lane);
	assert_int_equal(verdict_lane_init(&lane, slices, 1e-3, 1.2, 0.1), 0);
	assert_true(lane.p50 == 0 && lane.p50_in.low == 0 && lane.p50_in.high == 0);
	verdict_lane_fini(&lane);
	for (size_t i = 0; i < LANE_SLICES; i++)
		hist_fini(&slices[i]);
}

static void test_same_data_same_answer(void **state)
{
	struct lane_of first = {32, 20, 100, 30, 1}, second = {29, 20, 120, 40, 1};
	struct verdict_lane lanes[2];
	struct verdict v = judge(first, second, lanes), again = judge(first, second, lanes);

	(void)state;
	assert_true(v.kind == again.kind && v.ratio == again.ratio);
	assert_memory_equal(&v.ratio_in, &again.ratio_in, sizeof(v.ratio_in));
	assert_memory_equal(&v.difference_in, &again.difference_in, sizeof(v.difference_in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),       cmocka_unit_test(test_same_without_floor),
		cmocka_unit_test(test_double),     cmocka_unit_test(test_too_few),
		cmocka_unit_test(test_unresolved), cmocka_unit_test(test_chance),
		cmocka_unit_test(test_at_least),   cmocka_unit_test(test_apart),
		cmocka_unit_test(test_cost),       cmocka_unit_test(test_same_data_same_answer),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
