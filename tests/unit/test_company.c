// SPDX-License-Identifier: MIT
/* Which functions belong together, and when all hand-outs of an allocator are seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe/company.h"

static struct functions functions;
static struct company company;
static uint64_t nested[EVENT_MAX_FUNCTIONS];
static uint8_t families[EVENT_MAX_FUNCTIONS];

static const struct proc_mapping libc_mapping = {
	.start = 0x7f0000001000, .end = 0x7f0000002000, .path = "/lib/libc.so.6"};

static int setup(void **state)
{
	(void)state;
	functions_init(&functions);
	memset(&company, 0, sizeof(company));
	memset(nested, 0, sizeof(nested));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	functions_fini(&functions);
	return 0;
}

static unsigned int row(const char *symbol)
{
	int found = functions_match(&functions, symbol, true);

	assert_true(found >= 0);
	return (unsigned int)found;
}

static uint64_t bit(const char *symbol)
{
	return 1ULL << row(symbol);
}

static void map(uint64_t defined, const char *path)
{
	struct proc_mapping m = libc_mapping;

	m.path = path;
	company_note(&company, &functions, defined, &m);
	company_families(&company, &functions, families);
}

static void map_libc(void)
{
	map(bit("malloc") | bit("free") | bit("realloc"), "/lib/libc.so.6");
}

static bool is_closed(const char *symbol)
{
	return company_is_closed(&company, &functions, row(symbol), nested);
}

static void test_families(void **state)
{
	(void)state;
	map_libc();
	map(bit("je_malloc") | bit("je_free") | bit("je_mallocx"), "/usr/bin/app");
	assert_int_equal(families[row("malloc")], 1);
	assert_int_equal(families[row("_ZdlPv")], 1);
	assert_int_equal(families[row("dallocx")], 1);
	assert_true(families[row("je_malloc")] > 1);
	assert_int_equal(families[row("je_mallocx")], families[row("je_malloc")]);
	row("mi_malloc");
	map(0, "/usr/bin/other");
	assert_true(families[row("mi_malloc")] > 1);
	assert_int_not_equal(families[row("mi_malloc")], families[row("je_malloc")]);
}

/* Of them nothing is known: a prefix of the user's, Rust's, --function. */
static void test_unknown_families(void **state)
{
	char why[128];

	(void)state;
	functions_add_prefix(&functions, "own_");
	assert_int_equal(functions_add_own(&functions, "take(size=arg1,ret=ptr)", why, sizeof(why)),
			 0);
	row("own_malloc");
	map_libc();
	assert_int_equal(families[row("own_malloc")], 0);
	assert_int_equal(families[row("take")], 0);
	assert_int_equal(families[row("__rust_alloc")], 0);
}

/* libmimalloc.so defines malloc, and mi_malloc at the same place. */
static void test_one_file(void **state)
{
	(void)state;
	map(bit("malloc") | bit("free") | bit("mi_malloc"), "/lib/libmimalloc.so");
	row("mi_free");
	map(0, "/bin/x");
	assert_int_equal(families[row("mi_malloc")], 1);
	assert_int_equal(families[row("mi_free")], 1);
	assert_false(is_closed("malloc"));
}

static void test_closed(void **state)
{
	(void)state;
	assert_false(is_closed("malloc")); /* nothing is mapped */
	map_libc();
	assert_true(is_closed("malloc"));
	assert_true(is_closed("free"));
	row("je_malloc");
	row("mi_malloc");
	assert_true(is_closed("je_malloc"));
	assert_false(is_closed("mi_malloc")); /* it has mi_zalloc as well */
	company.incomplete = true;
	assert_false(is_closed("malloc"));
	company.incomplete = false;
	functions.refused = 1;
	assert_false(is_closed("malloc"));
	functions.refused = 0;
	map_libc(); /* a second file that defines malloc */
	assert_false(is_closed("malloc"));
	assert_true(is_closed("je_malloc"));
}

static void test_half_an_allocator(void **state)
{
	(void)state;
	map(bit("malloc"), "/lib/libhalf.so");
	assert_int_equal(company.plain, 0);
}

static void test_calls_inside(void **state)
{
	(void)state;
	map_libc();
	nested[row("realloc")] = bit("malloc"); /* of NULL */
	nested[row("calloc")] = bit("malloc");
	assert_true(is_closed("malloc"));
	nested[row("realloc")] |= bit("realloc");
	assert_false(is_closed("malloc"));
	nested[row("realloc")] = 0;
	nested[row("malloc")] = bit("calloc");
	assert_false(is_closed("malloc"));
	assert_true(is_closed("je_malloc"));
}

/* je_malloc that calls malloc is no allocator of its own. */
static void test_wrapper(void **state)
{
	(void)state;
	map_libc();
	nested[row("je_calloc")] = bit("je_malloc");
	assert_true(company_is_independent(&functions, row("je_malloc"), nested));
	nested[row("je_calloc")] |= bit("malloc");
	assert_false(company_is_independent(&functions, row("je_malloc"), nested));
	assert_true(company_is_independent(&functions, row("malloc"), nested));
	assert_false(is_closed("je_malloc"));
}

static void test_own_code(void **state)
{
	char longest[4000];

	(void)state;
	map_libc();
	assert_true(company_is_inside(&company, "/lib/libc.so.6"));
	assert_true(company_is_inside(&company, "/lib64/ld-linux-x86-64.so.2"));
	assert_true(company_is_inside(&company, "[unknown]"));
	assert_false(company_is_inside(&company, "[anon]"));
	assert_false(company_is_inside(&company, "/lib/libc.so.6.old"));
	assert_int_equal(company.begin, libc_mapping.start);
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(&company, 0, sizeof(company));
	map(bit("malloc") | bit("free"), longest);
	assert_false(is_closed("malloc")); /* whose name would not be recognized */
}

static void test_leaves(void **state)
{
	uint64_t leaves;

	(void)state;
	row("je_malloc");
	leaves = company_leaves(&functions);
	assert_true(leaves & bit("malloc") && leaves & bit("_Znwm"));
	assert_false(leaves & (bit("calloc") | bit("realloc") | bit("free") | bit("je_malloc")));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_families), TEST(test_unknown_families),  TEST(test_one_file),
		TEST(test_closed),   TEST(test_half_an_allocator), TEST(test_calls_inside),
		TEST(test_wrapper),  TEST(test_own_code),          TEST(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
