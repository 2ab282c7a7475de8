// SPDX-License-Identifier: MIT
/*
 * Threads that race for few addresses, so that a freed one is handed out again at once, in
 * processes that come and go. The model is the allocator itself: who holds which block is decided
 * before any record is written. Linked with libcore.a alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/heap.h"

enum { MALLOC, REALLOC, FREE, FUNCTIONS };

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
	struct event_totals totals[FUNCTIONS];
	struct heap_live left; /* by processes that have ended */
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
	struct event_totals *total = &race.totals[t->function];
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

/* Blocks that the heap keeps an entry for; its private struct of a process begins with that table.
 */
static uint64_t entries(void)
{
	uint64_t n = 0;

	for (uint64_t pid = 1; pid <= PROCESSES; pid++) {
		const struct table *blocks = table_find(&heap.processes, &pid);

		if (!blocks)
			continue;
		assert_int_equal(blocks->cap, HEAP_MAX_LIVE);
		n += blocks->count;
	}
	return n;
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
	assert_int_equal(heap.live.blocks, live.blocks + race.left.blocks);
	assert_int_equal(heap.live.bytes, live.bytes + race.left.bytes);
	assert_int_equal(heap.ended.blocks, race.left.blocks);
	assert_int_equal(heap.ended.bytes, race.left.bytes);
	assert_int_equal(entries(), live.blocks);
	assert_memory_equal(heap.calls, race.totals, sizeof(race.totals));
}

static void reset_process(struct process *p)
{
	memset(p, 0, sizeof(*p));
	for (unsigned int k = 0; k < ADDRESSES; k++)
		hand_back(p, k);
}

/* Another process gets the number, by a fork that was or was not seen, or by exec. */
static void replace_process(size_t i)
{
	struct process *p = &race.processes[i];
	uint64_t how = roll(3);

	for (size_t k = 0; k < ADDRESSES && how != 0; k++) {
		race.left.blocks += p->blocks[k].held;
		race.left.bytes += p->blocks[k].held ? p->blocks[k].size : 0;
	}
	if (how == 0)
		heap_forget_process(&heap, (uint32_t)i + 1);
	else if (how == 1)
		heap_end_process(&heap, (uint32_t)i + 1);
	else
		heap_fork_process(&heap, (uint32_t)i + 1);
	reset_process(p);
}

static void run_race(uint64_t seed, bool processes_come_and_go)
{
	memset(&race, 0, sizeof(race));
	race.seed = seed;
	for (size_t i = 0; i < PROCESSES; i++)
		reset_process(&race.processes[i]);
	for (size_t n = 0; n < STEPS; n++) {
		step(roll(THREADS), true);
		if (n % 100 != 99)
			continue;
		for (size_t i = 0; i < 2 * THREADS; i++)
			step(i % THREADS, false);
		compare();
		if (processes_come_and_go && roll(2))
			replace_process(roll(PROCESSES));
	}
	assert_true(race.calls > STEPS / 10);
}

/* All calls were seen and all were legal: whatever the order, each finds its own block. */
static void assert_nothing_open(void)
{
	if (heap.unmatched_frees || heap.inherited_frees || heap.superseded || race.wrong_notes)
		fail_msg("of %d calls: %d unmatched, %d inherited, %d superseded, %d with a wrong "
			 "old block",
			 (int)heap.events, (int)heap.unmatched_frees, (int)heap.inherited_frees,
			 (int)heap.superseded, (int)race.wrong_notes);
}

static void test_race(void **state)
{
	(void)state;
	run_race(2024, false);
	assert_nothing_open();
	assert_int_equal(heap.processes.count, PROCESSES);
}

/* Addresses and numbers are the same ones over and over, in processes that know nothing of each
 * other. */
static void test_race_of_processes(void **state)
{
	(void)state;
	run_race(4711, true);
	assert_nothing_open();
	assert_true(race.left.blocks > 1000);
	for (uint32_t pid = 1; pid <= PROCESSES; pid++)
		heap_end_process(&heap, pid);
	assert_int_equal(heap.processes.count, 0);
	assert_int_equal(heap.ended.blocks, heap.live.blocks);
	assert_int_equal(heap.ended.bytes, heap.live.bytes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_race),
		TEST(test_race_of_processes),
	};

	return cmocka_run_group_tests_name("heap: race", tests, NULL, NULL);
}
