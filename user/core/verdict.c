// SPDX-License-Identifier: MIT
/*
 * The bootstrap, and what follows from it.
 *
 * Decisions
 * - One resample is a weight for each slice; a median of it is a binary search through the cells.
 * - A corrected value below 0 is 0: nothing takes less, and a cost measured too high must not make
 *   a difference larger.
 * - A ratio with something at its floor is noise: there the slower one's least is set against the
 *   floor instead.
 */
#include "core/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NORMAL_97_5    1.959963984540054 /* quantile of the normal distribution */
#define MIN_TOGETHER   VERDICT_MIN_SLICES
#define MIN_BLOCKS     VERDICT_MIN_SLICES
#define SMALLEST_LEAST 1.1 /* "at least 1.0 times as long" says nothing */

/* ---- random numbers: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0..n-1, n far below 2^32 (Lemire, "Fast Random Integer Generation in an Interval", 2019; the bias
 * is below n / 2^32). */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((next_random(state) >> 32) * n >> 32);
}

/* ---- resamples ---- */

/* The slices that are drawn from. */
struct urn {
	uint64_t state;
	uint32_t slices[LANE_SLICES], count;
};

static bool holds(const struct cells *c, size_t slice)
{
	return c->count && c->all[c->count - 1].upto[slice];
}

static struct urn urn_of(const struct cells *first, const struct cells *second)
{
	struct urn urn = {.state = 4};

	for (uint32_t k = 0; k < LANE_SLICES; k++) {
		if (holds(first, k) || holds(second, k))
			urn.slices[urn.count++] = k;
	}
	return urn;
}

/* How many slices in a row are drawn together: so many that there are still enough draws. */
static uint32_t block_length(size_t slices)
{
	return slices < MIN_BLOCKS ? 1 : (uint32_t)(slices / MIN_BLOCKS);
}

static void draw(struct urn *urn, cells_weights weights)
{
	uint32_t length = block_length(urn->count), at = 0;

	memset(weights, 0, sizeof(cells_weights));
	for (uint32_t i = 0; i < urn->count; i++) {
		at = i % length ? at + 1 : random_below(&urn->state, urn->count);
		weights[urn->slices[at % urn->count]]++;
	}
}

/* A draw in which the lane has a median. There is one: the lane is not empty. */
static double draw_median(struct urn *urn, const struct cells *c)
{
	cells_weights weights;

	do
		draw(urn, weights);
	while (!cells_total(c, weights));
	return cells_quantile(c, weights, 0.5);
}

/* ---- intervals ---- */

static int compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Student's t for the 97.5 % quantile: Abramowitz and Stegun, 26.7.5; good to 0.001 from 7 degrees
 * of freedom on. */
static double student(double freedom)
{
	double z = NORMAL_97_5, z3 = z * z * z, z5 = z3 * z * z;

	return z + (z3 + z) / (4 * freedom) +
	       (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
	       (3 * z5 * z * z + 19 * z5 + 17 * z3 - 15 * z) / (384 * pow(freedom, 3));
}

/* The part below the interval: less than 2.5 %, as few blocks vary too little. */
static double tail(size_t slices)
{
	size_t blocks = slices / block_length(slices);
	double n = (double)blocks;

	return erfc(sqrt(n / (n - 1)) * student(n - 1) / sqrt(2)) / 2;
}

/* Sorts `values`, of VERDICT_RESAMPLES resamples. */
static struct verdict_interval interval_of(double *values, size_t slices)
{
	size_t outside = (size_t)(tail(slices) * VERDICT_RESAMPLES);

	qsort(values, VERDICT_RESAMPLES, sizeof(*values), compare_numbers);
	return (struct verdict_interval){values[outside], values[VERDICT_RESAMPLES - 1 - outside]};
}

/* ---- one lane ---- */

static double corrected(const struct verdict_lane *lane, double value)
{
	return fmax(value * lane->unit - lane->cost, 0);
}

static double quantile(const struct verdict_lane *lane, double p)
{
	static const cells_weights once = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
					   1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

	return lane->count ? corrected(lane, cells_quantile(&lane->cells, once, p)) : 0;
}

double verdict_lane_quantile(const struct verdict_lane *lane, double p)
{
	return fmin(quantile(lane, p), lane->max);
}

double verdict_lane_below(const struct verdict_lane *lane, double ns)
{
	return ns <= 0 ? 0 : cells_below(&lane->cells, (ns + lane->cost) / lane->unit);
}

static struct verdict_interval median_interval(const struct verdict_lane *lane)
{
	double medians[VERDICT_RESAMPLES];
	struct urn urn = urn_of(&lane->cells, &lane->cells);

	for (size_t i = 0; i < VERDICT_RESAMPLES; i++)
		medians[i] = corrected(lane, draw_median(&urn, &lane->cells));
	return interval_of(medians, lane->slices);
}

static void describe(struct verdict_lane *lane, double sum, uint64_t max)
{
	lane->mean = lane->count ? corrected(lane, sum / (double)lane->count) : 0;
	lane->low_mean = lane->count ? corrected(lane, cells_low_mean(&lane->cells, 0.99)) : 0;
	lane->max = lane->count ? corrected(lane, (double)max) : 0;
	lane->p50 = verdict_lane_quantile(lane, 0.5);
	lane->p90 = verdict_lane_quantile(lane, 0.9);
	lane->p99 = verdict_lane_quantile(lane, 0.99);
	lane->p999 = verdict_lane_quantile(lane, 0.999);
	lane->enough = lane->count >= VERDICT_MIN_COUNT && lane->slices >= VERDICT_MIN_SLICES;
	if (lane->enough)
		lane->p50_in = median_interval(lane);
}

int verdict_lane_init(struct verdict_lane *lane, const struct hist slices[LANE_SLICES], double unit,
		      double cost, double floor)
{
	double sum = 0;
	uint64_t max = 0;
	int err;

	*lane = (struct verdict_lane){.unit = unit, .cost = cost, .floor = floor};
	for (size_t k = 0; k < LANE_SLICES; k++) {
		if (!slices[k].count)
			continue;
		lane->slices++;
		lane->count += slices[k].count;
		sum += (double)slices[k].sum;
		max = slices[k].max > max ? slices[k].max : max;
	}
	err = cells_init(&lane->cells, slices);
	if (!err)
		describe(lane, sum, max);
	return err;
}

void verdict_lane_fini(struct verdict_lane *lane)
{
	cells_fini(&lane->cells);
}

/* ---- two lanes ---- */

static bool side_by_side(const struct cells *first, const struct cells *second)
{
	size_t together = 0;

	for (size_t k = 0; k < LANE_SLICES; k++)
		together += holds(first, k) && holds(second, k);
	return together >= MIN_TOGETHER;
}

struct medians {
	double first[VERDICT_RESAMPLES], second[VERDICT_RESAMPLES];
};

static void resample_together(struct medians *m, const struct cells *first,
			      const struct cells *second)
{
	struct urn urn = urn_of(first, second);
	cells_weights weights;

	for (size_t i = 0; i < VERDICT_RESAMPLES;) {
		draw(&urn, weights);
		if (!cells_total(first, weights) || !cells_total(second, weights))
			continue;
		m->first[i] = cells_quantile(first, weights, 0.5);
		m->second[i++] = cells_quantile(second, weights, 0.5);
	}
}

/* One after the other, so that no slice tells of both. */
static void resample_apart(struct medians *m, const struct cells *first, const struct cells *second)
{
	struct urn urn_first = urn_of(first, first), urn_second = urn_of(second, second);

	urn_second.state = ~urn_first.state;
	for (size_t i = 0; i < VERDICT_RESAMPLES; i++) {
		m->first[i] = draw_median(&urn_first, first);
		m->second[i] = draw_median(&urn_second, second);
	}
}

static bool above_floor(const struct verdict_lane *lane)
{
	return lane->p50_in.low > lane->floor && lane->p50_in.low > 0;
}

static void judge_intervals(struct verdict *v, const struct verdict_lane *first,
			    const struct verdict_lane *second)
{
	size_t slices = first->slices < second->slices ? first->slices : second->slices;
	double differences[VERDICT_RESAMPLES], ratios[VERDICT_RESAMPLES];
	struct medians m;

	if (side_by_side(&first->cells, &second->cells))
		resample_together(&m, &first->cells, &second->cells);
	else
		resample_apart(&m, &first->cells, &second->cells);
	for (size_t i = 0; i < VERDICT_RESAMPLES; i++) {
		double a = corrected(first, m.first[i]), b = corrected(second, m.second[i]);

		differences[i] = b - a;
		ratios[i] = a > 0 ? b / a : INFINITY;
	}
	v->difference_in = interval_of(differences, slices);
	v->ratio_in = interval_of(ratios, slices);
	v->has_ratio = above_floor(first) && above_floor(second) && isfinite(v->ratio_in.high);
	v->ratio = v->has_ratio ? second->p50 / first->p50 : 0;
	if (!v->has_ratio)
		v->ratio_in = (struct verdict_interval){0, 0};
}

static enum verdict_kind kind_of(const struct verdict *v)
{
	if (fabs(v->difference) <= v->resolution)
		return VERDICT_UNRESOLVED;
	if (v->difference > 0)
		return v->difference_in.low > 0 ? VERDICT_FASTER : VERDICT_CHANCE;
	return v->difference_in.high < 0 ? VERDICT_SLOWER : VERDICT_CHANCE;
}

/* The slower one takes no less than its interval's lower end, its own floor deducted; the faster
 * one no more than its interval's upper end or its floor. */
static double least_ratio(const struct verdict_lane *fast, const struct verdict_lane *slow)
{
	double most = fmax(fast->p50_in.high, fast->floor);
	double least = most > 0 ? (slow->p50_in.low - slow->floor) / most : 0;

	return least >= SMALLEST_LEAST ? least : 0;
}

void verdict_judge(struct verdict *v, const struct verdict_lane *first,
		   const struct verdict_lane *second)
{
	*v = (struct verdict){.kind = VERDICT_TOO_FEW,
			      .resolution = fmax(first->floor, second->floor),
			      .difference = second->p50 - first->p50};
	if (!first->enough || !second->enough)
		return;
	judge_intervals(v, first, second);
	v->kind = kind_of(v);
	if (v->has_ratio)
		return;
	if (v->kind == VERDICT_FASTER)
		v->at_least = least_ratio(first, second);
	else if (v->kind == VERDICT_SLOWER)
		v->at_least = least_ratio(second, first);
}
