// SPDX-License-Identifier: MIT
/*
 * When nothing may be told: what looks like a bug of the pool and has, or may have, another reason.
 * Each of these has a twin in test_check.c, or here, where the reason is missing and it is found.
 * Linked with libcore.a alone.
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

static void begin_wrongs(void)
{
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create_at(OTHER_POOL, "other", 0x50000, BYTES);
	create();
	use_pool();
}

/* The twin of all of these. */
static void test_all_wrongs_are_found(void **state)
{
	(void)state;
	begin_wrongs();
	do_all_wrongs();
	assert_int_equal(found.count, 6);
	for (int check = FINDING_OVERLAPPING; check < FINDING_NR_CHECKS; check++)
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

	return cmocka_run_group_tests_name("check: doubt", tests, NULL, NULL);
}
