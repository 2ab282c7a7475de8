// SPDX-License-Identifier: MIT
/*
 * When nothing may be told: what looks like a bug of the pool and has, or may have, another reason.
 * Pools and
 * processes that are right in another way are in test_check_habits.c. Each of these has a twin in
 * test_check.c, or here, where the reason is missing and it is found. Linked with libcore.a alone.
 */
#include "findings.h"

/* Everything that a history can contradict. */
static void do_all_wrongs(void)
{
	take_by(T1, BASE, SITE_A);
	take_by(T1, BASE, SITE_B); /* handed out twice */
	take_by(T1, BASE + CHUNK, SITE_A);
	take_by(T1, BASE + CHUNK + 1, SITE_B); /* overlapping */
	take_by(T1, BASE + 4 * CHUNK, SITE_A);
	give_by(T1, BASE + 4 * CHUNK, SITE_F);
	give_by(T1, BASE + 4 * CHUNK, SITE_G); /* freed twice */
	take_by(T1, BASE + 5 * CHUNK, SITE_A);
	event_by(PID, T1, pool_event(EVENT_POOL_FREE, OTHER_POOL, BASE + 5 * CHUNK, 0), SITE_G);
	take_by(T1, BASE + 6 * CHUNK, SITE_A);
	now += LATE;
	event_by(PID, T1, free_of(PID, BASE), SITE_G); /* the region */
	take_by(T1, BASE + 7 * CHUNK, SITE_A);
	now += LATE;
	destroy(); /* leaked */
	settle();
}

/* The twin of all of these. */
static void test_all_wrongs_are_found(void **state)
{
	(void)state;
	begin_wrongs();
	do_all_wrongs();
	assert_int_equal(found.count, 6);
	for (int check = FINDING_OVERLAPPING; check <= FINDING_REGION_FREED; check++)
		assert_int_equal(heap.findings.told[check], 1);
	assert_true(found.asked > 0);
}

static void test_nobody_asks(void **state)
{
	(void)state;
	heap.findings.on_finding = NULL;
	begin_wrongs();
	do_all_wrongs();
	take(BASE + BYTES);
	assert_none();
	assert_int_equal(heap.findings.remembered + heap.findings.map_bytes, 0);
}

static void test_partial(void **state)
{
	(void)state;
	heap.findings.partial = true;
	begin_wrongs();
	take(BASE + BYTES); /* the region is known all the same */
	do_all_wrongs();
	assert_one(FINDING_OUTSIDE);
}

static void test_partial_threads(void **state)
{
	(void)state;
	heap.findings.partial_threads = true;
	begin_wrongs();
	take(BASE + BYTES);
	do_all_wrongs();
	assert_none();
}

static void test_shared_memory(void **state)
{
	(void)state;
	found.shared = true;
	begin_wrongs();
	take(BASE + BYTES);
	do_all_wrongs();
	assert_none();
}

static void test_otel(void **state)
{
	struct event e = pool_event(EVENT_POOL_ALLOC, 1, BASE + 1, CHUNK);

	(void)state;
	e.otel = true;
	e.align = 16;
	event_by(PID, T1, e, SITE_A);
	event_by(PID, T1, e, SITE_A);
	e.kind = EVENT_POOL_FREE;
	for (int i = 0; i < 4; i++)
		event_by(PID, T1, e, SITE_F);
	assert_none();
}

/* ---- losses ---- */

static void test_losses(void **state)
{
	(void)state;
	begin_wrongs();
	take(BASE + BYTES - 2 * CHUNK);
	take(BASE + BYTES - 3 * CHUNK);
	give(BASE + BYTES - 3 * CHUNK);
	now += 2 * LATE;
	found.known_since = now;
	take_by(T1, BASE + BYTES - 2 * CHUNK, SITE_B);
	give_by(T1, BASE + BYTES - 3 * CHUNK, SITE_G);
	assert_none();
	assert_int_equal(heap.findings.doubtful, 2);
}

/* The lost free leaves its chunk in use for ever, as it seems: whose is what came after? */
static void test_lost_free(void **state)
{
	(void)state;
	begin_wrongs();
	take(BASE);
	now += 2 * LATE;
	found.known_since = now;
	now += 2 * LATE;
	for (int i = 0; i < 3; i++) {
		take_by(T1, BASE, SITE_B);
		give(BASE);
		take_by(T1, BASE + 1, SITE_B);
		give(BASE + 1);
	}
	event_by(PID, T1, pool_event(EVENT_POOL_FREE, OTHER_POOL, BASE, 0), SITE_G);
	now += LATE;
	destroy();
	assert_none();
}

/* Known to be lost at the end only. */
static void test_lost_free_told_late(void **state)
{
	(void)state;
	begin_wrongs();
	take(BASE);
	now += LATE;
	found.known_since = now;
	take_by(T1, BASE, SITE_B);
	give(BASE);
	destroy();
	assert_none();
}

/* The end of the pool and the beginning of the next one may be among them. */
static void test_losses_make_the_region_doubtful(void **state)
{
	(void)state;
	create();
	take(BASE);
	found.known_since = now;
	take(BASE + BYTES);
	assert_none();
	destroy();
	create();
	take(BASE + BYTES);
	assert_one(FINDING_OUTSIDE);
}

/* What came after them is as good as ever, but for late records of what was before. */
static void test_after_losses(void **state)
{
	(void)state;
	begin_wrongs();
	found.known_since = now;
	now += 2 * LATE;
	take(BASE);
	take_by(T1, BASE, SITE_B);
	take(BASE + CHUNK);
	give(BASE + CHUNK);
	give_by(T1, BASE + CHUNK, SITE_G);
	now += LATE;
	destroy();
	settle();
	assert_int_equal(heap.findings.told[FINDING_TWICE_OUT], 1);
	assert_int_equal(heap.findings.told[FINDING_TWICE_FREED], 1);
	assert_int_equal(heap.findings.told[FINDING_LEAKED], 1);
	assert_int_equal(found.count, 3);
}

/* They grew while it waited. */
static void test_losses_while_waiting(void **state)
{
	(void)state;
	begin_wrongs();
	take(BASE);
	take_by(T1, BASE, SITE_B);
	found.known_since = now;
	now += LATE;
	take(BASE + CHUNK);
	assert_none();
	assert_int_equal(heap.findings.doubtful, 1);
}

/* A flood of doubt asks the run no more often than it must. */
static void test_doubt_is_cheap(void **state)
{
	(void)state;
	begin_wrongs();
	take(BASE);
	found.known_since = now + 1000000 * MS;
	for (int i = 0; i < 1000; i++)
		take_by(T1, BASE, SITE_B + (uint64_t)i);
	assert_none();
	assert_int_equal(found.asked, 1);
}

/* ---- late records ---- */

static void test_late_free(void **state)
{
	uint64_t freed;

	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	freed = now + 100;
	take_by(T2, BASE, SITE_B);
	give_late(T1, BASE, freed);
	give_by(T2, BASE, SITE_F);
	now += LATE;
	take(BASE + CHUNK);
	give(BASE + CHUNK);
	assert_none();
	assert_int_equal(heap.superseded, 0);
}

/* Stopped between the end of the operation and the probe: its time says nothing. */
static void test_late_free_with_a_wrong_time(void **state)
{
	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	take_by(T2, BASE, SITE_B);
	give_by(T1, BASE, SITE_F);
	now += LATE;
	take(BASE + CHUNK);
	assert_none();
}

/* The new owner's own free comes first: the late one still does. */
static void test_late_free_after_the_next(void **state)
{
	uint64_t freed;

	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	freed = now + 100;
	take_by(T2, BASE, SITE_B);
	give_by(T2, BASE, SITE_F);
	now += 99 * MS;
	give_late(T1, BASE, freed);
	now += LATE;
	take(BASE + CHUNK);
	assert_none();
}

static void test_late_free_of_a_neighbour(void **state)
{
	uint64_t freed;

	(void)state;
	create();
	use_pool();
	take_sized(T1, BASE, 128, SITE_A);
	freed = now + 100;
	take_sized(T2, BASE + 64, 64, SITE_B); /* split */
	take_sized(T3, BASE, 64, SITE_B);
	give_late(T1, BASE, freed);
	now += LATE;
	take_sized(T2, BASE + 512, 64, SITE_B);
	assert_none();
}

/* Too late is not late. */
static void test_much_later(void **state)
{
	uint64_t freed;

	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	freed = now + 100;
	take_by(T2, BASE, SITE_B);
	now += LATE + MS;
	give_late(T1, BASE, freed);
	assert_one(FINDING_TWICE_OUT);
}

/* Its threads may have been killed with such a record unwritten. */
static void test_killed_while_late(void **state)
{
	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	take_by(T2, BASE, SITE_B);
	heap_end_process(&heap, PID);
	assert_none();
}

/* Where there is but one thread, none was. */
static void test_process_ends(void **state)
{
	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	take_by(T1, BASE, SITE_B);
	heap_end_process(&heap, PID);
	assert_one(FINDING_TWICE_OUT); /* and nothing leaked: it was not destroyed */
	settle();
	assert_int_equal(found.count, 1);
}

static void test_process_ends_long_after(void **state)
{
	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	take_by(T2, BASE, SITE_B);
	now += LATE;
	event_by(OTHER, OTHER, alloc_of(OTHER, BLOCK, 8), SITE_A);
	assert_one(FINDING_TWICE_OUT);
}

static void test_settled_up_to(void **state)
{
	(void)state;
	create();
	use_pool();
	take_by(T1, BASE, SITE_A);
	take_by(T2, BASE, SITE_B);
	heap_settle_findings(&heap, now + LATE - 1);
	assert_int_equal(found.count, 0);
	heap_settle_findings(&heap, now + LATE);
	assert_one(FINDING_TWICE_OUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECK_TEST(test_all_wrongs_are_found),
		CHECK_TEST(test_nobody_asks),
		CHECK_TEST(test_partial),
		CHECK_TEST(test_partial_threads),
		CHECK_TEST(test_shared_memory),
		CHECK_TEST(test_otel),
		CHECK_TEST(test_losses),
		CHECK_TEST(test_lost_free),
		CHECK_TEST(test_lost_free_told_late),
		CHECK_TEST(test_losses_make_the_region_doubtful),
		CHECK_TEST(test_after_losses),
		CHECK_TEST(test_losses_while_waiting),
		CHECK_TEST(test_doubt_is_cheap),
		CHECK_TEST(test_late_free),
		CHECK_TEST(test_late_free_with_a_wrong_time),
		CHECK_TEST(test_late_free_after_the_next),
		CHECK_TEST(test_late_free_of_a_neighbour),
		CHECK_TEST(test_much_later),
		CHECK_TEST(test_killed_while_late),
		CHECK_TEST(test_process_ends),
		CHECK_TEST(test_process_ends_long_after),
		CHECK_TEST(test_settled_up_to),
	};

	return cmocka_run_group_tests_name("check: doubt", tests, NULL, NULL);
}
