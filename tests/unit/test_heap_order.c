// SPDX-License-Identifier: MIT
/*
 * Records that come late: the orders that heap.h speaks of, by hand. Linked with libcore.a alone.
 *
 *	thread 1   realloc(X) |-- X is free --------------- record --|
 *	thread 2                     malloc |-- gets X -- record --|
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/heap.h"

enum { MALLOC, REALLOC, FREE };

#define X    0x1000
#define Y    0x2000
#define Z    0x3000
#define POOL 0x9000

static struct heap heap;
static struct heap_note note;

static int setup(void **state)
{
	(void)state;
	return heap_init(&heap);
}

static int teardown(void **state)
{
	(void)state;
	heap_fini(&heap);
	return 0;
}

static void apply(struct event e, uint64_t begin, uint64_t end)
{
	e.ts_ns = event_is_pool(&e) ? end : begin;
	e.latency_ns = end - begin;
	heap_apply(&heap, &e, &note);
}

static void take(uint64_t addr, uint64_t size, uint64_t begin, uint64_t end)
{
	struct event e = {.kind = EVENT_ALLOC, .function = MALLOC, .addr = addr, .size = size};

	apply(e, begin, end);
}

static void release(uint64_t addr, uint64_t at)
{
	struct event e = {.kind = EVENT_FREE, .function = FREE, .addr = addr};

	apply(e, at, at);
}

static void resize(uint64_t old, uint64_t addr, uint64_t size, uint64_t begin, uint64_t end)
{
	struct event e = {.kind = EVENT_REALLOC,
			  .function = REALLOC,
			  .old_addr = old,
			  .addr = addr,
			  .size = size,
			  .failed = !addr};

	apply(e, begin, end);
}

static void pool_take(uint64_t addr, uint64_t size, uint64_t begin, uint64_t end)
{
	struct event e = {.kind = EVENT_POOL_ALLOC, .pool = POOL, .addr = addr, .size = size};

	apply(e, begin, end);
}

static void pool_release(uint64_t addr, uint64_t begin, uint64_t end)
{
	struct event e = {.kind = EVENT_POOL_FREE, .pool = POOL, .addr = addr};

	apply(e, begin, end);
}

static void assert_books(uint64_t blocks, uint64_t bytes, uint64_t superseded, uint64_t unmatched)
{
	assert_int_equal(heap.live.blocks, blocks);
	assert_int_equal(heap.live.bytes, bytes);
	assert_int_equal(heap.superseded, superseded);
	assert_int_equal(heap.unmatched_frees, unmatched);
}

static void assert_claimed(uint64_t old_size)
{
	assert_true(note.old_known);
	assert_int_equal(note.old_size, old_size);
}

/* ---- by hand ---- */

/* The record of the new owner first: the realloc that freed the address comes late. */
static void test_new_owner_first(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 105, 110);
	assert_books(1, 7, 1, 0);
	resize(X, Y, 300, 100, 120);
	assert_claimed(100);
	assert_books(2, 307, 0, 0);
	release(X, 130);
	assert_claimed(7);
	release(Y, 140);
	assert_claimed(300);
	assert_books(0, 0, 0, 0);
}

/* The other order: nothing is late. */
static void test_realloc_first(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	resize(X, Y, 300, 100, 120);
	take(X, 7, 105, 130);
	assert_books(2, 307, 0, 0);
	release(X, 140);
	assert_claimed(7);
	release(Y, 150);
	assert_books(0, 0, 0, 0);
}

/* An allocation that had begun before the realloc, but got its block after. */
static void test_began_earlier(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 90, 110);
	resize(X, Y, 300, 100, 120);
	assert_claimed(100);
	assert_books(2, 307, 0, 0);
}

/* Nobody claims: the free in between was not seen. */
static void test_free_not_seen(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 105, 110);
	take(X, 8, 205, 210);
	release(X, 300);
	assert_claimed(8);
	assert_int_equal(heap.superseded, 2);
	assert_int_equal(heap.live.blocks, 0);
	assert_int_equal(heap.unmatched_frees, 0);
}

/* The new owner is done before the late record comes. */
static void test_freed_before_the_claim(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 105, 110);
	release(X, 115);
	assert_claimed(7);
	resize(X, Y, 300, 100, 120);
	assert_claimed(100);
	assert_books(1, 300, 0, 0);
}

static void test_resized_before_the_claim(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 105, 110);
	resize(X, X, 9, 112, 115);
	assert_claimed(7);
	resize(X, Y, 300, 100, 120);
	assert_claimed(100);
	assert_books(2, 309, 0, 0);
}

/* The second owner moves away, too, and both records are late. */
static void test_two_late_records(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 105, 110);
	take(X, 5, 125, 130);
	resize(X, Y, 300, 100, 140);
	assert_claimed(100);
	resize(X, Z, 400, 120, 150);
	assert_claimed(7);
	assert_books(3, 705, 0, 0);
}

/* It fails on a block that is gone, whatever is still waited for there. */
static void test_failed_after_the_free(void **state)
{
	(void)state;
	take(X, 100, 10, 20);
	take(X, 7, 105, 110);
	release(X, 115);
	resize(X, 0, 300, 116, 117);
	assert_false(note.old_known);
	assert_int_equal(note.old_size, 0);
	assert_books(0, 0, 1, 0);
}

static void test_late_record_of_unseen_block(void **state)
{
	(void)state;
	take(X, 7, 105, 110);
	resize(X, Y, 300, 100, 120);
	assert_false(note.old_known);
	assert_books(2, 307, 0, 1);
	release(X, 130);
	assert_claimed(7);
}

static void test_late_pool_free(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	pool_take(X, 64, 10, 20);
	pool_take(X, 32, 105, 110);
	assert_int_equal(p->live.blocks, 1);
	assert_int_equal(p->live.bytes, 32);
	pool_release(X, 100, 120);
	assert_claimed(64);
	assert_int_equal(p->live.blocks, 1);
	pool_release(X, 130, 140);
	assert_claimed(32);
	assert_int_equal(p->live.blocks + p->live.bytes + p->unmatched + heap.superseded, 0);
}

static void test_pool_free_in_order(void **state)
{
	const struct heap_pool *p = &heap.pool_rows[0];

	(void)state;
	pool_take(X, 64, 10, 20);
	pool_release(X, 100, 120);
	pool_take(X, 32, 105, 130);
	pool_release(X, 130, 140); /* begins in the very nanosecond */
	assert_claimed(32);
	assert_int_equal(p->live.blocks + p->live.bytes + p->unmatched + heap.superseded, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_owner_first),
		TEST(test_realloc_first),
		TEST(test_began_earlier),
		TEST(test_free_not_seen),
		TEST(test_freed_before_the_claim),
		TEST(test_resized_before_the_claim),
		TEST(test_two_late_records),
		TEST(test_failed_after_the_free),
		TEST(test_late_record_of_unseen_block),
		TEST(test_late_pool_free),
		TEST(test_pool_free_in_order),
	};

	return cmocka_run_group_tests_name("heap: order", tests, NULL, NULL);
}
