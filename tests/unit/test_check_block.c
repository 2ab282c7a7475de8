// SPDX-License-Identifier: MIT
/*
 * Blocks of malloc's kin: what is freed twice, is none, or is another allocator's; and all that
 * only looks like it. Linked with libcore.a alone.
 */
#include "findings.h"

enum { OTHER_MALLOC = 8, OTHER_FREE, UNKNOWN_FREE, DELETE };

static bool may_tell;
static uint64_t told_since;

static bool tell_may(void *context, const struct finding *f, uint64_t since_ns)
{
	assert_ptr_equal(context, &found);
	assert_true(f->function < EVENT_MAX_FUNCTIONS);
	told_since = since_ns;
	return may_tell;
}

static int setup_blocks(void **state)
{
	struct findings *c = &heap.findings;
	int err = setup_checks(state);

	c->may_tell = tell_may;
	may_tell = true;
	c->whole_life = true;
	c->families[MALLOC] = c->families[REALLOC] = c->families[FREE] = c->families[DELETE] = 1;
	c->families[OTHER_MALLOC] = c->families[OTHER_FREE] = 2;
	return err;
}

static void get_by(uint32_t tid, uint64_t addr, uint64_t site)
{
	event_by(PID, tid, alloc_of(PID, addr, 24), site);
}

static void put_by(uint32_t tid, uint64_t addr, uint64_t site)
{
	event_by(PID, tid, free_of(PID, addr), site);
}

static void put_with(unsigned int function, uint64_t addr)
{
	struct event e = free_of(PID, addr);

	e.function = function;
	event_by(PID, T1, e, SITE_G);
}

static void get_with(unsigned int function, uint64_t addr)
{
	struct event e = alloc_of(PID, addr, 24);

	e.function = function;
	event_by(PID, T1, e, SITE_A);
}

/* ---- freed twice ---- */

static void test_double(void **state)
{
	const struct finding *f;

	(void)state;
	get_by(T1, BLOCK, SITE_A);
	put_by(T2, BLOCK, SITE_F);
	put_by(T3, BLOCK, SITE_G);
	f = assert_one(FINDING_DOUBLE_FREE);
	assert_null(f->pool);
	assert_int_equal(f->addr, BLOCK);
	assert_int_equal(f->size, 24);
	assert_int_equal(f->tid, T3);
	assert_int_equal(f->function, FREE);
	assert_int_equal(f->other_site, SITE_F);
	assert_int_equal(f->other_tid, T2);
	assert_int_equal(f->other_function, FREE);
	assert_int_equal(f->made_site, SITE_A);
	assert_int_equal(f->made_tid, T1);
	assert_int_equal(f->made_function, MALLOC);
	assert_int_equal(f->made_ns, now - 2000);
	assert_int_equal(f->other_ns, now - 1000 - 50);
	assert_int_equal(told_since, f->other_ns);
}

/* Over and over at the same two places: told once. */
static void test_told_once(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		get_by(T1, BLOCK + 64 * i, SITE_A);
		put_by(T1, BLOCK + 64 * i, SITE_F);
		put_by(T1, BLOCK + 64 * i, SITE_G);
	}
	create(); /* the number of pools says nothing about it */
	get_by(T1, BLOCK, SITE_A);
	put_by(T1, BLOCK, SITE_F);
	put_by(T1, BLOCK, SITE_G);
	assert_one(FINDING_DOUBLE_FREE);
	assert_int_equal(heap.findings.seen[FINDING_DOUBLE_FREE], 11);
}

static void test_clean_blocks(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		get_by(T1 + i % 3, BLOCK + 16 * (i % 7), SITE_A);
		event_by(PID, T1, realloc_of(PID, BLOCK + 16 * (i % 7), BLOCK2 + 16 * (i % 7), 48),
			 SITE_B);
		put_by(T2, BLOCK2 + 16 * (i % 7), SITE_F);
	}
	assert_none();
	assert_int_equal(found.asked, 0);
}

static void test_double_by_realloc(void **state)
{
	(void)state;
	get_by(T1, BLOCK, SITE_A);
	event_by(PID, T1, realloc_of(PID, BLOCK, BLOCK2, 48), SITE_F);
	put_by(T1, BLOCK, SITE_G);
	assert_one(FINDING_DOUBLE_FREE);
	assert_int_equal(found.all[0].other_function, REALLOC);
	event_by(PID, T1, realloc_of(PID, BLOCK, BLOCK + 512, 48), SITE_B);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.all[1].function, REALLOC);
}

/* One that stays where it is, or that fails, has not freed anything. */
static void test_realloc_in_place(void **state)
{
	(void)state;
	get_by(T1, BLOCK, SITE_A);
	event_by(PID, T1, realloc_of(PID, BLOCK, BLOCK, 48), SITE_B);
	event_by(PID, T1, realloc_of(PID, BLOCK, 0, 1ULL << 62), SITE_B);
	put_by(T1, BLOCK, SITE_F);
	assert_none();
	put_by(T1, BLOCK, SITE_G);
	assert_one(FINDING_DOUBLE_FREE);
	assert_int_equal(found.all[0].made_site, SITE_B);
	assert_int_equal(found.all[0].size, 48);
}

/* While realloc moves a block another thread is given its address, and frees it, before the realloc
 * is reported. */
static void test_late_realloc(void **state)
{
	struct event moved = realloc_of(PID, BLOCK, BLOCK2, 48);
	uint64_t began;

	(void)state;
	get_by(T1, BLOCK, SITE_A);
	began = now + 1;
	get_by(T2, BLOCK, SITE_B);
	put_by(T2, BLOCK, SITE_F);
	moved.tid = T1;
	apply(moved, began, now + 10);
	assert_int_equal(heap.unmatched_frees, 0);
	assert_none();
	/* Where it was freed last is not certain now: it is no block, and that is all. */
	put_by(T1, BLOCK, SITE_G);
	assert_one(FINDING_INVALID_FREE);
}

/* operator delete that calls free: one free, seen as two. */
static void test_free_inside_free(void **state)
{
	(void)state;
	get_by(T1, BLOCK, SITE_A);
	put_with(DELETE, BLOCK);
	put_with(FREE, BLOCK);
	assert_none();
	get_by(T1, BLOCK2, SITE_A);
	put_by(T2, BLOCK2, SITE_F);
	put_with(DELETE, BLOCK2); /* by another thread */
	assert_one(FINDING_DOUBLE_FREE);
}

static void test_exec_begins_anew(void **state)
{
	(void)state;
	get_by(T1, BLOCK, SITE_A);
	put_by(T1, BLOCK, SITE_F);
	heap_forget_process(&heap, PID);
	heap.findings.whole_life = false;
	put_by(T1, BLOCK, SITE_G);
	assert_none();
	assert_int_equal(heap.findings.freed, 0);
}

/* The older half goes; what went is not taken for what never was a block. */
static void test_forgotten(void **state)
{
	const uint64_t count = 1 << 16;

	(void)state;
	heap.findings.whole_life = false;
	for (uint64_t i = 0; i <= count; i++) {
		get_by(T1, BLOCK + 64 * i, SITE_A);
		put_by(T1, BLOCK + 64 * i, SITE_F);
	}
	assert_int_equal(heap.findings.forgotten, count / 2);
	assert_int_equal(heap.findings.freed, count / 2 + 1);
	put_by(T1, BLOCK, SITE_G);
	assert_none();
	put_by(T1, BLOCK + 64 * count, SITE_G);
	assert_one(FINDING_DOUBLE_FREE);
	heap_end_process(&heap, PID);
	assert_int_equal(heap.findings.freed, 0);
}

/* ---- no block ---- */

static void test_invalid(void **state)
{
	const struct finding *f;

	(void)state;
	put_by(T1, BLOCK, SITE_F);
	f = assert_one(FINDING_INVALID_FREE);
	assert_int_equal(f->addr, BLOCK);
	assert_int_equal(f->other_addr, 0);
	assert_int_equal(told_since, 0);
	get_by(T1, BLOCK2, SITE_A);
	put_by(T2, BLOCK2 + 23, SITE_G);
	assert_int_equal(found.count, 2);
	f = &found.all[1];
	assert_int_equal(f->other_addr, BLOCK2);
	assert_int_equal(f->other_size, 24);
	assert_int_equal(f->other_site, SITE_A);
	put_by(T2, BLOCK2 + 24, SITE_B);
	assert_int_equal(found.all[2].other_addr, 0);
	put_by(T2, BLOCK2, SITE_F);
	assert_int_equal(found.count, 3);
}

static void test_null_is_valid(void **state)
{
	(void)state;
	put_by(T1, 0, SITE_F);
	assert_none();
}

static void test_not_from_the_beginning(void **state)
{
	(void)state;
	heap.findings.whole_life = false;
	put_by(T1, BLOCK, SITE_F);
	put_by(T1, BLOCK, SITE_F); /* what was not seen handed out is not known to be freed */
	assert_none();
}

static void test_forked_child(void **state)
{
	struct event e = free_of(OTHER, BLOCK);

	(void)state;
	get_by(T1, BLOCK, SITE_A);
	heap_fork_process(&heap, OTHER);
	event_by(OTHER, OTHER, e, SITE_F);
	event_by(OTHER, OTHER, e, SITE_F);
	event_by(OTHER, OTHER, alloc_of(OTHER, BLOCK, 1), SITE_A);
	event_by(OTHER, OTHER, e, SITE_F);
	event_by(OTHER, OTHER, e, SITE_F);
	assert_none();
}

/* ---- another allocator ---- */

static void test_mismatched(void **state)
{
	const struct finding *f;

	(void)state;
	get_with(OTHER_MALLOC, BLOCK);
	put_by(T1, BLOCK, SITE_F);
	f = assert_one(FINDING_MISMATCHED);
	assert_int_equal(f->function, FREE);
	assert_int_equal(f->other_function, OTHER_MALLOC);
	assert_int_equal(f->other_site, SITE_A);
	assert_null(f->other_pool);
	get_by(T1, BLOCK, SITE_B);
	put_with(OTHER_FREE, BLOCK);
	assert_int_equal(found.count, 2);
	put_by(T1, BLOCK, SITE_G); /* that bug's consequence, or an allocator that passes it on */
	assert_int_equal(found.count, 2);
}

static void test_matching(void **state)
{
	(void)state;
	get_with(OTHER_MALLOC, BLOCK);
	put_with(OTHER_FREE, BLOCK);
	get_with(OTHER_MALLOC, BLOCK);
	put_with(UNKNOWN_FREE, BLOCK);
	put_with(UNKNOWN_FREE, BLOCK);
	put_with(UNKNOWN_FREE, BLOCK2);
	get_with(UNKNOWN_FREE, BLOCK); /* a hand-out of whom nothing is known */
	put_by(T1, BLOCK, SITE_F);
	assert_none();
}

static void test_chunk_of_a_pool(void **state)
{
	(void)state;
	create();
	use_pool();
	take(BASE + CHUNK);
	put_by(T1, BASE + CHUNK, SITE_G);
	assert_one(FINDING_MISMATCHED);
	assert_string_equal(found.all[0].other_pool, "pool");
	assert_int_equal(found.all[0].pool_addr, POOL);
	assert_int_equal(found.all[0].other_function, FINDING_NO_FUNCTION);
}

/* A pool that has each of its chunks from malloc. */
static void test_chunk_that_is_a_block(void **state)
{
	(void)state;
	create();
	use_pool();
	get_by(T1, BASE + CHUNK, SITE_A);
	take(BASE + CHUNK);
	put_by(T1, BASE + CHUNK, SITE_F);
	give(BASE + CHUNK);
	assert_none();
}

/* ---- what is not known well enough ---- */

static void free_twice(void)
{
	get_by(T1, BLOCK, SITE_A);
	put_by(T1, BLOCK, SITE_F);
	put_by(T1, BLOCK, SITE_G);
	put_by(T1, BLOCK2, SITE_B);
}

static void test_losses(void **state)
{
	(void)state;
	found.known_since = now + 10000;
	free_twice();
	assert_none();
	assert_int_equal(heap.findings.doubtful, 2);
	now = found.known_since;
	free_twice(); /* what was no block before may have been one */
	assert_one(FINDING_DOUBLE_FREE);
}

static void test_unseen_beginning(void **state)
{
	(void)state;
	heap.findings.since_ns = now;
	free_twice();
	assert_none();
	now += LATE;
	free_twice();
	assert_one(FINDING_DOUBLE_FREE);
}

static void test_callers_word(void **state)
{
	(void)state;
	may_tell = false;
	free_twice();
	assert_none();
	may_tell = true;
	free_twice();
	assert_int_equal(found.count, 2);
}

static void test_shared_memory(void **state)
{
	(void)state;
	found.shared = true;
	free_twice();
	found.shared = false;
	free_twice();
	assert_none();
}

static void test_partial(void **state)
{
	(void)state;
	heap.findings.partial = true;
	free_twice();
	heap.findings.partial = false;
	heap.findings.partial_threads = true;
	free_twice();
	heap.findings.partial_threads = false;
	heap.findings.on_finding = NULL;
	free_twice();
	assert_int_equal(heap.findings.freed, 0);
	assert_int_equal(found.count, 0);
}

static void test_unknown_families(void **state)
{
	(void)state;
	memset(heap.findings.families, 0, sizeof(heap.findings.families));
	free_twice();
	assert_none();
	assert_int_equal(heap.findings.freed, 0);
}

/* The table of blocks is full: an allocation may not be in it. */
static void test_refused(void **state)
{
	(void)state;
	heap.refused = 1;
	free_twice();
	assert_none();
}

/* More late ones at an address than are kept. */
static void test_too_many_late(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		get_by(T1 + i, BLOCK, SITE_A);
	for (int i = 0; i < 20; i++)
		put_by(T1 + i, BLOCK, SITE_F);
	assert_none();
}

#define BLOCK_TEST(function) cmocka_unit_test_setup_teardown(function, setup_blocks, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BLOCK_TEST(test_double),
		BLOCK_TEST(test_told_once),
		BLOCK_TEST(test_clean_blocks),
		BLOCK_TEST(test_double_by_realloc),
		BLOCK_TEST(test_realloc_in_place),
		BLOCK_TEST(test_late_realloc),
		BLOCK_TEST(test_free_inside_free),
		BLOCK_TEST(test_exec_begins_anew),
		BLOCK_TEST(test_forgotten),
		BLOCK_TEST(test_invalid),
		BLOCK_TEST(test_null_is_valid),
		BLOCK_TEST(test_not_from_the_beginning),
		BLOCK_TEST(test_forked_child),
		BLOCK_TEST(test_mismatched),
		BLOCK_TEST(test_matching),
		BLOCK_TEST(test_chunk_of_a_pool),
		BLOCK_TEST(test_chunk_that_is_a_block),
		BLOCK_TEST(test_losses),
		BLOCK_TEST(test_unseen_beginning),
		BLOCK_TEST(test_callers_word),
		BLOCK_TEST(test_shared_memory),
		BLOCK_TEST(test_partial),
		BLOCK_TEST(test_unknown_families),
		BLOCK_TEST(test_refused),
		BLOCK_TEST(test_too_many_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
