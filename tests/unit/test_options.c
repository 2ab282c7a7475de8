// SPDX-License-Identifier: MIT
/*
 * Command lines, good and bad. A good one says nothing; a bad one is answered with one sentence
 * that names what is wrong. Linked with user/cmd/options.c and user/probe/functions.c; which
 * formats there are is decided here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/options.h"
#include "out/sink.h"

#define MAX_WORDS 300

const struct sink_ops *sink_find(const char *command, const char *format)
{
	static const struct sink_ops some;

	assert_true(!strcmp(command, "trace") || !strcmp(command, "latency"));
	return !strcmp(format, "text") || !strcmp(format, "json") ? &some : NULL;
}

const char *sink_formats(void)
{
	return "text, json";
}

/* ---- a command line as one string ---- */

static struct options o;
static char said[4096];
static char *words[MAX_WORDS];
static int word_count;

static void split(const char *line, const char *divider)
{
	static char copy[8192], *rest;

	snprintf(copy, sizeof(copy), "%s", line);
	word_count = 0;
	words[word_count++] = (char *)"alloctrace";
	for (rest = copy; rest && *line;)
		words[word_count++] = strsep(&rest, divider);
	words[word_count] = NULL;
}

/* What went to standard error lands in `said`. */
static int parse_words(void)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), err;
	size_t n;

	assert_non_null(file);
	optind = 0; /* getopt remembers where in a word it stopped, even after an error */
	getopt(1, words, "+");
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	err = options_parse(&o, word_count, words);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = '\0';
	fclose(file);
	return err;
}

static void good(const char *line)
{
	split(line, " ");
	if (parse_words() || said[0])
		fail_msg("'%s' was refused: %s", line, said);
}

static void check_bad(const char *line, const char *what)
{
	const char *end;

	if (parse_words() != -EINVAL)
		fail_msg("'%s' was taken", line);
	end = strchr(said, '\n');
	if (strncmp(said, "alloctrace: ", 12) || !end || end[1])
		fail_msg("'%s' was not answered with one line: %s", line, said);
	if (!strstr(said, what))
		fail_msg("'%s' was answered without \"%s\": %s", line, what, said);
}

static void bad(const char *line, const char *what)
{
	split(line, " ");
	check_bad(line, what);
}

/* The words of `line` divided by '|', for values with spaces in them. */
static void bad_words(const char *line, const char *what)
{
	split(line, "|");
	check_bad(line, what);
}

/* ---- good ones ---- */

static void test_nothing(void **state)
{
	(void)state;
	good("");
	assert_string_equal(o.command, "trace");
	assert_string_equal(o.format, "text");
	assert_null(o.output);
	assert_null(o.argv);
	assert_int_equal(o.pid_count, 0);
	assert_true(o.duration == 0 && o.interval == 0);
	assert_true(o.min_size == 0 && o.max_size == UINT64_MAX);
	assert_int_equal(o.max_stack, 127);
	assert_int_equal(o.ring_size, 16 << 20);
	assert_int_equal(o.set.functions, function_set_all().functions);
	assert_true(o.set.pools);
	assert_false(o.stacks || o.strict || o.verbose || o.quiet || o.as_root);
	assert_false(o.exit_status || o.help || o.version);
}

static void test_commands(void **state)
{
	(void)state;
	good("trace -p 1");
	assert_string_equal(o.command, "trace");
	good("latency -p 1");
	assert_string_equal(o.command, "latency");
	good("-- latency");
	assert_string_equal(o.command, "trace");
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
	assert_int_equal(o.set.functions, 1);
	assert_true(o.set.pools);
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
	assert_string_equal(o.set.pool_name, "a");
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
	static const char *const reserved[] = {"compare", "leaks", "record",
					       "report",  "diff",  "top"};

	(void)state;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		bad(reserved[i], "reserved");
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
	static const char *const values[] = {"",
					     "x",
					     "-1",
					     "+1",
					     " 1",
					     "1.5",
					     "1KB",
					     "1 K",
					     "1T",
					     "0x10",
					     "1K ",
					     "5 ",
					     "1,",
					     "K",
					     "18446744073709551616",
					     "17179869184G",
					     "1Ki"};
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

static void test_bad_events(void **state)
{
	(void)state;
	bad("-e mallok", "'mallok'");
	bad("-e malloc,", "''");
	bad("-e pool:", "'pool:'");
	bad("-e \x1b]0;x\x07", "\\x1b]0;x\\x07");
}

static void test_bad_together(void **state)
{
	(void)state;
	bad("-p 1 -- ls", "exclude");
	bad("-v -q", "exclude");
	bad("--as-root", "--as-root");
	bad("--exit-status -p 1", "--exit-status");
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
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_bad_commands),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_bad_letter_among_good_ones),
		cmocka_unit_test(test_bad_pids),
		cmocka_unit_test(test_bad_sizes),
		cmocka_unit_test(test_bad_seconds),
		cmocka_unit_test(test_bad_events),
		cmocka_unit_test(test_bad_together),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
