// SPDX-License-Identifier: MIT
/*
 * Processes that end, that are forked, that replace their image, and whose number comes again.
 * Linked with libcore.a alone.
 */
#include "calls.h"

#define CHILD 300

static void assert_ended(uint64_t blocks, uint64_t bytes)
{
	assert_int_equal(heap.ended.blocks, blocks);
	assert_int_equal(heap.ended.bytes, bytes);
}

static void assert_frees(uint64_t unmatched, uint64_t inherited)
{
	assert_int_equal(heap.unmatched_frees, unmatched);
	assert_int_equal(heap.inherited_frees, inherited);
	assert_int_equal(heap.superseded, 0);
}

/* ---- the end ---- */

static void test_end(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(alloc_of(PID, BLOCK2, 0));
	apply_next(alloc_of(OTHER, BLOCK, 7));
	assert_int_equal(heap.processes.count, 2);
	heap_end_process(&heap, PID);
	assert_live(3, 107);
	assert_ended(2, 100);
	assert_total(&heap.calls[MALLOC], 3, 107, 0);
	assert_int_equal(heap.processes.count, 1);
	heap_end_process(&heap, PID);
	assert_ended(2, 100);
	apply_next(free_of(OTHER, BLOCK)); /* nothing of the others is touched */
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 7);
	assert_live(2, 100);
	heap_end_process(&heap, OTHER);
	assert_ended(2, 100);
	assert_int_equal(heap.processes.count, 0);
	assert_frees(0, 0);
}

static void test_end_of_unknown(void **state)
{
	(void)state;
	heap_end_process(&heap, 12345);
	heap_forget_process(&heap, 12345);
	assert_int_equal(heap.processes.count, 0);
	assert_live(0, 0);
	assert_ended(0, 0);
}

/* A number that comes again is another process: its blocks have nothing to do with the old ones. */
static void test_number_comes_again(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(alloc_of(PID, BLOCK2, 50));
	heap_end_process(&heap, PID);
	apply_next(alloc_of(PID, BLOCK, 8));
	assert_live(3, 158);
	assert_frees(0, 0);
	apply_next(realloc_of(PID, BLOCK, BLOCK, 9));
	assert_int_equal(note.old_size, 8);
	apply_next(free_of(PID, BLOCK));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 9);
	assert_live(2, 150);
	assert_ended(2, 150);
	assert_frees(0, 0);
	apply_next(free_of(PID, BLOCK2)); /* the old process had it */
	assert_false(note.old_known);
	assert_frees(1, 0);
	assert_live(2, 150);
	heap_end_process(&heap, PID);
	assert_ended(2, 150);
}

/* A block that was set aside is not live, and so it is not left behind. */
static void test_end_with_asides(void **state)
{
	(void)state;
	apply(alloc_of(PID, BLOCK, 100), 10, 20);
	apply(alloc_of(PID, BLOCK, 7), 105, 110); /* over a live one */
	apply(alloc_of(PID, BLOCK2, 30), 110, 115);
	apply(alloc_of(PID, BLOCK2, 40), 120, 125);
	apply(free_of(PID, BLOCK2), 130, 130); /* what is under it is waited for */
	assert_live(1, 7);
	heap_end_process(&heap, PID);
	assert_ended(1, 7);
	assert_live(1, 7);
	assert_int_equal(heap.superseded, 2); /* nobody will claim them any more */
	apply_next(alloc_of(PID, BLOCK, 1));
	apply_next(alloc_of(PID, BLOCK2, 2));
	assert_int_equal(heap.superseded, 2);
	assert_live(3, 10);
}

static void test_many_processes(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= 20000; pid++) {
		apply_next(alloc_of(pid, BLOCK, 3));
		apply_next(alloc_of(pid, BLOCK2, 4));
		apply_next(free_of(pid, BLOCK));
		heap_end_process(&heap, pid);
	}
	assert_int_equal(heap.processes.count, 0);
	assert_live(20000, 80000);
	assert_ended(20000, 80000);
	assert_frees(0, 0);
	assert_int_equal(heap.refused, 0);
}

/* Many at once: the table of processes grows, and each keeps its blocks. */
static void test_many_at_once(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= 2000; pid++)
		apply_next(alloc_of(pid, BLOCK, pid));
	for (uint32_t pid = 1; pid <= 2000; pid += 2)
		heap_end_process(&heap, pid);
	assert_int_equal(heap.processes.count, 1000);
	assert_ended(1000, 1000000); /* the odd ones */
	for (uint32_t pid = 2; pid <= 2000; pid += 2) {
		apply_next(free_of(pid, BLOCK));
		assert_true(note.old_known);
		assert_int_equal(note.old_size, pid);
	}
	assert_live(1000, 1000000);
	assert_frees(0, 0);
}

/* ---- fork ---- */

/* The child frees what its parent has allocated: that was seen, in another process. */
static void test_fork(void **state)
{
	struct event shrink = free_of(CHILD, BLOCK2 + 64);

	(void)state;
	shrink.function = REALLOC;
	shrink.by_realloc = true;
	apply_next(alloc_of(PID, BLOCK, 100));
	apply_next(alloc_of(PID, BLOCK2, 50));
	heap_fork_process(&heap, CHILD);
	apply_next(free_of(CHILD, BLOCK));
	assert_false(note.old_known);
	assert_frees(0, 1);
	apply_next(realloc_of(CHILD, BLOCK2, BLOCK2 + 8, 60));
	assert_frees(0, 2);
	assert_live(3, 210);
	apply_next(realloc_of(CHILD, BLOCK2 + 16, 0, 60)); /* failed: it frees nothing */
	assert_frees(0, 2);
	apply_next(shrink);
	assert_frees(0, 3);
	apply_next(free_of(CHILD, 0));
	assert_frees(0, 3);
	apply_next(free_of(CHILD, BLOCK2 + 8)); /* its own */
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 60);
	apply_next(free_of(PID, BLOCK)); /* the parent has its own copy */
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 100);
	apply_next(free_of(PID, BLOCK)); /* twice: the parent was not forked here */
	assert_frees(1, 3);
	assert_live(1, 50);
}

static void test_child_allocates(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	heap_fork_process(&heap, CHILD);
	apply_next(free_of(CHILD, BLOCK));
	apply_next(alloc_of(CHILD, BLOCK, 8));
	apply_next(free_of(CHILD, BLOCK));
	assert_true(note.old_known);
	assert_int_equal(note.old_size, 8);
	assert_frees(0, 1);
	assert_live(1, 100);
	heap_fork_process(&heap, OTHER); /* a child of the child */
	apply_next(free_of(OTHER, BLOCK));
	assert_frees(0, 2);
}

/* What the child leaves behind is its own alone. */
static void test_child_ends(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	heap_fork_process(&heap, CHILD);
	apply_next(alloc_of(CHILD, BLOCK2, 3));
	heap_end_process(&heap, CHILD);
	assert_ended(1, 3);
	assert_live(2, 103);
	apply_next(free_of(CHILD, BLOCK)); /* another process of that number, not forked as seen */
	assert_frees(1, 0);
}

/* The end of the number's old process was not seen. */
static void test_fork_ends_what_was_there(void **state)
{
	(void)state;
	apply_next(alloc_of(CHILD, BLOCK, 100));
	heap_fork_process(&heap, CHILD);
	assert_ended(1, 100);
	assert_live(1, 100);
	apply_next(alloc_of(CHILD, BLOCK, 5));
	assert_live(2, 105);
	apply_next(free_of(CHILD, BLOCK));
	assert_int_equal(note.old_size, 5);
	apply_next(free_of(CHILD, BLOCK));
	assert_frees(0, 1);
}

/* ---- exec ---- */

/* A new image has inherited no block. */
static void test_exec_after_fork(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	heap_fork_process(&heap, CHILD);
	apply_next(free_of(CHILD, BLOCK));
	apply_next(alloc_of(CHILD, BLOCK2, 7));
	assert_frees(0, 1);
	heap_forget_process(&heap, CHILD);
	assert_live(1, 100);
	assert_ended(0, 0);
	apply_next(free_of(CHILD, BLOCK));
	assert_frees(1, 1);
	apply_next(realloc_of(CHILD, BLOCK, BLOCK2, 7));
	assert_frees(2, 1);
	apply_next(free_of(CHILD, BLOCK2));
	assert_true(note.old_known);
	assert_frees(2, 1);
}

/* What was freed and is waited for under its address is not live, and cannot go twice. */
static void test_exec_with_asides(void **state)
{
	(void)state;
	apply_next(alloc_of(OTHER, BLOCK, 1));
	apply(alloc_of(PID, BLOCK, 100), 10, 20);
	apply(alloc_of(PID, BLOCK, 7), 105, 110);
	apply(alloc_of(PID, BLOCK2, 30), 110, 115);
	apply(alloc_of(PID, BLOCK2, 40), 120, 125);
	apply(free_of(PID, BLOCK2), 130, 130);
	assert_live(2, 8);
	heap_forget_process(&heap, PID);
	assert_live(1, 1);
	apply_next(alloc_of(PID, BLOCK, 5));
	apply_next(free_of(PID, BLOCK));
	assert_int_equal(note.old_size, 5);
	assert_live(1, 1);
}

static void test_end_after_exec(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 100));
	heap_forget_process(&heap, PID);
	assert_live(0, 0);
	apply_next(alloc_of(PID, BLOCK2, 7));
	heap_end_process(&heap, PID);
	assert_live(1, 7);
	assert_ended(1, 7);
	heap_forget_process(&heap, PID); /* of the next one, before its first call */
	assert_live(1, 7);
	assert_ended(1, 7);
	assert_frees(0, 0);
}

/* ---- pools ---- */

static void test_pool_of_ended(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0], *next;

	(void)state;
	apply_next(pool_named(POOL, "p"));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK2, 32));
	apply_next(alloc_of(PID, BLOCK, 4096));
	heap_end_process(&heap, PID);
	assert_int_equal(p->live.blocks, 2);
	assert_int_equal(p->live.bytes, 96);
	assert_ended(1, 4096); /* chunks are not among these */
	assert_live(1, 4096);
	assert_int_equal(p->destroyed + p->live_at_destroy, 0);
	/* what comes at that address is another pool, which was not seen made */
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 16));
	next = note.pool;
	assert_ptr_not_equal(next, p);
	assert_string_equal(next->name, "pool@0x9000");
	assert_int_equal(next->live.blocks, 1);
	apply_next(pool_event(EVENT_POOL_FREE, POOL, BLOCK2, 0));
	assert_false(note.old_known);
	assert_int_equal(next->unmatched, 1);
	apply_next(pool_event(EVENT_POOL_DESTROY, POOL, 0, 0));
	assert_int_equal(next->live_at_destroy, 1);
	assert_int_equal(next->live.blocks, 0);
	assert_int_equal(p->live.blocks, 2);
	assert_int_equal(p->live.bytes, 96);
	assert_frees(0, 0);
}

/* Of the same name, made anew: one row, and the old chunks stay in its sum. */
static void test_pool_made_again(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	for (int i = 1; i <= 3; i++) {
		apply_next(pool_named(POOL, "p"));
		apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
		assert_ptr_equal(note.pool, p);
		apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK2, 10));
		apply_next(pool_event(EVENT_POOL_FREE, POOL, BLOCK2, 0));
		assert_int_equal(note.old_size, 10);
		assert_int_equal(p->live.blocks, i);
		assert_int_equal(p->live.bytes, 64 * i);
		heap_end_process(&heap, PID);
	}
	assert_int_equal(heap.pool_count, 1);
	assert_int_equal(p->created, 3);
	assert_int_equal(p->unmatched, 0);
	assert_int_equal(heap.superseded, 0);
	assert_ended(0, 0);
}

/* Destroyed in one process: the other one's chunks are its own. */
static void test_pool_in_two_processes(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(pool_event_of(PID, EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	apply_next(pool_event_of(OTHER, EVENT_POOL_ALLOC, POOL, BLOCK, 32));
	assert_int_equal(p->live.blocks, 2);
	apply_next(pool_event_of(PID, EVENT_POOL_DESTROY, POOL, 0, 0));
	assert_int_equal(p->live_at_destroy, 1);
	assert_int_equal(p->live.blocks, 1);
	assert_int_equal(p->live.bytes, 32);
	apply_next(pool_event_of(OTHER, EVENT_POOL_FREE, POOL, BLOCK, 0));
	assert_int_equal(note.old_size, 32);
	assert_int_equal(p->live.blocks + p->live.bytes + p->unmatched, 0);
}

/* Replaced by exec: the chunks are gone, like the blocks. */
static void test_pool_of_replaced(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	apply_next(pool_named(POOL, "p"));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	heap_forget_process(&heap, PID);
	assert_int_equal(p->live.blocks + p->live.bytes + p->live_at_destroy, 0);
	apply_next(pool_event(EVENT_POOL_DESTROY, POOL, 0, 0));
	assert_string_equal(note.pool->name, "pool@0x9000");
	assert_int_equal(note.pool->live_at_destroy, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_end),
		TEST(test_end_of_unknown),
		TEST(test_number_comes_again),
		TEST(test_end_with_asides),
		TEST(test_many_processes),
		TEST(test_many_at_once),
		TEST(test_fork),
		TEST(test_child_allocates),
		TEST(test_child_ends),
		TEST(test_fork_ends_what_was_there),
		TEST(test_exec_after_fork),
		TEST(test_exec_with_asides),
		TEST(test_end_after_exec),
		TEST(test_pool_of_ended),
		TEST(test_pool_made_again),
		TEST(test_pool_in_two_processes),
		TEST(test_pool_of_replaced),
	};

	return cmocka_run_group_tests_name("heap: processes", tests, NULL, NULL);
}
