// SPDX-License-Identifier: MIT
/*
 * What adds up by call site while calls go by, by hand. What is left in the end, and the peak, are
 * in test_profile_left.c, random calls in test_profile_random.c. Linked with libcore.a alone.
 */
#include "profiled.h"

/* ---- allocations ---- */

static void test_allocated_and_live(void **state)
{
	(void)state;
	take(BLOCK, 100, SITE_A);
	take(BLOCK2, 50, SITE_B);
	take(0x3000, 20, SITE_A);
	release(BLOCK);
	assert_counts(&at(SITE_A)->allocated, 2, 120);
	assert_counts(&at(SITE_A)->live, 1, 20);
	assert_counts(&at(SITE_B)->allocated, 1, 50);
	assert_counts(&profile.all.allocated, 3, 170);
	assert_counts(&profile.all.live, 2, 70);
	assert_int_equal(at(SITE_A)->smallest, 20);
	assert_int_equal(at(SITE_A)->largest, 100);
	assert_int_equal(at(SITE_A)->first_ns, 1000);
	assert_int_equal(at(SITE_A)->last_ns, 1020);
	assert_int_equal(at(SITE_A)->latency_count, 2);
	assert_int_equal(at(SITE_A)->latency_ns, 10);
	assert_int_equal(at(SITE_A)->latency_max, 5);
	assert_int_equal(profile.all.latency_count, 3);
	assert_int_equal(profile.count, 2); /* where something is freed is no site */
}

/* Records come in another order than the calls began. */
static void test_order_of_records(void **state)
{
	(void)state;
	call_at(alloc_of(PID, BLOCK, 0), SITE_A, THREAD, 500, 600);
	call_at(alloc_of(PID, BLOCK2, 5), SITE_A, THREAD, 400, 700);
	assert_int_equal(at(SITE_A)->first_ns, 400);
	assert_int_equal(at(SITE_A)->last_ns, 500);
	assert_int_equal(at(SITE_A)->smallest, 0);
	assert_int_equal(at(SITE_A)->latency_max, 300);
}

static void test_failed(void **state)
{
	(void)state;
	take(0, UINT64_MAX, SITE_A);
	assert_int_equal(at(SITE_A)->failed, 1);
	assert_int_equal(profile.all.failed, 1);
	assert_counts(&profile.all.allocated, 0, 0);
	assert_int_equal(profile.all.latency_count + profile.all.largest, 0);
	take(BLOCK, 10, SITE_A);
	call(realloc_of(PID, BLOCK, 0, 1000), SITE_B, THREAD);
	assert_int_equal(at(SITE_B)->failed, 1);
	assert_int_equal(at(SITE_B)->reallocs + at(SITE_B)->moved, 0);
	assert_counts(&at(SITE_A)->live, 1, 10);
	assert_int_equal(at(SITE_A)->freed, 0);
}

static void test_sparse_sites(void **state)
{
	(void)state;
	take(BLOCK, 1, 5000);
	assert_int_equal(profile.count, 5001);
	assert_counts(&at(4999)->allocated, 0, 0);
	take(BLOCK2, 2, 4);
	assert_counts(&at(5000)->live, 1, 1);
	assert_counts(&at(4)->live, 1, 2);
}

/* Numbers beyond the cap: in the sums alone. */
static void test_no_site(void **state)
{
	(void)state;
	take(BLOCK, 1, PROFILE_MAX_SITES);
	assert_int_equal(profile.refused, 1);
	assert_int_equal(profile.count, 0);
	assert_null(profile_leaks(&profile, now));
	take(BLOCK2, 2, SITE_A);
	take(0, 2, UINT32_MAX); /* no block */
	assert_int_equal(profile.refused, 1);
	assert_counts(&profile.all.live, 2, 3);
	release(BLOCK);
	assert_int_equal(profile.all.freed, 1);
	assert_int_equal(at(SITE_A)->freed, 0);
	assert_counts(&at(SITE_A)->live, 1, 2);
	heap_end_process(&heap, PID);
	assert_counts(&profile.all.ended, 1, 2);
}

/* The heap could not follow the block: it was handed out, and is not known to be live. */
static void test_not_followed(void **state)
{
	(void)state;
	heap.processes.cap = 0;
	take(BLOCK, 10, SITE_A);
	assert_int_equal(heap.refused, 1);
	assert_counts(&at(SITE_A)->allocated, 1, 10);
	assert_counts(&at(SITE_A)->live, 0, 0);
	assert_counts(&profile.sizes[5].live, 0, 0);
	assert_int_equal(profile.peak_ns, 0);
	release(BLOCK);
	assert_int_equal(at(SITE_A)->freed, 0);
}

static void test_outside_the_sample(void **state)
{
	struct event e = realloc_of(PID, BLOCK, BLOCK2, 500);

	(void)state;
	take(BLOCK, 10, SITE_A);
	e.new_unsampled = true;
	call(e, SITE_B, THREAD);
	assert_counts(&at(SITE_A)->live, 0, 0);
	assert_counts(&at(SITE_B)->allocated, 0, 0);
	assert_int_equal(at(SITE_B)->moved_bytes, 10);
}

/* ---- lifetimes ---- */

static void test_lifetimes(void **state)
{
	static const uint64_t ages[] = {0,
					999,
					1000,
					9999,
					10000,
					999999999999,
					9999999999999,
					10000000000000,
					99999999999999};
	static const unsigned int decades[] = {0, 0, 1, 1, 2, 9, 10, 11, 11};

	(void)state;
	for (size_t i = 0; i < sizeof(ages) / sizeof(*ages); i++) {
		uint64_t before = i ? at(SITE_A)->lifetimes[decades[i]] : 0;

		call_at(alloc_of(PID, BLOCK, 10), SITE_A, THREAD, 100, 200);
		call_at(free_of(PID, BLOCK), 99, THREAD, 200 + ages[i], 5000 + ages[i]);
		assert_int_equal(at(SITE_A)->lifetimes[decades[i]], before + 1);
		assert_int_equal(at(SITE_A)->longest_ns, ages[i]);
		assert_int_equal(at(SITE_A)->freed, i + 1);
	}
	assert_int_equal(at(SITE_A)->lifetime_ns, profile.all.lifetime_ns);
	assert_int_equal(profile.sizes[5].lifetime_ns, profile.all.lifetime_ns);
	assert_int_equal(profile.sizes[5].freed, 9);
}

/* Of a pool's two frees the first goes with the older block, even when it seems to have begun
 * before. */
static void test_no_negative_lifetime(void **state)
{
	(void)state;
	call_at(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 10), POOL_SITE, THREAD, 100, 200);
	call_at(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 10), POOL_SITE, THREAD, 205, 210);
	call_at(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0), 99, THREAD, 150, 300);
	assert_int_equal(at(POOL_SITE)->freed, 1);
	assert_int_equal(at(POOL_SITE)->lifetime_ns, 0);
	assert_int_equal(at(POOL_SITE)->lifetimes[0], 1);
}

static void test_freed_elsewhere(void **state)
{
	(void)state;
	take(BLOCK, 10, SITE_A);
	call(free_of(PID, BLOCK), 99, THREAD + 1);
	take(BLOCK, 10, SITE_A);
	release(BLOCK);
	assert_int_equal(at(SITE_A)->freed, 2);
	assert_int_equal(at(SITE_A)->freed_elsewhere, 1);
	assert_int_equal(at(SITE_A)->temporary, 1); /* not the first */
}

/* ---- temporary ---- */

static void test_temporary(void **state)
{
	(void)state;
	take(BLOCK, 10, SITE_A);
	release(BLOCK);
	assert_int_equal(at(SITE_A)->temporary, 1);
	assert_int_equal(profile.all.temporary, 1);
	assert_int_equal(profile.sizes[5].temporary, 1);
	take(BLOCK, 10, SITE_A);
	take(BLOCK2, 10, SITE_B); /* a call in between */
	release(BLOCK);
	assert_int_equal(at(SITE_A)->temporary, 1);
	release(BLOCK2);
	assert_int_equal(at(SITE_B)->temporary, 0);
	assert_int_equal(profile.all.temporary, 1);
}

/* What does not change the heap, and what others do, is not between. */
static void test_temporary_in_between(void **state)
{
	(void)state;
	take(BLOCK, 10, SITE_A);
	release(0);
	take(0, 1000, SITE_B);
	call(realloc_of(PID, BLOCK, 0, 1000), SITE_B, THREAD);
	call(alloc_of(PID, 0x5000, 1), SITE_B, THREAD + 1);
	call(pool_event(EVENT_POOL_ALLOC, POOL, 0x6000, 10), POOL_SITE, THREAD);
	release(BLOCK);
	assert_int_equal(at(SITE_A)->temporary, 1);
	take(BLOCK, 10, SITE_A);
	release(0x7777); /* a block that was not seen allocated: a call all the same */
	release(BLOCK);
	assert_int_equal(at(SITE_A)->temporary, 1);
}

static void test_temporary_pool(void **state)
{
	(void)state;
	call(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 10), POOL_SITE, THREAD);
	take(BLOCK2, 10, SITE_A);
	call(pool_event(EVENT_POOL_FREE, POOL, 0, 0), 99, THREAD);
	call(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0), 99, THREAD);
	assert_int_equal(at(POOL_SITE)->temporary, 1);
	assert_int_equal(profile.all.temporary, 0);
	call(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 10), POOL_SITE, THREAD);
	call(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK2, 10), POOL_SITE, THREAD);
	call(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0), 99, THREAD);
	assert_int_equal(at(POOL_SITE)->temporary, 1);
}

static void test_temporary_within(void **state)
{
	(void)state;
	profile.within = 3;
	take(BLOCK, 10, SITE_A);
	take(BLOCK2, 10, SITE_B);
	take(0x3000, 10, SITE_B);
	release(BLOCK); /* the third */
	assert_int_equal(at(SITE_A)->temporary, 1);
	take(BLOCK, 10, SITE_A);
	for (uint64_t i = 1; i <= 3; i++)
		take(0x10000 + i, 10, SITE_B);
	release(BLOCK); /* the fourth */
	assert_int_equal(at(SITE_A)->temporary, 1);
}

/* A thread beyond the cap: what is temporary is not known of it. */
static void test_too_many_threads(void **state)
{
	(void)state;
	profile.calls.cap = 1;
	take(BLOCK, 10, SITE_A);
	call(alloc_of(PID, BLOCK2, 10), SITE_B, THREAD + 1);
	call(free_of(PID, BLOCK2), 99, THREAD + 1);
	release(BLOCK);
	assert_int_equal(at(SITE_A)->temporary, 1);
	assert_int_equal(at(SITE_B)->temporary, 0);
	assert_int_equal(at(SITE_B)->freed, 1);
	assert_int_equal(profile.calls.refused, 2);
}

/* ---- realloc ---- */

static void test_resized(void **state)
{
	(void)state;
	take(BLOCK, 100, SITE_A);
	call(realloc_of(PID, BLOCK, BLOCK2, 300), SITE_B, THREAD);
	assert_counts(&at(SITE_A)->live, 0, 0);
	assert_int_equal(at(SITE_A)->freed, 1);
	assert_int_equal(at(SITE_A)->temporary, 1);
	assert_int_equal(at(SITE_A)->reallocs + at(SITE_A)->moved, 0);
	assert_counts(&at(SITE_B)->allocated, 1, 300);
	assert_counts(&at(SITE_B)->live, 1, 300);
	assert_int_equal(at(SITE_B)->reallocs, 1);
	assert_int_equal(at(SITE_B)->moved, 1);
	assert_int_equal(at(SITE_B)->moved_bytes, 100);
	assert_int_equal(at(SITE_B)->chain, 1);
	call(realloc_of(PID, BLOCK2, BLOCK2, 40), SITE_C, THREAD); /* does not move */
	assert_int_equal(at(SITE_C)->reallocs, 1);
	assert_int_equal(at(SITE_C)->moved + at(SITE_C)->moved_bytes, 0);
	assert_int_equal(at(SITE_C)->chain, 1);
	call(realloc_of(PID, BLOCK2, BLOCK, 10), SITE_C, THREAD);
	assert_int_equal(at(SITE_C)->moved_bytes, 10); /* it shrinks */
	assert_int_equal(at(SITE_C)->chain, 2);
	assert_int_equal(profile.all.reallocs, 3);
	assert_int_equal(profile.all.moved, 2);
	assert_int_equal(profile.all.moved_bytes, 110);
	assert_int_equal(profile.all.chain, 2);
	take(BLOCK2, 1, SITE_A); /* a new block has no past */
	call(realloc_of(PID, BLOCK2, 0x3000, 2), SITE_A, THREAD);
	assert_int_equal(at(SITE_A)->chain, 1);
}

static void test_realloc_to_zero(void **state)
{
	struct event e = free_of(PID, BLOCK);

	(void)state;
	e.function = REALLOC;
	e.by_realloc = true;
	take(BLOCK, 100, SITE_A);
	call(e, SITE_B, THREAD);
	assert_int_equal(at(SITE_A)->freed, 1);
	assert_int_equal(profile.all.reallocs, 0);
	assert_int_equal(profile.count, 1);
}

static void test_realloc_of_unseen(void **state)
{
	(void)state;
	call(realloc_of(PID, BLOCK, BLOCK2, 64), SITE_A, THREAD);
	assert_int_equal(at(SITE_A)->reallocs, 1);
	assert_int_equal(at(SITE_A)->moved, 1);
	assert_int_equal(at(SITE_A)->moved_bytes, 0);
	assert_int_equal(profile.all.freed, 0);
	assert_counts(&at(SITE_A)->live, 1, 64);
}

/* ---- late records ---- */

/* The block that was set aside is not live from then on, and its life ends with the late record. */
static void test_late_record(void **state)
{
	(void)state;
	call_at(alloc_of(PID, BLOCK, 100), SITE_A, THREAD, 10, 20);
	call_at(alloc_of(PID, BLOCK, 7), SITE_B, THREAD + 1, 105, 110);
	assert_counts(&at(SITE_A)->live, 0, 0);
	assert_int_equal(at(SITE_A)->freed, 0);
	call_at(realloc_of(PID, BLOCK, BLOCK2, 300), SITE_C, THREAD, 100, 120);
	assert_counts(&at(SITE_A)->live, 0, 0);
	assert_counts(&at(SITE_B)->live, 1, 7);
	assert_int_equal(at(SITE_A)->freed, 1);
	assert_int_equal(at(SITE_A)->lifetime_ns, 80);
	assert_int_equal(at(SITE_A)->temporary, 1);
	assert_int_equal(at(SITE_B)->freed, 0);
	assert_int_equal(at(SITE_C)->moved_bytes, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROFILED(test_allocated_and_live),
		PROFILED(test_order_of_records),
		PROFILED(test_failed),
		PROFILED(test_sparse_sites),
		PROFILED(test_no_site),
		PROFILED(test_not_followed),
		PROFILED(test_outside_the_sample),
		PROFILED(test_lifetimes),
		PROFILED(test_no_negative_lifetime),
		PROFILED(test_freed_elsewhere),
		PROFILED(test_temporary),
		PROFILED(test_temporary_in_between),
		PROFILED(test_temporary_pool),
		PROFILED(test_temporary_within),
		PROFILED(test_too_many_threads),
		PROFILED(test_resized),
		PROFILED(test_realloc_to_zero),
		PROFILED(test_realloc_of_unseen),
		PROFILED(test_late_record),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
