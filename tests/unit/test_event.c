// SPDX-License-Identifier: MIT
/* From bytes to a view: every field comes through. Linked with libcore.a alone. */
#include "record.h"

static bool is_pools(uint8_t kind)
{
	return kind >= WIRE_POOL_CREATE && kind <= WIRE_POOL_DESTROY;
}

static void check_common(const struct event *e, const struct wire_event *w)
{
	assert_int_equal(e->kind, w->kind);
	assert_int_equal(e->function, 9);
	assert_int_equal(e->pid, 4211);
	assert_int_equal(e->tid, 4212);
	assert_int_equal(e->ts_ns, 0x1111111111111111);
	assert_int_equal(e->latency_ns, 1633);
	assert_int_equal(e->size, 0x2222222222222222);
	assert_int_equal(e->pool, is_pools(w->kind) ? 0x7f0000001000 : 0);
	assert_int_equal(e->weighted_bytes, w->kind == WIRE_POOL_CREATE ? 0 : 0x3333333333333333);
	assert_int_equal(e->ns_pid, 7);
	assert_int_equal(e->ns_tid, 8);
	assert_string_equal(e->comm, "demo");
	assert_int_equal(event_is_pool(e), is_pools(w->kind));
}

/* Where all words are here, a call has no number of a stack, but the layout in its place. */
static void check_stack(const struct event *e, unsigned int frames)
{
	bool numbered = e->kind == EVENT_STACK;

	assert_int_equal(e->frames, frames);
	for (unsigned int i = 0; i < frames; i++)
		assert_int_equal(e->stack[i], word_number(i));
	assert_int_equal(e->grade, EVENT_TRUNCATED);
	assert_int_equal(e->why, EVENT_WHY_NO_TABLE);
	assert_int_equal(e->stack_id, numbered ? 0x4444444444444444 : 0);
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
		check_stack(&e, 3);
		assert_int_equal(e.layout, 0x4444444444444444);
	}
}

/* A stack by its number: it has words, and says by which layout they were found. */
static void test_stack(void **state)
{
	struct wire_event w = sample(WIRE_STACK, 5);
	struct event e;

	(void)state;
	memset(&e, 0xa5, sizeof(e));
	assert_int_equal(decode(&e, &w), 0);
	check_common(&e, &w);
	check_stack(&e, 5);
	assert_int_equal(e.kind, EVENT_STACK);
	assert_int_equal(e.layout, 0x2222222222222222);
	w.wire_stack_layout = 0;
	assert_int_equal(decode(&e, &w), 0);
	assert_int_equal(e.layout, 0);
}

/* Where a signal came the word is the address itself, elsewhere what a call returns to. */
static void test_exact(void **state)
{
	struct event e = {.frames = 2, .stack = {0x401000, EVENT_EXACT | 0x402000}};

	(void)state;
	assert_int_equal(EVENT_EXACT, 1ULL << 63);
	assert_int_equal(event_word_address(e.stack[0]), 0x401000);
	assert_int_equal(event_word_address(e.stack[1]), 0x402000);
	assert_true(event_word_is_return(e.stack[0]));
	assert_false(event_word_is_return(e.stack[1]));
	assert_int_equal(event_word_address(e.stack[1]), 0x402000);
	assert_true(event_word_is_return(0x7fffffffffffffff));
	assert_false(event_word_is_return(EVENT_EXACT));
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
	assert_int_equal(e.align + e.addr + e.old_addr, 0);
	/* Where it was made, in the place of a weight, which it has none of. */
	assert_int_equal(e.frames, 1);
	assert_int_equal(e.stack[0], 0x3333333333333333);
	/* … which is no stack. */
	assert_int_equal(e.grade, EVENT_CALL_SITE);
	assert_int_equal(e.why, EVENT_WHY_NONE);
	assert_int_equal(e.stack_id + e.layout, 0);
	w.wire_pool_site = 0;
	assert_int_equal(decode_length(&e, &w, name, length_of(&w)), 0);
	assert_int_equal(e.frames, 0);
}

/* Seven flags, in any company. */
static void test_flags(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 128; flags++) {
		for (uint8_t kind = WIRE_ALLOC; kind <= WIRE_POOL_DESTROY; kind++) {
			struct wire_event w = sample(kind, kind == WIRE_POOL_CREATE ? 0 : 1);
			struct event e;

			memset(&e, flags % 2 ? 0xa5 : 0, sizeof(e));
			w.flags = (uint8_t)flags;
			assert_int_equal(decode(&e, &w), 0);
			assert_int_equal(e.failed, flags & 1);
			assert_int_equal(e.measured, !(flags >> 2 & 1));
			assert_int_equal(e.by_realloc, flags >> 3 & 1);
			assert_int_equal(e.otel, flags >> 4 & 1);
			assert_int_equal(e.old_unsampled, flags >> 5 & 1);
			assert_int_equal(e.new_unsampled, flags >> 6 & 1);
		}
	}
	assert_int_equal(WIRE_FAILED, 1);
	assert_int_equal(WIRE_NO_CALLER, 2);
	assert_int_equal(WIRE_NOT_MEASURED, 4);
	assert_int_equal(WIRE_BY_REALLOC, 8);
	assert_int_equal(WIRE_OTEL, 16);
	assert_int_equal(WIRE_OLD_UNSAMPLED, 32);
	assert_int_equal(WIRE_NEW_UNSAMPLED, 64);
	assert_int_equal(WIRE_ALL_FLAGS, 127);
}

/* Neither a weight nor a number of its own: the sample's are zeros, not what was there before. */
static void test_nothing_new(void **state)
{
	struct wire_event w = sample(WIRE_ALLOC, 1);
	struct event e;

	(void)state;
	w.weighted_bytes = 0;
	w.ns_tgid = w.ns_tid = 0;
	memset(&e, 0xa5, sizeof(e));
	assert_int_equal(decode(&e, &w), 0);
	assert_int_equal(e.ns_pid, 0);
	assert_int_equal(e.ns_tid, 0);
	assert_false(e.otel || e.old_unsampled || e.new_unsampled);
}

/* A record as it lies in the ring, byte by byte. */
static void test_bytes(void **state)
{
	static const unsigned char bytes[] = {
		4,    5,    63,   0x30, 1,    0,    3, 6, /* version … frames, grade, why */
		0x73, 0x10, 0,    0,    0x74, 0x10, 0, 0, /* tgid, tid */
		8,    7,    6,    5,    4,    3,    2, 1, /* ts_ns */
		0x61, 6,    0,    0,    0,    0,    0, 0, /* latency_ns */
		0,    1,    0,    0,    0,    0,    0, 0, /* size */
		16,   0,    0,    0,    0,    0,    0, 0, /* align */
		0xa0, 0x12, 0xa8, 0xc0, 0xd0, 0x55, 0, 0, /* addr */
		0x80, 0x12, 0xa8, 0xc0, 0xd0, 0x55, 0, 0, /* old_addr */
		1,    0,    0,    0,    0,    0,    0, 0, /* pool */
		0,    0,    8,    0,    0,    0,    0, 0, /* weighted_bytes */
		0xce, 0xfa, 0xfe, 0xca, 0,    0,    0, 9, /* stack_id */
		3,    0,    0,    0,    4,    0,    1, 0, /* ns_tgid, ns_tid */
		'd',  'e',  'm',  'o',  0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* comm */
		0xef, 0xbe, 0xad, 0xde, 0,    0,    0, 0,                         /* the caller */
	};
	struct event e;

	(void)state;
	assert_int_equal(sizeof(bytes), 112 + 8);
	assert_int_equal(event_decode(&e, bytes, sizeof(bytes)), 0);
	assert_int_equal(e.kind, EVENT_POOL_ALLOC);
	assert_int_equal(e.function, 63);
	assert_true(e.otel && e.old_unsampled && e.measured);
	assert_false(e.failed || e.by_realloc || e.new_unsampled);
	assert_true(e.pid == 4211 && e.tid == 4212);
	assert_true(e.ts_ns == 0x0102030405060708 && e.latency_ns == 1633);
	assert_true(e.size == 256 && e.align == 16);
	assert_true(e.addr == 0x55d0c0a812a0 && e.old_addr == 0x55d0c0a81280);
	assert_true(e.pool == 1 && e.weighted_bytes == 524288);
	assert_true(e.grade == EVENT_GUESSED && e.why == EVENT_WHY_NO_INFO);
	assert_true(e.stack_id == 0x09000000cafeface && e.layout == 0);
	assert_true(e.ns_pid == 3 && e.ns_tid == 65540);
	assert_string_equal(e.comm, "demo");
	assert_true(e.frames == 1 && e.stack[0] == 0xdeadbeef);
}

/* A change of the level: its own two words, whatever else lies there. */
static void test_pressure(void **state)
{
	struct event e;

	(void)state;
	for (uint64_t level = WIRE_WHOLE; level <= WIRE_COUNTS; level++) {
		struct wire_event w = sample(WIRE_PRESSURE, 0);

		w.wire_pressure_level = level;
		memset(&e, 0xa5, sizeof(e));
		assert_int_equal(decode(&e, &w), 0);
		assert_int_equal(e.kind, EVENT_PRESSURE);
		assert_int_equal(e.level, level);
		assert_int_equal(e.ts_ns, w.ts_ns);
		assert_false(event_is_pool(&e));
		assert_int_equal(e.pid + e.size + e.addr + e.frames, 0);
		assert_string_equal(e.comm, "");
		w.frames = 1;
		assert_int_equal(decode(&e, &w), -EINVAL);
		w.frames = 0;
		w.wire_pressure_level += 3;
		assert_int_equal(decode(&e, &w), -EINVAL);
	}
}

/* The word that both sides share: to the level and, but for 4 ns, to its beginning. */
static void test_level_word(void **state)
{
	(void)state;
	for (enum event_level level = EVENT_WHOLE; level < EVENT_NR_LEVELS; level++) {
		uint64_t word = event_level_word(level, 0x123456789abcdef7);

		assert_int_equal(event_word_level(word), level);
		assert_int_equal(event_word_since(word), 0x123456789abcdef4);
	}
	assert_int_equal(event_word_level(0), EVENT_WHOLE);
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

/* ---- cookies ---- */

/* The row in the low byte, then four bits an argument: as the macros of the wire take it apart. */
static void test_cookie(void **state)
{
	const struct event_args args = {.size = 1,
					.count = 2,
					.align = 3,
					.flags = 4,
					.ptr = 5,
					.out = 6,
					.returns_size = true};
	const struct event_args none = {0};
	uint64_t cookie = event_cookie(63, &args, CALIBRATION_STEPPED);

	(void)state;
	assert_int_equal(cookie, 0x16543213f);
	assert_int_equal(WIRE_COOKIE_FUNCTION(cookie), 63);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_SIZE), 1);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_COUNT), 2);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_ALIGN), 3);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_FLAGS), 4);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_PTR), 5);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_OUT), 6);
	assert_int_equal(WIRE_COOKIE_NUMBER(cookie, WIRE_ARG_RETURNS_SIZE), 1);
	assert_int_equal(event_cookie(0, &none, CALIBRATION_STEPPED), 0);
	assert_int_equal(event_cookie(42, &none, CALIBRATION_STEPPED), 42);
}

/* Each argument alone, all numbers: nothing of it gets into another one's bits. */
static void test_cookie_alone(void **state)
{
	static const struct {
		size_t field;
		enum wire_arg arg;
	} fields[] = {
		{offsetof(struct event_args, size), WIRE_ARG_SIZE},
		{offsetof(struct event_args, count), WIRE_ARG_COUNT},
		{offsetof(struct event_args, align), WIRE_ARG_ALIGN},
		{offsetof(struct event_args, flags), WIRE_ARG_FLAGS},
		{offsetof(struct event_args, ptr), WIRE_ARG_PTR},
		{offsetof(struct event_args, out), WIRE_ARG_OUT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (uint8_t number = 1; number <= 6; number++) {
			struct event_args args = {0};
			uint64_t cookie;

			((uint8_t *)&args)[fields[i].field] = number;
			cookie = event_cookie(9, &args, CALIBRATION_STEPPED);
			assert_int_equal(WIRE_COOKIE_FUNCTION(cookie), 9);
			for (unsigned int arg = WIRE_ARG_SIZE; arg <= WIRE_ARG_RETURNS_SIZE; arg++)
				assert_int_equal(WIRE_COOKIE_NUMBER(cookie, arg),
						 arg == fields[i].arg ? number : 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),        cmocka_unit_test(test_pool_create),
		cmocka_unit_test(test_flags),        cmocka_unit_test(test_nothing_new),
		cmocka_unit_test(test_bytes),        cmocka_unit_test(test_full_text),
		cmocka_unit_test(test_all_depths),   cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_times),        cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_cookie_alone), cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_level_word),   cmocka_unit_test(test_stack),
		cmocka_unit_test(test_exact),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
