// SPDX-License-Identifier: MIT
/*
 * Histograms that come in buckets, from the kernel side or from another histogram, and what is
 * computed from them. The sorted values are the truth.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "hist_values.h"

#define VALUES 20000

/* The bounds of the bucket of a value, and how much it holds, as hist_coarse tells them. */
static struct hist_bucket find_bucket(const struct hist *h, uint64_t value)
{
	static struct hist_bucket all[HIST_BUCKETS];
	size_t n = hist_coarse(h, HIST_SUB_BITS, all, HIST_BUCKETS);

	for (size_t i = 0; i < n; i++) {
		if (value >= all[i].lo && (value < all[i].hi || all[i].hi == UINT64_MAX))
			return all[i];
	}
	fail_msg("no bucket holds %llu", (unsigned long long)value);
	return all[0];
}

static void check_same(const struct hist *a, const struct hist *b)
{
	assert_int_equal(a->count, b->count);
	assert_true(a->sum == b->sum);
	assert_true(a->max == b->max);
	for (size_t i = 0; i < HIST_BUCKETS; i++)
		assert_int_equal(hist_in_bucket(a, i), hist_in_bucket(b, i));
}

/* The kernel side knows no values, but of every bucket their number, their sum and the largest. */
static void add_as_kernel(struct hist *h, const uint64_t *sorted, size_t n)
{
	for (size_t from = 0, to; from < n; from = to) {
		size_t bucket = hist_bucket(sorted[from]);
		uint64_t sum = 0;

		for (to = from; to < n && hist_bucket(sorted[to]) == bucket; to++)
			sum += sorted[to];
		assert_int_equal(hist_add_bucket(h, bucket, to - from, sum, sorted[to - 1]), 0);
	}
}

static void test_add_bucket(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 11;

	(void)state;
	for (unsigned int bits = 1; bits <= 48; bits += 3) {
		struct hist one = {0}, other = {0};

		fill_sorted(values, VALUES, bits, &seed);
		fill(&one, values, VALUES);
		add_as_kernel(&other, values, VALUES);
		check_same(&other, &one);
		assert_true(other.min <= values[0]);
		assert_true(values[0] - other.min <= values[0] / 64);
		hist_fini(&one);
		hist_fini(&other);
	}
}

/* Few buckets take no more room than they need; how many there are changes no count. */
static void test_few_and_many(void **state)
{
	static uint64_t truth[HIST_BUCKETS];
	struct hist h = {0}, copy = {0};
	uint64_t seed = 17;
	size_t used = 0;

	(void)state;
	memset(truth, 0, sizeof(truth));
	while (used < 3 * (size_t)HIST_FEW) {
		size_t bucket = next_random(&seed) % HIST_BUCKETS;
		uint64_t count = 1 + next_random(&seed) % 1000;

		used += !truth[bucket];
		truth[bucket] += count;
		assert_int_equal(hist_add_bucket(&h, bucket, count, 0, 0), 0);
		assert_int_equal(!h.buckets, used <= HIST_FEW);
		for (size_t i = 0; i < HIST_BUCKETS; i++)
			assert_int_equal(hist_in_bucket(&h, i), truth[i]);
		hist_fini(&copy);
		assert_int_equal(hist_merge(&copy, &h), 0);
		assert_int_equal(!copy.buckets, used <= HIST_FEW);
		check_same(&copy, &h);
	}
	hist_fini(&h);
	hist_fini(&copy);
}

static void test_add_bucket_refuses(void **state)
{
	struct hist h = {0};

	(void)state;
	assert_int_equal(hist_add_bucket(&h, HIST_BUCKETS, 1, 1, 1), -EINVAL);
	assert_int_equal(hist_add_bucket(&h, SIZE_MAX, 1, 1, 1), -EINVAL);
	assert_int_equal(hist_add_bucket(&h, 5, 0, 0, 0), 0);
	assert_true(!h.count && !h.few && !h.buckets);
	assert_int_equal(hist_add_bucket(&h, HIST_BUCKETS - 1, 1, UINT64_MAX, UINT64_MAX), 0);
	assert_true(h.max == UINT64_MAX && h.count == 1);
	hist_fini(&h);
}

/* Counted already, the maximum not yet: read while it was being written. */
static void test_add_bucket_without_a_maximum(void **state)
{
	struct hist h = {0};

	(void)state;
	assert_int_equal(hist_add_bucket(&h, hist_bucket(1633), 2, 3266, 0), 0);
	assert_int_equal(h.max, find_bucket(&h, 1633).lo);
	assert_int_equal(hist_quantile(&h, 0.5), h.max);
	assert_true(hist_quantile_between(&h, 0.5) == (double)h.max);
	hist_fini(&h);
}

static void test_merge(void **state)
{
	static uint64_t values[VALUES];
	struct hist all = {0}, sum = {0}, empty = {0};
	uint64_t seed = 13;

	(void)state;
	assert_int_equal(hist_merge(&sum, &empty), 0);
	assert_true(!sum.few && !sum.buckets);
	for (unsigned int part = 0; part < 5; part++) {
		struct hist one = {0};

		for (size_t i = 0; i < VALUES; i++)
			values[i] = any_magnitude(&seed, 40 - 7 * part);
		fill(&one, values, VALUES);
		fill(&all, values, VALUES);
		assert_int_equal(hist_merge(&sum, &one), 0);
		assert_int_equal(hist_merge(&sum, &empty), 0);
		check_same(&sum, &all);
		assert_int_equal(sum.min, all.min);
		hist_fini(&one);
	}
	hist_fini(&all);
	hist_fini(&sum);
}

/* Within the bucket of the value that has the rank, never beyond the ends, and never falling. */
static void check_between(const uint64_t *sorted, size_t n)
{
	struct hist h = {0};
	double last = 0;

	fill(&h, sorted, n);
	for (unsigned int permille = 1; permille <= 1000; permille++) {
		/* Between two ranks: no rounding of the fraction can decide. */
		size_t rank = (n * permille + 999) / 1000;
		struct hist_bucket b = find_bucket(&h, sorted[rank - 1]);
		double answer = hist_quantile_between(&h, ((double)rank - 0.5) / (double)n);

		assert_true(answer >= (double)b.lo && answer <= (double)b.hi);
		assert_true(answer >= (double)sorted[0] && answer <= (double)sorted[n - 1]);
		assert_true(answer >= last);
		last = answer;
	}
	assert_true(hist_quantile_between(&h, 0) >= (double)sorted[0]);
	hist_fini(&h);
}

static void test_quantile_between(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 17;

	(void)state;
	for (unsigned int bits = 1; bits <= 48; bits += 3)
		check_between(values, fill_sorted(values, 5003, bits, &seed));
	for (size_t n = 1; n < 40; n++)
		check_between(values, fill_sorted(values, n, 20, &seed));
}

/* What the header promises of values that are spread evenly: no step of a bucket's width. */
static void test_quantile_between_is_fine(void **state)
{
	struct hist h = {0};

	(void)state;
	for (uint64_t v = 1500; v < 1900; v++)
		hist_add(&h, v);
	for (unsigned int percent = 1; percent < 100; percent++) {
		double truth = 1500 + 4.0 * percent;

		assert_true(fabs(hist_quantile_between(&h, percent / 100.0) - truth) < 10);
	}
	assert_true(fabs(hist_quantile_between(&h, 0.5) - 1700) < 1);
	hist_fini(&h);
}

/* A bucket of one value has nothing between its bounds. */
static void test_quantile_between_is_exact_when_small(void **state)
{
	struct hist h = {0};

	(void)state;
	for (uint64_t v = 0; v < 64; v++) {
		for (size_t i = 0; i < 5; i++)
			hist_add(&h, v);
	}
	for (uint64_t v = 0; v < 64; v++) {
		assert_true(hist_quantile_between(&h, ((double)v + 0.1) / 64) == (double)v);
		assert_true(hist_quantile_between(&h, ((double)v + 0.9) / 64) == (double)v);
		assert_int_equal(hist_above(&h, (double)v), 5 * (63 - v));
	}
	hist_fini(&h);
}

static void test_quantile_between_of_nothing(void **state)
{
	struct hist h = {0};

	(void)state;
	assert_true(hist_quantile_between(&h, 0.5) == 0);
	assert_int_equal(hist_above(&h, 0), 0);
}

static size_t at_or_above(const uint64_t *sorted, size_t n, uint64_t value)
{
	size_t i = 0;

	while (i < n && sorted[i] < value)
		i++;
	return n - i;
}

/* Right but for the values of its own bucket, and the reverse of the quantile where a bucket has
 * more values than one. */
static void test_above(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 19;

	(void)state;
	for (unsigned int bits = 1; bits <= 48; bits += 3) {
		struct hist h = {0};
		size_t n = fill_sorted(values, 3000, bits, &seed);

		fill(&h, values, n);
		for (size_t i = 0; i < n; i += 7) {
			struct hist_bucket b = find_bucket(&h, values[i]);
			uint64_t above = hist_above(&h, (double)values[i]);

			assert_true(above <= at_or_above(values, n, b.lo));
			assert_true(above >= at_or_above(values, n, b.hi));
		}
		assert_int_equal(hist_above(&h, (double)h.max), 0);
		assert_int_equal(hist_above(&h, -1), n);
		for (unsigned int permille = 1; permille < 1000; permille++) {
			double value = hist_quantile_between(&h, permille / 1000.0);
			double truth = (double)n * (1000 - permille) / 1000;

			if (value >= 128 && value > (double)h.min && value < (double)h.max)
				assert_true(fabs((double)hist_above(&h, value) - truth) < 1);
		}
		hist_fini(&h);
	}
}

/* The same as shifting every value, but for half the width of its bucket, and the whole width of
 * the bucket that the answer is the end of. */
static void check_shifted(const uint64_t *sorted, size_t n, uint64_t by)
{
	struct hist h = {0}, shifted = {0};

	fill(&h, sorted, n);
	assert_int_equal(hist_add_shifted(&shifted, &h, by), 0);
	assert_int_equal(shifted.count, n);
	assert_int_equal(shifted.max, sorted[n - 1] > by ? sorted[n - 1] - by : 0);
	for (size_t rank = 1; rank <= n; rank += 7) {
		uint64_t value = sorted[rank - 1];
		double truth = value > by ? (double)(value - by) : 0;
		double answer = (double)hist_quantile(&shifted, ((double)rank - 0.5) / (double)n);

		assert_true(fabs(answer - truth) <= (double)value / 128 + answer / 64 + 1);
	}
	hist_fini(&h);
	hist_fini(&shifted);
}

static void test_shifted(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 23;

	(void)state;
	for (unsigned int bits = 1; bits <= 48; bits += 3) {
		size_t n = fill_sorted(values, 3000, bits, &seed);

		check_shifted(values, n, 0);
		check_shifted(values, n, values[n / 10]);
		check_shifted(values, n, values[n / 2]);
		check_shifted(values, n, values[n - 1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_bucket),
		cmocka_unit_test(test_few_and_many),
		cmocka_unit_test(test_add_bucket_refuses),
		cmocka_unit_test(test_add_bucket_without_a_maximum),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_quantile_between),
		cmocka_unit_test(test_quantile_between_is_fine),
		cmocka_unit_test(test_quantile_between_is_exact_when_small),
		cmocka_unit_test(test_quantile_between_of_nothing),
		cmocka_unit_test(test_above),
		cmocka_unit_test(test_shifted),
	};

	return cmocka_run_group_tests_name("hist, added", tests, NULL, NULL);
}
