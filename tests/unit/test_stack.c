// SPDX-License-Identifier: MIT
/* Stacks that are told once, and the events that mean them. Linked with libcore.a alone. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/stack.h"

#define CALLER 0x401000

static struct stacks stacks;

static int set_up(void **state)
{
	(void)state;
	stacks_init(&stacks);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stacks_fini(&stacks);
	return 0;
}

/* Words that differ by stack and place, but for the caller. */
static uint64_t word_of(uint64_t id, unsigned int i)
{
	return i ? 0x500000 + 1000 * id + i : CALLER;
}

static void tell(uint64_t id, unsigned int frames, enum event_grade grade, enum event_why why)
{
	struct event e = {.kind = EVENT_STACK,
			  .stack_id = id,
			  .frames = frames,
			  .grade = grade,
			  .why = why,
			  .layout = 7 * id};

	for (unsigned int i = 0; i < frames; i++)
		e.stack[i] = word_of(id, i);
	stacks_add(&stacks, &e);
}

/* A call along it, as it comes: with its caller alone. */
static struct event call(uint64_t id)
{
	return (struct event){.kind = EVENT_ALLOC, .stack_id = id, .frames = 1, .stack = {CALLER}};
}

static void check_stack(const struct event *e, uint64_t id, unsigned int frames)
{
	assert_int_equal(e->stack_id, id);
	assert_int_equal(e->frames, frames);
	for (unsigned int i = 0; i < frames; i++)
		assert_int_equal(e->stack[i], word_of(id, i));
}

static void check_caller_alone(const struct event *e, uint64_t caller)
{
	assert_int_equal(e->stack_id, 0);
	assert_int_equal(e->grade, EVENT_CALL_SITE);
	assert_int_equal(e->why, EVENT_WHY_NONE);
	assert_int_equal(e->frames, 1);
	assert_int_equal(e->stack[0], caller);
}

static void test_known(void **state)
{
	struct event e;

	(void)state;
	tell(11, EVENT_MAX_FRAMES, EVENT_TRUNCATED, EVENT_WHY_NO_TABLE);
	tell(12, 1, EVENT_COMPLETE, EVENT_WHY_NONE);
	for (int turn = 0; turn < 2; turn++) {
		e = call(11);
		stacks_resolve(&stacks, &e);
		check_stack(&e, 11, EVENT_MAX_FRAMES);
		assert_int_equal(e.grade, EVENT_TRUNCATED);
		assert_int_equal(e.why, EVENT_WHY_NO_TABLE);
		assert_int_equal(e.layout, 77);
		e = call(12);
		stacks_resolve(&stacks, &e);
		check_stack(&e, 12, 1);
		assert_int_equal(e.grade, EVENT_COMPLETE);
	}
	assert_int_equal(stacks.unknown + stacks.refused, 0);
}

/* The words that come with the call are all. */
static void test_without_number(void **state)
{
	struct event e = {.kind = EVENT_ALLOC,
			  .frames = 2,
			  .stack = {1, 2},
			  .grade = EVENT_GUESSED,
			  .why = EVENT_WHY_NO_INFO};

	(void)state;
	stacks_resolve(&stacks, &e);
	assert_true(e.frames == 2 && e.stack[1] == 2);
	assert_true(e.grade == EVENT_GUESSED && e.why == EVENT_WHY_NO_INFO);
	assert_int_equal(stacks.unknown, 0);
}

static void test_unknown(void **state)
{
	struct event e = call(3);

	(void)state;
	tell(2, 4, EVENT_COMPLETE, EVENT_WHY_NONE);
	stacks_resolve(&stacks, &e);
	check_caller_alone(&e, CALLER);
	assert_int_equal(stacks.unknown, 1);
	e = call(3);
	e.frames = 0;
	stacks_resolve(&stacks, &e);
	assert_int_equal(e.frames, 0);
	assert_int_equal(stacks.unknown, 2);
}

/* A number that two stacks share would show one that was never taken: the caller is exact. */
static void test_other_caller(void **state)
{
	struct event e = call(2);

	(void)state;
	tell(2, 4, EVENT_COMPLETE, EVENT_WHY_NONE);
	e.stack[0] = CALLER + 5;
	stacks_resolve(&stacks, &e);
	check_caller_alone(&e, CALLER + 5);
	assert_int_equal(stacks.unknown, 1);
}

static void test_duplicate(void **state)
{
	struct event e = call(5);

	(void)state;
	tell(5, 3, EVENT_COMPLETE, EVENT_WHY_NONE);
	tell(5, 9, EVENT_GUESSED, EVENT_WHY_NO_INFO);
	assert_int_equal(stacks.by_id.count, 1);
	stacks_resolve(&stacks, &e);
	check_stack(&e, 5, 3);
	assert_int_equal(e.grade, EVENT_COMPLETE);
	assert_int_equal(stacks.refused, 0);
}

/* What is beyond the cap is counted, and what was there stays. */
static void test_cap(void **state)
{
	struct event e;

	(void)state;
	for (uint64_t id = 1; id <= STACK_MAX + 3; id++)
		tell(id, 2, EVENT_COMPLETE, EVENT_WHY_NONE);
	assert_int_equal(stacks.by_id.count, STACK_MAX);
	assert_int_equal(stacks.refused, 3);
	tell(1, 2, EVENT_COMPLETE, EVENT_WHY_NONE);
	assert_int_equal(stacks.refused, 3);
	e = call(STACK_MAX);
	stacks_resolve(&stacks, &e);
	check_stack(&e, STACK_MAX, 2);
	e = call(STACK_MAX + 1);
	stacks_resolve(&stacks, &e);
	check_caller_alone(&e, CALLER);
}

/* A stack takes what its words take, not what an event could hold. */
static void test_memory(void **state)
{
	struct event e = {.kind = EVENT_STACK, .stack_id = 1, .frames = 3, .stack = {CALLER}};
	const struct stack *stack;

	(void)state;
	stacks_add(&stacks, &e);
	memcpy(&stack, table_find(&stacks.by_id, &e.stack_id), sizeof(stack));
	assert_int_equal(sizeof(*stack), 16);
	assert_in_range(malloc_usable_size((void *)stack), sizeof(*stack) + 3 * 8,
			sizeof(*stack) + 3 * 8 + 16);
}

static struct event shown(enum event_grade grade, enum event_why why, unsigned int frames)
{
	return (struct event){.kind = EVENT_ALLOC,
			      .grade = grade,
			      .why = why,
			      .frames = frames,
			      .stack = {CALLER, 1, 2, 3}};
}

static void test_cut(void **state)
{
	struct event e = shown(EVENT_COMPLETE, EVENT_WHY_NONE, 4);

	(void)state;
	stack_cut(&e, 4);
	assert_true(e.frames == 4 && e.grade == EVENT_COMPLETE && e.why == EVENT_WHY_NONE);
	stack_cut(&e, 5);
	assert_true(e.frames == 4 && e.grade == EVENT_COMPLETE);
	stack_cut(&e, 3);
	assert_true(e.frames == 3 && e.grade == EVENT_TRUNCATED && e.why == EVENT_WHY_CHANGED);
	e = shown(EVENT_TRUNCATED, EVENT_WHY_NO_TABLE, 4);
	stack_cut(&e, 0);
	assert_true(e.frames == 1 && e.grade == EVENT_TRUNCATED && e.why == EVENT_WHY_CHANGED);
	/* A guess that is cut is a guess. */
	e = shown(EVENT_GUESSED, EVENT_WHY_NONE, 4);
	stack_cut(&e, 2);
	assert_true(e.frames == 2 && e.grade == EVENT_GUESSED && e.why == EVENT_WHY_CHANGED);
	/* Nothing above it was walked. */
	e = shown(EVENT_CALL_SITE, EVENT_WHY_NONE, 1);
	stack_cut(&e, 0);
	assert_true(e.frames == 1 && e.grade == EVENT_CALL_SITE && e.why == EVENT_WHY_NONE);
}

static void test_count(void **state)
{
	struct event e = shown(EVENT_COMPLETE, EVENT_WHY_NONE, 4);

	(void)state;
	stacks_count(&stacks, &e);
	stacks_count(&stacks, &e);
	e = shown(EVENT_TRUNCATED, EVENT_WHY_NO_TABLE, 2);
	stacks_count(&stacks, &e);
	e = shown(EVENT_GUESSED, EVENT_WHY_NO_TABLE, 2);
	stacks_count(&stacks, &e);
	/* No stack at all: none was read, none is meant. */
	e.frames = 0;
	stacks_count(&stacks, &e);
	e.frames = 1;
	e.stack[0] = 0;
	stacks_count(&stacks, &e);
	e.stack[0] = CALLER;
	e.kind = EVENT_POOL_CREATE;
	stacks_count(&stacks, &e);
	assert_int_equal(stacks.seen[EVENT_COMPLETE], 2);
	assert_int_equal(stacks.seen[EVENT_TRUNCATED], 1);
	assert_int_equal(stacks.seen[EVENT_GUESSED], 1);
	assert_int_equal(stacks.seen[EVENT_CALL_SITE], 0);
	assert_int_equal(stacks.truncated[EVENT_WHY_NO_TABLE], 1);
}

/* Each has a word of its own; that nothing is amiss needs none. */
static void test_words(void **state)
{
	(void)state;
	for (enum event_grade a = 0; a < EVENT_NR_GRADES; a++) {
		for (enum event_grade b = 0; b < a; b++)
			assert_string_not_equal(stack_grade_name(a), stack_grade_name(b));
	}
	assert_null(stack_why_text(EVENT_WHY_NONE));
	for (enum event_why a = 1; a < EVENT_NR_WHYS; a++) {
		for (enum event_why b = 1; b < a; b++)
			assert_string_not_equal(stack_why_text(a), stack_why_text(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_caller, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_duplicate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
		cmocka_unit_test(test_cut),
		cmocka_unit_test_setup_teardown(test_count, set_up, tear_down),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
