// SPDX-License-Identifier: MIT
/* Which functions and pools a run looks at: the lists of -e. Linked with user/probe/functions.c
 * alone. */
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
static char refused[128];

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

static int add(const char *list)
{
	memset(refused, '#', sizeof(refused));
	return functions_select(&f, list, refused, sizeof(refused));
}

/* As the first -e does: everything is unwanted before. */
static int choose(const char *list)
{
	functions_want_none(&f);
	return add(list);
}

static void assert_refused(const char *list, const char *word)
{
	if (choose(list) != -EINVAL)
		fail_msg("'%s' was taken", list);
	assert_string_equal(refused, word);
}

static size_t row_named(const char *name)
{
	for (size_t i = 0; i < f.count; i++) {
		if (!strcmp(f.rows[i].name, name))
			return i;
	}
	fail_msg("no row is called %s", name);
	return 0;
}

static bool wanted(const char *name)
{
	return f.rows[row_named(name)].wanted;
}

static size_t wanted_count(void)
{
	size_t n = 0;

	for (size_t i = 0; i < f.count; i++)
		n += f.rows[i].wanted;
	return n;
}

/* These and no others. */
static void assert_wanted(size_t n, const char *const *names)
{
	for (size_t i = 0; i < n; i++) {
		if (!wanted(names[i]))
			fail_msg("%s is not wanted", names[i]);
	}
	assert_int_equal(wanted_count(), n);
}

#define ASSERT_WANTED(...)                                                    \
	assert_wanted(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		      (const char *[]){__VA_ARGS__})

/* ---- names of the catalogue ---- */

static void test_want_none(void **state)
{
	(void)state;
	assert_int_equal(wanted_count(), CATALOGUE);
	functions_want_none(&f);
	assert_int_equal(wanted_count(), 0);
	assert_int_equal(f.count, CATALOGUE);
	assert_false(f.pools);
	assert_false(functions_pair(&f));
}

static void test_every_name(void **state)
{
	char name[FUNCTION_NAME_LEN];

	(void)state;
	for (size_t i = 0; i < CATALOGUE; i++) {
		snprintf(name, sizeof(name), "%s", f.rows[i].name);
		assert_int_equal(choose(name), 0);
		ASSERT_WANTED(name);
		assert_int_equal(row_named(name), i);
		assert_false(f.pools);
		assert_string_equal(f.pool_name, "");
	}
	assert_int_equal(f.count, CATALOGUE);
}

static void test_several(void **state)
{
	(void)state;
	assert_int_equal(choose("malloc,free"), 0);
	ASSERT_WANTED("malloc", "free");
	assert_int_equal(choose("free,malloc,free"), 0);
	ASSERT_WANTED("malloc", "free");
	assert_int_equal(choose("pool,calloc"), 0);
	ASSERT_WANTED("calloc");
	assert_true(f.pools);
	assert_int_equal(choose("operator new,operator new(align),__rust_alloc,mallocx"), 0);
	ASSERT_WANTED("operator new", "operator new(align)", "__rust_alloc", "mallocx");
}

/* Lists add up, to what was wanted before as well. */
static void test_adds_up(void **state)
{
	(void)state;
	assert_int_equal(choose("malloc"), 0);
	assert_int_equal(add("free"), 0);
	ASSERT_WANTED("malloc", "free");
	assert_int_equal(add("pool:a"), 0);
	assert_int_equal(add("calloc,free"), 0);
	ASSERT_WANTED("malloc", "free", "calloc");
	assert_string_equal(f.pool_name, "a");
	functions_want_none(&f);
	assert_int_equal(wanted_count(), 0);
	assert_false(f.pools);
	assert_string_equal(f.pool_name, "");
}

static void test_refused(void **state)
{
	static const struct {
		const char *list, *word;
	} bad[] = {
		{"", ""},
		{",", ""},
		{"malloc,", ""},
		{",malloc", ""},
		{"malloc,,free", ""},
		{"mallok", "mallok"},
		{"malloc,fre,free", "fre"},
		{"Malloc", "Malloc"},
		{" malloc", " malloc"},
		{"malloc ", "malloc "},
		{"mallo", "mallo"},
		{"pool:", "pool:"},
		{"pools", "pools"},
		{"Pool", "Pool"},
		{"_Znwm", "_Znwm"}, /* what a compiler makes of a name */
		{"_ZdlPvm", "_ZdlPvm"},
		{"operator", "operator"},
		{"_RNvCsfLfy6EI15iL_7___rustc12___rust_alloc",
		 "_RNvCsfLfy6EI15iL_7___rustc12___rust_alloc"},
		{"je__Znwm", "je__Znwm"},
		{"je___rust_alloc", "je___rust_alloc"},
		{"je_", "je_"},
		{"my_malloc", "my_malloc"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i].list, bad[i].word);
	assert_int_equal(f.count, CATALOGUE);
}

/* Too long for any name: told as far as there is room, and not one byte more. */
static void test_long_words(void **state)
{
	char list[400] = "pool:", room[8];

	(void)state;
	memset(list + 5, 'n', 65);
	assert_refused(list, list);
	memset(list, 'x', sizeof(list) - 1);
	assert_int_equal(choose(list), -EINVAL);
	assert_int_equal(strlen(refused), sizeof(refused) - 1);
	assert_int_equal(functions_select(&f, "posix_memalign", room, sizeof(room)), 0);
	ASSERT_WANTED("posix_memalign");
	assert_int_equal(functions_select(&f, "reallocX", room, sizeof(room)), -EINVAL);
	assert_string_equal(room, "realloc");
}

/* ---- pools ---- */

static void test_pools(void **state)
{
	char list[5 + 64 + 1] = "pool:";

	(void)state;
	assert_int_equal(choose("pool"), 0);
	assert_int_equal(wanted_count(), 0);
	assert_true(f.pools);
	assert_string_equal(f.pool_name, "");
	assert_int_equal(choose("malloc,pool:protocol"), 0);
	assert_true(f.pools);
	assert_string_equal(f.pool_name, "protocol");
	assert_int_equal(choose("pool:a:b c"), 0);
	assert_string_equal(f.pool_name, "a:b c");
	memset(list + 5, 'n', 64);
	assert_int_equal(choose(list), 0);
	assert_int_equal(strlen(f.pool_name), 64);
	assert_string_equal(f.pool_name, list + 5);
}

/* A second name is refused, and "pool" means all of them again. */
static void test_two_pools(void **state)
{
	(void)state;
	assert_int_equal(choose("pool:a,pool:a"), 0);
	assert_string_equal(f.pool_name, "a");
	assert_int_equal(choose("pool:a,pool:b"), -E2BIG);
	assert_string_equal(refused, "pool:b");
	assert_int_equal(choose("pool:a"), 0);
	assert_int_equal(add("pool:ab"), -E2BIG);
	assert_string_equal(refused, "pool:ab");
	assert_string_equal(f.pool_name, "a");
	assert_int_equal(choose("pool:a,pool"), 0);
	assert_true(f.pools);
	assert_string_equal(f.pool_name, "");
	assert_int_equal(choose("pool,pool:a"), 0);
	assert_true(f.pools);
	assert_string_equal(f.pool_name, "");
	assert_int_equal(choose("pool:a,pool,pool:b"), 0);
	assert_string_equal(f.pool_name, "");
}

/* ---- names with a prefix ---- */

static void test_prefixed(void **state)
{
	int row;

	(void)state;
	assert_int_equal(choose("je_malloc,free"), 0);
	assert_int_equal(f.count, CATALOGUE + 1);
	ASSERT_WANTED("je_malloc", "free");
	row = functions_match(&f, "je_malloc", true);
	assert_int_equal(row, CATALOGUE);
	assert_int_equal(f.rows[row].args.size, 1);
	assert_int_equal(functions_match(&f, "je_calloc", true), CATALOGUE + 1);
	ASSERT_WANTED("je_malloc", "free");
	assert_int_equal(choose("je_malloc,je_malloc"), 0);
	ASSERT_WANTED("je_malloc");
	assert_int_equal(f.count, CATALOGUE + 2);
}

/* What comes later is wanted when its name without the prefix is. */
static void test_prefixed_inherits(void **state)
{
	(void)state;
	functions_match(&f, "tc_malloc", true);
	assert_true(wanted("tc_malloc"));
	assert_int_equal(choose("malloc,mallocx"), 0);
	assert_false(wanted("tc_malloc")); /* was there before, and is not named */
	functions_match(&f, "je_malloc", true);
	functions_match(&f, "mi_malloc", false);
	functions_match(&f, "je_mallocx", false);
	functions_match(&f, "je_free", true);
	functions_match(&f, "tc_free", true);
	ASSERT_WANTED("malloc", "mallocx", "je_malloc", "mi_malloc", "je_mallocx");
}

static void test_prefix_added(void **state)
{
	(void)state;
	assert_refused("my_malloc", "my_malloc");
	assert_int_equal(functions_add_prefix(&f, "my_"), 0);
	assert_int_equal(choose("my_malloc,my_free"), 0);
	ASSERT_WANTED("my_malloc", "my_free");
	assert_refused("my_", "my_");
}

/* ---- functions of the user's own ---- */

static void test_own_stay_wanted(void **state)
{
	char why[128];

	(void)state;
	assert_int_equal(functions_add_own(&f, "get(size=arg1,ret=ptr)", why, sizeof(why)), 0);
	functions_want_none(&f);
	ASSERT_WANTED("get");
	assert_int_equal(add("malloc"), 0);
	ASSERT_WANTED("get", "malloc");
	assert_int_equal(functions_add_own(&f, "put(ptr=arg1)", why, sizeof(why)), 0);
	ASSERT_WANTED("get", "malloc", "put");
	assert_int_equal(choose("get"), 0);
	ASSERT_WANTED("get", "put");
}

/* ---- live blocks can be told ---- */

static bool pairs(const char *list)
{
	if (choose(list))
		fail_msg("'%s' was refused", list);
	return functions_pair(&f);
}

static void test_pairs(void **state)
{
	(void)state;
	assert_true(pairs("malloc,free"));
	assert_true(pairs("posix_memalign,cfree"));
	assert_true(pairs("realloc,free,pool"));
	assert_true(pairs("mallocx,__rust_dealloc"));
	assert_true(pairs("je_malloc,je_free"));
	assert_true(pairs("je_malloc,free"));
	assert_false(pairs("malloc,calloc,realloc"));
	assert_false(pairs("xallocx,rallocx")); /* they take a block, and do not free it */
	assert_false(pairs("free,cfree,operator delete,sdallocx"));
	assert_false(pairs("je_malloc,mi_malloc"));
	assert_false(pairs("pool"));
}

static void test_own_pairs(void **state)
{
	char why[128];

	(void)state;
	assert_int_equal(functions_add_own(&f, "put(ptr=arg1)", why, sizeof(why)), 0);
	assert_false(pairs("free"));
	assert_true(pairs("malloc"));
	assert_int_equal(functions_add_own(&f, "get(size=arg1,ret=ptr)", why, sizeof(why)), 0);
	assert_true(pairs("pool"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_want_none),    TEST(test_every_name),
		TEST(test_several),      TEST(test_adds_up),
		TEST(test_refused),      TEST(test_long_words),
		TEST(test_pools),        TEST(test_two_pools),
		TEST(test_prefixed),     TEST(test_prefixed_inherits),
		TEST(test_prefix_added), TEST(test_own_stay_wanted),
		TEST(test_pairs),        TEST(test_own_pairs),
	};

	return cmocka_run_group_tests_name("functions: chosen", tests, NULL, NULL);
}
