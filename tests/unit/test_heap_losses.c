// SPDX-License-Identifier: MIT
/*
 * Records that are missing: what is held live stays what can lie in the target's heap at once, and
 * what was seen made and lives is not among what is dropped. The model is an allocator of its own:
 * it knows who lives. Linked with libcore.a alone.
 */
#include "tests/unit/calls.h"

#include "core/extents.h"

#define ARENA_BASE  0x7f0000000000
#define ARENA_UNITS 4096 /* of 16 bytes */
#define SLOTS       200
#define STEPS       200000

struct slot {
	uint64_t addr, size;
	bool seen;
};

static bool taken[ARENA_UNITS];
static struct slot slots[SLOTS];
static uint64_t random_state = 88172645463325252;

static uint64_t roll(uint64_t sides)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 20) % sides;
}

static void mark(const struct slot *s, bool is_taken)
{
	size_t first = (s->addr - ARENA_BASE) / 16, units = (s->size + 15) / 16;

	for (size_t i = first; i < first + units; i++)
		taken[i] = is_taken;
}

/* The first place that is free from somewhere on, so that places are cut up anew all the time. */
static bool place(struct slot *s)
{
	size_t units, run = 0;

	s->size = 1 + (roll(16) ? roll(300) : roll(6000));
	units = (s->size + 15) / 16;
	for (size_t i = roll(ARENA_UNITS); i < ARENA_UNITS; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run < units)
			continue;
		s->addr = ARENA_BASE + 16 * (i + 1 - units);
		mark(s, true);
		return true;
	}
	return false;
}

/* One block is made or freed; one record in `sees` is seen. */
static void step(unsigned int sees)
{
	struct slot *s = &slots[roll(SLOTS)];
	bool seen = !roll(sees);

	if (s->addr) {
		if (seen)
			apply_next(free_of(PID, s->addr));
		mark(s, false);
		*s = (struct slot){0};
	} else if (place(s)) {
		s->seen = seen;
		if (seen)
			apply_next(alloc_of(PID, s->addr, s->size));
	} else {
		*s = (struct slot){0};
	}
}

static void test_live_blocks_do_not_overlap(void **state)
{
	uint64_t seen = 0, most = 0;

	(void)state;
	heap_expect_losses(&heap);
	for (int i = 0; i < STEPS; i++) {
		step(4);
		most = heap.live.bytes > most ? heap.live.bytes : most;
	}
	assert_true(most <= ARENA_UNITS * 16);
	assert_true(heap.superseded > 0);
	/* Whoever lives and was seen is known: freeing it finds it. */
	for (size_t i = 0; i < SLOTS; i++) {
		if (!slots[i].seen)
			continue;
		seen++;
		apply_next(free_of(PID, slots[i].addr));
		assert_true(note.old_known);
		assert_int_equal(note.old_size, slots[i].size);
	}
	assert_true(seen > SLOTS / 10);
}

/* Blocks from before the losses are known to those that come after. */
static void test_losses_begin_late(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 64));
	apply_next(alloc_of(PID, BLOCK + 64, 64));
	apply_next(alloc_of(PID, BLOCK + 128, 64));
	heap_expect_losses(&heap);
	apply_next(alloc_of(PID, BLOCK + 48, 81));
	assert_int_equal(heap.live.blocks, 1);
	assert_int_equal(heap.live.bytes, 81);
	assert_int_equal(heap.superseded, 3);
	/* A neighbour, a chunk of a pool in it and another process overlap nothing. */
	apply_next(alloc_of(PID, BLOCK + 129, 16));
	apply_next(alloc_of(OTHER, BLOCK + 48, 16));
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK + 64, 16));
	assert_int_equal(heap.live.blocks, 3);
	assert_int_equal(heap.superseded, 3);
}

/* Without losses nothing is concluded: a late record may still explain it. */
static void test_nothing_is_dropped_without_losses(void **state)
{
	(void)state;
	apply_next(alloc_of(PID, BLOCK, 64));
	apply_next(alloc_of(PID, BLOCK + 16, 64));
	assert_int_equal(heap.live.blocks, 2);
	assert_int_equal(heap.superseded, 0);
}

static void test_extents(void **state)
{
	struct extents x;
	uint64_t found;

	(void)state;
	extents_init(&x);
	assert_false(extents_below(&x, 4096, &found));
	assert_false(extents_above(&x, 0, UINT64_MAX, &found));
	extents_add(&x, 8);
	extents_add(&x, 4096 + 520);
	extents_add(&x, 3 * 4096);
	assert_true(extents_below(&x, 3 * 4096, &found) && found == 4096 + 520);
	assert_true(extents_below(&x, 4096 + 520, &found) && found == 8);
	assert_false(extents_below(&x, 8, &found));
	assert_true(extents_above(&x, 9 + 7, 4096 + 521, &found) && found == 4096 + 520);
	assert_false(extents_above(&x, 16, 4096 + 520, &found));
	assert_true(extents_above(&x, 4096 + 528, 4 * 4096, &found) && found == 3 * 4096);
	extents_remove(&x, 4096 + 520);
	assert_int_equal(x.pages.count, 2);
	assert_true(extents_above(&x, 16, 4 * 4096, &found) && found == 3 * 4096);
	assert_false(extents_below(&x, 64 * 4096 + 8, &found) && found == 8);
	extents_remove(&x, 8);
	extents_remove(&x, 8);
	extents_remove(&x, 3 * 4096);
	assert_int_equal(x.pages.count, 0);
	extents_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_live_blocks_do_not_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses_begin_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_dropped_without_losses, setup,
						teardown),
		cmocka_unit_test(test_extents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
