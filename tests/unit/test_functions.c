// SPDX-License-Identifier: MIT
/*
 * The table of traced functions, and the list that chooses from it. Linked with
 * user/probe/functions.c alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/heap.h"
#include "probe/functions.h"

static struct function_set set;
static char unknown[128];

static int parse(const char *list)
{
	memset(&set, 0, sizeof(set));
	memset(unknown, '#', sizeof(unknown));
	return function_set_add(&set, list, unknown, sizeof(unknown));
}

static uint64_t bit_of(const char *name)
{
	for (size_t i = 0; i < function_count; i++) {
		if (!strcmp(functions[i].name, name))
			return 1ULL << i;
	}
	fail_msg("no row for %s", name);
	return 0;
}

static enum function_shape shape_of(const char *name)
{
	return functions[__builtin_ctzll(bit_of(name))].shape;
}

static void assert_unknown(const char *list, const char *word)
{
	assert_int_equal(parse(list), -EINVAL);
	assert_string_equal(unknown, word);
}

/* ---- the table ---- */

static void test_table_is_sound(void **state)
{
	(void)state;
	assert_true(function_count > 0);
	assert_true(function_count <= HEAP_MAX_CALLS && function_count < 64);
	for (size_t i = 0; i < function_count; i++) {
		assert_true(functions[i].shape < SHAPE_NR);
		assert_true(functions[i].name[0] != '\0');
		assert_int_equal(bit_of(functions[i].name), 1ULL << i); /* no name twice */
	}
}

/* As the manual pages have it: malloc(3), posix_memalign(3). */
static void test_shapes(void **state)
{
	(void)state;
	assert_int_equal(shape_of("malloc"), SHAPE_SIZE);
	assert_int_equal(shape_of("calloc"), SHAPE_COUNT_SIZE);
	assert_int_equal(shape_of("realloc"), SHAPE_REALLOC);
	assert_int_equal(shape_of("reallocarray"), SHAPE_REALLOCARRAY);
	assert_int_equal(shape_of("free"), SHAPE_FREE);
	assert_int_equal(shape_of("posix_memalign"), SHAPE_MEMPTR);
	assert_int_equal(shape_of("aligned_alloc"), SHAPE_ALIGN_SIZE);
	assert_int_equal(shape_of("memalign"), SHAPE_ALIGN_SIZE);
	assert_int_equal(shape_of("valloc"), SHAPE_SIZE);
	assert_int_equal(shape_of("pvalloc"), SHAPE_SIZE);
	assert_int_equal(shape_of("cfree"), SHAPE_FREE);
}

/* ---- the list ---- */

static void test_all(void **state)
{
	struct function_set all = function_set_all();

	(void)state;
	for (size_t i = 0; i < function_count; i++)
		assert_true(all.functions & bit_of(functions[i].name));
	assert_int_equal(all.functions >> function_count, 0);
	assert_true(all.pools);
	assert_string_equal(all.pool_name, "");
	assert_true(function_set_pairs(&all));
}

static void test_every_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < function_count; i++) {
		assert_int_equal(parse(functions[i].name), 0);
		assert_int_equal(set.functions, 1ULL << i);
		assert_false(set.pools);
		assert_string_equal(set.pool_name, "");
	}
}

static void test_several(void **state)
{
	(void)state;
	assert_int_equal(parse("malloc,free"), 0);
	assert_int_equal(set.functions, bit_of("malloc") | bit_of("free"));
	assert_int_equal(parse("free,malloc,free"), 0);
	assert_int_equal(set.functions, bit_of("malloc") | bit_of("free"));
	assert_int_equal(parse("pool,calloc"), 0);
	assert_int_equal(set.functions, bit_of("calloc"));
	assert_true(set.pools);
}

static void test_pools(void **state)
{
	char list[5 + 64 + 1 + 1] = "pool:";

	(void)state;
	assert_int_equal(parse("pool"), 0);
	assert_int_equal(set.functions, 0);
	assert_true(set.pools);
	assert_string_equal(set.pool_name, "");
	assert_int_equal(parse("malloc,pool:protocol"), 0);
	assert_true(set.pools);
	assert_string_equal(set.pool_name, "protocol");
	assert_int_equal(parse("pool:a:b c"), 0);
	assert_string_equal(set.pool_name, "a:b c");
	memset(list + 5, 'n', 64);
	assert_int_equal(parse(list), 0);
	assert_int_equal(strlen(set.pool_name), 64);
}

static void test_unknown(void **state)
{
	(void)state;
	assert_unknown("", "");
	assert_unknown(",", "");
	assert_unknown("malloc,", "");
	assert_unknown(",malloc", "");
	assert_unknown("malloc,,free", "");
	assert_unknown("mallok", "mallok");
	assert_unknown("malloc,fre,free", "fre");
	assert_unknown("Malloc", "Malloc");
	assert_unknown(" malloc", " malloc");
	assert_unknown("mallocx", "mallocx");
	assert_unknown("mallo", "mallo");
	assert_unknown("pool:", "pool:");
	assert_unknown("pools", "pools");
}

/* Too long for any name: told as far as there is room, and not one byte more. */
static void test_long_words(void **state)
{
	char list[400] = "pool:";

	(void)state;
	memset(list + 5, 'n', 65);
	assert_unknown(list, list);
	memset(list, 'x', sizeof(list) - 1);
	assert_int_equal(parse(list), -EINVAL);
	assert_int_equal(strlen(unknown), sizeof(unknown) - 1);
}

/* What `unknown` has room for decides on the message, not on the answer. */
static void test_little_room(void **state)
{
	char room[8];

	(void)state;
	assert_int_equal(function_set_add(&set, "posix_memalign", room, sizeof(room)), 0);
	assert_int_equal(set.functions, bit_of("posix_memalign"));
	assert_int_equal(function_set_add(&set, "reallocX", room, sizeof(room)), -EINVAL);
	assert_string_equal(room, "realloc");
}

/* Lists add up; a second pool name is refused, and "pool" means all of them again. */
static void test_adds_up(void **state)
{
	(void)state;
	assert_int_equal(parse("malloc"), 0);
	assert_int_equal(function_set_add(&set, "free", unknown, sizeof(unknown)), 0);
	assert_int_equal(set.functions, bit_of("malloc") | bit_of("free"));
	assert_int_equal(parse("pool:a,pool:a"), 0);
	assert_int_equal(parse("pool:a,pool:b"), -E2BIG);
	assert_string_equal(unknown, "pool:b");
	assert_int_equal(parse("pool:a,pool"), 0);
	assert_string_equal(set.pool_name, "");
	assert_int_equal(parse("pool,pool:a"), 0);
	assert_string_equal(set.pool_name, "");
}

static bool pairs(const char *list)
{
	assert_int_equal(parse(list), 0);
	return function_set_pairs(&set);
}

static void test_pairs(void **state)
{
	(void)state;
	assert_true(pairs("malloc,free"));
	assert_true(pairs("posix_memalign,cfree"));
	assert_true(pairs("realloc,free,pool"));
	assert_false(pairs("malloc,calloc,realloc"));
	assert_false(pairs("free,cfree"));
	assert_false(pairs("pool"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_every_name),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_adds_up),
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests_name("functions", tests, NULL, NULL);
}
