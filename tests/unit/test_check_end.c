// SPDX-License-Identifier: MIT
/* The checks at the end of a pool and of its memory, by hand. Linked with libcore.a alone. */
#include "findings.h"

/* ---- the end ---- */

static void test_leaked(void **state)
{
	const struct finding *f;

	(void)state;
	create();
	use_pool();
	for (uint64_t i = 0; i < 5; i++)
		take_sized(T2, BASE + i * CHUNK, 10 + i, i < 3 ? SITE_A : SITE_B);
	destroy();
	assert_int_equal(found.count, 2);
	assert_int_equal(heap.findings.told[FINDING_LEAKED], 2);
	f = &found.all[found.all[0].other_site == SITE_A ? 0 : 1];
	assert_sides(f, 0, SITE_A);
	assert_int_equal(f->chunks, 3);
	assert_int_equal(f->chunk_bytes, 33);
	assert_int_equal(f->addr, BASE);
	assert_int_equal(f->other_tid, T2);
	assert_int_equal(f->other_ns, now - 5000);
	f = &found.all[found.all[0].other_site == SITE_A ? 1 : 0];
	assert_sides(f, 0, SITE_B);
	assert_int_equal(f->chunks, 2);
	assert_int_equal(f->chunk_bytes, 27);
}

static void test_not_leaked(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE);
	give(BASE);
	create_at(OTHER_POOL, "other", 0x50000, BYTES);
	event_by(PID, T1, pool_event(EVENT_POOL_ALLOC, OTHER_POOL, 0x50000, 8), SITE_A);
	destroy();
	assert_none();
}

static void test_region_freed(void **state)
{
	const struct finding *f;

	(void)state;
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create();
	use_pool();
	take_by(T2, BASE, SITE_B);
	take_by(T1, BASE + CHUNK, SITE_A);
	event_by(PID, T3, free_of(PID, BASE), SITE_G);
	f = assert_one(FINDING_REGION_FREED);
	assert_sides(f, SITE_G, SITE_B);
	assert_int_equal(f->addr, BASE);
	assert_int_equal(f->chunks, 2);
	assert_int_equal(f->chunk_bytes, 2 * CHUNK);
	assert_int_equal(f->other_tid, T2);
	destroy(); /* what was in use is told already */
	settle();
	assert_one(FINDING_REGION_FREED);
}

/* The pool's books and its region in one block. */
static void test_region_freed_with_the_books(void **state)
{
	(void)state;
	event_by(PID, T1, alloc_of(PID, POOL, 0x10000 + BYTES), SITE_A);
	create();
	use_pool();
	take(BASE);
	event_by(PID, T1, realloc_of(PID, POOL, 0x700000, 64), SITE_G);
	assert_one(FINDING_REGION_FREED);
}

static void test_region_in_place(void **state)
{
	(void)state;
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create();
	use_pool();
	take(BASE);
	event_by(PID, T1, realloc_of(PID, BASE, BASE, 2 * BYTES), SITE_G);
	event_by(PID, T1, realloc_of(PID, BASE, 0, 3 * BYTES), SITE_G);
	give(BASE);
	event_by(PID, T1, free_of(PID, BASE), SITE_F); /* nothing is in use */
	assert_none();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECK_TEST(test_leaked),          CHECK_TEST(test_not_leaked),
		CHECK_TEST(test_region_freed),    CHECK_TEST(test_region_freed_with_the_books),
		CHECK_TEST(test_region_in_place),
	};

	return cmocka_run_group_tests_name("check: ends", tests, NULL, NULL);
}
