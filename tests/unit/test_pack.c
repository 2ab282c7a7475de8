// SPDX-License-Identifier: MIT
/* What is packed comes out again; what was never packed, or is cut, fails and stays failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/pack.h"

static void test_there_and_back(void **state)
{
	unsigned char bytes[256];
	struct pack out = pack_over(bytes, sizeof(bytes)), in;

	(void)state;
	pack_number(&out, UINT64_MAX);
	pack_text(&out, "a name", 100);
	pack_text(&out, NULL, 100);
	pack_text(&out, "", 100);
	pack_text(&out, "cut here", 3);
	pack_number(&out, 7);
	assert_false(out.failed);
	in = pack_over(bytes, out.used);
	assert_true(unpack_number(&in) == UINT64_MAX);
	assert_string_equal(unpack_text(&in), "a name");
	assert_null(unpack_text(&in));
	assert_string_equal(unpack_text(&in), "");
	assert_string_equal(unpack_text(&in), "cut");
	assert_true(unpack_number(&in) == 7);
	assert_false(in.failed);
	assert_int_equal(in.used, out.used);
}

static void test_no_room(void **state)
{
	unsigned char bytes[24];
	struct pack out = pack_over(bytes, sizeof(bytes));

	(void)state;
	pack_number(&out, 1);
	pack_text(&out, "nine bytes and more", 100);
	assert_true(out.failed);
	pack_number(&out, 2); /* there would be room for it, and yet */
	assert_true(out.failed);
}

static void test_every_cut(void **state)
{
	unsigned char bytes[64], cut[64];
	struct pack out = pack_over(bytes, sizeof(bytes));

	(void)state;
	pack_number(&out, 5);
	pack_text(&out, "text", 100);
	for (size_t n = 0; n < out.used; n++) {
		struct pack in;

		memcpy(cut, bytes, n);
		in = pack_over(cut, n);
		unpack_number(&in);
		assert_null(unpack_text(&in));
		assert_true(in.failed);
	}
}

static void test_texts_that_are_none(void **state)
{
	static const char *const bad[] = {"no end", "in\0side", "\0\0"};
	static const size_t lengths[] = {6, 8, 3};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		unsigned char bytes[64];
		struct pack out = pack_over(bytes, sizeof(bytes)), in;

		pack_number(&out, lengths[i]);
		memcpy(bytes + out.used, bad[i], lengths[i]);
		in = pack_over(bytes, out.used + lengths[i]);
		assert_null(unpack_text(&in));
		assert_true(in.failed);
	}
	for (int shift = 0; shift < 64; shift++) {
		unsigned char bytes[8];
		struct pack out = pack_over(bytes, sizeof(bytes)), in;

		pack_number(&out, 1ULL << shift);
		in = pack_over(bytes, sizeof(bytes));
		assert_null(unpack_text(&in));
		assert_true(in.failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_texts_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
