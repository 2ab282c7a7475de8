/* SPDX-License-Identifier: MIT */
/* Answers of two symbolizers, compared by what they say. */
#ifndef ALLOCTRACE_TESTS_SAME_FRAMES_H
#define ALLOCTRACE_TESTS_SAME_FRAMES_H

#include "sym/frame.h"

static inline void check_text(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static inline void check_same(struct sym_stack a, struct sym_stack b)
{
	assert_int_equal(a.count, b.count);
	for (size_t i = 0; i < a.count; i++) {
		check_text(a.frames[i].function, b.frames[i].function);
		check_text(a.frames[i].file, b.frames[i].file);
		check_text(a.frames[i].module, b.frames[i].module);
		assert_int_equal(a.frames[i].line, b.frames[i].line);
		assert_int_equal(a.frames[i].column, b.frames[i].column);
		assert_int_equal(a.frames[i].offset, b.frames[i].offset);
		assert_int_equal(a.frames[i].module_offset, b.frames[i].module_offset);
		assert_int_equal(a.frames[i].inlined, b.frames[i].inlined);
	}
}

#endif
