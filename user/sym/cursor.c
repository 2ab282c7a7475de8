// SPDX-License-Identifier: MIT
#include "sym/cursor.h"

uint64_t cursor_bytes(struct cursor *c, size_t n)
{
	uint64_t value = 0;

	if ((size_t)(c->end - c->at) < n) {
		c->bad = true;
		c->at = c->end;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)c->at[i] << 8 * i;
	c->at += n;
	return value;
}

static uint64_t read_leb(struct cursor *c, bool is_signed)
{
	unsigned int shift = 0;
	uint64_t value = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)cursor_bytes(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~0ULL << shift;
	return value;
}

uint64_t cursor_uleb(struct cursor *c)
{
	return read_leb(c, false);
}

int64_t cursor_sleb(struct cursor *c)
{
	return (int64_t)read_leb(c, true);
}

struct cursor cursor_over(const uint8_t *block, size_t size, const uint8_t *at, const uint8_t *end)
{
	if (!at || at < block || end < at || end > block + size)
		return (struct cursor){block, block, true};
	return (struct cursor){at, end, false};
}

struct cursor cursor_part(struct cursor *c, uint64_t n)
{
	struct cursor part = {c->at, c->at, false};

	if (n > (uint64_t)(c->end - c->at)) {
		c->bad = part.bad = true;
		n = 0;
	}
	part.end = c->at += n;
	return part;
}
