// SPDX-License-Identifier: MIT
/* Command lines about recordings and reports on the heap. */
#include "command_line.h"

/* What is about the heap has whole stacks without being asked for them. */
static void test_reports(void **state)
{
	static const char *const names[] = {"leaks", "hot", "temporary", "peak"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		good(names[i]);
		assert_string_equal(o.report, names[i]);
		assert_true(o.stacks);
		assert_null(o.recording);
	}
	good("sizes -p 1");
	assert_false(o.stacks);
	good("leaks --older 500 -N 7 -p 1");
	assert_int_equal(o.older_ms, 500);
	assert_int_equal(o.top, 7);
	good("temporary --within 3");
	assert_int_equal(o.within, 3);
}

static void test_record(void **state)
{
	(void)state;
	good("record -o x.rec -p 1");
	assert_string_equal(o.recording, "x.rec");
	assert_null(o.output);
	assert_true(o.stacks);
	good("leaks --record x.rec --embed-symbols -o y -- ls -l");
	assert_string_equal(o.recording, "x.rec");
	assert_string_equal(o.output, "y");
	assert_true(o.embed_symbols);
}

/* The file may stand before the options and behind them. */
static void test_report(void **state)
{
	(void)state;
	good("report x.rec");
	assert_string_equal(o.words[0], "x.rec");
	assert_string_equal(o.report, "leaks");
	good("report x.rec --as trace -k -f json");
	assert_string_equal(o.words[0], "x.rec");
	assert_int_equal(o.word_count, 1);
	assert_string_equal(o.report, "trace");
	assert_string_equal(o.format, "json");
	good("report --as latency --by size x.rec");
	assert_string_equal(o.words[0], "x.rec");
	assert_true(options_add_up(&o));
	good("report --as trace --from 0.5 --until 2 x.rec");
	assert_true(o.from == 0.5 && o.until == 2);
	good("report -- -x");
	assert_string_equal(o.words[0], "-x");
}

static void test_color(void **state)
{
	(void)state;
	good("leaks");
	assert_string_equal(o.color, "auto");
	good("leaks --color never");
	assert_string_equal(o.color, "never");
	bad("leaks --color blue", "auto, always or never");
}

static void test_bad_files(void **state)
{
	(void)state;
	bad("report", "'report' takes a file");
	bad("report a b", "'report' takes a file");
	bad("diff a", "'diff' takes two files");
	bad("diff a b c", "'diff' takes two files");
	bad("record -p 1", "-o FILE");
}

static void test_bad_reports(void **state)
{
	(void)state;
	bad("report x --as nothing", "'nothing'");
	bad("report x --as compare", "trace, latency, leaks, hot, temporary, peak, sizes");
	bad("report x --as record", "'record'");
	bad("leaks --as trace", "--as belongs to 'report'");
	bad("report x -p 1", "--pid");
	bad("report x -e malloc", "--events");
	bad("diff a b -d 1", "--duration");
	bad("trace --older 5", "--older belongs to 'leaks'");
	bad("report x --as hot --older 5", "--older belongs to 'leaks'");
	bad("leaks --within 5", "--within belongs to 'temporary'");
	bad("trace --from 1", "--from and --until");
	bad("report x --as leaks --until 1", "--from and --until");
	bad("report x --as trace --from 3 --until 2", "--from is behind --until");
	bad("latency --record x -p 1", "leaves no recording");
	bad("trace --embed-symbols -p 1", "--embed-symbols");
	bad("leaks --by site", "--by");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reports),   cmocka_unit_test(test_record),
		cmocka_unit_test(test_report),    cmocka_unit_test(test_color),
		cmocka_unit_test(test_bad_files), cmocka_unit_test(test_bad_reports),
	};

	return cmocka_run_group_tests_name("options_recording", tests, NULL, forget_line);
}
