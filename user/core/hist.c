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

/* ---- where the counts are ---- */

struct hist_cell {
	uint64_t count;
	size_t bucket;
};

void hist_fini(struct hist *h)
{
	free(h->few);
	free(h->buckets);
	memset(h, 0, sizeof(*h));
}

/* The first of the few whose bucket is not below that one. */
static size_t few_from(const struct hist *h, size_t bucket)
{
	size_t low = 0, high = h->few_count;

	while (low < high) {
		size_t half = low + (high - low) / 2;

		if (h->few[half].bucket < bucket)
			low = half + 1;
		else
			high = half;
	}
	return low;
}

static bool few_grow(struct hist *h)
{
	uint16_t room = h->few_room ? 2 * h->few_room : 1;
	struct hist_cell *few = reallocarray(h->few, room, sizeof(*few));

	if (!few)
		return false;
	h->few = few;
	h->few_room = room;
	return true;
}

/* From the list of the few to the array of all. */
static bool spread(struct hist *h)
{
	uint64_t *buckets = calloc(HIST_BUCKETS, sizeof(*buckets));

	if (!buckets)
		return false;
	for (size_t i = 0; i < h->few_count; i++)
		buckets[h->few[i].bucket] = h->few[i].count;
	free(h->few);
	h->few = NULL;
	h->few_count = h->few_room = 0;
	h->buckets = buckets;
	return true;
}

/* The count of that bucket, which is about to be more than 0; NULL: no memory. */
static uint64_t *count_of(struct hist *h, size_t bucket)
{
	size_t i;

	if (h->buckets)
		return &h->buckets[bucket];
	i = few_from(h, bucket);
	if (i < h->few_count && h->few[i].bucket == bucket)
		return &h->few[i].count;
	if (h->few_count == HIST_FEW)
		return spread(h) ? &h->buckets[bucket] : NULL;
	if (h->few_count == h->few_room && !few_grow(h))
		return NULL;
	memmove(&h->few[i + 1], &h->few[i], (h->few_count - i) * sizeof(*h->few));
	h->few[i] = (struct hist_cell){.bucket = bucket};
	h->few_count++;
	return &h->few[i].count;
}

/*
 * The next bucket in use, in order; the walk begins with zeros, and ends with false.
 *
 *	for (struct walk w = {0}; walk(h, &w);)
 */
struct walk {
	size_t next; /* place in the list or the array */
	size_t bucket;
	uint64_t count; /* more than 0 */
};

static bool walk(const struct hist *h, struct walk *w)
{
	if (!h->buckets) {
		if (w->next == h->few_count)
			return false;
		w->bucket = h->few[w->next].bucket;
		w->count = h->few[w->next++].count;
		return true;
	}
	while (w->next < HIST_BUCKETS && !h->buckets[w->next])
		w->next++;
	if (w->next == HIST_BUCKETS)
		return false;
	w->bucket = w->next;
	w->count = h->buckets[w->next++];
	return true;
}

uint64_t hist_in_bucket(const struct hist *h, size_t bucket)
{
	size_t i;

	if (h->buckets)
		return h->buckets[bucket];
	i = few_from(h, bucket);
	return i < h->few_count && h->few[i].bucket == bucket ? h->few[i].count : 0;
}

/* ---- adding ---- */

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
	uint64_t *here = count_of(h, bucket_of(value, HIST_SUB_BITS));

	if (!here)
		return -ENOMEM;
	++*here;
	add_bounds(h, 1, value, value, value);
	return 0;
}

size_t hist_bucket(uint64_t value)
{
	return bucket_of(value, HIST_SUB_BITS);
}

int hist_add_bucket(struct hist *h, size_t bucket, uint64_t count, uint64_t sum, uint64_t max)
{
	uint64_t low, *here;

	if (bucket >= HIST_BUCKETS)
		return -EINVAL;
	if (!count)
		return 0;
	here = count_of(h, bucket);
	if (!here)
		return -ENOMEM;
	low = bucket_low(bucket, HIST_SUB_BITS);
	*here += count;
	add_bounds(h, count, sum, low, max > low ? max : low);
	return 0;
}

int hist_merge(struct hist *h, const struct hist *from)
{
	if (!from->count)
		return 0;
	for (struct walk w = {0}; walk(from, &w);) {
		uint64_t *here = count_of(h, w.bucket);

		if (!here)
			return -ENOMEM;
		*here += w.count;
	}
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

	for (struct walk w = {0}; walk(from, &w);) {
		uint64_t value = less(middle(from, w.bucket), by);

		err = hist_add_bucket(h, hist_bucket(value), w.count, w.count * value, value);
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
	for (struct walk w = {0}; walk(h, &w);) {
		double low = (double)bucket_low(w.bucket, HIST_SUB_BITS);
		double last = bucket_last(w.bucket);

		if (last > value)
			above +=
				(double)w.count * (low < value ? (last - value) / (last - low) : 1);
	}
	return (uint64_t)(above + 0.5);
}

double hist_quantile_between(const struct hist *h, double fraction)
{
	double rank = fraction * (double)h->count, seen = 0, value = (double)h->max;

	if (!h->count)
		return 0;
	for (struct walk w = {0}; walk(h, &w);) {
		double here = (double)w.count;

		if (seen + here >= rank) {
			double low = (double)bucket_low(w.bucket, HIST_SUB_BITS);

			value = low + (bucket_last(w.bucket) - low) * (rank - seen) / here;
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
	for (struct walk w = {0}; walk(h, &w);) {
		seen += w.count;
		if (seen >= rank) {
			uint64_t high = bucket_high(w.bucket, HIST_SUB_BITS);

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

	for (struct walk w = {0}; walk(h, &w);) {
		size_t coarse = bucket_of(bucket_low(w.bucket, HIST_SUB_BITS), sub_bits);

		if (coarse != last) {
			if (n < max)
				out[n] = (struct hist_bucket){.lo = bucket_low(coarse, sub_bits),
							      .hi = bucket_high(coarse, sub_bits)};
			n++;
			last = coarse;
		}
		if (n <= max)
			out[n - 1].count += w.count;
	}
	return n;
}
