// SPDX-License-Identifier: MIT
/*
 * Records that are none: each is refused, and no string of bytes makes the decoder read where it
 * must not. Linked with libcore.a alone.
 */
#include "record.h"

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
		assert_int_equal(decode(&e, &w), version == 4 ? 0 : -EPROTO);
	}
}

static void test_wrong_kind(void **state)
{
	struct event e;

	(void)state;
	for (unsigned int kind = 0; kind < 256; kind++) {
		uint16_t frames = kind == WIRE_STACK;
		struct wire_event w = sample((uint8_t)kind, frames);
		bool good = kind >= WIRE_ALLOC && kind <= WIRE_STACK;

		if (kind == WIRE_PRESSURE)
			w.wire_pressure_level = WIRE_SAMPLED;
		assert_int_equal(decode(&e, &w), good ? 0 : -EINVAL);
	}
}

static void test_wrong_flags(void **state)
{
	struct event e;

	(void)state;
	for (unsigned int flags = 128; flags < 256; flags++) {
		struct wire_event w = sample(WIRE_ALLOC, 1);

		w.flags = (uint8_t)flags;
		assert_int_equal(decode(&e, &w), -EINVAL);
	}
}

static void test_wrong_function(void **state)
{
	struct event e;

	(void)state;
	for (unsigned int function = 0; function < 256; function++) {
		struct wire_event w = sample(WIRE_ALLOC, 1);

		w.function = (uint8_t)function;
		assert_int_equal(decode(&e, &w), function < 64 ? 0 : -EINVAL);
	}
}

static void test_grades(void **state)
{
	struct event e;

	(void)state;
	for (unsigned int n = 0; n < 256; n++) {
		struct wire_event w = sample(WIRE_ALLOC, 1);

		w.grade = (uint8_t)n;
		assert_int_equal(decode(&e, &w), n < WIRE_NR_GRADES ? 0 : -EINVAL);
		w.grade = 0;
		w.why = (uint8_t)n;
		assert_int_equal(decode(&e, &w), n < WIRE_NR_WHYS ? 0 : -EINVAL);
	}
}

/* Each kind has them, known ones alone. */
static void test_grades_of_kinds(void **state)
{
	struct event e;

	(void)state;
	for (uint8_t kind = WIRE_ALLOC; kind <= WIRE_STACK; kind++) {
		struct wire_event w = sample(kind, kind == WIRE_STACK);

		w.grade = WIRE_NR_GRADES;
		assert_int_equal(decode(&e, &w), -EINVAL);
		w.grade = WIRE_GUESSED;
		w.why = WIRE_NR_WHYS;
		assert_int_equal(decode(&e, &w), -EINVAL);
	}
}

/* One that has no words, or no number by which anybody could mean it. */
static void test_stack_of_nothing(void **state)
{
	struct wire_event w = sample(WIRE_STACK, 0);
	struct event e;

	(void)state;
	assert_int_equal(decode(&e, &w), -EINVAL);
	w.frames = 1;
	assert_int_equal(decode(&e, &w), 0);
	w.stack_id = 0;
	assert_int_equal(decode(&e, &w), -EINVAL);
	w = sample(WIRE_STACK, WIRE_MAX_FRAMES);
	assert_int_equal(decode(&e, &w), 0);
	w = sample(WIRE_STACK, WIRE_MAX_FRAMES + 1);
	assert_int_equal(decode_length(&e, &w, NULL, HEADER + 8 * (WIRE_MAX_FRAMES + 1)), -EINVAL);
}

/* A pool's creation has a name there. */
static void test_create_with_frames(void **state)
{
	struct wire_event w = sample(WIRE_POOL_CREATE, 8);
	struct event e;

	(void)state;
	assert_int_equal(decode_length(&e, &w, NULL, HEADER + WIRE_NAME_LEN), -EINVAL);
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

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void check_sane(const struct event *e)
{
	assert_true(e->kind >= EVENT_ALLOC && e->kind <= EVENT_STACK);
	assert_true(e->kind != EVENT_STACK || (e->frames && e->stack_id));
	assert_true(e->grade < EVENT_NR_GRADES && e->why < EVENT_NR_WHYS);
	assert_true(e->frames <= EVENT_MAX_FRAMES);
	assert_true(e->function < 64);
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
	w.kind %= 11;
	w.function %= 80;
	w.flags %= 136;
	w.grade %= 5;
	w.why %= 12;
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
		cmocka_unit_test(test_wrong_length),
		cmocka_unit_test(test_wrong_version),
		cmocka_unit_test(test_wrong_kind),
		cmocka_unit_test(test_wrong_flags),
		cmocka_unit_test(test_wrong_function),
		cmocka_unit_test(test_grades),
		cmocka_unit_test(test_grades_of_kinds),
		cmocka_unit_test(test_stack_of_nothing),
		cmocka_unit_test(test_create_with_frames),
		cmocka_unit_test(test_too_many_frames),
		cmocka_unit_test(test_frames_and_length_disagree),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("event: malformed", tests, NULL, NULL);
}
