// SPDX-License-Identifier: MIT
/*
 * Foreign text made safe: whatever comes in, what goes out is printable UTF-8 and says the same.
 * And the levels of what alloctrace says about itself. Linked with libcore.a alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"

static void check_quote(const char *text, const char *expected)
{
	char buf[256];

	assert_ptr_equal(log_quote(buf, sizeof(buf), text), buf);
	assert_string_equal(buf, expected);
}

/* ---- quoting ---- */

static void test_harmless(void **state)
{
	static const char *const texts[] = {
		"",
		"malloc",
		"a b\"c'd",
		"~",
		"gr\xc3\xbc\xc3\x9f",
		"\xe2\x82\xac",
		"\xf0\x9f\x98\x80",
		"\xc2\xa0",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbd",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_quote(texts[i], texts[i]);
}

static void test_control_characters(void **state)
{
	(void)state;
	check_quote("\x1b[31mred", "\\x1b[31mred");
	check_quote("a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd");
	check_quote("\x07\x08\x7f", "\\x07\\x08\\x7f");
	for (int c = 1; c < 0x20; c++) {
		char text[2] = {(char)c}, expected[8];

		snprintf(expected, sizeof(expected), "\\x%02x", c);
		check_quote(text, expected);
	}
}

/* U+0080 … U+009F: the terminal takes U+009B for ESC [. */
static void test_c1_controls(void **state)
{
	(void)state;
	for (unsigned int c = 0x80; c <= 0x9f; c++) {
		char text[3] = {(char)0xc2, (char)c}, expected[16];

		snprintf(expected, sizeof(expected), "\\xc2\\x%02x", c);
		check_quote(text, expected);
		assert_int_equal(log_utf8_length(text), 0);
	}
	check_quote("\x9b"
		    "31m",
		    "\\x9b31m");
}

static void test_not_utf8(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		/* overlong forms: of '/', of NUL, of U+007F, U+07FF and U+FFFF */
		{"\xc0\xaf", "\\xc0\\xaf"},
		{"\xc0\x80", "\\xc0\\x80"},
		{"\xc1\xbf", "\\xc1\\xbf"},
		{"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
		{"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
		{"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
		{"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
		/* surrogates */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xed\xbf\xbf", "\\xed\\xbf\\xbf"},
		{"\xed\xa0\xbd\xed\xb8\x80", "\\xed\\xa0\\xbd\\xed\\xb8\\x80"},
		/* beyond U+10FFFF, and lead bytes that are none */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
		{"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
		{"\xfe\xff", "\\xfe\\xff"},
		/* alone, and cut short by the end or by another character */
		{"\x80", "\\x80"},
		{"\xbf\xbf", "\\xbf\\xbf"},
		{"\xc3", "\\xc3"},
		{"\xe2\x82", "\\xe2\\x82"},
		{"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
		{"\xc3(", "\\xc3("},
		{"\xe2\x82z", "\\xe2\\x82z"},
		{"\xf0\x9f\x98\xc3\xbc", "\\xf0\\x9f\\x98\xc3\xbc"},
		{"\xe2\x1b[0m", "\\xe2\\x1b[0m"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_quote(cases[i].text, cases[i].expected);
}

static void test_backslash(void **state)
{
	(void)state;
	check_quote("\\", "\\\\");
	check_quote("a\\x1b", "a\\\\x1b"); /* not to be taken for an escaped ESC */
	check_quote("\\\\", "\\\\\\\\");
}

/* Room for `len` bytes: what must be in them, and nothing behind them. */
static void check_cut(const char *text, size_t len, const char *expected)
{
	char *buf = malloc(len);

	assert_non_null(buf);
	memset(buf, '#', len);
	log_quote(buf, len, text);
	assert_string_equal(buf, expected);
	free(buf);
}

static void test_cut(void **state)
{
	(void)state;
	check_cut("abc", 4, "abc");
	check_cut("abc", 3, "ab");
	check_cut("abc", 1, "");
	check_cut("a\xe2\x82\xac"
		  "b",
		  6,
		  "a\xe2\x82\xac"
		  "b");
	check_cut("a\xe2\x82\xac"
		  "b",
		  5, "a\xe2\x82\xac");
	check_cut("a\xe2\x82\xac"
		  "b",
		  4, "a");
	check_cut("a\xe2\x82\xac"
		  "b",
		  2, "a");
	check_cut("a\x1b"
		  "b",
		  6, "a\\x1b");
	check_cut("a\x1b"
		  "b",
		  5, "a");
	check_cut("a\\b", 3, "a");
	check_cut("a\\b", 4, "a\\\\");
}

static void test_no_room(void **state)
{
	char byte = '#';

	(void)state;
	assert_ptr_equal(log_quote(&byte, 0, "abc"), &byte);
	assert_int_equal(byte, '#');
}

/* ---- any bytes at all ---- */

/* Undoes the quoting, and holds every byte of it to the promise. */
static size_t unquote(const char *quoted, char *out)
{
	size_t n = 0;

	while (*quoted) {
		size_t length = log_utf8_length(quoted);

		assert_true(length > 0);
		assert_true((unsigned char)*quoted >= 0x20 && *quoted != 0x7f);
		if (*quoted != '\\') {
			memcpy(out + n, quoted, length);
			n += length;
			quoted += length;
		} else if (quoted[1] == '\\') {
			out[n++] = '\\';
			quoted += 2;
		} else {
			unsigned int byte;

			assert_int_equal(sscanf(quoted, "\\x%2x", &byte), 1);
			out[n++] = (char)byte;
			quoted += 4;
		}
	}
	out[n] = '\0';
	return n;
}

static void test_random_bytes(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (size_t n = 0; n < 200000; n++) {
		char text[17], quoted[65], back[65];
		size_t length = 0;

		while (length < 16) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			text[length] = (char)(seed >> 56);
			/* Lead bytes and continuations are rare by chance. */
			if (seed >> 40 & 1)
				text[length] = (char)"\xc2\xe0\xed\xf0\xf4\x80\x9f\xa0\xbf\\\x1b"
					[(seed >> 41) % 11];
			if (!text[length])
				break;
			length++;
		}
		text[length] = '\0';
		log_quote(quoted, sizeof(quoted), text);
		unquote(quoted, back);
		assert_string_equal(back, text);
	}
}

static void test_utf8_length(void **state)
{
	(void)state;
	assert_int_equal(log_utf8_length(""), 0);
	assert_int_equal(log_utf8_length("a"), 1);
	assert_int_equal(log_utf8_length(" "), 1);
	assert_int_equal(log_utf8_length("\x1f"), 0);
	assert_int_equal(log_utf8_length("\x7f"), 0);
	assert_int_equal(log_utf8_length("\xc3\xbc!"), 2);
	assert_int_equal(log_utf8_length("\xe2\x82\xac!"), 3);
	assert_int_equal(log_utf8_length("\xf0\x9f\x98\x80!"), 4);
	assert_int_equal(log_utf8_length("\xf0\x9f\x98"), 0);
	assert_int_equal(log_utf8_length("\x80"), 0);
}

/* ---- levels ---- */

/* What the four voices say at that level, as one string. */
static void heard_at(enum log_level level, char *text, size_t len)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t n;

	assert_non_null(file);
	log_set_level(level);
	assert_int_equal(log_get_level(), level);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	log_debug("%s", "d");
	log_info("%d", 1);
	log_warn("w");
	log_error("'%s': %s", "x", "e");
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(text, 1, len - 1, file);
	text[n] = '\0';
	fclose(file);
	log_set_level(LOG_NORMAL);
}

static void test_levels(void **state)
{
	char text[256];

	(void)state;
	assert_int_equal(log_get_level(), LOG_NORMAL);
	heard_at(LOG_QUIET, text, sizeof(text));
	assert_string_equal(text, "alloctrace: 'x': e\n");
	heard_at(LOG_NORMAL, text, sizeof(text));
	assert_string_equal(text, "alloctrace: 1\nalloctrace: warning: w\nalloctrace: 'x': e\n");
	heard_at(LOG_VERBOSE, text, sizeof(text));
	assert_string_equal(text, "alloctrace: d\nalloctrace: 1\nalloctrace: warning: w\n"
				  "alloctrace: 'x': e\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_harmless),    cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_c1_controls), cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_backslash),   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_room),     cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_utf8_length), cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
