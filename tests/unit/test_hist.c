// SPDX-License-Identifier: MIT
/*
 * The histogram against sorted arrays: the values themselves are the truth, and every answer must
 * lie within the error that the header promises. Linked with libcore.a alone.
 */
#include "hist_values.h"

#define VALUES 20000

/* ---- quantiles ---- */

/* In thousandths, so that the rank is a matter of whole numbers. */
static void check_quantile(const struct hist *h, const uint64_t *sorted, size_t n,
			   unsigned int permille)
{
	size_t rank = (n * permille + 999) / 1000;
	uint64_t truth = sorted[(rank ? rank : 1) - 1];
	uint64_t answer = hist_quantile(h, permille / 1000.0);

	assert_true(answer >= truth);
	assert_true(answer - truth <= truth / 64);
	assert_true(answer <= sorted[n - 1]);
}

static void check_against(uint64_t *values, size_t n)
{
	static const unsigned int permille[] = {1, 10, 250, 500, 750, 900, 990, 999, 1000};
	struct hist h = {0};
	uint64_t sum = 0;

	fill(&h, values, n);
	qsort(values, n, sizeof(*values), compare_values);
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	assert_int_equal(h.count, n);
	assert_int_equal(h.sum, sum);
	assert_int_equal(h.min, values[0]);
	assert_int_equal(h.max, values[n - 1]);
	assert_int_equal(hist_mean(&h), (sum + n / 2) / n);
	for (size_t i = 0; i < sizeof(permille) / sizeof(permille[0]); i++)
		check_quantile(&h, values, n, permille[i]);
	hist_fini(&h);
}

static void test_quantiles(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 7;

	(void)state;
	for (unsigned int bits = 1; bits <= 48; bits += 3) {
		for (size_t i = 0; i < VALUES; i++)
			values[i] = any_magnitude(&seed, bits);
		check_against(values, VALUES);
	}
	for (size_t n = 1; n < 40; n++) {
		for (size_t i = 0; i < n; i++)
			values[i] = next_random(&seed) % 100000;
		check_against(values, n);
	}
}

/* Two modes, as a fast path and a slow one. */
static void test_two_modes(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 21;

	(void)state;
	for (size_t i = 0; i < VALUES; i++)
		values[i] = (i % 100 ? 40 : 90000) + next_random(&seed) % 10;
	check_against(values, VALUES);
}

static void test_exact_when_small(void **state)
{
	struct hist h = {0};

	(void)state;
	for (uint64_t v = 0; v < 100; v++)
		hist_add(&h, v);
	/* Half a rank below the next value: no rounding of the fraction can decide. */
	for (uint64_t v = 0; v < 100; v++)
		assert_int_equal(hist_quantile(&h, ((double)v + 0.5) / 100), v);
	hist_fini(&h);
}

/* ---- edges ---- */

static const uint64_t edges[] = {
	0,
	1,
	63,
	64,
	65,
	127,
	128,
	129,
	1ULL << 32,
	(1ULL << 63) - 1,
	1ULL << 63,
	(1ULL << 63) + 1,
	UINT64_MAX - 1,
	UINT64_MAX,
};

#define EDGES (sizeof(edges) / sizeof(edges[0]))

static void test_one_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < EDGES; i++) {
		struct hist h = {0};

		assert_int_equal(hist_add(&h, edges[i]), 0);
		assert_int_equal(h.count, 1);
		assert_true(h.sum == edges[i] && h.min == edges[i] && h.max == edges[i]);
		assert_true(hist_mean(&h) == edges[i]);
		hist_fini(&h);
	}
}

/* With one value, every quantile is that value: the maximum is exact, and the bound. */
static void test_quantile_of_one_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < EDGES; i++) {
		struct hist h = {0};

		hist_add(&h, edges[i]);
		if (hist_quantile(&h, 0.5) != edges[i] || hist_quantile(&h, 1) != edges[i])
			fail_msg("value %llu: p50 %llu, p100 %llu", (unsigned long long)edges[i],
				 (unsigned long long)hist_quantile(&h, 0.5),
				 (unsigned long long)hist_quantile(&h, 1));
		hist_fini(&h);
	}
}

static void test_edges_together(void **state)
{
	struct hist h = {0};

	(void)state;
	fill(&h, edges, EDGES);
	assert_int_equal(h.count, EDGES);
	assert_int_equal(h.min, 0);
	assert_true(h.max == UINT64_MAX);
	assert_int_equal(hist_quantile(&h, 1.0 / EDGES), 0);
	assert_int_equal(hist_quantile(&h, 3.0 / EDGES), 63);
	assert_int_equal(hist_quantile(&h, 4.0 / EDGES), 64);
	assert_true(hist_quantile(&h, 11.0 / EDGES) >= 1ULL << 63);
	hist_fini(&h);
}

static void test_empty(void **state)
{
	struct hist_bucket bucket;
	struct hist h = {0};

	(void)state;
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	assert_int_equal(hist_mean(&h), 0);
	assert_int_equal(hist_coarse(&h, 3, &bucket, 1), 0);
	hist_fini(&h);
	hist_add(&h, 5);
	hist_fini(&h);
	assert_true(!h.count && !h.sum && !h.max && !h.min && !h.few && !h.buckets);
	hist_add(&h, 9); /* as good as new */
	assert_true(h.count == 1 && h.min == 9 && h.max == 9);
	hist_fini(&h);
}

/* ---- buckets for eyes ---- */

static void test_worked_example(void **state)
{
	struct hist_bucket out[2];
	struct hist h = {0};

	(void)state;
	hist_add(&h, 1633);
	assert_int_equal(hist_coarse(&h, 3, out, 2), 1);
	assert_int_equal(out[0].lo, 1536);
	assert_int_equal(out[0].hi, 1664);
	assert_int_equal(out[0].count, 1);
	assert_int_equal(hist_coarse(&h, 0, out, 2), 1);
	assert_true(out[0].lo == 1024 && out[0].hi == 2048);
	hist_fini(&h);
}

static uint64_t count_between(const uint64_t *values, size_t n, const struct hist_bucket *b)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += values[i] >= b->lo && (values[i] < b->hi || b->hi == UINT64_MAX);
	return count;
}

/* In order, disjoint, as narrow as promised, and each holds what lies between its bounds. */
static void check_coarse(const uint64_t *values, size_t n, unsigned int sub_bits)
{
	static struct hist_bucket out[HIST_BUCKETS];
	struct hist h = {0};
	uint64_t total = 0;
	size_t filled;

	fill(&h, values, n);
	filled = hist_coarse(&h, sub_bits, out, HIST_BUCKETS);
	for (size_t i = 0; i < filled; i++) {
		uint64_t width = out[i].hi - out[i].lo;

		assert_true(out[i].count > 0);
		assert_true(out[i].lo < out[i].hi);
		assert_true(width == 1 || width <= out[i].lo >> sub_bits);
		if (i)
			assert_true(out[i - 1].hi <= out[i].lo);
		assert_int_equal(out[i].count, count_between(values, n, &out[i]));
		total += out[i].count;
	}
	assert_int_equal(total, n);
	hist_fini(&h);
}

static void test_coarse(void **state)
{
	static uint64_t values[2000];
	uint64_t seed = 5;

	(void)state;
	for (unsigned int sub_bits = 0; sub_bits <= HIST_SUB_BITS; sub_bits++) {
		for (size_t i = 0; i < 2000; i++)
			values[i] = any_magnitude(&seed, 64);
		check_coarse(values, 2000, sub_bits);
		check_coarse(edges, EDGES, sub_bits);
	}
}

/* With no bucket empty, the end of one is the beginning of the next. */
static void test_coarse_is_contiguous(void **state)
{
	static struct hist_bucket out[HIST_BUCKETS];

	(void)state;
	for (unsigned int sub_bits = 0; sub_bits <= HIST_SUB_BITS; sub_bits++) {
		struct hist h = {0};
		size_t n;

		for (uint64_t v = 0; v < 1 << 14; v++)
			hist_add(&h, v);
		n = hist_coarse(&h, sub_bits, out, HIST_BUCKETS);
		assert_int_equal(out[0].lo, 0);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(out[i].count, out[i].hi - out[i].lo);
			if (i)
				assert_int_equal(out[i - 1].hi, out[i].lo);
		}
		assert_int_equal(out[n - 1].hi, 1 << 14);
		hist_fini(&h);
	}
}

/* Too little room: the number is told all the same, and nothing is written behind the end. */
static void test_coarse_with_little_room(void **state)
{
	struct hist_bucket out[4] = {[3] = {.lo = 1, .hi = 2, .count = 3}};
	struct hist h = {0};

	(void)state;
	for (uint64_t v = 0; v < 40; v++) {
		hist_add(&h, v);
		hist_add(&h, v);
	}
	assert_int_equal(hist_coarse(&h, 6, out, 3), 40);
	for (uint64_t i = 0; i < 3; i++)
		assert_true(out[i].lo == i && out[i].hi == i + 1 && out[i].count == 2);
	assert_true(out[3].lo == 1 && out[3].hi == 2 && out[3].count == 3);
	assert_int_equal(hist_coarse(&h, 6, NULL, 0), 40);
	hist_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one_value),
		cmocka_unit_test(test_quantile_of_one_value),
		cmocka_unit_test(test_edges_together),
		cmocka_unit_test(test_exact_when_small),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_two_modes),
		cmocka_unit_test(test_worked_example),
		cmocka_unit_test(test_coarse),
		cmocka_unit_test(test_coarse_is_contiguous),
		cmocka_unit_test(test_coarse_with_little_room),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
