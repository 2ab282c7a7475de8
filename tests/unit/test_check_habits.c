// SPDX-License-Identifier: MIT
/*
 * Pools that were there before, that have other habits, and processes that come and go: what they
 * do looks like a mistake to who does not know them, and is none. And what is beyond the caps.
 * Linked with libcore.a alone.
 */
#include "findings.h"

/* ---- pools that were there before ---- */

static void test_late_attach(void **state)
{
	(void)state;
	take_by(T1, BASE, SITE_A);
	give(BASE);
	take(BASE + BYTES * 100); /* wherever */
	give(BASE + CHUNK);       /* handed out before */
	give_by(T2, BASE + 2 * CHUNK, SITE_F);
	give_by(T2, BASE + 2 * CHUNK, SITE_F); /* and once more in between, who knows */
	event_by(PID, T1, free_of(PID, BASE), SITE_F);
	assert_none();
}

/* The free of a hand-out from before, late: a second one, as it seems. */
static void test_late_free_from_before(void **state)
{
	(void)state;
	take_by(T2, BASE, SITE_A);
	give_by(T2, BASE, SITE_F);
	give_late(T1, BASE, now - 500);
	give_by(T1, BASE, SITE_F);
	/* the late one first */
	take_by(T2, BASE + CHUNK, SITE_A);
	give_by(T1, BASE + CHUNK, SITE_F);
	give_by(T1, BASE + CHUNK, SITE_F);
	assert_none();
}

static void test_freed_twice_without_creation(void **state)
{
	(void)state;
	take_by(T2, BASE, SITE_A);
	give_by(T2, BASE, SITE_F);
	give_by(T2, BASE, SITE_G); /* the same thread: in order */
	assert_one(FINDING_TWICE_FREED);
	take_by(T2, BASE + CHUNK, SITE_A);
	give_by(T2, BASE + CHUNK, SITE_F);
	now += LATE + MS;
	give_by(T3, BASE + CHUNK, SITE_G + 1);
	assert_int_equal(found.count, 2);
}

static void test_leaked_without_creation(void **state)
{
	(void)state;
	use_pool();
	take(BASE);
	destroy();
	assert_one(FINDING_LEAKED);
}

/* Its allocations go by unseen, inside of a malloc that is traced; its frees do not. */
static void test_under_a_malloc(void **state)
{
	(void)state;
	create();
	give(BASE);
	take(BASE + CHUNK); /* by itself */
	give(BASE + CHUNK);
	give(BASE + CHUNK); /* handed out in between */
	assert_none();
}

/* The first object of a slab lies where the slab does. */
static void test_malloc_of_a_pool(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE + CHUNK);
	event_by(PID, T1, alloc_of(PID, BASE, CHUNK), SITE_A);
	event_by(PID, T1, free_of(PID, BASE), SITE_F);
	assert_none();
}

/* Nor do parts of it that the user's own functions hand out take it along. */
static void test_own_function(void **state)
{
	(void)state;
	heap.own_functions = 1 << FREE;
	begin_wrongs();
	take(BASE);
	event_by(PID, T1, free_of(PID, BASE), SITE_F);
	assert_none();
}

/* The block was there before the pool: the record of its end comes late. */
static void test_late_realloc(void **state)
{
	uint64_t began = now + 10;

	(void)state;
	now += 1000;
	begin_wrongs();
	take(BASE);
	apply(realloc_of(PID, BASE, 0x700000, 64), began, now += 1000);
	assert_none();
}

/* ---- pools of other habits ---- */

/* It hands out until it is reset, which nobody announces, and goes with what it holds. */
static void test_arena(void **state)
{
	(void)state;
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create();
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 20; i++)
			take_sized(T1, BASE + i * (40 + (uint64_t)round), 40, SITE_A);
		now += LATE;
	}
	destroy();
	event_by(PID, T1, free_of(PID, BASE), SITE_F);
	assert_none();
}

static void test_arena_freed_before_its_end(void **state)
{
	(void)state;
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create();
	take(BASE);
	event_by(PID, T1, free_of(PID, BASE), SITE_F);
	destroy();
	assert_none();
}

/* A second region. */
static void test_growing_pool(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	create_at(POOL, "pool", 0x80000, BYTES);
	take(0x80000);
	take(BASE + CHUNK);
	give(BASE);
	give(0x80000);
	give(BASE + CHUNK);
	destroy();
	assert_none();
}

/* Made anew in the same place, its end not announced. */
static void test_end_not_announced(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		create();
		take(BASE);
		take(BASE + CHUNK);
		give(BASE);
	}
	now += LATE;
	take(BASE + CHUNK * 2);
	assert_none();
}

/* ---- processes ---- */

static void by_child(enum event_kind kind, uint64_t addr, uint64_t site)
{
	event_by(OTHER, OTHER, pool_event(kind, POOL, addr, CHUNK), site);
}

/* A copy of its parent's pool, with what was handed out there. */
static void test_forked_child(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	heap_fork_process(&heap, OTHER);
	by_child(EVENT_POOL_FREE, BASE, SITE_F);
	by_child(EVENT_POOL_ALLOC, BASE, SITE_A);
	by_child(EVENT_POOL_ALLOC, BASE + BYTES, SITE_A); /* of its region nothing is known */
	by_child(EVENT_POOL_FREE, BASE, SITE_F);
	give(BASE);
	take(BASE);
	give(BASE);
	assert_none();
	by_child(EVENT_POOL_FREE, BASE, SITE_G); /* its own, by one thread, twice */
	assert_one(FINDING_TWICE_FREED);
}

static void test_exec_forgets(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	take_by(T1, BASE, SITE_B);
	heap_forget_process(&heap, PID);
	take(BASE);
	take(BASE + BYTES);
	assert_none();
	assert_int_equal(heap.findings.suspect_count, 0);
}

static void test_number_comes_again(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	heap_end_process(&heap, PID);
	use_pool();
	take(BASE);
	destroy(); /* another one's: not destroyed was what the first one had */
	assert_int_equal(found.count, 1);
	assert_int_equal(found.all[0].chunks, 1);
}

/* ---- caps ---- */

/* More freed chunks than are remembered: what is forgotten is not found, and counted. */
static void test_forgets_and_counts(void **state)
{
	uint64_t many = (1 << 20) + 10;

	(void)state;
	for (uint64_t i = 0; i < many; i++) {
		take(BASE + i * CHUNK);
		give(BASE + i * CHUNK);
	}
	assert_true(heap.findings.remembered <= 1 << 20);
	assert_true(heap.findings.refused >= 1 << 20);
	give_by(T1, BASE, SITE_G);
	assert_none();
	give_by(T1, BASE + (many - 1) * CHUNK, SITE_G);
	assert_one(FINDING_TWICE_FREED);
	heap_end_process(&heap, PID);
	assert_int_equal(heap.findings.remembered, 0);
}

static void test_region_too_large_for_a_map(void **state)
{
	(void)state;
	create_at(POOL, "pool", BASE, 1ULL << 45);
	use_pool();
	take(BASE);
	take(BASE + 1);
	assert_none();
	assert_int_equal(heap.findings.refused, 1);
	take(BASE + (1ULL << 45));
	assert_one(FINDING_OUTSIDE);
}

static void test_many_suspects(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	for (uint64_t i = 0; i < 1000; i++)
		take_by(T2, BASE, SITE_B + i);
	assert_true(heap.findings.refused > 0);
	assert_int_equal(heap.findings.suspect_count + heap.findings.refused, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECK_TEST(test_late_attach),
		CHECK_TEST(test_late_free_from_before),
		CHECK_TEST(test_freed_twice_without_creation),
		CHECK_TEST(test_leaked_without_creation),
		CHECK_TEST(test_under_a_malloc),
		CHECK_TEST(test_malloc_of_a_pool),
		CHECK_TEST(test_own_function),
		CHECK_TEST(test_late_realloc),
		CHECK_TEST(test_arena),
		CHECK_TEST(test_arena_freed_before_its_end),
		CHECK_TEST(test_growing_pool),
		CHECK_TEST(test_end_not_announced),
		CHECK_TEST(test_forked_child),
		CHECK_TEST(test_exec_forgets),
		CHECK_TEST(test_number_comes_again),
		CHECK_TEST(test_forgets_and_counts),
		CHECK_TEST(test_region_too_large_for_a_map),
		CHECK_TEST(test_many_suspects),
	};

	return cmocka_run_group_tests_name("check: habits", tests, NULL, NULL);
}
