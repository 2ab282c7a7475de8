// SPDX-License-Identifier: MIT
/* The values of options, from text. Linked with user/cmd/values.c alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/values.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- sizes ---- */

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{"0", 0},
		{"1", 1},
		{"007", 7},
		{"18446744073709551615", UINT64_MAX},
		{"1K", 1024},
		{"1k", 1024},
		{"3M", 3145728},
		{"3m", 3145728},
		{"5G", 5368709120},
		{"5g", 5368709120},
		{"0G", 0},
		{"18014398509481983K", 18446744073709550592U},
		{"17592186044415M", 18446744073708503040U},
		{"17179869183G", 18446744072635809792U},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		uint64_t size = 42;

		if (!value_size(good[i].text, &size))
			fail_msg("'%s' was refused", good[i].text);
		assert_int_equal(size, good[i].size);
	}
}

static void test_no_sizes(void **state)
{
	static const char *const bad[] = {"",
					  "x",
					  "K",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "1.5",
					  "1KB",
					  "1 K",
					  "1T",
					  "1KK",
					  "1Ki",
					  "0x10",
					  "1,",
					  "1\n",
					  "1e3",
					  "-0",
					  "1\v",
					  "1\r",
					  "1\xcb",
					  "1-K",
					  "K1",
					  "1b",
					  "1\x0b",
					  "\t1",
					  "18446744073709551616",
					  "18014398509481984K",
					  "17592186044416M",
					  "17179869184G",
					  "99999999999999999999999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint64_t size;

		if (value_size(bad[i], &size))
			fail_msg("'%s' was taken", bad[i]);
	}
}

/* Every byte behind a number: K, M, G and their small letters are suffixes, no other is. */
static void test_every_suffix(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		const char text[] = {'7', (char)c, '\0'};
		uint64_t size, want = 0;

		if (c == 'K' || c == 'k')
			want = 7168;
		else if (c == 'M' || c == 'm')
			want = 7340032;
		else if (c == 'G' || c == 'g')
			want = 7516192768;
		else if (c >= '0' && c <= '9')
			want = 70U + (unsigned int)c - '0';
		assert_int_equal(value_size(text, &size), want != 0);
		if (want)
			assert_int_equal(size, want);
	}
}

/* ---- seconds ---- */

static void test_seconds(void **state)
{
	static const struct {
		const char *text;
		double seconds;
	} good[] = {
		{"0", 0},     {"1", 1},  {"2.5", 2.5},      {"0.001", 0.001},
		{".5", 0.5},  {"3.", 3}, {"0000.25", 0.25}, {"1000000000", 1e9},
		{"0.1", 0.1}, {"00", 0}, {"86400", 86400},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		double seconds = -1;

		if (!value_seconds(good[i].text, &seconds))
			fail_msg("'%s' was refused", good[i].text);
		assert_true(seconds == good[i].seconds);
	}
}

static void test_no_seconds(void **state)
{
	static const char *const bad[] = {"",      "x",   "-1",      "+1",  " 1",   "1 ",
					  "1s",    "nan", "inf",     "NAN", "1e3",  "0x10",
					  "1e400", "1,5", ".",       "..",  "1.2.", "1..2",
					  "1.2.3", "1\n", "infinity"};
	char huge[401];
	double seconds;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (value_seconds(bad[i], &seconds))
			fail_msg("'%s' was taken", bad[i]);
	}
	memset(huge, '9', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_false(value_seconds(huge, &seconds));
}

/* ---- numbers of processes ---- */

static void test_pids(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		pid_t pid;
	} good[] = {
		{"1", 1, 1},      {"4194304", 7, 4194304}, {"2147483647", 10, 2147483647},
		{"12,34", 2, 12}, /* what is behind it is not looked at */
		{"12x", 2, 12},   {"1234", 2, 12},         {"0000000000000000000000042", 25, 42},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		pid_t pid = -1;

		if (!value_pid(good[i].text, good[i].length, &pid))
			fail_msg("'%s' was refused", good[i].text);
		assert_int_equal(pid, good[i].pid);
	}
}

static void test_no_pids(void **state)
{
	static const char *const bad[] = {"",
					  "0",
					  "00",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "x",
					  "1x",
					  "0x1",
					  "1.0",
					  "1e3",
					  "1\n",
					  "2147483648",
					  "4294967297",
					  "18446744073709551617",
					  "99999999999999999999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		pid_t pid;

		if (value_pid(bad[i], strlen(bad[i]), &pid))
			fail_msg("'%s' was taken", bad[i]);
	}
}

/* Not one byte behind the length is read: the block ends there. */
static void test_pid_ends_at_its_length(void **state)
{
	char *text = malloc(3);
	pid_t pid;

	(void)state;
	assert_non_null(text);
	memcpy(text, "123", 3);
	assert_true(value_pid(text, 3, &pid));
	assert_int_equal(pid, 123);
	assert_false(value_pid(text + 3, 0, &pid));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),        cmocka_unit_test(test_no_sizes),
		cmocka_unit_test(test_every_suffix), cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_no_seconds),   cmocka_unit_test(test_pids),
		cmocka_unit_test(test_no_pids),      cmocka_unit_test(test_pid_ends_at_its_length),
	};

	return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
