// SPDX-License-Identifier: MIT
/*
 * A pool that makes no mistake, used by threads that do everything in any order, and that reports
 * its frees when they have long been over: before that record comes, its chunk may have been handed
 * out again, and freed, in another size, to anybody. Tracing begins in the middle of it, records
 * get lost. Whatever is found is false. Linked with libcore.a alone.
 */
#include "findings.h"

#define STEPS   200000
#define THREADS 6
#define UNITS   8 /* of CHUNK bytes, handed out by one or two */

struct piece {
	unsigned int at, units;
};

struct worker {
	enum { IDLE, TAKEN, GIVEN } phase; /* the record is still to be written */
	struct piece piece;
	uint64_t began, until; /* the record is not written before */
};

static struct {
	struct worker workers[THREADS];
	struct piece held[UNITS]; /* by anybody, and on record */
	size_t held_count;
	bool used[UNITS];
	uint64_t seed;
	bool late, traced, lossy;
	uint64_t overtaken, lost;
} race;

static uint64_t roll(uint64_t sides)
{
	race.seed ^= race.seed << 13;
	race.seed ^= race.seed >> 7;
	race.seed ^= race.seed << 17;
	return (race.seed >> 20) % sides;
}

static void write_record(uint32_t tid, enum event_kind kind, struct piece piece, uint64_t began)
{
	struct event e = pool_event(kind, POOL, BASE + piece.at * CHUNK, piece.units * CHUNK);
	uint64_t before = heap.superseded;

	now++;
	if (!race.traced)
		return;
	if (race.lossy && roll(200) == 0) {
		race.lost++;
		found.known_since = now;
		return;
	}
	e.tid = tid;
	e.frames = 1;
	e.stack[0] = SITE_A + 16 * roll(4) + kind;
	apply(e, began, now);
	race.overtaken += heap.superseded > before;
}

static bool take_units(struct piece *piece)
{
	unsigned int units = 1 + (unsigned int)roll(2);
	unsigned int at = (unsigned int)roll(UNITS) / units * units;

	for (unsigned int i = 0; i < units; i++) {
		if (race.used[at + i])
			return false;
	}
	for (unsigned int i = 0; i < units; i++)
		race.used[at + i] = true;
	*piece = (struct piece){at, units};
	return true;
}

static void give_units(const struct piece *piece)
{
	for (unsigned int i = 0; i < piece->units; i++)
		race.used[piece->at + i] = false;
}

/* Mostly a moment, at times as long as a thread can be kept from its processor. */
static uint64_t lateness(void)
{
	if (roll(3))
		return 0;
	return roll(20) ? roll(MS) : roll(90 * MS);
}

static void begin(struct worker *w)
{
	w->began = now;
	w->until = race.late ? now + lateness() : now;
	if (race.held_count && roll(2)) {
		size_t i = roll(race.held_count);

		w->piece = race.held[i];
		race.held[i] = race.held[--race.held_count];
		w->phase = GIVEN;
		if (race.late)
			give_units(&w->piece);
	} else if (take_units(&w->piece)) {
		w->phase = TAKEN;
		w->until = now;
	}
}

/* The time that a late free says it began is sometimes wrong: too late. */
static void end(struct worker *w, uint32_t tid)
{
	if (w->phase == TAKEN) {
		write_record(tid, EVENT_POOL_ALLOC, w->piece, now);
		race.held[race.held_count++] = w->piece;
	} else {
		write_record(tid, EVENT_POOL_FREE, w->piece, roll(2) ? w->began : now);
		if (!race.late)
			give_units(&w->piece);
	}
	w->phase = IDLE;
}

static void run(uint64_t steps)
{
	for (uint64_t n = 0; n < steps; n++) {
		uint32_t i = (uint32_t)roll(THREADS);
		struct worker *w = &race.workers[i];

		now += roll(20) ? roll(1000) : roll(MS);
		if (w->phase == IDLE)
			begin(w);
		else if (now >= w->until)
			end(w, T1 + i);
	}
}

static void finish(void)
{
	for (uint32_t i = 0; i < THREADS; i++) {
		now += MS;
		if (race.workers[i].phase != IDLE)
			end(&race.workers[i], T1 + i);
	}
	for (; race.held_count; race.held_count--)
		write_record(T1, EVENT_POOL_FREE, race.held[race.held_count - 1], now);
}

static void start(uint64_t seed, bool late)
{
	memset(&race, 0, sizeof(race));
	race.seed = seed;
	race.late = late;
	race.traced = true;
}

static void assert_all_freed(void)
{
	assert_int_equal(heap.pool_rows[0].live.blocks, 0);
	assert_int_equal(heap.pool_rows[0].unmatched, 0);
	assert_int_equal(heap.superseded, 0);
}

static void test_good_order(void **state)
{
	(void)state;
	start(11, false);
	create();
	run(STEPS);
	finish();
	destroy();
	assert_none();
	assert_all_freed();
	assert_int_equal(race.overtaken, 0);
	assert_int_equal(found.asked, 0);
}

static void test_late_frees(void **state)
{
	(void)state;
	start(12, true);
	create();
	run(STEPS);
	finish();
	destroy();
	assert_none();
	assert_all_freed();
	assert_true(race.overtaken > STEPS / 100);
}

/* Cut off at any moment: the process ends, or the run does. */
static void test_cut_off(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		start(seed, true);
		create();
		run(300 + roll(1000));
		if (seed % 2)
			heap_settle_findings(&heap, now);
		else
			heap_end_process(&heap, PID);
		assert_int_equal(found.count, 0);
		heap_forget_process(&heap, PID);
	}
}

static void test_late_attach(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		start(seed, true);
		race.traced = false;
		create();
		heap_forget_process(&heap, PID);
		run(roll(500));
		race.traced = true;
		run(1000);
		finish();
		destroy();
		assert_none();
		heap_forget_process(&heap, PID);
	}
}

static void test_losses(void **state)
{
	uint64_t lost = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		start(seed, seed % 2);
		race.lossy = true;
		create();
		run(3000);
		finish();
		destroy();
		assert_none();
		heap_forget_process(&heap, PID);
		lost += race.lost;
	}
	assert_true(lost > 100 && heap.findings.doubtful > lost);
}

/* The same, and one real mistake at the end of it. */
static void test_one_mistake(void **state)
{
	(void)state;
	start(13, true);
	create();
	run(STEPS / 10);
	finish();
	now += LATE;
	take_by(T1, BASE, SITE_A);
	take_by(T2, BASE, SITE_B);
	now += LATE;
	give_by(T1, BASE, SITE_F);
	assert_one(FINDING_TWICE_OUT);
	give_by(T2, BASE, SITE_F);
	give_by(T2, BASE, SITE_G);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.all[1].check, FINDING_TWICE_FREED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECK_TEST(test_good_order), CHECK_TEST(test_late_frees),
		CHECK_TEST(test_cut_off),    CHECK_TEST(test_late_attach),
		CHECK_TEST(test_losses),     CHECK_TEST(test_one_mistake),
	};

	return cmocka_run_group_tests_name("check: race", tests, NULL, NULL);
}
