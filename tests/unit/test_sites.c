// SPDX-License-Identifier: MIT
/* Call sites of a run: which stacks are one, what a repeated one costs, and what becomes of those
 * there is no room for. */
#include "sites_run.h"

/* ---- which are one ---- */

/* What is called the same is the same, whichever process it lies in. */
static void test_one(void **state)
{
	(void)state;
	get(PID, "am", 1, 0x1000, 10);
	get(OTHER, "am", 2, 0x1000, 20);
	get(PID, "am", 0, 0x2000, 40); /* all its words, no number */
	assert_string_equal(order_of("leaks"), "am|");
	assert_int_equal(all->tree.count, 3); /* the root, main, a */
}

/* Another path, another line, the same line inlined: each is another. */
static void test_apart(void **state)
{
	(void)state;
	get(PID, "am", 1, 0x1000, 10);
	get(PID, "abm", 2, 0x2000, 9);
	get(PID, "a", 3, 0x3000, 8);
	assert_string_equal(order_of("leaks"), "am|abm|a|");
	frames[2][0] = frames[0][0];
	frames[2][0].line++;
	get(PID, "cm", 4, 0x4000, 7);
	assert_string_equal(order_of("leaks"), "am|abm|a|am|");
	frames[3][0] = frames[0][0];
	frames[3][0].inlined = true;
	frames[3][1] = frames[4][0];
	get(PID, "dm", 5, 0x5000, 6);
	assert_string_equal(order_of("leaks"), "am|abm|a|am|aem|");
}

/* Where there is no line, the place in the function counts, or in the file. */
static void test_without_lines(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		frames[i][0] = (struct sym_frame){.function = i < 2 ? names[0] : NULL,
						  .module = "/x",
						  .offset = (uint64_t)i,
						  .module_offset = 100};
	}
	get(PID, "am", 1, 0x1000, 4);
	get(PID, "bm", 2, 0x2000, 3);
	assert_int_equal(all->tree.count, 4);
	get(PID, "cm", 3, 0x3000, 2);
	get(PID, "dm", 4, 0x4000, 1);
	assert_int_equal(all->tree.count, 5); /* the same place, and no name */
}

/* A signal came in b: below lies the handler. Called from there it is something else. */
static void test_signal(void **state)
{
	struct event e = event_of(EVENT_ALLOC, PID, "acbm");

	(void)state;
	e.addr = 0x1000;
	e.size = 10;
	tell(&e);
	e.stack[2] |= EVENT_EXACT;
	e.addr = 0x2000;
	tell(&e);
	assert_string_equal(order_of("leaks"), "acbm|acbm|");
}

static void test_callers(void **state)
{
	(void)state;
	info.stacks = false;
	get(PID, "am", 1, 0x1000, 10);
	get(PID, "abm", 0, 0x2000, 10);
	get(OTHER, "a", 0, 0x2000, 10);
	assert_string_equal(order_of("leaks"), "a|");
}

static void test_pools(void **state)
{
	static const char *const pools[] = {"zebra", "ant"};

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		struct event e = {.kind = EVENT_POOL_CREATE,
				  .pid = PID,
				  .tid = PID,
				  .pool = 0x10000 * (i + 1),
				  .base = 0x10000 * (i + 1)};

		strcpy(e.name, pools[i]);
		tell(&e);
		e = event_of(EVENT_POOL_ALLOC, PID, "am");
		e.stack_id = 1;
		e.pool = 0x10000 * (i + 1);
		e.addr = e.pool + 64;
		e.size = 1000;
		tell(&e);
	}
	get(PID, "am", 1, 0x1000, 1);
	assert_string_equal(order_of("leaks"), "am|am ant|am zebra|");
	assert_int_equal(all->profile.all.live.bytes, 1);
}

/* Nothing to be read of the stack: a site, but no place. */
static void test_unreadable(void **state)
{
	struct event e = {.kind = EVENT_ALLOC, .pid = PID, .tid = PID, .addr = 0x1000, .size = 3};
	struct site_row *rows;
	size_t count;

	(void)state;
	tell(&e);
	e.addr = 0x2000;
	e.frames = 1;
	tell(&e);
	rows = rows_of("leaks", &count);
	assert_int_equal(count, 1);
	assert_int_equal(rows->place->node, 0);
	assert_int_equal(rows->leak.old.blocks, 2);
	free(rows);
}

/* ---- what it costs ---- */

static void test_repeated(void **state)
{
	uint64_t before;

	(void)state;
	get(PID, "abm", 1, 0x1000, 10);
	before = questions;
	for (uint64_t i = 0; i < 100; i++)
		get(PID, "abm", 1, 0x2000 + 16 * i, 10);
	assert_int_equal(questions, before);
	/* frees are nobody's call site */
	put(PID, 0x2000);
	assert_int_equal(questions, before);
	/* other things are mapped there now */
	serial++;
	frames[0][0].function = names[5];
	get(PID, "abm", 1, 0x9000, 5000);
	assert_true(questions > before);
	assert_string_equal(order_of("leaks"), "fbm|abm|");
}

/* What is remembered of stacks is dropped when there is too much; no site is, for that. */
static void test_forgotten(void **state)
{
	size_t count;
	struct site_row *rows;

	(void)state;
	all->by_stack.cap = 3;
	for (uint64_t turn = 0; turn < 2; turn++) {
		for (uint64_t id = 1; id <= 20; id++)
			get(PID, "am", id, 0x1000 * id + 64 * turn, 10);
	}
	rows = rows_of("leaks", &count);
	assert_int_equal(count, 1);
	assert_int_equal(rows->leak.old.blocks, 40);
	assert_int_equal(all->refused, 0);
	free(rows);
}

/* ---- caps ---- */

/* A stack for whose inner frames there is no room ends where there is some. */
static void test_full_tree(void **state)
{
	(void)state;
	all->tree.index.cap = 2;
	get(PID, "abm", 1, 0x1000, 10);
	assert_string_equal(order_of("leaks"), "bm|");
	assert_int_equal(all->tree.refused, 1);
	get(PID, "cm", 2, 0x2000, 20);
	assert_string_equal(order_of("leaks"), "m|bm|");
	assert_int_equal(all->tree.refused, 2);
}

/* What there are no numbers for is with what has no place; nothing is missing from the sums. */
static void test_full_sites(void **state)
{
	(void)state;
	all->by_node.cap = 2; /* the one without a place is there */
	get(PID, "am", 1, 0x1000, 10);
	get(PID, "bm", 2, 0x2000, 20);
	get(PID, "cm", 3, 0x3000, 30);
	assert_string_equal(order_of("leaks"), "|am|");
	assert_int_equal(all->refused, 2);
	assert_int_equal(all->profile.all.live.bytes, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, begin, end),
		cmocka_unit_test_setup_teardown(test_apart, begin, end),
		cmocka_unit_test_setup_teardown(test_without_lines, begin, end),
		cmocka_unit_test_setup_teardown(test_signal, begin, end),
		cmocka_unit_test_setup_teardown(test_callers, begin, end),
		cmocka_unit_test_setup_teardown(test_pools, begin, end),
		cmocka_unit_test_setup_teardown(test_unreadable, begin, end),
		cmocka_unit_test_setup_teardown(test_repeated, begin, end),
		cmocka_unit_test_setup_teardown(test_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_full_tree, begin, end),
		cmocka_unit_test_setup_teardown(test_full_sites, begin, end),
	};

	return cmocka_run_group_tests_name("sites", tests, NULL, NULL);
}
