// SPDX-License-Identifier: MIT
/*
 * From bytes to a view: every field comes through, every malformed record is refused, and no string
 * of bytes makes the decoder read where it must not. Records lie in blocks of exactly their length,
 * so that the address sanitizer sees one byte too many. Linked with libcore.a alone.
 */
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

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A record whose fields all differ. */
static struct wire_event sample(uint8_t kind, uint16_t frames)
{
	return (struct wire_event){
		.version = WIRE_VERSION,
		.kind = kind,
		.function = 9,
		.frames = frames,
		.tgid = 4211,
		.tid = 4212,
		.ts_ns = 0x1111111111111111,
		.latency_ns = 1633,
		.size = 0x2222222222222222,
		.align = 64,
		.addr = 0x55d0c0a812a0,
		.old_addr = 0x55d0c0a81280,
		.pool = 0x7f0000001000,
		.comm = "demo",
	};
}

static size_t length_of(const struct wire_event *w)
{
	return HEADER + (w->kind == WIRE_POOL_CREATE ? WIRE_NAME_LEN : w->frames * 8U);
}

static uint64_t word_number(unsigned int i)
{
	return 0xffffffff00000000 + i;
}

/* Decodes `w` with a tail of its kind, cut or filled with zeros to `len` bytes. */
static int decode_length(struct event *e, const struct wire_event *w, const char *name, size_t len)
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

static int decode(struct event *e, const struct wire_event *w)
{
	return decode_length(e, w, NULL, length_of(w));
}

/* ---- what is well-formed ---- */

static void check_common(const struct event *e, const struct wire_event *w)
{
	assert_int_equal(e->kind, w->kind);
	assert_int_equal(e->function, 9);
	assert_int_equal(e->pid, 4211);
	assert_int_equal(e->tid, 4212);
	assert_int_equal(e->ts_ns, 0x1111111111111111);
	assert_int_equal(e->latency_ns, 1633);
	assert_int_equal(e->size, 0x2222222222222222);
	assert_int_equal(e->pool, 0x7f0000001000);
	assert_string_equal(e->comm, "demo");
	assert_int_equal(event_is_pool(e), w->kind >= WIRE_POOL_CREATE);
}

static void test_calls(void **state)
{
	struct event e;

	(void)state;
	for (uint8_t kind = WIRE_ALLOC; kind <= WIRE_POOL_DESTROY; kind++) {
		struct wire_event w = sample(kind, 3);

		if (kind == WIRE_POOL_CREATE)
			continue;
		memset(&e, 0xa5, sizeof(e));
		assert_int_equal(decode(&e, &w), 0);
		check_common(&e, &w);
		assert_int_equal(e.align, 64);
		assert_int_equal(e.addr, 0x55d0c0a812a0);
		assert_int_equal(e.old_addr, 0x55d0c0a81280);
		assert_int_equal(e.base + e.chunk_size + e.chunk_count, 0);
		assert_string_equal(e.name, "");
		assert_int_equal(e.frames, 3);
		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(e.stack[i], word_number(i));
	}
}

static void test_pool_create(void **state)
{
	struct wire_event w = sample(WIRE_POOL_CREATE, 0);
	char name[WIRE_NAME_LEN] = "protocol";
	struct event e;

	(void)state;
	memset(&e, 0xa5, sizeof(e));
	assert_int_equal(decode_length(&e, &w, name, length_of(&w)), 0);
	check_common(&e, &w);
	assert_int_equal(e.base, 0x55d0c0a812a0);
	assert_int_equal(e.chunk_size, 64);
	assert_int_equal(e.chunk_count, 0x55d0c0a81280);
	assert_string_equal(e.name, "protocol");
	assert_int_equal(e.align + e.addr + e.old_addr + e.frames, 0);
}

static void test_flags(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 16; flags++) {
		struct wire_event w = sample(WIRE_FREE, 1);
		struct event e;

		w.flags = (uint8_t)flags;
		assert_int_equal(decode(&e, &w), 0);
		assert_int_equal(e.failed, !!(flags & WIRE_FAILED));
		assert_int_equal(e.by_realloc, !!(flags & WIRE_BY_REALLOC));
		assert_int_equal(e.measured, !(flags & WIRE_NOT_MEASURED));
	}
}

/* Text that fills its field has no NUL on the wire, and has one in the view. */
static void test_full_text(void **state)
{
	struct wire_event w = sample(WIRE_POOL_CREATE, 0);
	char name[WIRE_NAME_LEN];
	struct event e;

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(w.comm, 'c', sizeof(w.comm));
	memset(&e, 0xa5, sizeof(e));
	assert_int_equal(decode_length(&e, &w, name, length_of(&w)), 0);
	assert_int_equal(strlen(e.comm), WIRE_COMM_LEN);
	assert_int_equal(strlen(e.name), WIRE_NAME_LEN);
}

static void test_all_depths(void **state)
{
	(void)state;
	for (uint16_t frames = 0; frames <= WIRE_MAX_FRAMES; frames++) {
		struct wire_event w = sample(WIRE_ALLOC, frames);
		struct event e;

		assert_int_equal(decode(&e, &w), 0);
		assert_int_equal(e.frames, frames);
		for (unsigned int i = 0; i < frames; i++)
			assert_int_equal(e.stack[i], word_number(i));
	}
}

/* Records in a file lie where they come to lie. */
static void test_unaligned(void **state)
{
	struct wire_event w = sample(WIRE_ALLOC, 0);
	struct event e;

	(void)state;
	for (size_t shift = 1; shift < 8; shift++) {
		unsigned char *block = malloc(shift + HEADER);

		assert_non_null(block);
		memcpy(block + shift, &w, HEADER);
		assert_int_equal(event_decode(&e, block + shift, HEADER), 0);
		check_common(&e, &w);
		free(block);
	}
}

static void test_times(void **state)
{
	struct event call = {.kind = EVENT_REALLOC, .ts_ns = 1000, .latency_ns = 30};
	struct event pool = {.kind = EVENT_POOL_FREE, .ts_ns = 1000, .latency_ns = 30};

	(void)state;
	assert_int_equal(event_begin_ns(&call), 1000);
	assert_int_equal(event_end_ns(&call), 1030);
	assert_int_equal(event_begin_ns(&pool), 970);
	assert_int_equal(event_end_ns(&pool), 1000);
}

/* ---- what is not ---- */

static void test_wrong_length(void **state)
{
	char name[WIRE_NAME_LEN] = "protocol";
	struct event e;

	(void)state;
	for (uint8_t kind = WIRE_ALLOC; kind <= WIRE_POOL_DESTROY; kind++) {
		struct wire_event w = sample(kind, kind == WIRE_POOL_CREATE ? 0 : 5);
		const char *tail = kind == WIRE_POOL_CREATE ? name : NULL;

		for (size_t len = 0; len <= length_of(&w) + 32; len++)
			assert_int_equal(decode_length(&e, &w, tail, len),
					 len == length_of(&w) ? 0 : -EINVAL);
	}
}

static void test_wrong_version(void **state)
{
	struct event e;

	(void)state;
	for (unsigned int version = 0; version < 256; version++) {
		struct wire_event w = sample(WIRE_ALLOC, 1);

		w.version = (uint8_t)version;
		assert_int_equal(decode(&e, &w), version == WIRE_VERSION ? 0 : -EPROTO);
	}
}

static void test_wrong_kind(void **state)
{
	struct event e;

	(void)state;
	for (unsigned int kind = 0; kind < 256; kind++) {
		struct wire_event w = sample((uint8_t)kind, 0);
		bool good = kind >= WIRE_ALLOC && kind <= WIRE_POOL_DESTROY;

		assert_int_equal(decode(&e, &w), good ? 0 : -EINVAL);
	}
}

/* The length agrees, the view has no room. */
static void test_too_many_frames(void **state)
{
	static unsigned char bytes[HEADER + 8 * UINT16_MAX];
	static const uint16_t frames[] = {WIRE_MAX_FRAMES + 1, WIRE_MAX_FRAMES + 4, 256, 0x8000,
					  UINT16_MAX};
	struct event e;

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct wire_event w = sample(WIRE_ALLOC, frames[i]);

		memcpy(bytes, &w, HEADER);
		assert_int_equal(event_decode(&e, bytes, HEADER + 8U * frames[i]), -EINVAL);
		assert_int_equal(event_decode(&e, bytes, HEADER), -EINVAL);
	}
}

static void test_frames_and_length_disagree(void **state)
{
	struct wire_event w = sample(WIRE_ALLOC, 4);
	struct event e;

	(void)state;
	for (size_t frames = 0; frames <= 8; frames++)
		assert_int_equal(decode_length(&e, &w, NULL, HEADER + 8 * frames),
				 frames == 4 ? 0 : -EINVAL);
}

/* ---- any bytes at all ---- */

static void check_sane(const struct event *e)
{
	assert_true(e->kind >= EVENT_ALLOC && e->kind <= EVENT_POOL_DESTROY);
	assert_true(e->frames <= EVENT_MAX_FRAMES);
	assert_true(e->function < 256);
	assert_true(memchr(e->comm, 0, sizeof(e->comm)) != NULL);
	assert_true(memchr(e->name, 0, sizeof(e->name)) != NULL);
}

/* Two of three get a header that comes close to a good one. */
static size_t make_bytes(unsigned char *bytes, uint64_t *seed)
{
	uint64_t r = next_random(seed);
	size_t len = r % 4 ? r / 4 % 200 : r / 4 % LONGEST;
	struct wire_event w;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = next_random(seed);

		memcpy(bytes + i, &word, len - i < 8 ? len - i : 8);
	}
	if (len < HEADER || (r >> 40) % 3 == 0)
		return len;
	memcpy(&w, bytes, HEADER);
	w.version = WIRE_VERSION;
	w.kind %= 10;
	w.function %= 80;
	w.flags %= 20;
	w.reserved = 0;
	w.frames = (uint16_t)((len - HEADER) / 8 + ((r >> 50) % 8 == 0));
	memcpy(bytes, &w, HEADER);
	return (r >> 54) % 8 ? HEADER + (len - HEADER) / 8 * 8 : len;
}

static void test_random_bytes(void **state)
{
	unsigned char bytes[LONGEST + 8];
	uint64_t seed = 42, good = 0, bad = 0;
	struct event e;

	(void)state;
	for (size_t n = 0; n < 1000000; n++) {
		size_t len = make_bytes(bytes, &seed);
		unsigned char *block = malloc(len + !len);
		int err;

		memcpy(block, bytes, len);
		memset(e.comm, 'x', sizeof(e.comm));
		memset(e.name, 'x', sizeof(e.name));
		err = event_decode(&e, block, len);
		free(block);
		assert_true(err == 0 || err == -EINVAL || err == -EPROTO);
		if (!err)
			check_sane(&e);
		good += !err;
		bad += err != 0;
	}
	assert_true(good > 50000 && bad > 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_pool_create),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_full_text),
		cmocka_unit_test(test_all_depths),
		cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_wrong_length),
		cmocka_unit_test(test_wrong_version),
		cmocka_unit_test(test_wrong_kind),
		cmocka_unit_test(test_too_many_frames),
		cmocka_unit_test(test_frames_and_length_disagree),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
