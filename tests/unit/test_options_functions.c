// SPDX-License-Identifier: MIT
/*
 * The options that say what is looked at: functions, pools and files. Linked with
 * user/cmd/options.c, user/cmd/values.c and user/probe/functions.c. What --function takes is in
 * test_functions_own.c.
 */
#include "command_line.h"

static void test_objects(void **state)
{
	(void)state;
	good("--object /lib/a.so --object=./b");
	assert_int_equal(o.objects.count, 2);
	assert_string_equal(o.objects.values[0], "/lib/a.so");
	assert_string_equal(o.objects.values[1], "./b");
}

static void test_events(void **state)
{
	(void)state;
	good("-e malloc,free -e pool -e calloc,malloc");
	assert_string_equal(wanted(), "malloc calloc free");
	assert_true(o.functions.pools);
	good("-e pool:a -e pool:a");
	assert_string_equal(o.functions.pool_name, "a");
	good("-e je_malloc,_rjem_mallocx,__rust_alloc");
	assert_string_equal(wanted(), "__rust_alloc je_malloc _rjem_mallocx");
}

static void test_prefixes(void **state)
{
	(void)state;
	good("--prefix my_ --prefix=our_");
	assert_int_equal(o.prefixes.count, 2);
	assert_int_equal(o.functions.count, 25); /* rows come when a file has them */
	assert_int_equal(functions_match(&o.functions, "my_malloc", true), 25);
	assert_int_equal(functions_match(&o.functions, "our_free", true), 26);
	assert_int_equal(functions_match(&o.functions, "their_free", true), -1);
}

static void test_functions(void **state)
{
	const struct function *row = &o.functions.rows[25];

	(void)state;
	good("--function get(size=arg2,ret=ptr) --function=put(ptr=arg1)");
	assert_int_equal(o.functions.count, 27);
	assert_string_equal(row[0].name, "get");
	assert_int_equal(row[0].args.size, 2);
	assert_string_equal(row[1].name, "put");
	assert_int_equal(row[1].args.ptr, 1);
	assert_true(row[0].wanted && row[1].wanted && o.functions.rows[0].wanted);
}

/* What -e names may be told of later on the line. */
static void test_events_first(void **state)
{
	(void)state;
	good("-e malloc,my_free --prefix my_");
	assert_string_equal(wanted(), "malloc my_free");
	good("-e put --function get(size=arg1,ret=ptr) --function put(ptr=arg1)");
	assert_string_equal(wanted(), "get put"); /* own ones are wanted always */
	good("-e free --function get(size=arg1,ret=ptr) -e my_calloc --prefix my_");
	assert_string_equal(wanted(), "free get my_calloc");
	good("-e pool --function get(size=arg1,ret=ptr)");
	assert_string_equal(wanted(), "get");
}

static void test_many(void **state)
{
	char line[4096] = "";

	(void)state;
	good(repeat("-e free", 16));
	assert_int_equal(o.events.count, 16);
	good(repeat("--object /x", 16));
	assert_int_equal(o.objects.count, 16);
	for (int i = 0; i < 16; i++)
		snprintf(line + strlen(line), 64, "%s--function f%d(ptr=arg1)", i ? " " : "", i);
	good(line);
	assert_int_equal(o.own_functions.count, 16);
	assert_int_equal(o.functions.count, 25 + 16);
	bad(repeat("-e free", 17), "--events may come 16 times at most");
	bad(repeat("--object /x", 17), "--object may come 16 times at most");
	bad(repeat("--prefix my_", 17), "--prefix may come 16 times at most");
	bad(repeat("--function f(ptr=arg1)", 17), "--function may come 16 times at most");
}

/* Each option that may come more than once may come so often; those in use do not count. */
static void test_many_prefixes(void **state)
{
	char line[4096] = "";

	(void)state;
	for (int i = 0; i < 16; i++)
		snprintf(line + strlen(line), 64, "%s--prefix p%d_", i ? " " : "", i);
	good(line);
	assert_int_equal(functions_match(&o.functions, "p15_malloc", true), 25);
}

/* A file, and names of functions. */
static void test_sites(void **state)
{
	(void)state;
	good("sites /bin/ls");
	assert_string_equal(o.command->name, "sites");
	assert_int_equal(o.word_count, 1);
	assert_string_equal(o.words[0], "/bin/ls");
	good("sites -k /bin/ls malloc free");
	assert_int_equal(o.word_count, 3);
	assert_string_equal(o.words[2], "free");
	good("sites --prefix my_ /bin/ls");
	assert_int_equal(o.prefixes.count, 1);
}

static void test_bad_events(void **state)
{
	(void)state;
	bad("-e mallok", "'mallok'");
	bad("-e malloc,", "''");
	bad("-e pool:", "'pool:'");
	bad("-e \x1b]0;x\x07", "\\x1b]0;x\\x07");
}

static void test_bad_second_pool(void **state)
{
	(void)state;
	bad("-e pool:a,pool:b", "one pool:NAME, not 'pool:b' as well");
	bad("-e pool:a -e pool:c", "one pool:NAME, not 'pool:c' as well");
}

/* The names that -e knows are those of the whole line. */
static void test_bad_names(void **state)
{
	(void)state;
	bad("-e my_malloc", "'my_malloc'");
	bad("-e my_malloc --prefix our_", "'my_malloc'");
	bad("-e get", "'get'");
	bad("-e je__Znwm", "'je__Znwm'");
	bad("-e _Znwm", "'_Znwm'");
	bad("--prefix", "'--prefix' needs a value");
	bad("--object", "'--object' needs a value");
	bad("--follow=1 -p 1", "'--follow=1' takes no value");
}

static void test_bad_functions(void **state)
{
	(void)state;
	bad("--function get", "cannot take 'get': it must look like");
	bad("--function get(size=arg1)", "where a block comes from");
	bad("--function get(size=arg7,ret=ptr)", "'size=arg7' must name one of arg1 to arg6");
	bad("--function malloc(size=arg1,ret=ptr)", "known already");
	bad("--function f(ptr=arg1) --function f(ptr=arg2)", "'f(ptr=arg2)': that function is");
	bad("--function f(\x1b=arg1)", "'f(\\x1b=arg1)'");
	bad("-e malloc --function f(ptr=arg0)", "arg1 to arg6");
}

static void test_bad_sites(void **state)
{
	char line[4200];

	(void)state;
	bad("sites", "'sites' takes a file");
	bad("sites -p 1 /bin/ls", "no target");
	snprintf(line, sizeof(line), "sites %s", repeat("x", 63));
	good(line);
	assert_int_equal(o.word_count, 63);
	snprintf(line, sizeof(line), "sites %s", repeat("x", 64));
	bad(line, "up to 62 names");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),       cmocka_unit_test(test_events),
		cmocka_unit_test(test_prefixes),      cmocka_unit_test(test_functions),
		cmocka_unit_test(test_events_first),  cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_prefixes), cmocka_unit_test(test_sites),
		cmocka_unit_test(test_bad_events),    cmocka_unit_test(test_bad_second_pool),
		cmocka_unit_test(test_bad_names),     cmocka_unit_test(test_bad_functions),
		cmocka_unit_test(test_bad_sites),
	};

	return cmocka_run_group_tests_name("options: functions", tests, NULL, forget_line);
}
