// SPDX-License-Identifier: MIT
/*
 * What the sites have left, and had at the peak; and the classes of sizes and lifetimes. Linked
 * with libcore.a alone.
 */
#include "profiled.h"

static void assert_peak(uint32_t site, uint64_t blocks, uint64_t bytes)
{
	struct profile_counts c = profile_at_peak(&profile, at(site));

	assert_counts(&c, blocks, bytes);
}

/* ---- ends ---- */

static void test_exec_and_end(void **state)
{
	(void)state;
	take(BLOCK, 100, SITE_A);
	call(alloc_of(OTHER, BLOCK, 50), SITE_A, THREAD + 1);
	heap_forget_process(&heap, PID);
	assert_counts(&at(SITE_A)->live, 1, 50);
	assert_int_equal(at(SITE_A)->freed, 0);
	assert_counts(&at(SITE_A)->ended, 0, 0);
	heap_end_process(&heap, OTHER);
	assert_counts(&at(SITE_A)->live, 1, 50);
	assert_counts(&at(SITE_A)->ended, 1, 50);
	assert_counts(&at(SITE_A)->old, 0, 0); /* 1000 ns old it was not */
	assert_int_equal(at(SITE_A)->oldest_ns, 1015);
	assert_counts(&profile.all.ended, 1, 50);
}

static void test_pool_site(void **state)
{
	(void)state;
	call(pool_named(POOL, "p"), 99, THREAD);
	take(POOL, 4096, SITE_A);
	call(pool_event(EVENT_POOL_ALLOC, POOL, POOL, 64), POOL_SITE, THREAD);
	call(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 32), POOL_SITE, THREAD);
	call(pool_event(EVENT_POOL_ALLOC, POOL, 0, 32), POOL_SITE, THREAD);
	assert_counts(&at(POOL_SITE)->live, 2, 96);
	assert_int_equal(at(POOL_SITE)->failed, 1);
	assert_int_equal(at(POOL_SITE)->latency_count, 2);
	assert_counts(&profile.all.allocated, 1, 4096);
	assert_int_equal(profile.all.failed, 0);
	assert_counts(&profile.all.at_peak, 1, 4096);
	assert_counts(&profile.sizes[7].allocated, 0, 0);
	call(pool_event(EVENT_POOL_FREE, POOL, POOL, 0), 99, THREAD + 1);
	assert_int_equal(at(POOL_SITE)->freed_elsewhere, 1);
	assert_int_equal(profile.all.freed, 0);
	call(pool_event(EVENT_POOL_DESTROY, POOL, 0, 0), 99, THREAD);
	assert_counts(&at(POOL_SITE)->live, 0, 0);
	assert_int_equal(at(POOL_SITE)->freed, 1);
	assert_counts(&at(SITE_A)->live, 1, 4096);
	assert_int_equal(profile.count, POOL_SITE + 1);
}

static void test_leaks(void **state)
{
	struct profile_leak *leaks;

	(void)state;
	call_at(alloc_of(OTHER, BLOCK, 5), SITE_B, THREAD, 90, 190);
	call_at(alloc_of(OTHER, BLOCK2, 6), SITE_B, THREAD, 900, 950);
	call_at(alloc_of(PID, BLOCK, 10), SITE_A, THREAD, 1190, 1200);
	heap_end_process(&heap, OTHER); /* the last that is known: 1190 */
	assert_counts(&at(SITE_B)->ended, 2, 11);
	assert_counts(&at(SITE_B)->old, 1, 5);
	assert_int_equal(at(SITE_B)->oldest_ns, 190);
	assert_counts(&profile.all.old, 1, 5);
	call_at(alloc_of(PID, BLOCK2, 20), SITE_A, THREAD, 1200, 1300);
	call_at(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 3), POOL_SITE, THREAD, 1300, 1310);
	call_at(alloc_of(PID, 0x3000, 40), SITE_B, THREAD, 2200, 2205);
	leaks = profile_leaks(&profile, 2299);
	assert_non_null(leaks);
	assert_counts(&leaks[SITE_A].old, 1, 10);
	assert_int_equal(leaks[SITE_A].oldest_ns, 1200);
	assert_counts(&leaks[SITE_B].old, 1, 5);
	assert_int_equal(leaks[SITE_B].oldest_ns, 190);
	assert_counts(&leaks[SITE_C].old, 0, 0);
	assert_int_equal(leaks[SITE_C].oldest_ns, 0);
	assert_counts(&leaks[POOL_SITE].old, 0, 0);
	free(leaks);
	leaks = profile_leaks(&profile, 2310);
	assert_non_null(leaks);
	assert_counts(&leaks[SITE_A].old, 2, 30);
	assert_counts(&leaks[POOL_SITE].old, 1, 3);
	free(leaks);
	leaks = profile_leaks(&profile, 0); /* before all of them */
	assert_non_null(leaks);
	assert_counts(&leaks[SITE_A].old, 0, 0);
	free(leaks);
}

/* ---- the peak ---- */

static void test_peak(void **state)
{
	(void)state;
	assert_int_equal(profile.peak_ns, 0);
	take(BLOCK, 100, SITE_A);
	take(BLOCK2, 50, SITE_B);
	assert_int_equal(profile.peak_ns, now - 5);
	release(BLOCK);
	assert_peak(SITE_A, 1, 100);
	assert_peak(SITE_B, 1, 50);
	assert_counts(&profile.all.at_peak, 2, 150);
	take(BLOCK, 100, SITE_C); /* as much, not more */
	assert_peak(SITE_A, 1, 100);
	assert_peak(SITE_C, 0, 0);
	take(0x3000, 1, SITE_C);
	assert_peak(SITE_A, 0, 0);
	assert_peak(SITE_B, 1, 50);
	assert_peak(SITE_C, 2, 101);
	release(BLOCK2);
	release(0x3000);
	release(BLOCK);
	assert_peak(SITE_B, 1, 50);
	assert_peak(SITE_C, 2, 101);
	assert_counts(&profile.all.at_peak, 3, 151);
}

/* What the old block had does not count beside the new one. */
static void test_peak_of_realloc(void **state)
{
	(void)state;
	take(BLOCK, 100, SITE_A);
	call(realloc_of(PID, BLOCK, BLOCK2, 120), SITE_B, THREAD);
	assert_counts(&profile.all.at_peak, 1, 120);
	assert_peak(SITE_A, 0, 0);
	assert_peak(SITE_B, 1, 120);
}

/* ---- classes ---- */

static void test_size_classes(void **state)
{
	(void)state;
	assert_int_equal(profile_size_class(0), 0);
	assert_int_equal(profile_size_class(1), 1);
	assert_int_equal(profile_size_class(2), 2);
	assert_int_equal(profile_size_class(3), 3);
	assert_int_equal(profile_size_class(4), 3);
	assert_int_equal(profile_size_class(5), 4);
	assert_int_equal(profile_size_class(UINT64_MAX), 64);
	assert_int_equal(profile_size_limit(64), UINT64_MAX);
	for (unsigned int class = 0; class < PROFILE_SIZES - 1; class ++) {
		uint64_t limit = profile_size_limit(class);

		assert_int_equal(profile_size_class(limit), class);
		assert_int_equal(profile_size_class(limit + 1), class + 1);
	}
	take(BLOCK, 1ULL << 63, SITE_A);
	take(BLOCK2, 0, SITE_A);
	assert_counts(&profile.sizes[64].live, 1, 1ULL << 63);
	assert_counts(&profile.sizes[0].live, 1, 0);
	release(BLOCK);
	assert_counts(&profile.sizes[64].live, 0, 0);
	assert_counts(&profile.sizes[64].allocated, 1, 1ULL << 63);
}

static void test_lifetime_limits(void **state)
{
	uint64_t limit = 1000;

	(void)state;
	for (unsigned int decade = 0; decade < PROFILE_LIFETIMES - 1; decade++, limit *= 10)
		assert_int_equal(profile_lifetime_limit(decade), limit);
	assert_int_equal(profile_lifetime_limit(PROFILE_LIFETIMES - 1), UINT64_MAX);
}

static void test_fini_twice(void **state)
{
	(void)state;
	take(BLOCK, 1, SITE_A);
	profile_fini(&profile);
	assert_null(heap.on_gone);
	profile_fini(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROFILED(test_exec_and_end),    PROFILED(test_pool_site),
		PROFILED(test_leaks),           PROFILED(test_peak),
		PROFILED(test_peak_of_realloc), PROFILED(test_size_classes),
		PROFILED(test_lifetime_limits), PROFILED(test_fini_twice),
	};

	return cmocka_run_group_tests_name("profile: what is left", tests, NULL, NULL);
}
