// SPDX-License-Identifier: MIT
/* Figures and texts for eyes: digits that count, widths that are kept, colors that are asked for.
 */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/profile.h"
#include "hist_values.h"
#include "out/human.h"
#include "out/location.h"

struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	(void)s, (void)pid, (void)address, (void)is_return;
	abort();
}

uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	(void)s, (void)pid;
	abort();
}

static char buf[HUMAN_TEXT];

static void test_size(void **state)
{
	(void)state;
	assert_string_equal(human_size(buf, 0), "0 B");
	assert_string_equal(human_size(buf, 1023), "1023 B");
	assert_string_equal(human_size(buf, 1024), "1.00 KiB");
	assert_string_equal(human_size(buf, 10229), "9.99 KiB");
	assert_string_equal(human_size(buf, 10236), "10.0 KiB");
	assert_string_equal(human_size(buf, 123 << 10), "123 KiB");
	assert_string_equal(human_size(buf, (1 << 20) - 1), "1.00 MiB");
	assert_string_equal(human_size(buf, 1288490189), "1.20 GiB");
	assert_string_equal(human_size(buf, UINT64_MAX), "16.0 EiB");
}

/* Read back, a size is what it was, within its digits. */
static void test_size_any(void **state)
{
	static const char units[] = "BKMGTPE";
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t bytes = any_magnitude(&seed, 64);
		double value;
		char unit, *end;

		human_size(buf, bytes);
		assert_true(strlen(buf) <= 8);
		value = strtod(buf, &end);
		unit = end[1];
		for (const char *u = units; *u != unit; u++)
			value *= 1024;
		assert_true(value <= (double)bytes * 1.006 && value >= (double)bytes * 0.994);
	}
}

static void test_share(void **state)
{
	(void)state;
	assert_string_equal(human_share(buf, 0, 0), "-");
	assert_string_equal(human_share(buf, 0, 7), "0.0%");
	assert_string_equal(human_share(buf, 1, 3), "33.3%");
	assert_string_equal(human_share(buf, 1, 1000000), "<0.1%");
	assert_string_equal(human_share(buf, UINT64_MAX, UINT64_MAX), "100.0%");
}

static void test_rate(void **state)
{
	(void)state;
	assert_string_equal(human_rate(buf, 5, 0), "-");
	assert_string_equal(human_rate(buf, 0, 1), "0");
	assert_string_equal(human_rate(buf, 1, 4000000000), "0.25");
	assert_string_equal(human_rate(buf, 1234, 1000000000), "1234");
	assert_string_equal(human_size_rate(buf, 5, 0), "-");
	assert_string_equal(human_size_rate(buf, 4096, 2000000000), "2.00 KiB/s");
	assert_string_equal(human_size_rate(buf, UINT64_MAX, 1), "8.00 EiB/s");
}

static void test_class(void **state)
{
	(void)state;
	assert_string_equal(human_class(buf, 1), "2");
	assert_string_equal(human_class(buf, 2), "3..4");
	assert_string_equal(human_class(buf, 10), "513..1024");
	assert_string_equal(human_class(buf, 11), "1K+1..2K");
	assert_string_equal(human_class(buf, 20), "512K+1..1M");
	assert_string_equal(human_class(buf, 64), "over 8E");
}

/* The decade of the one in the middle, against a sorted list. */
static void test_lifetime(void **state)
{
	static const char *const names[PROFILE_LIFETIMES] = {
		"<1us", "<10us", "<100us", "<1ms",   "<10ms",   "<100ms",
		"<1s",  "<10s",  "<100s",  "<1000s", "<10000s", ">10000s",
	};
	uint64_t seed = 3, none[PROFILE_LIFETIMES] = {0};

	(void)state;
	assert_string_equal(human_lifetime(buf, none), "-");
	for (int i = 0; i < 1000; i++) {
		uint64_t count[PROFILE_LIFETIMES] = {0}, values[64];
		size_t n = 1 + next_random(&seed) % 64;

		for (size_t k = 0; k < n; k++) {
			values[k] = next_random(&seed) % PROFILE_LIFETIMES;
			count[values[k]]++;
		}
		qsort(values, n, sizeof(values[0]), compare_values);
		assert_string_equal(human_lifetime(buf, count), names[values[(n - 1) / 2]]);
	}
}

static char *written(void (*write)(FILE *out, const void *what), const void *what)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	write(out, what);
	fclose(out);
	return text;
}

static void write_bar(FILE *out, const void *what)
{
	const uint64_t *values = what;

	human_bar_write(out, values[0], values[1]);
}

static void check_bar(uint64_t value, uint64_t most, unsigned int full)
{
	uint64_t values[] = {value, most};
	char *text = written(write_bar, values);
	unsigned int found = 0;

	for (const char *c = text; (c = strstr(c, "▇")); c++)
		found++;
	assert_int_equal(found, full);
	assert_int_equal(human_width(text), HUMAN_BAR);
	free(text);
}

static void test_bar(void **state)
{
	(void)state;
	check_bar(0, 0, 0);
	check_bar(0, 5, 0);
	check_bar(5, 5, 10);
	check_bar(UINT64_MAX, UINT64_MAX, 10);
	check_bar(UINT64_MAX / 2, UINT64_MAX, 5);
	check_bar(1, 1000, 0);
}

/* ---- what is too long ---- */

static bool is_valid(const char *text)
{
	for (; *text; text += log_utf8_length(text)) {
		if (!log_utf8_length(text))
			return false;
	}
	return true;
}

static void test_shorten(void **state)
{
	char text[] = "/usr/src/project/module/file.c", wide[] = "äöüäöüäöüäöü";

	(void)state;
	human_shorten(text, 30);
	assert_string_equal(text, "/usr/src/project/module/file.c");
	human_shorten(text, 20);
	assert_string_equal(text, "/usr/s…module/file.c");
	human_shorten(wide, 7);
	assert_string_equal(wide, "äö…üäöü");
}

/* Any text, to any width: it fits, is still text, and begins and ends as it did. */
static void test_shorten_any(void **state)
{
	static const char *const pieces[] = {"a", "/", "ü", "€", "😀", "\\x1b"};
	uint64_t seed = 9;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned int width = (unsigned int)(next_random(&seed) % 40), was;
		char text[256] = "", before[256];

		for (size_t k = next_random(&seed) % 30; k > 0; k--)
			strcat(text, pieces[next_random(&seed) % 6]);
		strcpy(before, text);
		was = human_width(text);
		human_shorten(text, width);
		assert_true(is_valid(text));
		if (was <= width || width < 4) {
			assert_string_equal(text, before);
			continue;
		}
		assert_true(human_width(text) <= width && human_width(text) + 1 >= width);
		assert_int_equal(text[0], before[0]);
		assert_int_equal(text[strlen(text) - 1], before[strlen(before) - 1]);
		assert_non_null(strstr(text, "…"));
	}
}

struct fit {
	struct sym_frame frame;
	unsigned int width;
};

static void write_fit(FILE *out, const void *what)
{
	const struct fit *f = what;

	location_fit(out, &f->frame, true, f->width);
}

static void check_fit(const char *function, const char *file, unsigned int width,
		      const char *expected)
{
	struct fit f = {{.function = function,
			 .file = file,
			 .line = 31,
			 .column = 16,
			 .module = "/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0",
			 .offset = 0x19},
			width};
	char *text = written(write_fit, &f);

	assert_string_equal(text, expected);
	free(text);
}

static void test_fit(void **state)
{
	static const char path[] = "/home/user/project/src/module/message.h";

	(void)state;
	check_fit("message_new", path, 0,
		  "message_new at /home/user/project/src/module/message.h:31:16");
	check_fit("message_new", path, 60,
		  "message_new at /home/user/project/src/module/message.h:31:16");
	check_fit("message_new", path, 40, "message_new at /home/…le/message.h:31:16");
	check_fit("a_function_with_a_very_long_name_of_its_own", path, 40,
		  "a_fun…of_its_own at /hom…message.h:31:16");
	check_fit("g_malloc", NULL, 40, "g_malloc+0x19 (/usr/li…libglib-2.0.so.0)");
	check_fit(NULL, NULL, 30, "0x19 (/usr/li…ibglib-2.0.so.0)");
}

/* No function is wider than what there is, as long as it can be shown at all. */
static void test_fit_any(void **state)
{
	char function[200], file[200];
	uint64_t seed = 5;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct fit f = {{.function = function, .file = file, .line = 9, .module = "/x"},
				40 + (unsigned int)(next_random(&seed) % 60)};
		size_t n = 1 + next_random(&seed) % 150, m = 1 + next_random(&seed) % 150;
		char *text;

		memset(function, 'f', n);
		function[n] = '\0';
		memset(file, '/', m);
		file[m] = '\0';
		text = written(write_fit, &f);
		assert_true(human_width(text) <= f.width);
		free(text);
	}
}

/* ---- colors ---- */

static char *styled(bool color)
{
	struct run_info info = {.color = color};
	char *text = NULL;
	size_t length;
	struct sink s = {.info = &info, .out = open_memstream(&text, &length)};

	for (enum human_style style = HUMAN_PLAIN; style <= HUMAN_FAINT; style++)
		human_style(&s, style);
	fclose(s.out);
	return text;
}

static void test_color(void **state)
{
	char *text = styled(false);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	text = styled(true);
	assert_string_equal(text, "\x1b[0m\x1b[1m\x1b[36m\x1b[2m");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),        cmocka_unit_test(test_size_any),
		cmocka_unit_test(test_share),       cmocka_unit_test(test_rate),
		cmocka_unit_test(test_class),       cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_bar),         cmocka_unit_test(test_shorten),
		cmocka_unit_test(test_shorten_any), cmocka_unit_test(test_fit),
		cmocka_unit_test(test_fit_any),     cmocka_unit_test(test_color),
	};

	return cmocka_run_group_tests_name("human", tests, NULL, NULL);
}
