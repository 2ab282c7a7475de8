// SPDX-License-Identifier: MIT
/*
 * Command lines, good and bad. Linked with user/cmd/options.c, user/cmd/values.c and
 * user/probe/functions.c. How numbers are read is in test_values.c, which functions are looked at
 * in test_options_functions.c.
 */
#include "command_line.h"

/* ---- good ones ---- */

static void test_nothing(void **state)
{
	(void)state;
	good("");
	assert_string_equal(o.report, "trace");
	assert_string_equal(o.format, "text");
	assert_null(o.output);
	assert_null(o.argv);
	assert_int_equal(o.pid_count, 0);
	assert_true(o.duration == 0 && o.interval == 0);
	assert_true(o.min_size == 0 && o.max_size == UINT64_MAX);
	assert_int_equal(o.max_stack, 127);
	assert_int_equal(o.ring_size, 16 << 20);
	assert_int_equal(o.sample_bytes, 0);
	assert_int_equal(o.functions.count, 25);
	for (size_t i = 0; i < o.functions.count; i++)
		assert_true(o.functions.rows[i].wanted);
	assert_true(o.functions.pools);
	assert_int_equal(o.events.count + o.prefixes.count, 0);
	assert_int_equal(o.own_functions.count + o.objects.count, 0);
	assert_false(o.follow || o.stacks || o.strict || o.verbose || o.quiet || o.as_root);
	assert_false(o.exit_status || o.help || o.version);
}

static void test_commands(void **state)
{
	(void)state;
	good("trace -p 1");
	assert_string_equal(o.report, "trace");
	good("latency -p 1");
	assert_string_equal(o.report, "latency");
	good("-- latency");
	assert_string_equal(o.report, "trace");
	assert_string_equal(o.argv[0], "latency");
}

static void test_letters(void **state)
{
	(void)state;
	good("latency -p 17 -d 2.5 -i 0.5 -f json -o out -e malloc,pool -z 16 -Z 4K -k -v");
	assert_int_equal(o.pid_count, 1);
	assert_int_equal(o.pids[0], 17);
	assert_true(o.duration == 2.5 && o.interval == 0.5);
	assert_string_equal(o.format, "json");
	assert_string_equal(o.output, "out");
	assert_string_equal(wanted(), "malloc");
	assert_true(o.functions.pools);
	assert_true(o.min_size == 16 && o.max_size == 4096);
	assert_true(o.stacks && o.verbose);
	good("-kqp3");
	assert_true(o.stacks && o.quiet && o.pids[0] == 3);
}

static void test_names(void **state)
{
	(void)state;
	good("--pid 17 --duration=1 --interval=2 --format=json --output=x --events=pool:a "
	     "--min-size=1 --max-size=2 --stacks --max-stack=5 --ring-size=1M --strict --verbose");
	assert_int_equal(o.pids[0], 17);
	assert_true(o.duration == 1 && o.interval == 2);
	assert_string_equal(wanted(), "");
	assert_string_equal(o.functions.pool_name, "a");
	assert_int_equal(o.max_stack, 5);
	assert_int_equal(o.ring_size, 1 << 20);
	assert_true(o.strict);
	good("--as-root --exit-status --quiet -- true");
	assert_true(o.as_root && o.exit_status && o.quiet);
}

/* What stands behind "--" is the program's own. */
static void test_program(void **state)
{
	(void)state;
	good("-k -- ls -l --help -- x");
	assert_string_equal(o.argv[0], "ls");
	assert_string_equal(o.argv[1], "-l");
	assert_string_equal(o.argv[2], "--help");
	assert_string_equal(o.argv[3], "--");
	assert_string_equal(o.argv[4], "x");
	assert_null(o.argv[5]);
	assert_false(o.help);
}

static void test_pids(void **state)
{
	char line[8192] = "-p 1";

	(void)state;
	good("-p 1,22,1,333 -p 22,4 -p 2147483647");
	assert_int_equal(o.pid_count, 5);
	assert_int_equal(o.pids[2], 333);
	assert_int_equal(o.pids[3], 4);
	assert_int_equal(o.pids[4], 2147483647);
	for (int i = 2; i <= OPTIONS_MAX_PIDS; i++)
		snprintf(line + strlen(line), 16, ",%d", i);
	good(line);
	assert_int_equal(o.pid_count, OPTIONS_MAX_PIDS);
	strcat(line, ",7");
	good(line); /* once more the same */
	strcat(line, ",9999");
	bad(line, "up to 256");
}

static void test_sizes(void **state)
{
	(void)state;
	good("-z 0 -Z 0");
	assert_true(o.min_size == 0 && o.max_size == 0);
	good("-z 3k -Z 5G");
	assert_true(o.min_size == 3072 && o.max_size == 5ULL << 30);
	good("-z 2m -Z 18446744073709551615");
	assert_true(o.min_size == 2 << 20 && o.max_size == UINT64_MAX);
	good("-Z 17179869183G");
	assert_true(o.max_size == 17179869183ULL << 30);
	good("--ring-size 4096 --max-stack 1");
	good("--ring-size 1G --max-stack 127");
	assert_int_equal(o.ring_size, 1 << 30);
}

static void test_follow(void **state)
{
	(void)state;
	good("--follow -p 1");
	assert_true(o.follow);
	good("latency --follow -- ls");
	assert_true(o.follow);
	assert_string_equal(o.argv[0], "ls");
}

static void test_sample_bytes(void **state)
{
	(void)state;
	good("--sample-bytes 1");
	assert_int_equal(o.sample_bytes, 1);
	good("--sample-bytes=512K -p 1");
	assert_int_equal(o.sample_bytes, 524288);
	good("trace --sample-bytes 1G");
	assert_int_equal(o.sample_bytes, 1073741824);
}

/* Help is given whatever else is missing. */
static void test_help(void **state)
{
	(void)state;
	good("--help");
	assert_true(o.help);
	good("latency -h");
	assert_true(o.help);
	good("-V");
	assert_true(o.version);
	good("-h -p 1 -- ls");
	assert_true(o.help);
}

/* ---- bad ones ---- */

static void test_bad_commands(void **state)
{
	(void)state;
	bad("top", "reserved");
	bad("ls", "'ls'");
	bad("ls -- ls", "'ls'");
	bad("Trace", "'Trace'");
	bad("-p 1 latency", "'latency'");
	bad("-k ls -l", "behind '--'");
	bad("--", "followed by a command");
	bad("-k --", "followed by a command");
	bad("\x1b[31m", "'\\x1b[31m'");
}

static void test_bad_options(void **state)
{
	(void)state;
	bad("-X", "'-X'");
	bad("--nonsense", "'--nonsense'");
	bad("-p", "'-p' needs a value");
	bad("--duration", "'--duration' needs a value");
	bad("--m", "'--m'"); /* of three */
	bad("--st\x1b", "\\x1b");
}

/* The letter that is wrong stands in the middle of others. */
static void test_bad_letter_among_good_ones(void **state)
{
	(void)state;
	bad("-kXq", "X");
	bad("-k -Xk -q", "X");
}

static void test_bad_pids(void **state)
{
	static const char *const values[] = {"0",  "-1",  "1,",         ",1",   "1,,2", "x", "1x",
					     "+1", "0x1", "2147483648", "1, 2", "1e3",  ","};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(line, sizeof(line), "-p|%s", values[i]);
		bad_words(line, values[i]);
	}
	bad_words("-p|", "''");
	bad("-p 99999999999999999999", "process numbers");
}

static void test_bad_sizes(void **state)
{
	static const char *const values[] = {
		"", "x", "-1", " 1", "1.5", "1KB", "18446744073709551616"};
	char line[64], quoted[64];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(line, sizeof(line), "-z|%s", values[i]);
		snprintf(quoted, sizeof(quoted), "'%s'", values[i]);
		bad_words(line, quoted);
	}
	bad("--max-stack 0", "1 to 127");
	bad("--max-stack 128", "1 to 127");
	bad("--ring-size 4095", "'4095'");
	bad("--ring-size 1025M", "'1025M'");
	bad("-z 5 -Z 4", "--min-size is above --max-size");
}

static void test_bad_seconds(void **state)
{
	static const char *const values[] = {"",   "0",   "-1",  "x",     "1s",  " 1",
					     "1 ", "nan", "inf", "1e400", "1,5", ".5x"};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(line, sizeof(line), "-d|%s", values[i]);
		bad_words(line, "seconds");
		line[1] = 'i';
		bad_words(line, "seconds");
	}
}

static void test_bad_samples(void **state)
{
	(void)state;
	bad("--sample-bytes 0", "a number from 1 to 1073741824");
	bad("--sample-bytes 1025M", "'1025M'");
	bad("--sample-bytes 1073741825", "'1073741825'");
	bad("--sample-bytes x", "'x'");
	bad("--sample-bytes", "'--sample-bytes' needs a value");
	bad("latency --sample-bytes 1K -p 1", "does not go with --sample-bytes");
}

static void test_bad_together(void **state)
{
	(void)state;
	bad("-p 1 -- ls", "exclude");
	bad("-v -q", "exclude");
	bad("--as-root", "--as-root");
	bad("--exit-status -p 1", "--exit-status");
	bad("--follow", "--follow needs a target");
	bad("latency --follow -n x", "--follow needs a target");
	bad("-f xml", "'xml'");
	bad("latency -f yaml", "text, json");
	bad_words("-f|\x1b", "\\x1b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_pids),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_sample_bytes),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_bad_commands),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_bad_letter_among_good_ones),
		cmocka_unit_test(test_bad_pids),
		cmocka_unit_test(test_bad_sizes),
		cmocka_unit_test(test_bad_seconds),
		cmocka_unit_test(test_bad_samples),
		cmocka_unit_test(test_bad_together),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, forget_line);
}
