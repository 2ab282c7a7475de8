/* SPDX-License-Identifier: MIT */
/*
 * Is one lane faster than the other? An answer only where the data carry one.
 *
 * Compared are the medians (p50), corrected by what measuring costs. Two things may hide a
 * difference: chance, and what cannot be resolved. Against the second stands the resolution, the
 * larger floor of the two. Against the first, 95 % confidence intervals by the bootstrap (Davison
 * and Hinkley, "Bootstrap Methods and their Application", 1997). Calls close in time are alike, so
 * what is drawn again, with replacement, are not calls but slices of time (ch. 3.8), and as slices
 * that are neighbours are a little alike, too, blocks of them from a ring (Politis and Romano, "A
 * Circular Block-Resampling Procedure for Stationary Data", 1992): of 32 slices, 4 together. Lanes
 * that ran side by side are drawn together, so that what disturbed both cancels out. Intervals are
 * percentiles, expanded for few blocks (Hesterberg, "What Teachers Should Know About the
 * Bootstrap", The American Statistician 69(4), 2015). The random numbers always start alike: the
 * same data, the same answer.
 *
 * What cannot be seen: whatever changes one lane alone, for longer than a few slices.
 */
#ifndef ALLOCTRACE_CORE_VERDICT_H
#define ALLOCTRACE_CORE_VERDICT_H

#include <stdbool.h>

#include "core/cells.h"
#include "core/hist.h"
#include "core/lane.h"

#define VERDICT_RESAMPLES  2000
#define VERDICT_MIN_COUNT  100 /* values of a lane … */
#define VERDICT_MIN_SLICES 8   /* … and slices with any, below which nothing is said */

/* 95 %. */
struct verdict_interval {
	double low, high;
};

/* Durations in ns, the cost taken out, never below 0. */
struct verdict_lane {
	struct cells cells;
	double unit, cost, floor; /* as they were given, in ns */
	uint64_t count;
	size_t slices; /* that hold anything */
	double mean, p50, p90, p99, p999, max;
	double low_mean; /* of the fastest 99 %: what most calls cost together, without outliers */
	bool enough;     /* for an interval, and for a verdict */
	struct verdict_interval p50_in; /* only if enough */
};

enum verdict_kind {
	VERDICT_FASTER, /* the first lane, for certain */
	VERDICT_SLOWER,
	VERDICT_UNRESOLVED, /* the difference is under the resolution */
	VERDICT_CHANCE,     /* the interval of the difference holds 0 */
	VERDICT_TOO_FEW,
};

struct verdict {
	enum verdict_kind kind;
	double resolution; /* ns */
	/* The second lane's p50 less the first's, in ns: above 0, the first is faster. */
	double difference;
	struct verdict_interval difference_in; /* not with VERDICT_TOO_FEW */
	/* The second lane's p50 by the first's; only if both are well above their floors. */
	bool has_ratio;
	double ratio;
	struct verdict_interval ratio_in;
	/* FASTER and SLOWER without a ratio: the slower lane takes so many times as long, or more;
	 * 0: that cannot be said either. */
	double at_least;
};

/*
 * Fills `lane` from the slices of a lane: values in units of `unit` ns, of which each has `cost` ns
 * too much, and what is under `floor` ns cannot be told from nothing. Copies what it needs. 0 or
 * -ENOMEM; verdict_lane_fini either way.
 */
int verdict_lane_init(struct verdict_lane *lane, const struct hist slices[LANE_SLICES], double unit,
		      double cost, double floor);
void verdict_lane_fini(struct verdict_lane *lane);

/* Which part (0..1) of the lane's calls took less than `ns`, corrected. */
double verdict_lane_below(const struct verdict_lane *lane, double ns);

/* What `p` quantile (0..1) the lane has, in ns, corrected; 0 of an empty lane. */
double verdict_lane_quantile(const struct verdict_lane *lane, double p);

void verdict_judge(struct verdict *v, const struct verdict_lane *first,
		   const struct verdict_lane *second);

#endif
