// SPDX-License-Identifier: MIT
/* A number is eight bytes; a text is its length with the zero, then its bytes with the zero; NULL
 * has the length 0. */
#include "core/pack.h"

#include <string.h>

static unsigned char *take(struct pack *p, size_t n)
{
	unsigned char *at = p->bytes + p->used;

	if (p->failed || n > p->size - p->used) {
		p->failed = true;
		return NULL;
	}
	p->used += n;
	return at;
}

void pack_number(struct pack *p, uint64_t n)
{
	unsigned char *at = take(p, sizeof(n));

	if (at)
		memcpy(at, &n, sizeof(n));
}

void pack_text(struct pack *p, const char *text, size_t most)
{
	size_t n = text ? strnlen(text, most) : 0;
	unsigned char *at;

	pack_number(p, text ? n + 1 : 0);
	at = text ? take(p, n + 1) : NULL;
	if (!at)
		return;
	memcpy(at, text, n);
	at[n] = '\0';
}

uint64_t unpack_number(struct pack *p)
{
	const unsigned char *at = take(p, sizeof(uint64_t));
	uint64_t n = 0;

	if (at)
		memcpy(&n, at, sizeof(n));
	return n;
}

const char *unpack_text(struct pack *p)
{
	uint64_t n = unpack_number(p);
	const unsigned char *at = n ? take(p, n) : NULL;

	if (!at)
		return NULL;
	if (at[n - 1] || memchr(at, '\0', n - 1)) {
		p->failed = true;
		return NULL;
	}
	return (const char *)at;
}
