// SPDX-License-Identifier: MIT
/* Numbers and texts in a row of bytes: what is too long to be inline. */
#include "recording/bytes.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096

bool bytes_grow(struct bytes *b, size_t more)
{
	size_t room = b->room ? b->room : FIRST_ROOM;
	unsigned char *at = NULL;

	while (room - b->used < more && room <= SIZE_MAX / 2)
		room *= 2;
	if (!b->failed && room - b->used >= more)
		at = realloc(b->at, room);
	if (!at) {
		b->failed = true;
		return false;
	}
	b->at = at;
	b->room = room;
	return true;
}

void bytes_fini(struct bytes *b)
{
	free(b->at);
	*b = (struct bytes){0};
}

void bytes_word(struct bytes *b, uint64_t word)
{
	if (!bytes_have(b, sizeof(word)))
		return;
	bytes_set_word(b->at + b->used, word);
	b->used += sizeof(word);
}

void bytes_raw(struct bytes *b, const void *from, size_t size)
{
	if (!size || !bytes_have(b, size))
		return;
	memcpy(b->at + b->used, from, size);
	b->used += size;
}

/* The length with the zero, then the bytes, then the zero, so that a reader can look at it where it
 * lies; NULL has the length 0. */
void bytes_text(struct bytes *b, const char *text, size_t most)
{
	size_t length = text ? strnlen(text, most - 1) : 0;

	bytes_number(b, text ? length + 1 : 0);
	if (!text)
		return;
	bytes_raw(b, text, length);
	bytes_number(b, 0);
}

/* The 10th byte has room for one bit. */
uint64_t cursor_long_number(struct cursor *c)
{
	uint64_t n = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		unsigned char byte = cursor_byte(c);

		if (c->failed || (shift == 63 && byte > 1))
			break;
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return n;
	}
	c->failed = true;
	return 0;
}

uint64_t cursor_word(struct cursor *c)
{
	const unsigned char *at = cursor_take(c, sizeof(uint64_t));

	return at ? bytes_get_word(at) : 0;
}

const unsigned char *cursor_take(struct cursor *c, uint64_t size)
{
	const unsigned char *at = c->at;

	if (c->failed || size > (size_t)(c->end - c->at)) {
		c->failed = true;
		return NULL;
	}
	c->at += size;
	return at;
}

const char *cursor_text(struct cursor *c, size_t most)
{
	uint64_t size = cursor_up_to(c, most);
	const unsigned char *at = size ? cursor_take(c, size) : NULL;

	if (!at)
		return NULL;
	if (at[size - 1] || memchr(at, '\0', size - 1)) {
		c->failed = true;
		return NULL;
	}
	return (const char *)at;
}
