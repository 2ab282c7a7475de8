/* SPDX-License-Identifier: MIT */
/*
 * Numbers and texts in a row of bytes, for messages between our own processes. Writing beyond the
 * room and reading beyond the end fail once and for all: the caller looks at `failed` at the end
 * and not after every step. Numbers are as the machine has them, for both sides are one program.
 */
#ifndef ALLOCTRACE_CORE_PACK_H
#define ALLOCTRACE_CORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack {
	unsigned char *bytes; /* borrowed */
	size_t size;          /* of the room, or of what there is to read */
	size_t used;          /* written or read so far */
	bool failed;
};

static inline struct pack pack_over(void *bytes, size_t size)
{
	return (struct pack){.bytes = bytes, .size = size};
}

void pack_number(struct pack *p, uint64_t n);

/* NULL is a text of its own. One of more than `most` bytes is cut. */
void pack_text(struct pack *p, const char *text, size_t most);

/* 0 when there is none, or nothing can be read any more. */
uint64_t unpack_number(struct pack *p);

/* A view into the bytes, terminated; NULL when NULL was packed or nothing can be read any more. */
const char *unpack_text(struct pack *p);

#endif
