// SPDX-License-Identifier: MIT
/*
 * The books: every kind of call by hand, then threads that race for few addresses, against a model
 * that knows what really happened. Linked with libcore.a alone.
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

#define PID    100
#define OTHER  200
#define BLOCK  0x1000
#define BLOCK2 0x2000
#define POOL   0x9000

static struct heap heap;
static struct heap_note note;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	now = 1000;
	return heap_init(&heap);
}

static int teardown(void **state)
{
	(void)state;
	heap_fini(&heap);
	return 0;
}

/* ---- events by hand: one after the other, unless `begin` and `end` say otherwise ---- */

static bool apply(struct event e, uint64_t begin, uint64_t end)
{
	e.ts_ns = event_is_pool(&e) ? end : begin;
	e.latency_ns = end - begin;
	e.measured = true;
	return heap_apply(&heap, &e, &note);
}

static bool apply_next(struct event e)
{
	now += 10;
	return apply(e, now - 10, now - 5);
}

static struct event alloc_of(uint32_t pid, uint64_t addr, uint64_t size)
{
	return (struct event){.kind = EVENT_ALLOC,
			      .function = MALLOC,
			      .pid = pid,
			      .addr = addr,
			      .size = size,
			      .failed = !addr};
}

static struct event free_of(uint32_t pid, uint64_t addr)
{
	return (struct event){.kind = EVENT_FREE, .function = FREE, .pid = pid, .addr = addr};
}

static struct event realloc_of(uint32_t pid, uint64_t old, uint64_t addr, uint64_t size)
{
	return (struct event){.kind = EVENT_REALLOC,
			      .function = REALLOC,
			      .pid = pid,
			      .old_addr = old,
			      .addr = addr,
			      .size = size,
			      .failed = !addr};
}

static struct event pool_event(enum event_kind kind, uint64_t pool, uint64_t addr, uint64_t size)
{
	return (struct event){.kind = kind,
			      .pid = PID,
			      .pool = pool,
			      .addr = addr,
			      .size = size,
			      .failed = kind == EVENT_POOL_ALLOC && !addr};
}

static struct event pool_named(uint64_t pool, const char *name)
{
	struct event e = {.kind = EVENT_POOL_CREATE, .pid = PID, .pool = pool};

	snprintf(e.name, sizeof(e.name), "%s", name);
	return e;
}

static void assert_live(uint64_t blocks, uint64_t bytes)
{
	assert_int_equal(heap.live.blocks, blocks);
	assert_int_equal(heap.live.bytes, bytes);
}

static void assert_matched(void)
{
	assert_int_equal(heap.unmatched_frees, 0);
	assert_int_equal(heap.superseded, 0);
}

static void assert_total(const struct heap_total *t, uint64_t count, uint64_t bytes,
			 uint64_t failed)
{
	assert_int_equal(t->count, count);
	assert_int_equal(t->bytes, bytes);
	assert_int_equal(t->failed, failed);
}

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
		cmocka_unit_test_setup_teardown(test_alloc_and_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_alloc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmatched_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realloc_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realloc_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realloc_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realloc_of_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realloc_to_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realloc_of_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forget_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunk_on_its_region, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool_without_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pools_of_one_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_one_pool, setup, teardown),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
