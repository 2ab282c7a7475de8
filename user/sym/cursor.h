/* SPDX-License-Identifier: MIT */
/*
 * Reading numbers one after another out of bytes that are not to be trusted: little-endian, or
 * LEB128. Nothing behind the end is read; whoever reads asks at last whether all was there.
 */
#ifndef ALLOCTRACE_SYM_CURSOR_H
#define ALLOCTRACE_SYM_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at, *end;
	bool bad; /* something did not fit: all that is read from then on is 0 */
};

/* From `at` to `end`, both within the block or at its end; what is not is empty and bad. */
struct cursor cursor_over(const uint8_t *block, size_t size, const uint8_t *at, const uint8_t *end);

uint64_t cursor_bytes(struct cursor *c, size_t n); /* a number of up to 8 bytes */
uint64_t cursor_uleb(struct cursor *c);
int64_t cursor_sleb(struct cursor *c);

/* The next `n` bytes as a cursor of their own, which is bad when there are not so many. */
struct cursor cursor_part(struct cursor *c, uint64_t n);

#endif
