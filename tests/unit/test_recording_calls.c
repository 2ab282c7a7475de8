// SPDX-License-Identifier: MIT
/* Calls and stacks, written and read: rows of them that come again field by field and in their
 * order, and events that are none. */
#include "recording_file.h"
#include "recording_stream.h"

#include <errno.h>

#include "core/stack.h"
#include "recording/format.h"
#include "recording/frame.h"

/* `count` records from that seed, a frame closed behind each `frame` of them. */
static void check_stream(uint64_t seed, unsigned int count, unsigned int frame)
{
	struct stream written = {.state = seed}, expected = {.state = seed};
	uint64_t events = 0;
	struct record r;
	struct file f;
	struct reading in;

	file_begin(&f);
	file_start(&f);
	for (unsigned int i = 0; i < count; i++) {
		stream_next(&written, &r);
		file_put(&f, &r);
		events += r.kind == RECORD_EVENT;
		if (i % frame == frame - 1)
			assert_int_equal(writer_flush(f.writer), 0);
	}
	assert_int_equal(writer_events(f.writer), events);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	for (unsigned int i = 0; i < count; i++) {
		stream_next(&expected, &r);
		stream_as_read(&expected);
		same_record(reading_expect(&in, r.kind), &r);
	}
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_events(in.r), events);
	reading_close(&in);
	file_free(&f);
}

static void test_streams(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++)
		check_stream(seed * 1000003, 1000, (unsigned int)(1 + seed * seed));
}

static void test_long_stream(void **state)
{
	(void)state;
	check_stream(12345, 60000, 60000);
}

static struct event plain(uint64_t n)
{
	return (struct event){.kind = EVENT_ALLOC,
			      .pid = 1,
			      .tid = 1,
			      .ts_ns = 1000 + n,
			      .size = 64,
			      .addr = 0x55d000000000 + 64 * (n % 1000),
			      .frames = 1,
			      .stack = {0x401000},
			      .comm = "a"};
}

/* `change` makes each event another one; expects each back. */
static void check_many(unsigned int count, void (*change)(struct event *e, unsigned int n))
{
	struct file f;
	struct reading in;

	file_begin(&f);
	file_start(&f);
	for (unsigned int i = 0; i < count; i++) {
		struct event e = plain(i);

		change(&e, i);
		file_put_event(&f, RECORD_EVENT, &e);
	}
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	for (unsigned int i = 0; i < count; i++) {
		struct event e = plain(i);

		change(&e, i);
		same_event(reading_expect(&in, RECORD_EVENT)->event, &e);
	}
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

/* As few bytes as a call can have. */
static void change_size(struct event *e, unsigned int n)
{
	(void)n;
	e->size = e->addr = 0;
}

/* As few bytes as a shape can have. */
static void change_shape(struct event *e, unsigned int n)
{
	e->size = e->addr = 0;
	e->frames = 0;
	e->function = n % 64;
	e->failed = n & 1 << 6;
	e->measured = n & 1 << 7;
	e->otel = n & 1 << 8;
	e->old_unsampled = n & 1 << 9;
	e->new_unsampled = n & 1 << 10;
	e->why = (enum event_why)(n >> 11);
}

static void change_caller(struct event *e, unsigned int n)
{
	e->stack[0] += n;
}

static void change_thread(struct event *e, unsigned int n)
{
	e->tid = n;
}

static void change_addresses(struct event *e, unsigned int n)
{
	e->kind = EVENT_REALLOC;
	e->old_addr = 0x7f0000000000 + 16ULL * n;
	e->addr = 0x7f0000000000 + 16ULL * (n / 2);
}

static uint64_t sum_with(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 32;
}

/* Stacks of other words and the same sum (frame.c): the last word makes up for the one before. */
static void change_words(struct event *e, unsigned int n)
{
	uint64_t sum = sum_with(0x452821e638d01377ULL ^ 24, e->stack[0]);

	e->frames = 3;
	e->stack[1] = 0x402000 + n % 2;
	e->stack[2] = 0x403000;
	if (n % 2)
		e->stack[2] ^= sum_with(sum, 0x402000) ^ sum_with(sum, 0x402001);
}

static void test_same_sum(void **state)
{
	struct event a = plain(0), b = plain(0);

	(void)state;
	change_words(&a, 0);
	change_words(&b, 1);
	assert_int_equal(frame_sum(a.stack, 24), frame_sum(b.stack, 24));
	check_many(20, change_words);
}

/* The counts at which a frame is closed before its bytes are full. */
static void test_counts(void **state)
{
	(void)state;
	check_many(FORMAT_MAX_CALLS + 10, change_size);
	check_many(FORMAT_MAX_SHAPES + 10, change_shape);
	check_many(FORMAT_MAX_SHAPES + 10, change_caller);
	check_many(FORMAT_MAX_THREADS + 10, change_thread);
	check_many(FORMAT_MAX_CALLS + 10, change_addresses);
}

/* More stacks than either side keeps, each with a call along it. */
static void test_many_stacks(void **state)
{
	const unsigned int count = STACK_MAX + 50;
	struct file f;
	struct reading in;

	(void)state;
	file_begin(&f);
	file_start(&f);
	for (unsigned int i = 0; i < count; i++) {
		struct event e = plain(i);

		e.stack_id = i + 1;
		e.stack[1] = i;
		e.frames = 2;
		e.kind = EVENT_STACK;
		file_put_event(&f, RECORD_STACK, &e);
		e.kind = EVENT_FREE;
		file_put_event(&f, RECORD_EVENT, &e);
	}
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	for (unsigned int i = 0; i < count; i++) {
		const struct event *e = reading_expect(&in, RECORD_STACK)->event;

		assert_int_equal(e->stack_id, i + 1);
		assert_int_equal(e->stack[1], i);
		assert_int_equal(e->frames, 2);
		e = reading_expect(&in, RECORD_EVENT)->event;
		assert_int_equal(e->stack_id, i + 1);
		assert_int_equal(e->stack[0], 0x401000);
		assert_int_equal(e->frames, 1);
	}
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

/* A stack that is told twice: the first one is what core/stack keeps, and a call comes to the same
 * words whichever it meant. */
static void test_stack_again(void **state)
{
	struct event stack = plain(0), call = plain(1);
	struct stacks stacks;
	struct record r;
	struct file f;
	struct reading in;

	(void)state;
	stack.kind = EVENT_STACK;
	stack.stack_id = call.stack_id = 42;
	stack.frames = 3;
	stack.grade = EVENT_COMPLETE;
	stack.layout = 5;
	stack.stack[1] = 0x402000;
	stack.stack[2] = 0x403000;
	file_begin(&f);
	file_start(&f);
	file_put_event(&f, RECORD_STACK, &stack);
	stack.stack[2] = 0x404000;
	file_put_event(&f, RECORD_STACK, &stack);
	file_put_event(&f, RECORD_EVENT, &call);
	file_finish(&f);

	stacks_init(&stacks);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	stacks_add(&stacks, reading_expect(&in, RECORD_STACK)->event);
	stacks_add(&stacks, reading_expect(&in, RECORD_STACK)->event);
	r = *reading_expect(&in, RECORD_EVENT);
	call = *r.event;
	stacks_resolve(&stacks, &call);
	assert_int_equal(call.frames, 3);
	assert_int_equal(call.grade, EVENT_COMPLETE);
	assert_int_equal(call.layout, 5);
	assert_int_equal(call.stack[2], 0x403000);
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
	stacks_fini(&stacks);
}

static void refuse(struct file *f, enum record_kind kind, const struct event *e)
{
	struct record r = {.kind = kind, .event = e};

	assert_int_equal(writer_put(f->writer, &r), -EINVAL);
}

#define REFUSE(kind_of_event, field)                             \
	do {                                                     \
		struct event e = plain(0);                       \
		e.kind = kind_of_event;                          \
		e.pool = event_is_pool(&e) ? 0x7f0000001000 : 0; \
		if (e.kind == EVENT_POOL_CREATE)                 \
			e.addr = 0;                              \
		file_put_event(&f, RECORD_EVENT, &e);            \
		e.field;                                         \
		refuse(&f, RECORD_EVENT, &e);                    \
	} while (0)

/* As core/event.c would not have made them. */
static void test_no_events(void **state)
{
	struct event stack = plain(0);
	struct file f;

	(void)state;
	file_begin(&f);
	file_start(&f);
	REFUSE(EVENT_ALLOC, kind = 0);
	REFUSE(EVENT_ALLOC, kind = EVENT_PRESSURE);
	REFUSE(EVENT_ALLOC, kind = EVENT_STACK);
	REFUSE(EVENT_ALLOC, kind = 100);
	REFUSE(EVENT_ALLOC, function = EVENT_MAX_FUNCTIONS);
	REFUSE(EVENT_ALLOC, level = EVENT_SAMPLED);
	REFUSE(EVENT_ALLOC, grade = EVENT_NR_GRADES);
	REFUSE(EVENT_ALLOC, why = EVENT_NR_WHYS);
	REFUSE(EVENT_ALLOC, frames = EVENT_MAX_FRAMES + 1);
	REFUSE(EVENT_ALLOC, comm[0] = memset(e.comm, 'x', sizeof(e.comm)) ? 'x' : 0);
	REFUSE(EVENT_ALLOC, pool = 5);
	REFUSE(EVENT_ALLOC, base = 5);
	REFUSE(EVENT_FREE, chunk_size = 5);
	REFUSE(EVENT_REALLOC, chunk_count = 5);
	REFUSE(EVENT_ALLOC, name[0] = 'x');
	REFUSE(EVENT_POOL_ALLOC, pool = 0);
	REFUSE(EVENT_POOL_FREE, pool = UINT64_MAX);
	REFUSE(EVENT_POOL_CREATE, addr = 16);
	REFUSE(EVENT_POOL_CREATE, old_addr = 16);
	REFUSE(EVENT_POOL_CREATE, align = 16);
	REFUSE(EVENT_POOL_CREATE, weighted_bytes = 16);
	REFUSE(EVENT_POOL_CREATE, stack_id = 16);
	REFUSE(EVENT_POOL_CREATE, layout = 16);
	REFUSE(EVENT_POOL_CREATE, grade = EVENT_COMPLETE);
	REFUSE(EVENT_POOL_CREATE, why = EVENT_WHY_DEPTH);
	REFUSE(EVENT_POOL_CREATE, frames = 2);
	REFUSE(EVENT_POOL_CREATE, stack[0] = 0);
	REFUSE(EVENT_POOL_CREATE, name[0] = memset(e.name, 'x', sizeof(e.name)) ? 'x' : 0);
	refuse(&f, RECORD_STACK, &stack);
	stack.kind = EVENT_STACK;
	refuse(&f, RECORD_STACK, &stack);
	stack.stack_id = 1;
	file_put_event(&f, RECORD_STACK, &stack);
	stack.frames = 0;
	refuse(&f, RECORD_STACK, &stack);
	file_close(&f);
	file_free(&f);
}

/* A call of a function that no table has told of. */
static void test_no_functions(void **state)
{
	struct record start = {
		.kind = RECORD_START,
		.start = {.version = "", .kernel = "", .command = "", .only_pool = ""}};
	struct event call = plain(0), chunk = plain(1);
	struct file f;

	(void)state;
	chunk.kind = EVENT_POOL_ALLOC;
	chunk.pool = 0x7f0000001000;
	file_begin(&f);
	file_put(&f, &start);
	refuse(&f, RECORD_EVENT, &call);
	file_put_event(&f, RECORD_EVENT, &chunk);
	file_close(&f);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),   cmocka_unit_test(test_long_stream),
		cmocka_unit_test(test_counts),    cmocka_unit_test(test_many_stacks),
		cmocka_unit_test(test_same_sum),  cmocka_unit_test(test_stack_again),
		cmocka_unit_test(test_no_events), cmocka_unit_test(test_no_functions),
	};

	return cmocka_run_group_tests_name("recording_calls", tests, NULL, NULL);
}
