// SPDX-License-Identifier: MIT
/* What --function says of an allocator's function. Linked with user/probe/functions.c alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/event.h"
#include "probe/functions.h"

#define CATALOGUE 25 /* rows that every table begins with */

static struct functions f;
static char why[256];

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

static int add(const char *spec)
{
	memset(why, '#', sizeof(why));
	return functions_add_own(&f, spec, why, sizeof(why));
}

static void assert_args(const struct event_args *got, const struct event_args *want)
{
	assert_int_equal(got->size, want->size);
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->align, want->align);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->ptr, want->ptr);
	assert_int_equal(got->out, want->out);
	assert_int_equal(got->returns_size, want->returns_size);
	assert_int_equal(got->paired, !want->size); /* a free, and only that */
}

/* ---- good ones ---- */

static void check_good(const char *spec, const char *name, const struct event_args *args)
{
	const struct function *row = &f.rows[f.count];
	size_t count = f.count;

	if (add(spec))
		fail_msg("'%s' was refused: %s", spec, why);
	assert_int_equal(f.count, count + 1);
	assert_string_equal(row->name, name);
	assert_args(&row->args, args);
	assert_int_equal(row->family, FAMILY_OWN);
	assert_int_equal(row->prefix, 0);
	assert_false(row->key);
	assert_true(row->wanted);
	assert_int_equal(functions_match(&f, name, true), (int)count);
	assert_int_equal(functions_match(&f, name, false), (int)count);
	assert_int_equal(f.count, count + 1);
}

static void test_good(void **state)
{
	static const struct {
		const char *spec, *name;
		struct event_args args;
	} good[] = {
		{"get(size=arg1,ret=ptr)", "get", {.size = 1}},
		{"get2(ret=ptr,size=arg6)", "get2", {.size = 6}},
		{"get_many(count=arg2,size=arg3,ret=ptr)", "get_many", {.count = 2, .size = 3}},
		{"get_aligned(align=arg4,size=arg5,ret=ptr)",
		 "get_aligned",
		 {.align = 4, .size = 5}},
		{"get_out(out=arg3,size=arg1)", "get_out", {.out = 3, .size = 1}},
		{"resize(ptr=arg1,size=arg2,ret=ptr)", "resize", {.ptr = 1, .size = 2}},
		{"resize_out(ptr=arg1,size=arg2,out=arg3)",
		 "resize_out",
		 {.ptr = 1, .size = 2, .out = 3}},
		{"all(ptr=arg1,size=arg2,count=arg3,align=arg4,ret=ptr)",
		 "all",
		 {.ptr = 1, .size = 2, .count = 3, .align = 4}},
		{"put(ptr=arg2)", "put", {.ptr = 2}},
		{"je_malloc(size=arg2,ret=ptr)", "je_malloc", {.size = 2}}, /* before any file */
		{"_Z3getm(size=arg1,ret=ptr)", "_Z3getm", {.size = 1}},
		{"a b)=(ptr=arg1)", "a b)=", {.ptr = 1}}, /* ELF has no rules for names */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check_good(good[i].spec, good[i].name, &good[i].args);
}

/* What only takes a block away has one argument, whatever else is said of it: its cookie too. */
static void test_free_has_one_argument(void **state)
{
	static const char *const specs[] = {
		"put1(ptr=arg3)",
		"put2(ptr=arg3,size=arg1)",
		"put3(align=arg1,ptr=arg3,count=arg4,size=arg2)",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		const struct function *row = &f.rows[CATALOGUE + i];
		const struct event_args only_ptr = {.ptr = 3};

		assert_int_equal(add(specs[i]), 0);
		assert_args(&row->args, &only_ptr);
		assert_true(function_frees(row));
		/* the row, 3 in the fifth group of four bits, and that its return is probed */
		assert_int_equal(event_cookie(CATALOGUE, &row->args, CALIBRATION_STEPPED),
				 0x1003000000 | CATALOGUE);
	}
}

static void test_does_not_free(void **state)
{
	(void)state;
	assert_int_equal(add("get(size=arg1,ret=ptr)"), 0);
	assert_false(function_frees(&f.rows[CATALOGUE]));
	assert_int_equal(add("resize(ptr=arg1,size=arg2,ret=ptr)"), 0);
	assert_false(function_frees(&f.rows[CATALOGUE + 1]));
	assert_int_equal(
		event_cookie(CATALOGUE + 1, &f.rows[CATALOGUE + 1].args, CALIBRATION_STEPPED),
		0x1000200 | (CATALOGUE + 1));
}

static void test_longest_name(void **state)
{
	char spec[400], name[FUNCTION_NAME_LEN] = "";
	const struct event_args args = {.ptr = 1};

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	snprintf(spec, sizeof(spec), "%s(ptr=arg1)", name);
	check_good(spec, name, &args);
	snprintf(spec, sizeof(spec), "n%s(ptr=arg1)", name);
	assert_int_equal(add(spec), -EINVAL);
	assert_string_equal(why, "it must look like 'SYMBOL(size=arg1,ret=ptr)'");
}

/* An own function is no base that a prefix could stand before. */
static void test_no_prefix(void **state)
{
	(void)state;
	assert_int_equal(add("get(size=arg1,ret=ptr)"), 0);
	assert_int_equal(functions_match(&f, "je_get", true), -1);
	assert_int_equal(f.count, CATALOGUE + 1);
}

/* ---- bad ones ---- */

static void assert_bad(const char *spec, const char *sentence)
{
	size_t count = f.count;
	int err = add(spec);

	if (err != -EINVAL)
		fail_msg("'%s' was answered with %d", spec, err);
	assert_string_equal(why, sentence);
	assert_int_equal(f.count, count);
}

static void test_bad_shape(void **state)
{
	static const char *const specs[] = {
		"",   "f",  "(",    ")",          ")(",           "()",         "(ptr=arg1)",
		"f(", "f)", "f()x", "f(ptr=arg1", "f(ptr=arg1) ", "f ptr=arg1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		assert_bad(specs[i], "it must look like 'SYMBOL(size=arg1,ret=ptr)'");
}

static void test_bad_pairs(void **state)
{
	(void)state;
	assert_bad("f()", "'' is no key=value");
	assert_bad("f(ptr)", "'ptr' is no key=value");
	assert_bad("f(ptr=arg1,)", "'' is no key=value");
	assert_bad("f(,ptr=arg1)", "'' is no key=value");
	assert_bad("f(ptr=arg1,,ret=ptr)", "'' is no key=value");
	assert_bad("f(size=arg1,arg2,ret=ptr)", "'arg2' is no key=value");
}

static void test_bad_keys(void **state)
{
	static const char *const keys[] = {"",      "siz",  "sizes", "Size", " size",
					   "flags", "ptr ", "re",    "rets", "retptr"};
	char spec[64], sentence[128];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(spec, sizeof(spec), "f(ptr=arg1,%s=arg1)", keys[i]);
		snprintf(sentence, sizeof(sentence),
			 "'%s=arg1' has a key that is none of size, count, align, ptr, out, ret",
			 keys[i]);
		assert_bad(spec, sentence);
	}
}

static void test_bad_numbers(void **state)
{
	static const char *const keys[] = {"size", "count", "align", "ptr", "out"};
	static const char *const values[] = {"",      "1",     "arg",   "arg0",  "arg7",
					     "arg9",  "arg-1", "arg+1", "arg1 ", " arg1",
					     "arg10", "Arg1",  "argA",  "arg",   "ptr"};
	char spec[64], sentence[128];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			snprintf(spec, sizeof(spec), "f(%s=%s)", keys[i], values[k]);
			snprintf(sentence, sizeof(sentence),
				 "'%s=%s' must name one of arg1 to arg6", keys[i], values[k]);
			assert_bad(spec, sentence);
		}
	}
}

static void test_bad_returns(void **state)
{
	(void)state;
	assert_bad("f(size=arg1,ret=arg1)", "'ret=arg1' must be ret=ptr");
	assert_bad("f(size=arg1,ret=)", "'ret=' must be ret=ptr");
	assert_bad("f(size=arg1,ret=ptrs)", "'ret=ptrs' must be ret=ptr");
	assert_bad("f(size=arg1,ret=pt)", "'ret=pt' must be ret=ptr");
	assert_bad("f(size=arg1,ret=ptr=ptr)", "'ret=ptr=ptr' must be ret=ptr");
}

static void test_twice(void **state)
{
	static const char *const keys[] = {"size", "count", "align", "ptr", "out"};
	char spec[64], sentence[64];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(spec, sizeof(spec), "f(%s=arg1,%s=arg2)", keys[i], keys[i]);
		snprintf(sentence, sizeof(sentence), "'%s=arg2' comes twice", keys[i]);
		assert_bad(spec, sentence);
	}
	assert_bad("f(ret=ptr,size=arg1,ret=ptr)", "'ret=ptr' comes twice");
}

static void test_bad_together(void **state)
{
	static const char *const nothing[] = {"f(size=arg1)", "f(count=arg1,size=arg2)",
					      "f(align=arg1)"};

	(void)state;
	assert_bad("f(size=arg1,ret=ptr,out=arg2)", "ret=ptr and out=argN exclude each other");
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		assert_bad(nothing[i],
			   "it says neither where a block comes from (ret=ptr, out=argN) nor "
			   "which one goes (ptr=argN)");
	assert_bad("f(ret=ptr)", "it does not say which argument is the size");
	assert_bad("f(out=arg1)", "it does not say which argument is the size");
	assert_bad("f(ptr=arg1,ret=ptr)", "it does not say which argument is the size");
	assert_bad("f(count=arg1,ret=ptr)", "it does not say which argument is the size");
}

static void test_known_already(void **state)
{
	(void)state;
	assert_bad("malloc(size=arg1,ret=ptr)", "that function is known already");
	assert_bad("_ZdlPv(ptr=arg1)", "that function is known already");
	assert_bad("__rust_dealloc(ptr=arg1)", "that function is known already");
	assert_int_equal(add("get(size=arg1,ret=ptr)"), 0);
	assert_bad("get(size=arg2,ret=ptr)", "that function is known already");
	functions_match(&f, "je_free", true);
	assert_bad("je_free(ptr=arg1)", "that function is known already");
}

/* Two rows of one name could not be told apart in the books. */
static void test_no_name_twice(void **state)
{
	(void)state;
	assert_bad("operator new(size=arg1,ret=ptr)", "that function is known already");
	assert_bad("operator delete(ptr=arg1)", "that function is known already");
}

/* The first one ends the name: what a demangler writes is no symbol. */
static void test_parentheses(void **state)
{
	(void)state;
	assert_bad("get(int)(size=arg1,ret=ptr)", "'int)(size=arg1' has a key that is none of "
						  "size, count, align, ptr, out, ret");
}

static void test_too_many(void **state)
{
	char spec[32];

	(void)state;
	for (int i = CATALOGUE; i < EVENT_MAX_FUNCTIONS; i++) {
		snprintf(spec, sizeof(spec), "f%d(ptr=arg1)", i);
		assert_int_equal(add(spec), 0);
	}
	assert_int_equal(add("g(ptr=arg1)"), -ENOSPC);
	assert_string_equal(why, "there are too many functions");
	assert_int_equal(f.count, EVENT_MAX_FUNCTIONS);
	assert_int_equal(f.refused, 1);
	assert_int_equal(functions_match(&f, "g", true), -1);
	assert_bad("f30(ptr=arg1)", "that function is known already");
}

/* What there is room for decides on the sentence, not on the answer. */
static void test_little_room(void **state)
{
	char room[8];

	(void)state;
	assert_int_equal(functions_add_own(&f, "f(pt=arg1)", room, sizeof(room)), -EINVAL);
	assert_string_equal(room, "'pt=arg");
	assert_int_equal(functions_add_own(&f, "f", room, sizeof(room)), -EINVAL);
	assert_string_equal(room, "it must");
	assert_int_equal(functions_add_own(&f, "f(ptr=arg1)", room, sizeof(room)), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good),          TEST(test_free_has_one_argument),
		TEST(test_does_not_free), TEST(test_longest_name),
		TEST(test_no_prefix),     TEST(test_bad_shape),
		TEST(test_bad_pairs),     TEST(test_bad_keys),
		TEST(test_bad_numbers),   TEST(test_bad_returns),
		TEST(test_twice),         TEST(test_bad_together),
		TEST(test_known_already), TEST(test_no_name_twice),
		TEST(test_parentheses),   TEST(test_too_many),
		TEST(test_little_room),
	};

	return cmocka_run_group_tests_name("functions: own", tests, NULL, NULL);
}
