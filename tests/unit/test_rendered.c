// SPDX-License-Identifier: MIT
/* Texts of stacks that are made once: which stacks share one, and which do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/rendered.h"

#define CALLER 0x401000

static uint64_t serial = 1; /* of every process's mappings */
static unsigned int written;
static struct run_info info;
static const struct sink sink = {.info = &info};
static struct rendered rendered;

uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	(void)s, (void)pid;
	return serial;
}

static void write_words(const struct sink *s, FILE *out, const struct event *e)
{
	assert_ptr_equal(s, &sink);
	written++;
	fprintf(out, "%u:", e->pid);
	for (unsigned int i = 0; i < e->frames; i++)
		fprintf(out, " %llx", (unsigned long long)e->stack[i]);
	fputc('\0', out);
	fprintf(out, "%d %d", e->grade, e->why);
}

static int set_up(void **state)
{
	(void)state;
	written = 0;
	rendered_init(&rendered, 1000);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rendered_fini(&rendered);
	return 0;
}

static struct event call(uint64_t id)
{
	return (struct event){.kind = EVENT_ALLOC,
			      .pid = 7,
			      .stack_id = id,
			      .frames = 3,
			      .grade = EVENT_COMPLETE,
			      .stack = {CALLER, CALLER + id, 0x500000}};
}

static void check_text(const struct event *e, const char *front, const char *back)
{
	const struct rendered_text *text = rendered_get(&rendered, &sink, e, write_words);

	assert_non_null(text);
	assert_int_equal(text->length, strlen(front) + 1 + strlen(back));
	assert_memory_equal(text->bytes, front, strlen(front) + 1);
	assert_memory_equal(text->bytes + strlen(front) + 1, back, strlen(back));
}

static void test_once(void **state)
{
	struct event e = call(1), other = call(2);

	(void)state;
	for (int i = 0; i < 3; i++) {
		check_text(&e, "7: 401000 401001 500000", "1 0");
		check_text(&other, "7: 401000 401002 500000", "1 0");
	}
	assert_int_equal(written, 2);
}

/* The same number, and yet not the same names. */
static void test_apart(void **state)
{
	struct event e = call(1);

	(void)state;
	check_text(&e, "7: 401000 401001 500000", "1 0");
	e.pid = 8;
	check_text(&e, "8: 401000 401001 500000", "1 0");
	e = call(1);
	e.frames = 2;
	e.grade = EVENT_TRUNCATED;
	e.why = EVENT_WHY_CHANGED;
	check_text(&e, "7: 401000 401001", "2 10");
	assert_int_equal(written, 3);
	/* Something else is mapped there now. */
	serial++;
	e = call(1);
	check_text(&e, "7: 401000 401001 500000", "1 0");
	assert_int_equal(written, 4);
}

/* A caller alone needs no number, and is no stack whose number looks like it. */
static void test_caller_alone(void **state)
{
	struct event e = {.kind = EVENT_FREE, .pid = 7, .frames = 1, .stack = {CALLER}};
	struct event stack = call(CALLER);

	(void)state;
	check_text(&e, "7: 401000", "0 0");
	check_text(&stack, "7: 401000 802000 500000", "1 0");
	check_text(&e, "7: 401000", "0 0");
	assert_int_equal(written, 2);
}

static void test_not_kept(void **state)
{
	struct event e = call(0), pool = call(1);

	(void)state;
	assert_null(rendered_get(&rendered, &sink, &e, write_words));
	pool.kind = EVENT_POOL_CREATE;
	assert_null(rendered_get(&rendered, &sink, &pool, write_words));
	assert_int_equal(written, 0);
}

/* All goes when there is too much; nothing is wrong for it, and no more is held than allowed. */
static void test_full(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		for (uint64_t id = 1; id < 1000; id++) {
			struct event e = call(id);
			char front[64];

			snprintf(front, sizeof(front), "7: 401000 %llx 500000",
				 (unsigned long long)(CALLER + id));
			check_text(&e, front, "1 0");
			assert_true(rendered.bytes <= 1000);
		}
	}
	assert_true(rendered.texts.count > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_caller_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("rendered", tests, NULL, NULL);
}
