// SPDX-License-Identifier: MIT
/*
 * Who is told of blocks that go, and what the notes give back: each end once, whatever the order of
 * the records. Linked with libcore.a alone.
 */
#include "calls.h"

#define MAX_GONE 64

static struct heap_gone gone[MAX_GONE];
static size_t gones;

static void on_gone(void *context, const struct heap_gone *g)
{
	assert_ptr_equal(context, &gones);
	assert_true(gones < MAX_GONE);
	gone[gones++] = *g;
}

static int setup_watched(void **state)
{
	int err = setup(state);

	heap.on_gone = on_gone;
	heap.gone_context = &gones;
	gones = 0;
	return err;
}

/* Hands a block out, and marks it with a number. */
static void take(struct event e, uint32_t number, uint64_t begin, uint64_t end)
{
	e.tid = 1000 + number;
	apply(e, begin, end);
	assert_non_null(note.mark);
	assert_int_equal(note.mark->site + note.mark->call + note.mark->chain, 0);
	assert_int_equal(note.mark->function, e.function);
	note.mark->site = number;
	note.mark->call = number * 2;
	note.mark->chain = number * 3;
}

static void assert_mark(const struct heap_mark *mark, uint32_t number, uint32_t function)
{
	assert_int_equal(mark->site, number);
	assert_int_equal(mark->call, number * 2);
	assert_int_equal(mark->chain, number * 3);
	assert_int_equal(mark->function, function);
}

static void assert_gone(size_t i, uint32_t number, uint64_t size, uint64_t since_ns,
			enum heap_end end)
{
	assert_true(i < gones);
	assert_mark(&gone[i].mark, number, MALLOC);
	assert_int_equal(gone[i].size, size);
	assert_int_equal(gone[i].since_ns, since_ns);
	assert_int_equal(gone[i].pid, PID);
	assert_int_equal(gone[i].tid, 1000 + number);
	assert_int_equal(gone[i].end, end);
}

static void assert_old(uint32_t number, uint64_t size, uint64_t since_ns)
{
	assert_true(note.old_known);
	assert_int_equal(note.old_size, size);
	assert_mark(&note.old_mark, number, MALLOC);
	assert_int_equal(note.old_since_ns, since_ns);
	assert_int_equal(note.old_tid, 1000 + number);
}

static void assert_nothing_old(void)
{
	assert_false(note.old_known);
	assert_int_equal(note.old_size + note.old_since_ns + note.old_tid, 0);
	assert_int_equal(note.old_mark.site + note.old_mark.call + note.old_mark.function, 0);
}

/* ---- by calls ---- */

static void test_freed(void **state)
{
	(void)state;
	take(alloc_of(PID, BLOCK, 100), 7, 10, 20);
	assert_nothing_old();
	assert_int_equal(gones, 0);
	apply(free_of(PID, BLOCK), 30, 35);
	assert_null(note.mark);
	assert_old(7, 100, 20);
	assert_int_equal(gones, 1);
	assert_gone(0, 7, 100, 20, HEAP_FREED);
	assert_false(gone[0].of_pool);
	apply(free_of(PID, BLOCK), 40, 45); /* not there any more */
	assert_nothing_old();
	assert_int_equal(gones, 1);
}

/* The heap's own row of the function, wherever the block lies. */
static void test_function(void **state)
{
	struct event e = alloc_of(PID, BLOCK, 1);

	(void)state;
	e.function = REALLOC;
	take(e, 1, 10, 20);
	apply(free_of(PID, BLOCK), 30, 35);
	assert_mark(&note.old_mark, 1, REALLOC);
}

static void test_resized(void **state)
{
	(void)state;
	take(alloc_of(PID, BLOCK, 100), 1, 10, 20);
	apply(realloc_of(PID, BLOCK, BLOCK2, 200), 30, 35);
	assert_old(1, 100, 20);
	assert_gone(0, 1, 100, 20, HEAP_FREED);
	assert_non_null(note.mark); /* of the new one, which is nobody's yet */
	assert_int_equal(note.mark->site + note.mark->call + note.mark->chain, 0);
	assert_int_equal(note.mark->function, REALLOC);
	note.mark->site = 2;
	apply(realloc_of(PID, BLOCK2, BLOCK2, 50), 40, 45); /* stays where it is */
	assert_int_equal(note.old_mark.site, 2);
	assert_int_equal(note.mark->site, 0);
	assert_int_equal(gones, 2);
	assert_int_equal(gone[1].mark.site, 2);
	assert_int_equal(gone[1].size, 200);
}

static void test_failed_realloc(void **state)
{
	(void)state;
	take(alloc_of(PID, BLOCK, 100), 1, 10, 20);
	apply(realloc_of(PID, BLOCK, 0, 200), 30, 35);
	assert_old(1, 100, 20);
	assert_null(note.mark);
	assert_int_equal(gones, 0);
	apply(alloc_of(PID, 0, 100), 40, 45);
	assert_null(note.mark);
}

/* ---- late records ---- */

static void test_superseded_and_claimed(void **state)
{
	(void)state;
	take(alloc_of(PID, BLOCK, 100), 1, 10, 20);
	take(alloc_of(PID, BLOCK, 7), 2, 105, 110);
	assert_int_equal(gones, 1);
	assert_gone(0, 1, 100, 20, HEAP_SUPERSEDED);
	apply(realloc_of(PID, BLOCK, BLOCK2, 300), 100, 120);
	assert_old(1, 100, 20);
	assert_int_equal(gones, 1);
	apply(free_of(PID, BLOCK), 130, 135);
	assert_old(2, 7, 110);
	assert_int_equal(gones, 2);
	assert_gone(1, 2, 7, 110, HEAP_FREED);
}

static void test_claimed_after_the_free(void **state)
{
	(void)state;
	take(alloc_of(PID, BLOCK, 100), 1, 10, 20);
	take(alloc_of(PID, BLOCK, 7), 2, 105, 110);
	apply(free_of(PID, BLOCK), 115, 116);
	assert_old(2, 7, 110);
	apply(free_of(PID, BLOCK), 100, 120);
	assert_old(1, 100, 20);
	assert_int_equal(gones, 2);
	assert_gone(0, 1, 100, 20, HEAP_SUPERSEDED);
	assert_gone(1, 2, 7, 110, HEAP_FREED);
}

/* Three lie there one after the other; a new one on what is gone begins anew. */
static void test_many_under(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 4; i++)
		take(alloc_of(PID, BLOCK, i), i, i * 100, i * 100 + 10);
	for (uint32_t i = 1; i <= 3; i++)
		assert_gone(i - 1, i, i, i * 100 + 10, HEAP_SUPERSEDED);
	apply(free_of(PID, BLOCK), 250, 251); /* late: the second one's */
	assert_old(2, 2, 210);
	apply(free_of(PID, BLOCK), 500, 501);
	assert_old(4, 4, 410);
	assert_int_equal(gones, 4);
	take(alloc_of(PID, BLOCK, 5), 5, 600, 610);
	assert_int_equal(gones, 4); /* the one before it was not live */
	apply(free_of(PID, BLOCK), 700, 701);
	assert_old(5, 5, 610);
	assert_int_equal(gones, 5);
}

/* ---- many at once ---- */

static void fill(uint32_t pid)
{
	apply(pool_event_of(pid, EVENT_POOL_ALLOC, POOL, BLOCK, 64), 0, 5);
	note.mark->site = 30;
	take(alloc_of(pid, BLOCK, 1), 1, 10, 20);
	take(alloc_of(pid, BLOCK, 2), 2, 30, 40);
	take(alloc_of(pid, BLOCK2, 3), 3, 50, 60);
	take(alloc_of(pid, BLOCK2, 4), 4, 61, 62);
	apply(free_of(pid, BLOCK2), 70, 71); /* gone, but a late record is waited for */
	gones = 0;
}

/* What is live: a block and a chunk. */
static void assert_two(enum heap_end end)
{
	size_t chunk = gone[0].of_pool ? 0 : 1;

	assert_int_equal(gones, 2);
	assert_true(gone[chunk].of_pool);
	assert_int_equal(gone[chunk].mark.site, 30);
	assert_int_equal(gone[chunk].size, 64);
	assert_int_equal(gone[chunk].end, end);
	assert_false(gone[!chunk].of_pool);
	assert_gone(!chunk, 2, 2, 40, end);
}

static void test_exec(void **state)
{
	(void)state;
	fill(PID);
	apply(alloc_of(OTHER, BLOCK, 9), 80, 90);
	heap_forget_process(&heap, PID);
	assert_two(HEAP_DROPPED);
	assert_live(1, 9);
}

static void test_end(void **state)
{
	(void)state;
	fill(PID);
	heap_end_process(&heap, PID);
	assert_two(HEAP_ENDED);
	assert_live(1, 2);
	assert_int_equal(heap.ended.bytes, 2);
	heap_end_process(&heap, PID);
	assert_int_equal(gones, 2);
}

static void test_number_comes_again(void **state)
{
	(void)state;
	fill(PID);
	heap_fork_process(&heap, PID);
	assert_two(HEAP_ENDED);
}

static void test_nobody_is_told_by_fini(void **state)
{
	(void)state;
	fill(PID);
	heap_fini(&heap);
	assert_int_equal(gones, 0);
	assert_int_equal(heap_init(&heap), 0);
}

static void test_pool(void **state)
{
	(void)state;
	apply_next(pool_named(POOL, "p"));
	apply(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64), 10, 20);
	note.mark->site = 1;
	apply(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK2, 32), 30, 40);
	note.mark->site = 2;
	apply(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0), 50, 60);
	assert_int_equal(note.old_mark.site, 1);
	assert_int_equal(note.old_since_ns, 20);
	assert_int_equal(gones, 1);
	assert_true(gone[0].of_pool && gone[0].end == HEAP_FREED);
	take(alloc_of(PID, BLOCK2, 5), 3, 61, 62); /* the same address, but no chunk */
	apply(pool_event(EVENT_POOL_DESTROY, POOL, 0, 0), 70, 80);
	assert_int_equal(gones, 2);
	assert_true(gone[1].of_pool && gone[1].end == HEAP_DROPPED);
	assert_int_equal(gone[1].mark.site, 2);
	assert_live(1, 5);
}

/* A chunk that the checks remember gives back what it was, not when it was freed. */
static void on_finding(void *context, const struct finding *f)
{
	(void)context;
	(void)f;
}

static void test_remembered_chunk(void **state)
{
	struct event e = pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0);

	(void)state;
	heap.findings.on_finding = on_finding;
	apply_next(pool_named(POOL, "p"));
	apply(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64), 2000, 2010);
	e.tid = 77;
	apply(e, 2100, 2110);
	assert_int_equal(note.old_since_ns, 2010);
	assert_int_equal(note.old_tid, 0);
	assert_int_equal(gone[0].since_ns, 2010);
	assert_int_equal(gone[0].tid, 0);
	heap_forget_process(&heap, PID);
	assert_int_equal(gones, 1); /* what is remembered is not live */
}

/* Of a pool's two frees the first is taken for the late one. */
static void test_pool_claimed(void **state)
{
	(void)state;
	apply(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64), 10, 20);
	note.mark->site = 1;
	apply(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 32), 105, 110);
	note.mark->site = 2;
	assert_int_equal(gone[0].end, HEAP_SUPERSEDED);
	apply(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0), 100, 120);
	assert_int_equal(note.old_mark.site, 1);
	assert_int_equal(gones, 1);
	apply(pool_event(EVENT_POOL_FREE, POOL, BLOCK, 0), 130, 140);
	assert_int_equal(note.old_mark.site, 2);
	assert_int_equal(gones, 2);
	assert_int_equal(gone[1].end, HEAP_FREED);
}

/* Two blocks cannot lie in one place, when records may be missing. */
static void test_overlapped(void **state)
{
	(void)state;
	heap_expect_losses(&heap);
	take(alloc_of(PID, 0x1000, 100), 1, 10, 20);
	take(alloc_of(PID, 0x1040, 100), 2, 30, 40);
	assert_int_equal(gones, 1);
	assert_gone(0, 1, 100, 20, HEAP_DROPPED);
	assert_live(1, 100);
}

/* The user's own functions are no pool. */
static void test_own_functions(void **state)
{
	(void)state;
	heap.own_functions = 1ULL << MALLOC;
	take(alloc_of(PID, BLOCK, 8), 1, 10, 20);
	apply(free_of(PID, BLOCK), 30, 31);
	assert_old(1, 8, 20);
	assert_gone(0, 1, 8, 20, HEAP_FREED);
	assert_false(gone[0].of_pool);
}

/* Nobody asks. */
static void test_nobody(void **state)
{
	(void)state;
	heap.on_gone = NULL;
	fill(PID);
	heap_end_process(&heap, PID);
	assert_int_equal(gones, 0);
}

/* ---- what is live ---- */

static void test_each_live(void **state)
{
	(void)state;
	fill(PID);
	heap_each_live(&heap, on_gone, &gones);
	assert_two(0);
	gones = 0;
	fill(OTHER);
	heap_each_live(&heap, on_gone, &gones);
	assert_int_equal(gones, 4);
	gones = 0;
	heap_end_process(&heap, PID);
	heap_forget_process(&heap, OTHER);
	gones = 0;
	heap_each_live(&heap, on_gone, &gones);
	assert_int_equal(gones, 0);
}

#define WATCHED(function) cmocka_unit_test_setup_teardown(function, setup_watched, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHED(test_freed),
		WATCHED(test_function),
		WATCHED(test_resized),
		WATCHED(test_failed_realloc),
		WATCHED(test_superseded_and_claimed),
		WATCHED(test_claimed_after_the_free),
		WATCHED(test_many_under),
		WATCHED(test_exec),
		WATCHED(test_end),
		WATCHED(test_number_comes_again),
		WATCHED(test_nobody_is_told_by_fini),
		WATCHED(test_pool),
		WATCHED(test_remembered_chunk),
		WATCHED(test_pool_claimed),
		WATCHED(test_overlapped),
		WATCHED(test_own_functions),
		WATCHED(test_nobody),
		WATCHED(test_each_live),
	};

	return cmocka_run_group_tests_name("heap: blocks that go", tests, NULL, NULL);
}
