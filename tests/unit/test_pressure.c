// SPDX-License-Identifier: MIT
/*
 * A ring that fills: the time at each level, back to all calls without a call, and the books of
 * pools whose operations were only counted.
 */
#include "calls.h"
#include "core/pressure.h"
#include "core/unsent.h"
#include "probe/relief.h"

#define MS 1000000ULL

static struct pressure_change change;

static bool mark(struct pressure *p, enum event_level level, uint64_t ts_ns, uint64_t counted)
{
	struct event e;

	event_make_pressure(&e, level, ts_ns);
	return pressure_apply(p, &e, counted, &change);
}

/* Down in steps, up, and down once more. */
static void test_times(void **state)
{
	struct pressure p = {0};

	(void)state;
	assert_int_equal(pressure_lasted(&p, EVENT_SAMPLED, 5000), 0);
	assert_false(mark(&p, EVENT_WHOLE, 900, 0)); /* as it was */
	assert_true(mark(&p, EVENT_SAMPLED, 1000, 0));
	assert_true(change.level == EVENT_SAMPLED && change.ts_ns == 1000 && !change.counted);
	assert_int_equal(pressure_lasted(&p, EVENT_SAMPLED, 1100), 100);
	assert_true(mark(&p, EVENT_COUNTS, 1500, 40));
	assert_true(mark(&p, EVENT_SAMPLED, 2500, 90));
	assert_true(mark(&p, EVENT_WHOLE, 2600, 100));
	assert_true(change.counted == 100 && change.lasted_ns == 1600);
	assert_int_equal(p.times, 1);
	assert_int_equal(pressure_lasted(&p, EVENT_SAMPLED, 9999), 600);
	assert_int_equal(pressure_lasted(&p, EVENT_COUNTS, 9999), 1000);
	assert_true(mark(&p, EVENT_COUNTS, 10000, 100));
	assert_int_equal(pressure_lasted(&p, EVENT_COUNTS, 10007), 1007);
	assert_true(mark(&p, EVENT_WHOLE, 10010, 130));
	assert_true(change.counted == 30 && change.lasted_ns == 10);
	assert_int_equal(p.times, 2);
	assert_int_equal(pressure_lasted(&p, EVENT_WHOLE, 20000), 0);
}

/* Only what has lasted is given up, and told once. */
static void test_relief(void **state)
{
	__u64 word = event_level_word(EVENT_COUNTS, 50 * MS);
	struct relief r = {0};
	struct event e;

	(void)state;
	relief_give(&r, &word, 149 * MS);
	assert_int_equal(event_word_level(word), EVENT_COUNTS);
	assert_false(relief_take(&r, &e));
	relief_give(&r, &word, 150 * MS);
	assert_int_equal(word, event_level_word(EVENT_WHOLE, 150 * MS));
	assert_true(relief_take(&r, &e));
	assert_true(e.kind == EVENT_PRESSURE && e.level == EVENT_WHOLE && e.ts_ns == 150 * MS);
	assert_false(relief_take(&r, &e));
	relief_give(&r, &word, 500 * MS); /* nothing to give */
	assert_false(relief_take(&r, &e));
}

static struct event_pool_totals some(uint64_t count)
{
	return (struct event_pool_totals){
		.alloc = {.count = count, .bytes = 10 * count, .failed = 1},
		.free = {.count = count, .null = 1},
		.weighted_bytes = 100,
		.weighted_thousandths = 2500,
	};
}

static void tell(struct unsent *u, uint64_t pool, uint64_t birth_ns, uint64_t count)
{
	const struct event_pool at = {.pid = PID, .addr = pool, .birth_ns = birth_ns};
	const struct event_pool_totals t = some(count);

	unsent_add(u, &at, &t);
}

static struct event_totals allocs_of(const char *name)
{
	return heap_pool_allocs(&heap.pool_rows[heap_row_of_pool(&heap, name)]);
}

/* Two pools at one address, one after the other; one without a birth; OpenTelemetry's. */
static void test_pools(void **state)
{
	struct unsent u;
	struct event first = pool_named(POOL, "first"), second = pool_named(POOL, "second");

	(void)state;
	unsent_init(&u, &heap);
	apply_next(first);
	first.ts_ns = now;
	unsent_learn(&u, &first, note.row);
	apply_next(pool_event(EVENT_POOL_ALLOC, POOL, BLOCK, 64));
	apply_next(pool_event(EVENT_POOL_DESTROY, POOL, 0, 0));
	apply_next(second);
	second.ts_ns = now;
	unsent_learn(&u, &second, note.row);
	for (int again = 0; again < 2; again++) { /* set, not added to */
		unsent_clear(&u);
		tell(&u, POOL, first.ts_ns, 5);
		tell(&u, POOL, second.ts_ns, 7);
		tell(&u, POOL + 64, 0, 11);
		tell(&u, EVENT_OTEL_POOL, 0, 13);
		tell(&u, POOL, 77, 17); /* its birth was lost: it goes by what lies there now */
	}
	assert_true(allocs_of("first").count == 6 && allocs_of("first").bytes == 114);
	assert_true(allocs_of("second").count == 24 && allocs_of("second").failed == 2);
	assert_int_equal(allocs_of("pool@0x9040").count, 11);
	assert_int_equal(allocs_of("otel_memory").count, 13);
	assert_int_equal(heap_pool_frees(&heap.pool_rows[0]).count, 5);
	assert_int_equal(heap_pool_frees(&heap.pool_rows[0]).null, 1);
	assert_int_equal(heap.pool_rows[0].unsent.weighted_bytes, 100);
	assert_true(heap.pool_rows[0].unsent.weighted_count == 2.5);
	unsent_fini(&u);
}

/* When one pool is asked for, the others are not in the books. */
static void test_one_pool(void **state)
{
	struct unsent u;

	(void)state;
	unsent_init(&u, &heap);
	strcpy(heap.only_pool, "pool@0x9040");
	tell(&u, POOL, 0, 5);
	tell(&u, POOL + 64, 0, 7);
	assert_int_equal(allocs_of("pool@0x9000").count, 0);
	assert_int_equal(allocs_of("pool@0x9040").count, 7);
	unsent_fini(&u);
}

/* A realloc of a block that may have been shown or not: if it was, it is gone, if not, nothing is
 * wrong. */
static void test_realloc_half_seen(void **state)
{
	struct event e = realloc_of(PID, BLOCK, BLOCK2, 64);

	(void)state;
	e.old_unsampled = e.new_unsampled = true;
	apply_next(e);
	assert_live(0, 0);
	assert_matched();
	apply_next(alloc_of(PID, BLOCK, 10));
	apply_next(e);
	assert_true(note.old_known && note.old_size == 10);
	assert_live(0, 0);
	assert_matched();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times), cmocka_unit_test(test_relief), TEST(test_pools),
		TEST(test_one_pool),          TEST(test_realloc_half_seen),
	};

	return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
