// SPDX-License-Identifier: MIT
/*
 * The timer of alloctrace/pool.h against its contract: nothing while untraced, 64 groups told at
 * once, the one after a trap left out, no time of zero and none beyond 32 bits. What the probe
 * tells is compared from outside by tests/integration/51-header.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <alloctrace/pool.h>

#define GROUP 16

static struct alloctrace_timer new_timer(void)
{
	static const int pool;
	struct alloctrace_timer timer = ALLOCTRACE_TIMER_INIT(&pool, ALLOCTRACE_TIMED_FREE, GROUP);

	assert_ptr_equal(timer.pool, &pool);
	assert_int_equal(timer.op, 2);
	assert_int_equal(timer.group, GROUP);
	assert_int_equal(timer.count, 0);
	return timer;
}

static void nothing_while_untraced(void **state)
{
	struct alloctrace_timer timer = new_timer(), before = timer;
	uint64_t t0 = ALLOCTRACE_TIMER_BEGIN();

	(void)state;
	assert_int_equal(t0, 0);
	ALLOCTRACE_TIMER_END(&timer, t0);
	ALLOCTRACE_TIMER_FLUSH(&timer);
	assert_memory_equal(&timer, &before, sizeof(timer));
}

#ifndef ALLOCTRACE_DISABLE
static int trace(void **state)
{
	(void)state;
	alloctrace_timed_semaphore = 1;
	return 0;
}

static int untrace(void **state)
{
	(void)state;
	alloctrace_timed_semaphore = 0;
	return 0;
}

static void time_groups(struct alloctrace_timer *timer, int groups)
{
	for (int i = 0; i < groups; i++) {
		uint64_t t0 = ALLOCTRACE_TIMER_BEGIN();

		assert_int_not_equal(t0, 0);
		ALLOCTRACE_TIMER_END(timer, t0);
	}
}

static void told_by_64(void **state)
{
	struct alloctrace_timer timer = new_timer();

	(void)state;
	time_groups(&timer, 63);
	assert_int_equal(timer.count, 63);
	for (int i = 0; i < 63; i++)
		assert_true(timer.ns[i] >= 1);
	time_groups(&timer, 1);
	assert_int_equal(timer.count, 0);
}

static void the_group_after_a_trap_is_left_out(void **state)
{
	struct alloctrace_timer timer = new_timer();

	(void)state;
	time_groups(&timer, 64);
	time_groups(&timer, 1);
	assert_int_equal(timer.count, 0);
	time_groups(&timer, 1);
	assert_int_equal(timer.count, 1);
	ALLOCTRACE_TIMER_FLUSH(&timer);
	assert_int_equal(timer.count, 0);
	time_groups(&timer, 2);
	assert_int_equal(timer.count, 1);
}

static uint64_t ago(uint64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - ns;
}

static void long_times_are_kept_or_capped(void **state)
{
	struct alloctrace_timer timer = new_timer();

	(void)state;
	ALLOCTRACE_TIMER_END(&timer, ago(3000000000u));
	assert_true(timer.ns[0] >= 3000000000u && timer.ns[0] < UINT32_MAX);
	ALLOCTRACE_TIMER_END(&timer, ago(5000000000u));
	assert_int_equal(timer.ns[1], UINT32_MAX);
}

/* Began untraced: as if tracing had begun just after it. */
static void what_began_untraced_is_left_out(void **state)
{
	struct alloctrace_timer timer = new_timer();

	(void)state;
	ALLOCTRACE_TIMER_END(&timer, 0);
	assert_int_equal(timer.count, 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_while_untraced),
#ifndef ALLOCTRACE_DISABLE
		cmocka_unit_test_setup_teardown(told_by_64, trace, untrace),
		cmocka_unit_test_setup_teardown(the_group_after_a_trap_is_left_out, trace, untrace),
		cmocka_unit_test_setup_teardown(long_times_are_kept_or_capped, trace, untrace),
		cmocka_unit_test_setup_teardown(what_began_untraced_is_left_out, trace, untrace),
#endif
	};

	return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
