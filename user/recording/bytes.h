/* SPDX-License-Identifier: MIT */
/*
 * Numbers and texts in a row of bytes, as they lie in a file: what is written grows as it must,
 * what is read ends where it ends. Whichever fails does so once and for all, and what is read then
 * is 0: the caller looks at `failed` at the end of a record and not after every step. How numbers
 * look is told in format.h.
 */
#ifndef ALLOCTRACE_RECORDING_BYTES_H
#define ALLOCTRACE_RECORDING_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BYTES_LONGEST 10 /* a number of 64 bits */

/* To be written. All zero is an empty one. */
struct bytes {
	unsigned char *at;
	size_t used, room;
	bool failed; /* memory is out: something is missing */
};

/* To be read. */
struct cursor {
	const unsigned char *at, *end;
	bool failed;
};

/* Makes room for `more` bytes; false: there is no memory, and it has failed. */
bool bytes_grow(struct bytes *b, size_t more);
/* Frees the memory; it is empty then. */
void bytes_fini(struct bytes *b);
void bytes_word(struct bytes *b, uint64_t word); /* all 8 of its bytes */
void bytes_raw(struct bytes *b, const void *from, size_t size);
/* NULL is a text of its own. One of more than `most` bytes, its zero included, is cut. */
void bytes_text(struct bytes *b, const char *text, size_t most);

static inline bool bytes_have(struct bytes *b, size_t more)
{
	return b->room - b->used >= more || bytes_grow(b, more);
}

static inline void bytes_number(struct bytes *b, uint64_t n)
{
	if (!bytes_have(b, BYTES_LONGEST))
		return;
	for (; n > 0x7f; n >>= 7)
		b->at[b->used++] = (unsigned char)(n | 0x80);
	b->at[b->used++] = (unsigned char)n;
}

static inline uint64_t bytes_fold(int64_t n)
{
	return (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0);
}

static inline int64_t bytes_unfold(uint64_t n)
{
	return (int64_t)(n >> 1 ^ -(n & 1));
}

static inline void bytes_signed(struct bytes *b, int64_t n)
{
	bytes_number(b, bytes_fold(n));
}

/* The first byte of the number goes to `b`, and if there are more they go to `more`. */
static inline void bytes_split(struct bytes *b, struct bytes *more, uint64_t n)
{
	if (!bytes_have(b, 1))
		return;
	b->at[b->used++] = (unsigned char)(n > 0x7f ? n | 0x80 : n);
	if (n > 0x7f)
		bytes_number(more, n >> 7);
}

static inline struct cursor cursor_over(const void *bytes, size_t size)
{
	return (struct cursor){.at = bytes, .end = (const unsigned char *)bytes + size};
}

uint64_t cursor_long_number(struct cursor *c);
uint64_t cursor_word(struct cursor *c);
/* A view of that many bytes, or NULL. */
const unsigned char *cursor_take(struct cursor *c, uint64_t size);
/* A view, terminated, of `most` bytes at most, its zero included; NULL when NULL was written, or
 * it has failed. */
const char *cursor_text(struct cursor *c, size_t most);

static inline unsigned char cursor_byte(struct cursor *c)
{
	if (c->at < c->end)
		return *c->at++;
	c->failed = true;
	return 0;
}

static inline uint64_t cursor_number(struct cursor *c)
{
	if (c->at < c->end && *c->at < 0x80)
		return *c->at++;
	return cursor_long_number(c);
}

/* One that is no more than `most`; a larger one is a failure. */
static inline uint64_t cursor_up_to(struct cursor *c, uint64_t most)
{
	uint64_t n = cursor_number(c);

	if (n <= most)
		return n;
	c->failed = true;
	return 0;
}

static inline int64_t cursor_signed(struct cursor *c)
{
	return bytes_unfold(cursor_number(c));
}

static inline uint64_t cursor_split(struct cursor *c, struct cursor *more)
{
	unsigned char first = cursor_byte(c);

	if (first < 0x80)
		return first;
	return (first & 0x7f) | cursor_number(more) << 7;
}

static inline uint64_t bytes_get_word(const unsigned char *at)
{
	uint64_t word = 0;

	for (unsigned int i = 0; i < 8; i++)
		word |= (uint64_t)at[i] << 8 * i;
	return word;
}

static inline uint32_t bytes_get_half(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void bytes_set_word(unsigned char *at, uint64_t word)
{
	for (unsigned int i = 0; i < 8; i++)
		at[i] = (unsigned char)(word >> 8 * i);
}

static inline void bytes_set_half(unsigned char *at, uint32_t half)
{
	for (unsigned int i = 0; i < 4; i++)
		at[i] = (unsigned char)(half >> 8 * i);
}

#endif
