// SPDX-License-Identifier: MIT
/* The table of traced functions has its limits. Linked with user/probe/functions.c alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probe/functions.h"

#define CATALOGUE 25 /* rows that every table begins with */

static struct functions f;

static int setup(void **state)
{
	(void)state;
	functions_init(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	functions_fini(&f);
	return 0;
}

static void assert_row(const char *symbol)
{
	int row = functions_match(&f, symbol, true);

	if (row < 0 || (size_t)row >= f.count)
		fail_msg("%s: row %d of %zu", symbol, row, f.count);
	assert_string_equal(f.rows[row].name, symbol);
}

/* The symbol stands for nothing, and leaves no row behind. */
static void assert_none(const char *symbol)
{
	size_t count = f.count;

	assert_int_equal(functions_match(&f, symbol, true), -1);
	assert_int_equal(functions_match(&f, symbol, false), -1);
	assert_int_equal(f.count, count);
}

/* Four are in use from the beginning. */
static void test_too_many_prefixes(void **state)
{
	static char names[FUNCTIONS_MAX_PREFIXES][16];

	(void)state;
	for (size_t i = 4; i < FUNCTIONS_MAX_PREFIXES; i++) {
		snprintf(names[i], sizeof(names[i]), "p%zu_", i);
		assert_int_equal(functions_add_prefix(&f, names[i]), 0);
	}
	assert_int_equal(functions_add_prefix(&f, "one_more_"), -ENOSPC);
	assert_row("p15_free");
	assert_none("one_more_free");
}

/* 25 rows stand in the catalogue, 18 of them go with a prefix: two of these leave room for 3. */
static void fill(void)
{
	static const char *const prefixes[] = {"je_", "mi_"};
	char symbol[64];

	for (size_t p = 0; p < 2; p++) {
		for (size_t i = 0; i < CATALOGUE; i++) {
			snprintf(symbol, sizeof(symbol), "%s%s", prefixes[p], f.rows[i].name);
			functions_match(&f, symbol, true);
		}
	}
	assert_int_equal(f.count, 61);
	assert_row("tc_malloc");
	assert_row("tc_calloc");
	assert_row("tc_realloc");
	assert_int_equal(f.count, 64);
	assert_int_equal(f.refused, 0);
}

static void test_cap(void **state)
{
	char why[128];

	(void)state;
	fill();
	assert_int_equal(functions_match(&f, "tc_free", true), -1);
	assert_int_equal(f.refused, 1);
	assert_int_equal(functions_match(&f, "tc_memalign", false), -1);
	assert_int_equal(f.refused, 2);
	assert_int_equal(f.count, 64);
	assert_row("mi_free"); /* what is there stays */
	assert_row("tc_realloc");
	assert_int_equal(f.refused, 2);
	assert_int_equal(functions_add_own(&f, "f(ptr=arg1)", why, sizeof(why)), -ENOSPC);
	assert_string_equal(why, "there are too many functions");
	assert_none("f");
}

/* It counts functions: one that comes in two symbol tables and many files is one. */
static void test_refused_is_a_number_of_functions(void **state)
{
	(void)state;
	fill();
	for (int i = 0; i < 5; i++)
		assert_none("tc_free");
	assert_int_equal(f.refused, 1);
}

/* A name has room for 255 bytes; what is longer has none at all. */
static void test_long_names(void **state)
{
	static char prefix[251], symbol[300];

	(void)state;
	memset(prefix, 'p', 249);
	assert_int_equal(functions_add_prefix(&f, prefix), 0);
	snprintf(symbol, sizeof(symbol), "%smalloc", prefix);
	assert_row(symbol);
	snprintf(symbol, sizeof(symbol), "%srealloc", prefix);
	assert_int_equal(functions_match(&f, symbol, true), -1);
	assert_int_equal(f.count, CATALOGUE + 1);
	assert_int_equal(f.refused, 1);
	memset(symbol, 'x', sizeof(symbol) - 1);
	assert_none(symbol);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_too_many_prefixes),
		TEST(test_cap),
		TEST(test_refused_is_a_number_of_functions),
		TEST(test_long_names),
	};

	return cmocka_run_group_tests_name("functions: full", tests, NULL, NULL);
}
