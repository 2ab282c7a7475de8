// SPDX-License-Identifier: MIT
/*
 * Records that come late. First the orders that heap.h speaks of, by hand; then threads that race
 * for few addresses, so that a freed one is handed out again at once. The model of the race is the
 * allocator itself: who holds which block is decided before any record is written. Linked with
 * libcore.a alone.
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

enum { MALLOC, REALLOC, FREE, FUNCTIONS };

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

/* ---- the race ---- */

#define STEPS     100000
#define THREADS   6
#define PROCESSES 2
#define ADDRESSES 24

struct block {
	uint64_t size;
	bool held, busy; /* busy: some thread's call is about it */
};

struct process {
	struct block blocks[ADDRESSES];
	unsigned int free[ADDRESSES], free_count; /* the last one freed is the next one out */
};

struct thread {
	enum { IDLE, BEGUN, DONE } phase;
	unsigned int function, old, addr;
	bool got;
	uint64_t begin, size, old_size;
};

static struct {
	struct process processes[PROCESSES];
	struct thread threads[THREADS];
	struct heap_total totals[FUNCTIONS];
	uint64_t seed, now, calls, wrong_notes;
} race;

static uint64_t roll(uint64_t sides)
{
	race.seed ^= race.seed << 13;
	race.seed ^= race.seed >> 7;
	race.seed ^= race.seed << 17;
	return (race.seed >> 20) % sides;
}

static uint64_t address(unsigned int i)
{
	return 0x10000 + 16 * i;
}

static struct process *process_of(size_t thread)
{
	return &race.processes[thread % PROCESSES];
}

/* A block that nobody is at, or ADDRESSES. */
static unsigned int pick(struct process *p)
{
	unsigned int start = (unsigned int)roll(ADDRESSES);

	for (unsigned int i = 0; i < ADDRESSES; i++) {
		struct block *b = &p->blocks[(start + i) % ADDRESSES];

		if (b->held && !b->busy)
			return (start + i) % ADDRESSES;
	}
	return ADDRESSES;
}

static void hand_back(struct process *p, unsigned int i)
{
	p->blocks[i].held = p->blocks[i].busy = false;
	p->free[p->free_count++] = i;
}

static bool hand_out(struct process *p, unsigned int *i, uint64_t size)
{
	if (!p->free_count)
		return false;
	*i = p->free[--p->free_count];
	p->blocks[*i] = (struct block){.size = size, .held = true, .busy = true};
	return true;
}

static void write_record(size_t thread, struct event e)
{
	struct thread *t = &race.threads[thread];
	struct heap_total *total = &race.totals[t->function];
	bool frees = e.kind != EVENT_ALLOC && (e.addr || e.old_addr);

	e.pid = 1 + thread % PROCESSES;
	e.tid = (uint32_t)thread;
	e.function = t->function;
	e.ts_ns = t->begin;
	e.latency_ns = race.now - t->begin;
	e.size = t->size;
	total->count++;
	total->failed += e.failed;
	total->bytes += e.failed || e.kind == EVENT_FREE ? 0 : t->size;
	total->null += e.kind == EVENT_FREE && !e.addr;
	assert_true(heap_apply(&heap, &e, &note));
	if (note.old_known != frees || (frees && note.old_size != t->old_size))
		race.wrong_notes++;
}

/* free writes its record on entry, before the address is to be had again. */
static void begin_call(size_t thread)
{
	struct process *p = process_of(thread);
	struct thread *t = &race.threads[thread];

	*t = (struct thread){.phase = BEGUN, .function = (unsigned int)roll(FUNCTIONS)};
	t->begin = race.now;
	t->old = t->function == MALLOC ? ADDRESSES : pick(p);
	if (t->function == REALLOC && t->old == ADDRESSES)
		t->function = MALLOC;
	t->size = t->function == FREE ? 0 : 1 + roll(1000);
	if (t->old < ADDRESSES) {
		p->blocks[t->old].busy = true;
		t->old_size = p->blocks[t->old].size;
	}
	if (t->function == FREE)
		write_record(thread, (struct event){
					     .kind = EVENT_FREE,
					     .addr = t->old < ADDRESSES ? address(t->old) : 0,
				     });
}

/* What the allocator does in the middle of the call. */
static void do_call(size_t thread)
{
	struct process *p = process_of(thread);
	struct thread *t = &race.threads[thread];

	t->phase = t->function == FREE ? IDLE : DONE;
	if (t->function == FREE) {
		if (t->old < ADDRESSES)
			hand_back(p, t->old);
	} else if (t->function == REALLOC && roll(4) == 0) {
		t->got = true;
		t->addr = t->old;
		p->blocks[t->old].size = t->size;
	} else {
		t->got = roll(20) != 0 && hand_out(p, &t->addr, t->size);
		if (t->got && t->function == REALLOC)
			hand_back(p, t->old);
	}
}

static void end_call(size_t thread)
{
	struct process *p = process_of(thread);
	struct thread *t = &race.threads[thread];
	struct event e = {.kind = EVENT_ALLOC, .failed = !t->got};

	if (t->got)
		e.addr = address(t->addr);
	if (t->function == REALLOC) {
		e.kind = EVENT_REALLOC;
		e.old_addr = address(t->old);
	}
	write_record(thread, e);
	if (t->got)
		p->blocks[t->addr].busy = false;
	else if (t->function == REALLOC)
		p->blocks[t->old].busy = false;
	t->phase = IDLE;
	race.calls++;
}

static void step(size_t thread, bool may_begin)
{
	race.now++;
	if (race.threads[thread].phase == BEGUN)
		do_call(thread);
	else if (race.threads[thread].phase == DONE)
		end_call(thread);
	else if (may_begin)
		begin_call(thread);
}

/* With no call under way, the books and the allocator agree. */
static void compare(void)
{
	struct heap_live live = {0};

	for (size_t i = 0; i < PROCESSES * ADDRESSES; i++) {
		const struct block *b = &race.processes[i / ADDRESSES].blocks[i % ADDRESSES];

		live.blocks += b->held;
		live.bytes += b->held ? b->size : 0;
	}
	assert_int_equal(heap.live.blocks, live.blocks);
	assert_int_equal(heap.live.bytes, live.bytes);
	assert_int_equal(heap.blocks.count, live.blocks);
	assert_memory_equal(heap.calls, race.totals, sizeof(race.totals));
}

static void run_race(uint64_t seed)
{
	memset(&race, 0, sizeof(race));
	race.seed = seed;
	for (size_t i = 0; i < PROCESSES; i++) {
		for (unsigned int k = 0; k < ADDRESSES; k++)
			hand_back(&race.processes[i], k);
	}
	for (size_t n = 0; n < STEPS; n++) {
		step(roll(THREADS), true);
		if (n % 100 != 99)
			continue;
		for (size_t i = 0; i < 2 * THREADS; i++)
			step(i % THREADS, false);
		compare();
	}
	assert_true(race.calls > STEPS / 10);
}

static void test_race_totals(void **state)
{
	(void)state;
	run_race(2024);
}

/* All calls were seen and all were legal: whatever the order, each finds its own block. */
static void test_race_leaves_nothing_open(void **state)
{
	(void)state;
	run_race(4711);
	if (heap.unmatched_frees || heap.superseded || race.wrong_notes)
		fail_msg("of %d calls: %d unmatched, %d superseded, %d with a wrong old block",
			 (int)heap.events, (int)heap.unmatched_frees, (int)heap.superseded,
			 (int)race.wrong_notes);
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
		TEST(test_late_record_of_unseen_block),
		TEST(test_late_pool_free),
		TEST(test_pool_free_in_order),
		TEST(test_race_totals),
		TEST(test_race_leaves_nothing_open),
	};

	return cmocka_run_group_tests_name("heap: order", tests, NULL, NULL);
}
