// SPDX-License-Identifier: MIT
/* Log-linear buckets. The decisions stand in the header. */
#include "core/hist.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The bucket of a value with 2^bits buckets to an octave: exact below 2^bits. */
static size_t bucket_of(uint64_t value, unsigned int bits)
{
	unsigned int octave;

	if (value < 1ULL << bits)
		return value;
	octave = 63 - (unsigned int)__builtin_clzll(value);
	return ((size_t)(octave - bits + 1) << bits) +
	       (size_t)((value >> (octave - bits)) - (1ULL << bits));
}

static uint64_t bucket_low(size_t bucket, unsigned int bits)
{
	size_t octave = bucket >> bits;
	uint64_t step = bucket & ((1ULL << bits) - 1);

	if (octave == 0)
		return step;
	return (step + (1ULL << bits)) << (octave - 1);
}

static uint64_t bucket_high(size_t bucket, unsigned int bits)
{
	/* The end of the last bucket is 2^64. */
	return bucket == bucket_of(UINT64_MAX, bits) ? UINT64_MAX : bucket_low(bucket + 1, bits);
}

void hist_fini(struct hist *h)
{
	free(h->buckets);
	memset(h, 0, sizeof(*h));
}

static bool has_buckets(struct hist *h)
{
	if (!h->buckets)
		h->buckets = calloc(HIST_BUCKETS, sizeof(*h->buckets));
	return h->buckets;
}

static void add_bounds(struct hist *h, uint64_t count, uint64_t sum, uint64_t min, uint64_t max)
{
	if (!h->count || min < h->min)
		h->min = min;
	if (!h->count || max > h->max)
		h->max = max;
	h->count += count;
	h->sum += sum;
}

int hist_add(struct hist *h, uint64_t value)
{
	if (!has_buckets(h))
		return -ENOMEM;
	h->buckets[bucket_of(value, HIST_SUB_BITS)]++;
	add_bounds(h, 1, value, value, value);
	return 0;
}

size_t hist_bucket(uint64_t value)
{
	return bucket_of(value, HIST_SUB_BITS);
}

int hist_add_bucket(struct hist *h, size_t bucket, uint64_t count, uint64_t sum, uint64_t max)
{
	uint64_t low;

	if (bucket >= HIST_BUCKETS)
		return -EINVAL;
	if (!count)
		return 0;
	if (!has_buckets(h))
		return -ENOMEM;
	low = bucket_low(bucket, HIST_SUB_BITS);
	h->buckets[bucket] += count;
	add_bounds(h, count, sum, low, max > low ? max : low);
	return 0;
}

int hist_merge(struct hist *h, const struct hist *from)
{
	if (!from->count)
		return 0;
	if (!has_buckets(h))
		return -ENOMEM;
	for (size_t i = 0; i < HIST_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
	add_bounds(h, from->count, from->sum, from->min, from->max);
	return 0;
}

static uint64_t less(uint64_t value, uint64_t by)
{
	return value > by ? value - by : 0;
}

/* The middle of a bucket, as far as the values of `h` reach. */
static uint64_t middle(const struct hist *h, size_t bucket)
{
	uint64_t low = bucket_low(bucket, HIST_SUB_BITS);
	uint64_t value = low + (bucket_high(bucket, HIST_SUB_BITS) - low) / 2;

	if (value < h->min)
		return h->min;
	return value < h->max ? value : h->max;
}

int hist_add_shifted(struct hist *h, const struct hist *from, uint64_t by)
{
	int err;

	for (size_t i = 0; from->count && i < HIST_BUCKETS; i++) {
		uint64_t count = from->buckets[i], value;

		if (!count)
			continue;
		value = less(middle(from, i), by);
		err = hist_add_bucket(h, hist_bucket(value), count, count * value, value);
		if (err)
			return err;
	}
	if (from->count && h->max < less(from->max, by))
		h->max = less(from->max, by);
	return 0;
}

/* The largest value of a bucket. */
static double bucket_last(size_t bucket)
{
	return (double)(bucket_high(bucket, HIST_SUB_BITS) - 1);
}

uint64_t hist_above(const struct hist *h, double value)
{
	double above = 0;

	if (!h->count || value >= (double)h->max)
		return 0;
	if (value < (double)h->min)
		return h->count;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		double low = (double)bucket_low(i, HIST_SUB_BITS), last = bucket_last(i);

		if (h->buckets[i] && last > value)
			above += (double)h->buckets[i] *
				 (low < value ? (last - value) / (last - low) : 1);
	}
	return (uint64_t)(above + 0.5);
}

double hist_quantile_between(const struct hist *h, double fraction)
{
	double rank = fraction * (double)h->count, seen = 0, value = (double)h->max;

	if (!h->count)
		return 0;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		double here = (double)h->buckets[i];

		if (here > 0 && seen + here >= rank) {
			double low = (double)bucket_low(i, HIST_SUB_BITS);

			value = low + (bucket_last(i) - low) * (rank - seen) / here;
			break;
		}
		seen += here;
	}
	return fmin(fmax(value, (double)h->min), (double)h->max);
}

uint64_t hist_quantile(const struct hist *h, double fraction)
{
	uint64_t rank = (uint64_t)ceil(fraction * (double)h->count), seen = 0;

	if (!h->count)
		return 0;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank && seen) {
			uint64_t high = bucket_high(i, HIST_SUB_BITS);

			return high <= h->max && high != UINT64_MAX ? high - 1 : h->max;
		}
	}
	return h->max;
}

uint64_t hist_mean(const struct hist *h)
{
	return h->count ? (h->sum + h->count / 2) / h->count : 0;
}

size_t hist_coarse(const struct hist *h, unsigned int sub_bits, struct hist_bucket *out, size_t max)
{
	size_t n = 0, last = SIZE_MAX;

	for (size_t i = 0; h->buckets && i < HIST_BUCKETS; i++) {
		size_t coarse;

		if (!h->buckets[i])
			continue;
		coarse = bucket_of(bucket_low(i, HIST_SUB_BITS), sub_bits);
		if (coarse != last) {
			if (n < max)
				out[n] = (struct hist_bucket){.lo = bucket_low(coarse, sub_bits),
							      .hi = bucket_high(coarse, sub_bits)};
			n++;
			last = coarse;
		}
		if (n <= max)
			out[n - 1].count += h->buckets[i];
	}
	return n;
}
