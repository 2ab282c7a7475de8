/* SPDX-License-Identifier: MIT */
/*
 * A record of the wire. It lies in a block of exactly its length when it is decoded, so that the
 * address sanitizer sees one byte too many.
 */
#ifndef TESTS_UNIT_RECORD_H
#define TESTS_UNIT_RECORD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/event.h"
#include "core/event.h"

#define HEADER  sizeof(struct wire_event)
#define LONGEST (HEADER + 8 * WIRE_MAX_FRAMES)

/* A record whose fields all differ. */
static inline struct wire_event sample(uint8_t kind, uint16_t frames)
{
	return (struct wire_event){
		.version = WIRE_VERSION,
		.kind = kind,
		.function = 9,
		.frames = frames,
		.grade = WIRE_TRUNCATED,
		.why = WIRE_WHY_NO_TABLE,
		.tgid = 4211,
		.tid = 4212,
		.ts_ns = 0x1111111111111111,
		.latency_ns = 1633,
		.size = 0x2222222222222222,
		.align = 64,
		.addr = 0x55d0c0a812a0,
		.old_addr = 0x55d0c0a81280,
		.pool = 0x7f0000001000,
		.weighted_bytes = 0x3333333333333333,
		.stack_id = 0x4444444444444444,
		.ns_tgid = 7,
		.ns_tid = 8,
		.comm = "demo",
	};
}

static inline size_t length_of(const struct wire_event *w)
{
	return HEADER + (w->kind == WIRE_POOL_CREATE ? WIRE_NAME_LEN : w->frames * 8U);
}

static inline uint64_t word_number(unsigned int i)
{
	return 0xffffffff00000000 + i;
}

/* Decodes `w` with a tail of its kind, cut or filled with zeros to `len` bytes. */
static inline int decode_length(struct event *e, const struct wire_event *w, const char *name,
				size_t len)
{
	unsigned char whole[LONGEST + 64] = {0};
	unsigned char *block = malloc(len ? len : 1);
	int err;

	assert_non_null(block);
	assert_true(len <= sizeof(whole));
	memcpy(whole, w, HEADER);
	for (unsigned int i = 0; i < WIRE_MAX_FRAMES && !name; i++) {
		uint64_t word = word_number(i);

		memcpy(whole + HEADER + 8 * i, &word, 8);
	}
	if (name)
		memcpy(whole + HEADER, name, WIRE_NAME_LEN);
	memcpy(block, whole, len);
	err = event_decode(e, block, len);
	free(block);
	return err;
}

static inline int decode(struct event *e, const struct wire_event *w)
{
	return decode_length(e, w, NULL, length_of(w));
}

#endif
