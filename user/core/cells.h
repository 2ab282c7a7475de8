/* SPDX-License-Identifier: MIT */
/*
 * The values of a lane, slice by slice, for estimates that are finer than the steps they come in.
 *
 * A clock moves in steps (10 ns on some machines), and a group of 64 operations in 64ths of them:
 * few values occur, and the median as it stands jumps from one to the next, be the lanes ever so
 * alike. Therefore each value stands for all durations that it may have come from, half a step to
 * either side (the difference of two readings that are both cut off is right on average), and
 * quantiles are taken as of grouped data: L + (rank - below) / here * width, e.g. in Yule and
 * Kendall, "An Introduction to the Theory of Statistics", ch. 5. The step is the distance between
 * neighbours of the values that occur often; where it is smaller than a bucket of the histogram, a
 * cell is that bucket.
 */
#ifndef ALLOCTRACE_CORE_CELLS_H
#define ALLOCTRACE_CORE_CELLS_H

#include "core/hist.h"
#include "core/lane.h"

/* All in the histograms' unit. `lo` of the first cell may be below 0. */
struct cell {
	double lo, hi;
	/* Of each slice: values in this cell and in those before it. */
	uint64_t upto[LANE_SLICES];
};

struct cells {
	struct cell *all; /* in order, disjoint */
	size_t count;
	double step; /* 0: not to be told */
};

/* How often each slice is counted. */
typedef uint32_t cells_weights[LANE_SLICES];

/* Takes the histograms of all slices together; `c` owns what it has copied. 0 or -ENOMEM. */
int cells_init(struct cells *c, const struct hist slices[LANE_SLICES]);
void cells_fini(struct cells *c);

uint64_t cells_total(const struct cells *c, const cells_weights weights);

/* The value at that fraction (0..1) of all values, slices weighted. Not of nothing: cells_total
 * must be above 0. */
double cells_quantile(const struct cells *c, const cells_weights weights, double fraction);

/* Which part (0..1) of all values is below `value`; 0 when there are none. */
double cells_below(const struct cells *c, double value);

/* The mean of the smallest values, that fraction (0..1] of all. 0 when there are none. */
double cells_low_mean(const struct cells *c, double fraction);

#endif
