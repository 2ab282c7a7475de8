/* SPDX-License-Identifier: MIT */
/*
 * A histogram with log-linear buckets (as in HdrHistogram, http://hdrhistogram.org): exact below
 * 64, and 64 buckets to every power of two above, so that a value is known to 1.6 % over all of 64
 * bits. Count, sum and maximum are exact. The unit is the caller's.
 *
 * All buckets are 30 KiB, and a report by call site may hold a quarter of a million histograms of
 * one value each. So the first HIST_FEW buckets in use are kept as a sorted list of no more than
 * them, and the array of all is taken when there are more.
 */
#ifndef ALLOCTRACE_CORE_HIST_H
#define ALLOCTRACE_CORE_HIST_H

#include <stddef.h>
#include <stdint.h>

#define HIST_SUB_BITS 6
#define HIST_BUCKETS  ((64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)
#define HIST_FEW      128

struct hist_cell;

/* A hist starts as zeros. What it holds in memory is its own; the members behind min are private.
 */
struct hist {
	uint64_t count, sum, max, min; /* min and max say nothing while count is 0 */
	struct hist_cell *few;         /* by bucket, none of them empty; NULL: see `buckets` */
	uint64_t *buckets;             /* HIST_BUCKETS, once there are more than HIST_FEW in use */
	uint16_t few_count, few_room;
};

struct hist_bucket {
	uint64_t lo, hi; /* values v with lo <= v < hi (hi is ~0 for the last one) */
	uint64_t count;
};

/* Leaves zeros, with which it can be filled anew. */
void hist_fini(struct hist *h);

/* Adds one value. 0, or -ENOMEM: the value is not in it. */
int hist_add(struct hist *h, uint64_t value);

/*
 * Adds `count` values that all lie in that bucket (0..HIST_BUCKETS-1, as hist_bucket tells), of
 * which the sum and the largest are known. min becomes no better than the bucket's lower end; max
 * never stays below it, as it would where the parts were read while they were being counted.
 * -EINVAL: there is no such bucket; -ENOMEM.
 */
int hist_add_bucket(struct hist *h, size_t bucket, uint64_t count, uint64_t sum, uint64_t max);
size_t hist_bucket(uint64_t value);

/* How many values lie in that bucket (0..HIST_BUCKETS-1). */
uint64_t hist_in_bucket(const struct hist *h, size_t bucket);

/* Adds what `from` holds. 0, or -ENOMEM: a part of it may have been added, count and sum not. */
int hist_merge(struct hist *h, const struct hist *from);

/*
 * Adds what `from` holds, every value less by `by`, and 0 where that would be below it. A value is
 * taken as the middle of its bucket, the maximum as it is. 0 or -ENOMEM.
 */
int hist_add_shifted(struct hist *h, const struct hist *from, uint64_t by);

/* How many values lie above that one, those of its own bucket taken as spread evenly over it. */
uint64_t hist_above(const struct hist *h, double value);

/* The value at that fraction (0..1), the values of a bucket taken as spread evenly over it; never
 * beyond min and max. 0 when empty. */
double hist_quantile_between(const struct hist *h, double fraction);

/* The value below or at which `fraction` (0..1] of all values lie: the upper end of the bucket that
 * holds that rank, never more than the maximum. 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double fraction);

uint64_t hist_mean(const struct hist *h);

/*
 * The buckets for eyes: 2^sub_bits (0..HIST_SUB_BITS) to a power of two, only those that are not
 * empty, in order. Fills at most `max` of `out` and returns how many there are.
 */
size_t hist_coarse(const struct hist *h, unsigned int sub_bits, struct hist_bucket *out,
		   size_t max);

#endif
