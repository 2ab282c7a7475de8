/* SPDX-License-Identifier: MIT */
/* Calls by hand, and the heap that they are applied to. */
#ifndef TESTS_UNIT_CALLS_H
#define TESTS_UNIT_CALLS_H

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

static inline int setup(void **state)
{
	(void)state;
	now = 1000;
	return heap_init(&heap);
}

static inline int teardown(void **state)
{
	(void)state;
	heap_fini(&heap);
	return 0;
}

/* ---- events by hand: one after the other, unless `begin` and `end` say otherwise ---- */

static inline bool apply(struct event e, uint64_t begin, uint64_t end)
{
	e.ts_ns = event_is_pool(&e) ? end : begin;
	e.latency_ns = end - begin;
	e.measured = true;
	return heap_apply(&heap, &e, &note);
}

static inline bool apply_next(struct event e)
{
	now += 10;
	return apply(e, now - 10, now - 5);
}

static inline struct event alloc_of(uint32_t pid, uint64_t addr, uint64_t size)
{
	return (struct event){.kind = EVENT_ALLOC,
			      .function = MALLOC,
			      .pid = pid,
			      .addr = addr,
			      .size = size,
			      .failed = !addr};
}

static inline struct event free_of(uint32_t pid, uint64_t addr)
{
	return (struct event){.kind = EVENT_FREE, .function = FREE, .pid = pid, .addr = addr};
}

static inline struct event realloc_of(uint32_t pid, uint64_t old, uint64_t addr, uint64_t size)
{
	return (struct event){.kind = EVENT_REALLOC,
			      .function = REALLOC,
			      .pid = pid,
			      .old_addr = old,
			      .addr = addr,
			      .size = size,
			      .failed = !addr};
}

static inline struct event pool_event_of(uint32_t pid, enum event_kind kind, uint64_t pool,
					 uint64_t addr, uint64_t size)
{
	return (struct event){.kind = kind,
			      .pid = pid,
			      .pool = pool,
			      .addr = addr,
			      .size = size,
			      .failed = kind == EVENT_POOL_ALLOC && !addr};
}

static inline struct event pool_event(enum event_kind kind, uint64_t pool, uint64_t addr,
				      uint64_t size)
{
	return pool_event_of(PID, kind, pool, addr, size);
}

static inline struct event pool_named(uint64_t pool, const char *name)
{
	struct event e = {.kind = EVENT_POOL_CREATE, .pid = PID, .pool = pool};

	snprintf(e.name, sizeof(e.name), "%s", name);
	return e;
}

static inline void assert_live(uint64_t blocks, uint64_t bytes)
{
	assert_int_equal(heap.live.blocks, blocks);
	assert_int_equal(heap.live.bytes, bytes);
}

static inline void assert_matched(void)
{
	assert_int_equal(heap.unmatched_frees, 0);
	assert_int_equal(heap.superseded, 0);
}

static inline void assert_total(const struct event_totals *t, uint64_t count, uint64_t bytes,
				uint64_t failed)
{
	assert_int_equal(t->count, count);
	assert_int_equal(t->bytes, bytes);
	assert_int_equal(t->failed, failed);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
