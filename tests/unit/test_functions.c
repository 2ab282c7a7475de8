// SPDX-License-Identifier: MIT
/*
 * The table of traced functions: its catalogue, and the rows that symbols of files stand for. What
 * the manual pages and headers of the allocators say is written down here once more. Linked with
 * user/probe/functions.c alone. Which rows a run looks at is in test_functions_chosen.c, what
 * --function says in test_functions_own.c, what has no room in test_functions_full.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probe/functions.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

/* ---- the truth ---- */

struct truth {
	const char *name;
	enum function_family family;
	bool key, mangled; /* mangled: its symbols have other names */
	struct event_args args;
};

/*
 * malloc(3), posix_memalign(3), C23 (free_sized), [new.delete] of C++17, jemalloc(3),
 * core::alloc::GlobalAlloc.
 */
static const struct truth truths[] = {
	{"malloc", FAMILY_MALLOC, true, false, {.size = 1}},
	{"calloc", FAMILY_MALLOC, false, false, {.count = 1, .size = 2}},
	{"realloc", FAMILY_MALLOC, false, false, {.ptr = 1, .size = 2}},
	{"reallocarray", FAMILY_MALLOC, false, false, {.ptr = 1, .count = 2, .size = 3}},
	{"free", FAMILY_MALLOC, true, false, {.ptr = 1}},
	{"posix_memalign", FAMILY_MALLOC, false, false, {.out = 1, .align = 2, .size = 3}},
	{"aligned_alloc", FAMILY_MALLOC, false, false, {.align = 1, .size = 2}},
	{"memalign", FAMILY_MALLOC, false, false, {.align = 1, .size = 2}},
	{"valloc", FAMILY_MALLOC, false, false, {.size = 1}},
	{"pvalloc", FAMILY_MALLOC, false, false, {.size = 1}},
	{"cfree", FAMILY_MALLOC, false, false, {.ptr = 1}},
	{"free_sized", FAMILY_MALLOC, false, false, {.ptr = 1}},
	{"free_aligned_sized", FAMILY_MALLOC, false, false, {.ptr = 1}},
	{"operator new", FAMILY_MALLOC, false, true, {.size = 1}},
	{"operator new(align)", FAMILY_MALLOC, false, true, {.size = 1, .align = 2}},
	{"operator delete", FAMILY_MALLOC, false, true, {.ptr = 1}},
	{"mallocx", FAMILY_ALLOCX, true, false, {.size = 1, .flags = 2}},
	{"rallocx", FAMILY_ALLOCX, false, false, {.ptr = 1, .size = 2, .flags = 3}},
	{"xallocx",
	 FAMILY_ALLOCX,
	 false,
	 false,
	 {.ptr = 1, .size = 2, .flags = 4, .returns_size = true}},
	{"dallocx", FAMILY_ALLOCX, true, false, {.ptr = 1}},
	{"sdallocx", FAMILY_ALLOCX, false, false, {.ptr = 1}},
	{"__rust_alloc", FAMILY_RUST, true, false, {.size = 1, .align = 2}},
	{"__rust_alloc_zeroed", FAMILY_RUST, false, false, {.size = 1, .align = 2}},
	{"__rust_realloc", FAMILY_RUST, false, false, {.ptr = 1, .align = 3, .size = 4}},
	{"__rust_dealloc", FAMILY_RUST, true, false, {.ptr = 1}},
};

/* As c++filt reads them. */
static const struct {
	const char *symbol, *name;
} mangled[] = {
	{"_Znwm", "operator new"},
	{"_Znam", "operator new"},
	{"_ZnwmRKSt9nothrow_t", "operator new"},
	{"_ZnamRKSt9nothrow_t", "operator new"},
	{"_ZnwmSt11align_val_t", "operator new(align)"},
	{"_ZnamSt11align_val_t", "operator new(align)"},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", "operator new(align)"},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", "operator new(align)"},
	{"_ZdlPv", "operator delete"},
	{"_ZdaPv", "operator delete"},
	{"_ZdlPvm", "operator delete"},
	{"_ZdaPvm", "operator delete"},
	{"_ZdlPvRKSt9nothrow_t", "operator delete"},
	{"_ZdaPvRKSt9nothrow_t", "operator delete"},
	{"_ZdlPvSt11align_val_t", "operator delete"},
	{"_ZdaPvSt11align_val_t", "operator delete"},
	{"_ZdlPvmSt11align_val_t", "operator delete"},
	{"_ZdaPvmSt11align_val_t", "operator delete"},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", "operator delete"},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", "operator delete"},
};

/* Of a program of Rust 1.95, as nm shows them. */
static const struct {
	const char *symbol, *name;
} rust[] = {
	{"_RNvCsfLfy6EI15iL_7___rustc12___rust_alloc", "__rust_alloc"},
	{"_RNvCsfLfy6EI15iL_7___rustc19___rust_alloc_zeroed", "__rust_alloc_zeroed"},
	{"_RNvCsfLfy6EI15iL_7___rustc14___rust_realloc", "__rust_realloc"},
	{"_RNvCsfLfy6EI15iL_7___rustc14___rust_dealloc", "__rust_dealloc"},
};

static const char *const prefixes[] = {"je_", "mi_", "tc_", "_rjem_"};

/* What a prefix goes with: the C functions, not C++'s and Rust's. */
static bool takes_prefix(const struct truth *t)
{
	return !t->mangled && t->family != FAMILY_RUST;
}

/* ---- helpers ---- */

static void assert_args(const struct event_args *got, const struct event_args *want)
{
	assert_int_equal(got->size, want->size);
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->align, want->align);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->ptr, want->ptr);
	assert_int_equal(got->out, want->out);
	assert_int_equal(got->returns_size, want->returns_size);
}

/* The row of that name, which must be the only one. */
static const struct function *row_named(const char *name)
{
	const struct function *row = NULL;

	for (size_t i = 0; i < f.count; i++) {
		if (strcmp(f.rows[i].name, name))
			continue;
		if (row)
			fail_msg("two rows are called %s", name);
		row = &f.rows[i];
	}
	if (!row)
		fail_msg("no row is called %s", name);
	return row;
}

static void assert_row(int row, const char *name)
{
	if (row < 0 || (size_t)row >= f.count)
		fail_msg("%s: row %d of %zu", name, row, f.count);
	assert_string_equal(f.rows[row].name, name);
}

/* The symbol stands for nothing, and leaves no row behind. */
static void assert_none(const char *symbol, bool exported)
{
	size_t count = f.count;
	int row = functions_match(&f, symbol, exported);

	if (row != -1)
		fail_msg("'%s' is row %d, '%s'", symbol, row, f.rows[row].name);
	assert_int_equal(f.count, count);
}

static const char *join(const char *prefix, const char *name)
{
	static char text[2 * FUNCTION_NAME_LEN];

	snprintf(text, sizeof(text), "%s%s", prefix, name);
	return text;
}

/* ---- the catalogue ---- */

static void test_catalogue(void **state)
{
	(void)state;
	assert_int_equal(f.count, COUNT(truths));
	for (size_t i = 0; i < COUNT(truths); i++) {
		const struct function *row = row_named(truths[i].name);

		assert_args(&row->args, &truths[i].args);
		assert_int_equal(row->family, truths[i].family);
		assert_int_equal(row->key, truths[i].key);
		assert_int_equal(row->prefix, 0);
		assert_true(row->wanted);
		assert_int_equal(function_frees(row), !truths[i].args.size);
	}
	assert_true(f.pools);
	assert_string_equal(f.pool_name, "");
	assert_int_equal(f.refused, 0);
	assert_true(functions_pair(&f));
}

static void test_prefixes_in_use(void **state)
{
	(void)state;
	assert_int_equal(f.prefix_count, COUNT(prefixes));
	for (size_t i = 0; i < COUNT(prefixes); i++)
		assert_string_equal(f.prefixes[i], prefixes[i]);
}

/* The standard name before the old one: of two at one address the first row wins. */
static void test_order(void **state)
{
	(void)state;
	assert_true(row_named("free") < row_named("cfree"));
	assert_true(row_named("aligned_alloc") < row_named("memalign"));
	assert_true(row_named("free") < row_named("free_sized"));
	assert_true(row_named("free") < row_named("operator delete"));
	assert_true(row_named("malloc") < row_named("operator new"));
}

/* ---- symbols ---- */

static void test_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(truths); i++) {
		if (!truths[i].mangled)
			assert_row(functions_match(&f, truths[i].name, true), truths[i].name);
		else
			assert_none(truths[i].name, true); /* no file spells it so */
	}
	assert_int_equal(f.count, COUNT(truths));
}

static void test_mangled(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mangled); i++)
		assert_row(functions_match(&f, mangled[i].symbol, true), mangled[i].name);
	assert_int_equal(f.count, COUNT(truths));
}

static void test_rust(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rust); i++) {
		assert_row(functions_match(&f, rust[i].symbol, true), rust[i].name);
		assert_row(functions_match(&f, rust[i].symbol, false), rust[i].name);
		assert_row(functions_match(&f, rust[i].name, false), rust[i].name);
	}
	assert_row(functions_match(&f, "_RNvCs1234_7___rustc12___rust_alloc", false),
		   "__rust_alloc");
	assert_int_equal(f.count, COUNT(truths));
}

/* The allocator of the C library is looked for among exported symbols alone. */
static void test_local(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(truths); i++) {
		if (truths[i].family == FAMILY_MALLOC || truths[i].family == FAMILY_ALLOCX)
			assert_none(truths[i].name, false);
	}
	for (size_t i = 0; i < COUNT(mangled); i++)
		assert_none(mangled[i].symbol, false);
	assert_row(functions_match(&f, "je_malloc", false), "je_malloc");
	assert_row(functions_match(&f, "je_mallocx", false), "je_mallocx");
}

static void test_others(void **state)
{
	static const char *const symbols[] = {
		"",
		"mallo",
		"malloc_",
		"Malloc",
		"_malloc",
		"__libc_malloc",
		"malloc_usable_size",
		"main",
		"_Znwj",
		"_ZnwmPv",
		"_ZdlPvS_",
		"je_",
		"je_arena_malloc",
		"je_operator new",
		"jemalloc",
		"je_je_malloc",
		"_rjem_je_malloc",
		"mi_zalloc",
		"mi_heap_malloc",
		"tc_new",
		"my_malloc",
		"_R",
		"_RNv",
		"_RNvCsfLfy6EI15iL_7___rustc",
		"_RNvCsfLfy6EI15iL_7___rustc12",
		"_RNvCsfLfy6EI15iL_7___rustc12_",
		"_RNvCsfLfy6EI15iL_7___rustc11___rdl_alloc",
		"_RNvCsfLfy6EI15iL_7___rustc17___rust_drop_panic",
		"_RNvCsfLfy6EI15iL_7___rustc35___rust_no_alloc_shim_is_unstable_v2",
		"_RNvCsfLfy6EI15iL_7___rustc12___rust_allocs",
		"_RNvCsfLfy6EI15iL_4core12___rust_alloc",
		"XRNvCsfLfy6EI15iL_7___rustc12___rust_alloc",
		"_ZN7___rustc12___rust_alloc",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(symbols); i++) {
		assert_none(symbols[i], true);
		assert_none(symbols[i], false);
	}
	assert_int_equal(f.refused, 0);
}

/* ---- prefixes ---- */

static void check_prefixed(const char *prefix)
{
	size_t count = COUNT(truths);

	for (size_t i = 0; i < COUNT(truths); i++) {
		const char *name = join(prefix, truths[i].name);
		const struct function *row;

		if (!takes_prefix(&truths[i])) {
			assert_none(name, true);
			continue;
		}
		assert_int_equal(functions_match(&f, name, i % 2), (int)count++);
		row = row_named(name);
		assert_args(&row->args, &truths[i].args);
		assert_int_equal(row->family, truths[i].family);
		assert_int_equal(row->key, truths[i].key);
		assert_true(row->wanted);
		assert_true(row->prefix >= 1 && row->prefix <= f.prefix_count);
		assert_string_equal(f.prefixes[row->prefix - 1], prefix);
	}
	assert_int_equal(f.count, count);
	assert_int_equal(count, 25 + 18);
	assert_int_equal(f.refused, 0);
}

static void test_prefixed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		check_prefixed(prefixes[i]);
		functions_fini(&f);
		functions_init(&f);
	}
	assert_int_equal(functions_add_prefix(&f, "my_own_"), 0);
	check_prefixed("my_own_");
}

/* C++'s and Rust's names are made by compilers: nobody puts a prefix before them. */
static void test_prefix_before_mangled(void **state)
{
	(void)state;
	for (size_t p = 0; p < COUNT(prefixes); p++) {
		for (size_t i = 0; i < COUNT(mangled); i++)
			assert_none(join(prefixes[p], mangled[i].symbol), true);
		for (size_t i = 0; i < COUNT(rust); i++) {
			assert_none(join(prefixes[p], rust[i].symbol), true);
			assert_none(join(prefixes[p], rust[i].name), true);
		}
	}
	assert_none("je__Znwm", true);
	assert_none("je___rust_alloc", true);
}

static void test_made_once(void **state)
{
	int row = functions_match(&f, "je_malloc", true), other;

	(void)state;
	other = functions_match(&f, "mi_malloc", false);
	assert_row(row, "je_malloc");
	assert_row(other, "mi_malloc");
	assert_int_equal(f.count, COUNT(truths) + 2);
	assert_int_equal(functions_match(&f, "je_malloc", true), row);
	assert_int_equal(functions_match(&f, "je_malloc", false), row);
	assert_int_equal(functions_match(&f, "mi_malloc", true), other);
	assert_int_equal(f.count, COUNT(truths) + 2);
	row_named("je_malloc");
}

/* What the catalogue has is no prefixed name, whatever the prefix. */
static void test_catalogue_comes_first(void **state)
{
	(void)state;
	assert_int_equal(functions_add_prefix(&f, "c"), 0);
	assert_int_equal(functions_add_prefix(&f, ""), 0);
	assert_row(functions_match(&f, "cfree", true), "cfree");
	assert_row(functions_match(&f, "malloc", true), "malloc");
	assert_none("cfree", false);
	assert_none("malloc", false);
	assert_int_equal(f.count, COUNT(truths));
	assert_row(functions_match(&f, "cmalloc", false), "cmalloc");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_catalogue), TEST(test_prefixes_in_use),
		TEST(test_order),     TEST(test_plain),
		TEST(test_mangled),   TEST(test_rust),
		TEST(test_local),     TEST(test_others),
		TEST(test_prefixed),  TEST(test_prefix_before_mangled),
		TEST(test_made_once), TEST(test_catalogue_comes_first),
	};

	return cmocka_run_group_tests_name("functions", tests, NULL, NULL);
}
