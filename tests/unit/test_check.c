// SPDX-License-Identifier: MIT
/*
 * Each check of pools by hand: what it finds, with both sides, and its nearest neighbour that is
 * right; the ends of pools are in test_check_end.c. What must be kept quiet about for want of
 * knowledge is in test_check_doubt.c. Linked with libcore.a alone.
 */
#include "findings.h"

/* ---- clean ---- */

static void test_clean(void **state)
{
	(void)state;
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create();
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < BYTES / CHUNK; i++)
			take(BASE + i * CHUNK);
		for (uint64_t i = 0; i < BYTES / CHUNK; i++)
			give_by(T2, BASE + i * CHUNK, SITE_F);
	}
	destroy();
	event_by(PID, T1, free_of(PID, BASE), SITE_F);
	assert_none();
	assert_int_equal(found.asked, 0);
	assert_int_equal(heap.findings.doubtful + heap.findings.refused, 0);
}

/* The same addresses again, in a pool of the same handle. */
static void test_clean_pools_in_a_row(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
		create_at(POOL, round % 2 ? "pool" : "other", BASE + 16 * round,
			  BYTES - 16 * round);
		for (uint64_t i = 0; i < 8; i++)
			take(BASE + 16 * round + i * CHUNK);
		for (uint64_t i = 0; i < 8; i++)
			give(BASE + 16 * round + i * CHUNK);
		destroy();
		event_by(PID, T1, free_of(PID, BASE), SITE_F);
	}
	assert_none();
}

/* ---- the region ---- */

static void test_outside(void **state)
{
	const struct finding *f;

	(void)state;
	create();
	take_by(T2, BASE + BYTES, SITE_A);
	f = assert_one(FINDING_OUTSIDE);
	assert_sides(f, SITE_A, 0);
	assert_int_equal(f->tid, T2);
	assert_int_equal(f->ts_ns, now);
	assert_int_equal(f->addr, BASE + BYTES);
	assert_int_equal(f->size, CHUNK);
	assert_int_equal(f->base, BASE);
	assert_int_equal(f->bytes, BYTES);
	assert_int_equal(f->chunk_size, CHUNK);
	assert_int_equal(f->other_ns, now - 1000);
}

static void test_region_ends(void **state)
{
	(void)state;
	create();
	take(BASE);
	take(BASE + BYTES - CHUNK);
	take_sized(T1, BASE + BYTES, 0, SITE_A); /* nothing lies nowhere else */
	assert_none();
	take_by(T1, BASE - 1, SITE_A);
	assert_one(FINDING_OUTSIDE);
	take_by(T1, BASE + BYTES - CHUNK + 1, SITE_B);
	assert_int_equal(found.count, 2);
	take_sized(T1, BASE + 128, UINT64_MAX - BASE, SITE_B + 1);
	assert_int_equal(found.count, 3);
	assert_int_equal(heap.findings.told[FINDING_OUTSIDE], 3);
}

/* The demo's first bug: the index times the stride times the size of the wrong type. */
static void test_wrong_stride(void **state)
{
	(void)state;
	create();
	use_pool();
	for (uint64_t i = 1; i < 50; i++)
		take(BASE + i * CHUNK * CHUNK);
	for (uint64_t i = 1; i < 50; i++)
		give(BASE + i * CHUNK * CHUNK);
	destroy();
	settle();
	assert_one(FINDING_OUTSIDE);
	assert_int_equal(heap.findings.seen[FINDING_OUTSIDE], 49);
}

static void test_failed_is_nowhere(void **state)
{
	(void)state;
	create();
	take(0);
	give(0);
	assert_none();
}

static void test_misaligned(void **state)
{
	struct event e = pool_event(EVENT_POOL_ALLOC, POOL, BASE + 0x28, 40);
	const struct finding *f;

	(void)state;
	create();
	e.align = 8;
	event_by(PID, T1, e, SITE_A);
	e.align = 24; /* no boundary at all */
	e.addr += 0x40;
	event_by(PID, T1, e, SITE_A);
	assert_none();
	e.align = 16;
	e.addr += 0x40;
	event_by(PID, T1, e, SITE_A);
	f = assert_one(FINDING_MISALIGNED);
	assert_sides(f, SITE_A, 0);
	assert_int_equal(f->addr, BASE + 0xa8);
	assert_int_equal(f->align, 16);
	assert_int_equal(f->base, BASE);
}

/* ---- overlapping ---- */

static void test_overlapping_above(void **state)
{
	const struct finding *f;

	(void)state;
	create();
	use_pool();
	take_by(T2, BASE + 100, SITE_B);
	take_by(T1, BASE + 99 - CHUNK + 2, SITE_A);
	assert_int_equal(found.count, 0); /* a late free may come */
	settle();
	f = assert_one(FINDING_OVERLAPPING);
	assert_sides(f, SITE_A, SITE_B);
	assert_int_equal(f->other_addr, BASE + 100);
	assert_int_equal(f->other_size, CHUNK);
	assert_int_equal(f->other_tid, T2);
	assert_int_equal(f->other_ns, now - LATE - 1000);
}

static void test_overlapping_below(void **state)
{
	(void)state;
	create();
	use_pool();
	take_sized(T1, BASE + 1024, 2048, SITE_B);
	take_sized(T1, BASE + 1024 + 2047, 1, SITE_A);
	settle();
	assert_sides(assert_one(FINDING_OVERLAPPING), SITE_A, SITE_B);
}

static void test_side_by_side(void **state)
{
	(void)state;
	create();
	use_pool();
	take_sized(T1, BASE + 1024, 2048, SITE_B);
	take_sized(T1, BASE + 1024 + 2048, 1, SITE_A);
	take_sized(T1, BASE, 1024, SITE_A);
	take_sized(T1, BASE + 1024 + 2049, 7, SITE_A);
	take_sized(T1, BASE + 1024 + 2056, 3, SITE_A);
	give(BASE + 1024);
	take_sized(T1, BASE + 1024 + 512, 512, SITE_A); /* a part of what was freed */
	assert_none();
}

/* A stride that is too small by one byte: each chunk reaches into the next one. */
static void test_small_stride(void **state)
{
	(void)state;
	create();
	use_pool();
	for (uint64_t i = 0; i < 30; i++)
		take(BASE + i * (CHUNK - 1));
	for (uint64_t i = 0; i < 30; i++)
		give(BASE + i * (CHUNK - 1));
	destroy();
	settle();
	assert_one(FINDING_OVERLAPPING);
	assert_int_equal(heap.findings.seen[FINDING_OVERLAPPING], 29);
}

/* ---- twice ---- */

static void test_handed_out_twice(void **state)
{
	const struct finding *f;

	(void)state;
	create();
	use_pool();
	take_by(T2, BASE, SITE_B);
	take_by(T1, BASE, SITE_A);
	assert_int_equal(found.count, 0);
	now += LATE;
	take(BASE + CHUNK);
	f = assert_one(FINDING_TWICE_OUT);
	assert_sides(f, SITE_A, SITE_B);
	assert_int_equal(f->tid, T1);
	assert_int_equal(f->other_tid, T2);
	assert_int_equal(f->ts_ns, now - LATE - 1000);
	assert_int_equal(f->other_ns, now - LATE - 2000);
	settle();
	assert_int_equal(found.count, 1);
}

/* A thread's own records are in order: what it frees afterwards explains nothing. */
static void test_handed_out_twice_and_freed(void **state)
{
	(void)state;
	create();
	take(BASE);
	take(BASE);
	give(BASE);
	give(BASE);
	settle();
	assert_one(FINDING_TWICE_OUT);
}

static void test_handed_out_twice_in_another_process(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	event_by(OTHER, OTHER, pool_event(EVENT_POOL_ALLOC, POOL, BASE, CHUNK), SITE_A);
	assert_none();
}

static void test_freed_twice(void **state)
{
	const struct finding *f;

	(void)state;
	create();
	take(BASE);
	give_by(T2, BASE, SITE_F);
	give_by(T3, BASE, SITE_G);
	f = assert_one(FINDING_TWICE_FREED); /* at once: all was seen */
	assert_sides(f, SITE_G, SITE_F);
	assert_int_equal(f->addr, BASE);
	assert_int_equal(f->size, CHUNK);
	assert_int_equal(f->tid, T3);
	assert_int_equal(f->other_tid, T2);
	assert_int_equal(f->other_ns, now - 1000);
}

/* From then on its pool has it twice: what comes of that is not another bug. */
static void test_consequences_of_freed_twice(void **state)
{
	(void)state;
	create();
	take(BASE);
	give(BASE);
	give_by(T1, BASE, SITE_G);
	for (int i = 0; i < 3; i++) {
		take(BASE);
		take(BASE);
		give(BASE);
		give(BASE);
	}
	destroy();
	settle();
	assert_one(FINDING_TWICE_FREED);
}

/* The same places, and others. */
static void test_each_once(void **state)
{
	(void)state;
	create();
	for (uint64_t i = 0; i < 20; i++) {
		take(BASE + i * CHUNK);
		give(BASE + i * CHUNK);
		give_by(T1, BASE + i * CHUNK, i < 15 ? SITE_F : SITE_G);
	}
	assert_int_equal(found.count, 2);
	assert_int_equal(heap.findings.told[FINDING_TWICE_FREED], 2);
	assert_int_equal(heap.findings.seen[FINDING_TWICE_FREED], 20);
}

/* ---- another pool ---- */

static void give_to_other(uint64_t addr)
{
	event_by(PID, T2, pool_event(EVENT_POOL_FREE, OTHER_POOL, addr, 0), SITE_G);
}

static void test_freed_to_other_pool(void **state)
{
	const struct finding *f;

	(void)state;
	create();
	use_pool();
	create_at(OTHER_POOL, "other", 0x50000, BYTES);
	take_by(T1, BASE, SITE_A);
	give_to_other(BASE);
	f = assert_one(FINDING_OTHER_POOL);
	assert_string_equal(f->pool, "other");
	assert_string_equal(f->other_pool, "pool");
	assert_int_equal(f->pool_addr, OTHER_POOL);
	assert_int_equal(f->tid, T2);
	assert_int_equal(f->other_site, SITE_A);
	assert_int_equal(f->other_tid, T1);
	assert_int_equal(f->other_ns, now - 1000);
	assert_int_equal(f->size, CHUNK);
}

/* The other pool hands it out, far from its own region, and the first one misses it. */
static void test_consequences_of_other_pool(void **state)
{
	(void)state;
	create();
	use_pool();
	create_at(OTHER_POOL, "other", 0x50000, BYTES);
	take(BASE);
	give_to_other(BASE);
	for (int i = 0; i < 3; i++) {
		event_by(PID, T1, pool_event(EVENT_POOL_ALLOC, OTHER_POOL, BASE, CHUNK), SITE_B);
		give_to_other(BASE);
	}
	destroy();
	settle();
	assert_one(FINDING_OTHER_POOL);
}

/* A pool in a chunk of another one: the same address is rightly in both. */
static void test_pool_in_a_pool(void **state)
{
	(void)state;
	create();
	use_pool();
	take_sized(T1, BASE, 1024, SITE_A);
	create_at(OTHER_POOL, "inner", BASE, 1024);
	event_by(PID, T1, pool_event(EVENT_POOL_ALLOC, OTHER_POOL, BASE, CHUNK), SITE_B);
	give_to_other(BASE);
	event_by(PID, T1, pool_event(EVENT_POOL_DESTROY, OTHER_POOL, 0, 0), 0);
	give(BASE);
	assert_none();
}

static void test_twice_in_the_inner_pool(void **state)
{
	(void)state;
	create();
	use_pool();
	take_sized(T1, BASE, 1024, SITE_A);
	create_at(OTHER_POOL, "inner", BASE, 1024);
	event_by(PID, T1, pool_event(EVENT_POOL_ALLOC, OTHER_POOL, BASE, CHUNK), SITE_B);
	give_to_other(BASE);
	give_to_other(BASE);
	assert_string_equal(assert_one(FINDING_TWICE_FREED)->pool, "inner");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECK_TEST(test_clean),
		CHECK_TEST(test_clean_pools_in_a_row),
		CHECK_TEST(test_outside),
		CHECK_TEST(test_region_ends),
		CHECK_TEST(test_wrong_stride),
		CHECK_TEST(test_failed_is_nowhere),
		CHECK_TEST(test_misaligned),
		CHECK_TEST(test_overlapping_above),
		CHECK_TEST(test_overlapping_below),
		CHECK_TEST(test_side_by_side),
		CHECK_TEST(test_small_stride),
		CHECK_TEST(test_handed_out_twice),
		CHECK_TEST(test_handed_out_twice_and_freed),
		CHECK_TEST(test_handed_out_twice_in_another_process),
		CHECK_TEST(test_freed_twice),
		CHECK_TEST(test_consequences_of_freed_twice),
		CHECK_TEST(test_each_once),
		CHECK_TEST(test_freed_to_other_pool),
		CHECK_TEST(test_consequences_of_other_pool),
		CHECK_TEST(test_pool_in_a_pool),
		CHECK_TEST(test_twice_in_the_inner_pool),
	};

	return cmocka_run_group_tests_name("check: findings", tests, NULL, NULL);
}
