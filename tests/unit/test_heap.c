// SPDX-License-Identifier: MIT
/*
 * The books: every kind of call by hand. Records that come late are in test_heap_order.c, processes
 * that come and go in test_heap_process.c, samples in test_heap_sample.c. Linked with libcore.a
 * alone.
 */
#include "calls.h"

/* ---- calls ---- */

static void test_alloc_and_free(void **state)
{
	(void)state;
	assert_true(apply_next(alloc_of(PID, BLOCK, 100)));
	assert_false(note.old_known);
	assert_null(note.pool);
	apply_next(alloc_of(PID, BLOCK2, 0)); /* size 0 is a block, too */
	assert_live(2, 100);
	apply_next(free_of(PID, BLOCK));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 100);
	apply_next(free_of(PID, BLOCK2));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 0);
	assert_live(0, 0);
	assert_total(&heap.calls[MALLOC], 2, 100, 0);
	assert_total(&heap.calls[FREE], 2, 0, 0);
	assert_int_equal(heap.events, 4);
	assert_matched();
}

static void test_failed_alloc(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, 0, UINT64_MAX));
	assert_total(&heap.calls[MALLOC], 1, 0, 1);
	assert_live(0, 0);
}

static void test_free_null(void **state)
{
	(void)state;
	apply_next(free_of(PID, 0));
	assert_int_equal(heap.calls[FREE].count, 1);
	assert_int_equal(heap.calls[FREE].null, 1);
	assert_false(note.old_known);
	assert_matched();
}

static void test_unmatched_free(void **state)
{
	(void)state;
	apply_next(free_of(PID, BLOCK));
	assert_false(note.old_known);
	apply_next(alloc_of(PID, BLOCK, 8));
	apply_next(free_of(PID, BLOCK));
	apply_next(free_of(PID, BLOCK));
	assert_int_equal(heap.unmatched_frees, 2);
	assert_live(0, 0);
}

static void test_realloc_moved(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(realloc_of(PID, BLOCK, BLOCK2, 300));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 100);
	assert_live(1, 300);
	assert_total(&heap.calls[REALLOC], 1, 300, 0);
	apply_next(free_of(PID, BLOCK2));
	assert_live(0, 0);
	assert_matched();
}

static void test_realloc_in_place(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(realloc_of(PID, BLOCK, BLOCK, 50));
	assert_int_equal(note.old_size, 100);
	assert_live(1, 50);
	apply_next(realloc_of(PID, BLOCK, BLOCK, 75));
	assert_int_equal(note.old_size, 50);
	assert_live(1, 75);
	assert_matched();
}

static void test_realloc_failed(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(realloc_of(PID, BLOCK, 0, 1ULL << 60));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 100);
	assert_live(1, 100);
	assert_total(&heap.calls[REALLOC], 1, 0, 1);
	apply_next(realloc_of(PID, BLOCK2, 0, 5)); /* of a block that was not seen */
	assert_false(note.old_known);
	assert_matched();
}

/* Arrives as an allocation: the kernel side knows that there was no old block. */
static void test_realloc_of_null(void **state)
{
	struct event e = alloc_of(PID, BLOCK, 40);

	(void)state;
	e.function = REALLOC;
	apply_next(e);
	assert_total(&heap.calls[REALLOC], 1, 40, 0);
	assert_live(1, 40);
	assert_matched();
}

static void test_realloc_to_zero(void **state)
{
	struct event e = free_of(PID, BLOCK);

	(void)state;
	e.function = REALLOC;
	e.by_realloc = true;
	apply_next(alloc_of(PID, BLOCK, 40));
	apply_next(e);
	assert_int_equal(note.old_size, 40);
	assert_int_equal(heap.calls[REALLOC].count, 1);
	assert_int_equal(heap.calls[REALLOC].freed, 1);
	assert_int_equal(heap.calls[FREE].count, 0);
	assert_live(0, 0);
	assert_matched();
}

static void test_realloc_of_unseen(void **state)
{
	(void)state;
	apply_next(realloc_of(PID, BLOCK, BLOCK2, 64));
	assert_false(note.old_known);
	assert_int_equal(heap.unmatched_frees, 1);
	assert_live(1, 64);
}

static void test_two_processes(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 10));
	apply_next(alloc_of(OTHER, BLOCK, 20));
	assert_live(2, 30);
	apply_next(free_of(PID, BLOCK));
	assert_int_equal(note.old_size, 10);
	assert_live(1, 20);
	apply_next(free_of(OTHER, BLOCK));
	assert_int_equal(note.old_size, 20);
	assert_matched();
}

static void test_forget_process(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 1000; i++) {
		apply_next(alloc_of(PID, i * 16, 3));
		apply_next(alloc_of(OTHER, i * 16, 5));
	}
	apply_next(pool_named(POOL, "p"));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 7));
	heap_forget_process(&heap, PID);
	assert_live(1000, 5000);
	assert_int_equal(heap.pool_rows[0].live.blocks, 0);
	assert_int_equal(heap.pool_rows[0].live.bytes, 0);
	assert_total(&heap.calls[MALLOC], 2000, 8000, 0); /* totals are history */
	heap_forget_process(&heap, PID);
	assert_live(1000, 5000);
	apply_next(alloc_of(PID, 16, 9));
	assert_live(1001, 5009);
	assert_matched();
}

/* ---- pools ---- */

static void test_pool(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(pool_named(POOL, "protocol"));
	assert_ptr_equal(note.pool, p);
	assert_int_equal(note.row, 0);
	assert_string_equal(p->name, "protocol");
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 160));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, 0, 160)); /* exhausted */
	assert_int_equal(p->live.blocks, 1);
	assert_int_equal(p->live.bytes, 160);
	apply_next(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 160);
	apply_next(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0));
	apply_next(pool_event(EVENT_POOL_DESTROY, POOL, 0, 0));
	assert_total(&p->alloc, 2, 160, 1);
	assert_total(&p->free, 2, 0, 0);
	assert_int_equal(p->unmatched, 1);
	assert_int_equal(p->created + p->destroyed, 2);
	assert_int_equal(p->live.blocks + p->live.bytes, 0);
	assert_live(0, 0);
	assert_matched(); /* malloc's books know nothing of it */
}

/* The first chunk lies where the region begins. */
static void test_chunk_on_its_region(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 4096));
	apply_next(pool_named(POOL, "p"));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	assert_live(1, 4096);
	assert_int_equal(heap.pool_rows[0].live.bytes, 64);
	apply_next(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0));
	assert_int_equal(note.old_size, 64);
	assert_live(1, 4096);
	apply_next(free_of(PID, BLOCK));
	assert_int_equal(note.old_size, 4096);
	assert_matched();
}

static void test_pool_without_a_name(void **state)
{
	(void)state;
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	assert_string_equal(note.pool->name, "pool@0x9000");
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL + 8, BLOCK, 64));
	assert_string_equal(note.pool->name, "pool@0x9008");
	assert_int_equal(heap.pool_count, 2);
}

static void test_pools_of_one_name(void **state)
{
	(void)state;
	apply_next(pool_named(POOL, "p"));
	apply_next(pool_named(POOL + 8, "p"));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 1));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL + 8, BLOCK, 2));
	assert_int_equal(heap.pool_count, 1);
	assert_int_equal(heap.pool_rows[0].live.blocks, 2);
	apply_next(pool_event(EVENT_POOL_FREE, POOL + 8, BLOCK, 0));
	assert_int_equal(note.old_size, 2);
	assert_matched();
}

static void test_too_many_names(void **state)
{
	uint64_t created = 0;

	(void)state;
	for (uint64_t i = 0; i < HEAP_MAX_POOLS + 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", (int)i);
		apply_next(pool_named(POOL + 16 * i, name));
		assert_non_null(note.pool);
	}
	assert_int_equal(heap.pool_count, HEAP_MAX_POOLS);
	for (size_t i = 0; i < heap.pool_count; i++)
		created += heap.pool_rows[i].created;
	assert_int_equal(created, HEAP_MAX_POOLS + 100);
	assert_string_equal(heap.pool_rows[HEAP_MAX_POOLS - 1].name, "(other pools)");
}

static void test_only_one_pool(void **state)
{
	(void)state;
	strcpy(heap.only_pool, "b");
	assert_false(apply_next(pool_named(POOL, "a")));
	assert_true(apply_next(pool_named(POOL + 8, "b")));
	assert_false(apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 1)));
	assert_true(apply_next(pool_event(EVENT_POOL_ALLOC, POOL + 8, BLOCK, 2)));
	assert_false(apply_next(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0)));
	assert_false(apply_next(pool_event(EVENT_POOL_ALLOC, POOL + 16, BLOCK, 4)));
	assert_true(apply_next(alloc_of(PID, BLOCK, 8)));
	assert_int_equal(heap.events, 3);
	assert_int_equal(heap.ignored, 4);
	for (size_t i = 0; i < heap.pool_count; i++)
		assert_int_equal(heap.pool_rows[i].live.bytes,
				 strcmp(heap.pool_rows[i].name, "b") ? 0 : 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_alloc_and_free),
		TEST(test_failed_alloc),
		TEST(test_free_null),
		TEST(test_unmatched_free),
		TEST(test_realloc_moved),
		TEST(test_realloc_in_place),
		TEST(test_realloc_failed),
		TEST(test_realloc_of_null),
		TEST(test_realloc_to_zero),
		TEST(test_realloc_of_unseen),
		TEST(test_two_processes),
		TEST(test_forget_process),
		TEST(test_pool),
		TEST(test_chunk_on_its_region),
		TEST(test_pool_without_a_name),
		TEST(test_pools_of_one_name),
		TEST(test_too_many_names),
		TEST(test_only_one_pool),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
