// SPDX-License-Identifier: MIT
/*
 * Samples: what each stands for, what the live ones stand for together, calls of which one block is
 * followed and the other is not; and pools whose maker samples. Linked with libcore.a alone.
 */
#include "calls.h"

#include <math.h>

static void assert_near(double got, long double want, double precision)
{
	if (!(fabsl((long double)got - want) <= precision * fabsl(want))) /* no NaN passes */
		fail_msg("%.17g is not %.17Lg", got, want);
}

/*
 * size / (1 - e^(-size / rate)), in long double. Where the difference would cancel, by the series
 * x / (1 - e^-x) = 1 + x/2 + x^2/12 - x^4/720 …
 */
static long double stands_for(uint64_t size, uint64_t rate)
{
	long double bytes = size ? (long double)size : 1, x = bytes / (long double)rate;

	if (x < 0.01L)
		return (long double)rate * (1 + x / 2 + x * x / 12 - x * x * x * x / 720);
	return bytes / (1 - expl(-x));
}

static void assert_estimate(long double blocks, long double bytes)
{
	assert_near(heap.estimated_blocks, blocks, 1e-12);
	assert_near(heap.estimated_bytes, bytes, 1e-12);
}

/* ---- the formula ---- */

/* Values of x / (1 - e^-x) from a calculator of many digits. */
static void test_known_values(void **state)
{
	(void)state;
	assert_near(heap_weighted_bytes(1024, 1024), 1024 * 1.58197670686932642439L, 1e-15);
	assert_near(heap_weighted_bytes(2048, 1024), 1024 * 2.31303528549933130364L, 1e-15);
	assert_near(heap_weighted_bytes(512, 1024), 1024 * 1.27074704126839914207L, 1e-15);
	assert_near(heap_weighted_bytes(10240, 1024), 1024 * 10.0004540199100968777L, 1e-15);
	assert_near(heap_weighted_bytes(1, 1024), 1024 * 1.00048836072285843734L, 1e-15);
	assert_near(heap_weighted_bytes(0, 1024), 1024 * 1.00048836072285843734L, 1e-15);
	assert_true(heap_weighted_bytes(1 << 20, 1) == 1048576); /* always sampled: itself */
}

static void test_formula(void **state)
{
	static const uint64_t sizes[] = {0,    1,     2,       16,      100,        511,       512,
					 4096, 65537, 1000000, 1 << 30, 1ULL << 40, 1ULL << 62};
	static const uint64_t rates[] = {1, 2, 100, 512, 4096, 524288, 1 << 30};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t k = 0; k < sizeof(rates) / sizeof(rates[0]); k++)
			assert_near(heap_weighted_bytes(sizes[i], rates[k]),
				    stands_for(sizes[i], rates[k]), 1e-14);
	}
}

/* ---- what the live blocks stand for ---- */

static void test_no_sampling(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	assert_true(heap.estimated_blocks == 0 && heap.estimated_bytes == 0);
}

static void test_estimate(void **state)
{
	long double w100 = stands_for(100, 512), w600 = stands_for(600, 512);
	long double w5000 = stands_for(5000, 512), w0 = stands_for(0, 512);

	(void)state;
	heap.sample_bytes = 512;
	apply_next(alloc_of(PID, BLOCK, 100));
	assert_estimate(w100 / 100, w100);
	apply_next(alloc_of(PID, BLOCK2, 5000));
	assert_estimate(w100 / 100 + w5000 / 5000, w100 + w5000);
	assert_live(2, 5100); /* what was seen */
	apply_next(realloc_of(PID, BLOCK, BLOCK, 600));
	assert_estimate(w600 / 600 + w5000 / 5000, w600 + w5000);
	apply_next(realloc_of(PID, BLOCK, 0, 1 << 20)); /* failed */
	apply_next(alloc_of(PID, 0, 1 << 20));
	assert_estimate(w600 / 600 + w5000 / 5000, w600 + w5000);
	apply_next(free_of(PID, BLOCK2));
	assert_estimate(w600 / 600, w600);
	apply_next(alloc_of(PID, BLOCK2, 0)); /* a block of no bytes is taken for one byte */
	assert_estimate(w600 / 600 + w0, w600 + w0);
	assert_matched();
}

static void test_estimate_without_pools(void **state)
{
	(void)state;
	heap.sample_bytes = 512;
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	assert_true(heap.estimated_blocks == 0 && heap.estimated_bytes == 0);
	assert_int_equal(heap.pool_rows[0].live.bytes, 64);
}

/* A block that was set aside is not live. */
static void test_estimate_of_aside(void **state)
{
	long double w7 = stands_for(7, 512), w300 = stands_for(300, 512);

	(void)state;
	heap.sample_bytes = 512;
	apply(alloc_of(PID, BLOCK, 100), 10, 20);
	apply(alloc_of(PID, BLOCK, 7), 105, 110);
	assert_estimate(w7 / 7, w7);
	apply(realloc_of(PID, BLOCK, BLOCK2, 300), 100, 120);
	assert_int_equal(note.old_size, 100);
	assert_estimate(w7 / 7 + w300 / 300, w7 + w300);
	assert_matched();
}

static void test_estimate_of_processes(void **state)
{
	long double w100 = stands_for(100, 512), w40 = stands_for(40, 512);

	(void)state;
	heap.sample_bytes = 512;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(alloc_of(OTHER, BLOCK, 40));
	heap_end_process(&heap, PID); /* its blocks stay in the sums */
	assert_estimate(w100 / 100 + w40 / 40, w100 + w40);
	heap_forget_process(&heap, OTHER);
	assert_estimate(w100 / 100, w100);
}

/* A million blocks come and go: the sum does not drift away. */
static void test_estimate_does_not_drift(void **state)
{
	static uint64_t sizes[4096];
	long double blocks = 0, bytes = 0;
	uint64_t seed = 99;

	(void)state;
	heap.sample_bytes = 4096;
	memset(sizes, 0xff, sizeof(sizes));
	for (int n = 0; n < 1000000; n++) {
		uint64_t i;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		i = seed >> 20 & 4095;
		if (sizes[i] == UINT64_MAX) {
			sizes[i] = (seed >> 33) % 100000;
			apply_next(alloc_of(PID, 64 + 16 * i, sizes[i]));
		} else {
			apply_next(free_of(PID, 64 + 16 * i));
			sizes[i] = UINT64_MAX;
		}
	}
	for (size_t i = 0; i < 4096; i++) {
		if (sizes[i] == UINT64_MAX)
			continue;
		bytes += stands_for(sizes[i], 4096);
		blocks += stands_for(sizes[i], 4096) / (sizes[i] ? (long double)sizes[i] : 1);
	}
	assert_near(heap.estimated_bytes, bytes, 1e-9);
	assert_near(heap.estimated_blocks, blocks, 1e-9);
	assert_matched();
}

/* ---- reallocs of which one block is followed ---- */

static struct event sampled_realloc(uint64_t old, uint64_t addr, uint64_t size, bool old_sampled,
				    bool new_sampled)
{
	struct event e = realloc_of(PID, old, addr, size);

	e.old_unsampled = !old_sampled;
	e.new_unsampled = !new_sampled;
	return e;
}

/* The old block was left out: it was not seen allocated, and need not have been. */
static void test_old_unsampled(void **state)
{
	(void)state;
	heap.sample_bytes = 512;
	apply_next(sampled_realloc(BLOCK, BLOCK2, 300, false, true));
	assert_false(note.old_known);
	assert_live(1, 300);
	assert_estimate(stands_for(300, 512) / 300, stands_for(300, 512));
	apply_next(sampled_realloc(BLOCK, BLOCK, 400, false, true)); /* in place */
	assert_live(2, 700);
	assert_total(&heap.calls[REALLOC], 2, 700, 0);
	apply_next(free_of(PID, BLOCK));
	assert_int_equal(note.old_size, 400);
	apply_next(free_of(PID, BLOCK2));
	assert_int_equal(note.old_size, 300);
	assert_live(0, 0);
	assert_matched();
}

/* The new block is left out: the old one is gone. */
static void test_new_unsampled(void **state)
{
	(void)state;
	heap.sample_bytes = 512;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(sampled_realloc(BLOCK, BLOCK2, 300, true, false));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 100);
	assert_live(0, 0);
	apply_next(alloc_of(PID, BLOCK2, 50)); /* its free was no event */
	assert_live(1, 50);
	assert_int_equal(heap.superseded, 0);
	apply_next(sampled_realloc(BLOCK2, BLOCK2, 60, true, false)); /* in place */
	assert_int_equal(note.old_size, 50);
	assert_live(0, 0);
	assert_total(&heap.calls[REALLOC], 2, 360, 0);
	assert_matched();
}

static void test_both_sampled(void **state)
{
	(void)state;
	heap.sample_bytes = 512;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(sampled_realloc(BLOCK, BLOCK2, 300, true, true));
	assert_int_equal(note.old_size, 100);
	assert_live(1, 300);
	apply_next(sampled_realloc(BLOCK, BLOCK2 + 64, 300, true, true)); /* not seen allocated */
	assert_int_equal(heap.unmatched_frees, 1);
}

static void test_failed_sampled(void **state)
{
	(void)state;
	heap.sample_bytes = 512;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(sampled_realloc(BLOCK, 0, 300, true, true));
	assert_true(note.old_known);
	assert_live(1, 100);
	assert_total(&heap.calls[REALLOC], 1, 0, 1);
	assert_matched();
}

/* ---- pools whose maker samples ---- */

static struct event otel(uint32_t pid, enum event_kind kind, uint64_t addr, uint64_t size,
			 uint64_t weight)
{
	struct event e = pool_event_of(pid, kind, 1, addr, size);

	e.otel = true;
	e.weighted_bytes = weight;
	return e;
}

static void test_otel(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK, 256, 524288));
	assert_ptr_equal(note.pool, p);
	assert_string_equal(p->name, "otel_memory");
	apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK2, 1000000, 1250000));
	apply_next(otel(OTHER, EVENT_POOL_ALLOC, BLOCK, 100, 524288)); /* one row for all */
	assert_int_equal(heap.pool_count, 1);
	assert_int_equal(p->weighted_bytes, 524288 + 1250000 + 524288);
	assert_true(p->weighted_count == 2048 + 1.25 + 5242.88);
	assert_total(&p->alloc, 3, 1000356, 0);
	assert_int_equal(p->live.blocks, 3);
	assert_int_equal(p->live.bytes, 1000356);
	apply_next(otel(PID, EVENT_POOL_FREE, BLOCK, 0, 0));
	assert_int_equal(note.old_size, 256);
	assert_int_equal(p->weighted_bytes, 2298576); /* history, as the totals are */
	assert_int_equal(p->live.bytes, 1000100);
	apply_next(otel(OTHER, EVENT_POOL_FREE, BLOCK2, 0, 0));
	assert_int_equal(p->unmatched, 1);
	assert_matched();
	assert_live(0, 0);
}

/* The weight is for one call, whatever its size says; no weight is the call itself. */
static void test_odd_weights(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK, 64, 0));
	assert_int_equal(p->weighted_bytes, 0);
	assert_true(p->weighted_count == 0);
	apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK2, 0, 4096)); /* of no bytes: as of one */
	assert_int_equal(p->weighted_bytes, 4096);
	assert_true(p->weighted_count == 4096);
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	assert_int_equal(note.pool->weighted_bytes, 0);
	assert_true(note.pool->weighted_count == 0);
}

/* It obtained no bytes, so it stands for none: as in the totals. */
static void test_failed_weight(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(otel(PID, EVENT_POOL_ALLOC, 0, 64, 4096));
	assert_total(&p->alloc, 1, 0, 1);
	assert_int_equal(p->weighted_bytes, 0);
	assert_true(p->weighted_count == 0);
}

/* Asked for by name, as any pool is. */
static void test_only_otel(void **state)
{
	(void)state;
	strcpy(heap.only_pool, "otel_memory");
	assert_true(apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK, 64, 4096)));
	assert_false(apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64)));
	strcpy(heap.only_pool, "p");
	assert_false(apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK2, 64, 4096)));
	assert_int_equal(heap.pool_rows[0].weighted_bytes, 4096);
	assert_int_equal(heap.ignored, 2);
}

static void test_otel_of_ended(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK, 256, 524288));
	heap_end_process(&heap, PID);
	assert_int_equal(p->live.bytes, 256);
	assert_int_equal(heap.ended.blocks, 0);
	apply_next(otel(PID, EVENT_POOL_ALLOC, BLOCK, 128, 524288));
	assert_int_equal(heap.superseded, 0);
	assert_int_equal(heap.pool_count, 1);
	assert_int_equal(p->live.blocks, 2);
	assert_int_equal(p->weighted_bytes, 1048576);
	assert_true(p->weighted_count == 2048 + 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_known_values),
		TEST(test_formula),
		TEST(test_no_sampling),
		TEST(test_estimate),
		TEST(test_estimate_without_pools),
		TEST(test_estimate_of_aside),
		TEST(test_estimate_of_processes),
		TEST(test_estimate_does_not_drift),
		TEST(test_old_unsampled),
		TEST(test_new_unsampled),
		TEST(test_both_sampled),
		TEST(test_failed_sampled),
		TEST(test_otel),
		TEST(test_odd_weights),
		TEST(test_failed_weight),
		TEST(test_only_otel),
		TEST(test_otel_of_ended),
	};

	return cmocka_run_group_tests_name("heap: samples", tests, NULL, NULL);
}
