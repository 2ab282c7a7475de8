// SPDX-License-Identifier: MIT
/* The index: what is skipped by it, that it is never missed, and that it stays as long as it may be
 * however many frames there are. */
#include "recording_file.h"

#include <errno.h>

#include "recording/format.h"
#include "recording/index.h"

#define FRAMES 100
#define CALLS  10 /* a frame */

static bool has_others(unsigned int frame)
{
	return frame % 10 == 0;
}

/* Frame n is of the time from 1000 n to 1000 n + 900; each tenth has something else, too. */
static void make(struct file *f)
{
	struct event e = {.kind = EVENT_ALLOC, .pid = 1, .tid = 1, .comm = "a"};
	struct record missed = {.kind = RECORD_MISSED};

	file_begin(f);
	file_start(f);
	for (unsigned int i = 0; i < FRAMES; i++) {
		for (unsigned int k = 0; k < CALLS; k++) {
			e.ts_ns = 1000 * i + 100 * ((k * 7 + 3) % CALLS); /* not in their order */
			file_put_event(f, RECORD_EVENT, &e);
		}
		if (has_others(i))
			file_put(f, &missed);
		assert_int_equal(writer_flush(f->writer), 0);
	}
}

static bool is_wanted(unsigned int frame, uint64_t from_ns, uint64_t until_ns)
{
	return has_others(frame) || (1000 * frame + 900 >= from_ns && 1000 * frame <= until_ns);
}

/* Expects the rest from frame `first` on, without what lies outside that time. */
static void expect_rest(struct reading *in, unsigned int first, uint64_t from_ns, uint64_t until_ns)
{
	for (unsigned int i = first; i < FRAMES; i++) {
		if (!is_wanted(i, from_ns, until_ns))
			continue;
		for (unsigned int k = 0; k < CALLS; k++) {
			const struct event *e = reading_expect(in, RECORD_EVENT)->event;

			assert_int_equal(e->ts_ns, 1000 * i + 100 * ((k * 7 + 3) % CALLS));
		}
		if (has_others(i))
			reading_expect(in, RECORD_MISSED);
	}
}

static void check_seek(const struct file *f, uint64_t from_ns, uint64_t until_ns)
{
	struct reading in;

	reading_begin(&in, f->bytes, f->size);
	assert_int_equal(recording_seek(in.r, from_ns, until_ns), 0);
	reading_start(&in);
	expect_rest(&in, 0, from_ns, until_ns);
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_offset(in.r), f->size);
	reading_close(&in);
}

static void test_seek(void **state)
{
	static const uint64_t times[] = {0,     1,     900,   901,   999,     1000,      45000,
					 45900, 45901, 99900, 99901, 1000000, UINT64_MAX};
	const size_t count = sizeof(times) / sizeof(times[0]);
	struct file f;

	(void)state;
	make(&f);
	file_finish(&f);
	for (size_t i = 0; i < count; i++)
		for (size_t k = i; k < count; k++)
			check_seek(&f, times[i], times[k]);
	file_free(&f);
}

/* What is skipped is not read: nobody sees that it is damaged. */
static void test_is_not_read(void **state)
{
	struct reading in;
	struct file f;

	(void)state;
	make(&f);
	file_finish(&f);
	memset(f.bytes + f.size / 4, 0, 20);
	reading_begin(&in, f.bytes, f.size);
	assert_int_equal(recording_seek(in.r, 99000, UINT64_MAX), 0);
	reading_start(&in);
	for (unsigned int i = 0; i < 2 * (CALLS + 1); i++)
		assert_int_equal(reading_next(&in), 1);
	assert_int_equal(in.record.kind, RECORD_MISSED);
	reading_close(&in);
	file_free(&f);
}

/* In the midst of a frame: what it has left comes, and the next one may be skipped. And again,
 * until another time. */
static void test_later(void **state)
{
	struct reading in;
	struct file f;

	(void)state;
	make(&f);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	for (unsigned int i = 0; i < 3; i++)
		reading_expect(&in, RECORD_EVENT);
	assert_int_equal(recording_seek(in.r, 55000, 55000), 0);
	for (unsigned int i = 3; i < CALLS; i++)
		assert_int_equal(reading_expect(&in, RECORD_EVENT)->event->ts_ns,
				 100 * ((i * 7 + 3) % CALLS));
	reading_expect(&in, RECORD_MISSED);
	reading_expect(&in, RECORD_EVENT);
	assert_int_equal(recording_seek(in.r, 77000, 88000), 0);
	for (unsigned int i = 1; i < CALLS; i++)
		reading_expect(&in, RECORD_EVENT);
	reading_expect(&in, RECORD_MISSED);
	reading_expect(&in, RECORD_EVENT);
	assert_int_equal(recording_seek(in.r, 0, UINT64_MAX), 0);
	for (unsigned int i = 1; i < CALLS; i++)
		reading_expect(&in, RECORD_EVENT);
	reading_expect(&in, RECORD_MISSED);
	expect_rest(&in, 21, 0, UINT64_MAX);
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_seek(in.r, 0, 0), 0);
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

/* In the midst of a frame, and the next one is wanted. */
static void test_nothing_skipped(void **state)
{
	struct reading in;
	struct file f;

	(void)state;
	make(&f);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	reading_expect(&in, RECORD_EVENT);
	assert_int_equal(recording_seek(in.r, 0, UINT64_MAX), 0);
	for (unsigned int i = 1; i < CALLS; i++)
		reading_expect(&in, RECORD_EVENT);
	reading_expect(&in, RECORD_MISSED);
	expect_rest(&in, 1, 0, UINT64_MAX);
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

/* A recording without an index, or whose index is damaged: nothing is skipped. */
static void test_no_index(void **state)
{
	struct reading in;
	struct file f;
	size_t records;

	(void)state;
	make(&f);
	records = writer_bytes(f.writer);
	file_close(&f);
	reading_begin(&in, f.bytes, f.size);
	assert_int_equal(recording_seek(in.r, 5000, 5000), 0);
	reading_start(&in);
	expect_rest(&in, 0, 0, UINT64_MAX);
	reading_end(&in, READER_CUT);
	reading_close(&in);
	file_free(&f);
	do {
		make(&f);
		file_finish(&f);
		f.bytes[records] ^= 4;
		reading_begin(&in, f.bytes, f.size);
		assert_int_equal(recording_seek(in.r, 5000, 5000), 0);
		reading_start(&in);
		expect_rest(&in, 0, 0, UINT64_MAX);
		reading_end(&in, READER_DAMAGED);
		reading_close(&in);
		file_free(&f);
	} while (++records < f.size);
}

/* Behind something else in its file. */
static void test_base(void **state)
{
	struct reading in = {0};
	struct file f;

	(void)state;
	make(&f);
	file_finish(&f);
	in.stream = tmpfile();
	assert_non_null(in.stream);
	fputs("before", in.stream);
	assert_int_equal(fwrite(f.bytes, 1, f.size, in.stream), f.size);
	assert_int_equal(fseek(in.stream, 6, SEEK_SET), 0);
	in.r = recording_open(in.stream, &in.err, in.why, sizeof(in.why));
	assert_non_null(in.r);
	assert_int_equal(recording_seek(in.r, 33000, 44000), 0);
	reading_start(&in);
	expect_rest(&in, 0, 33000, 44000);
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_offset(in.r), f.size);
	reading_close(&in);
	file_free(&f);
}

static struct index_entry frame_of(uint64_t n)
{
	return (struct index_entry){.offset = FORMAT_BEGINNING + 100 * n,
				    .first_ns = 10 * n,
				    .last_ns = 10 * n + 9,
				    .calls = n % 5 ? 1 : 0,
				    .others = n % 50001 == 7};
}

/* Every frame is told of by the entry that it lies in; entries are of equal length but the last. */
static void check_entries(const struct index *x, uint64_t frames)
{
	uint64_t calls = 0, length = 0, in_entry = 0;
	size_t at = 0;

	assert_in_range(x->count, frames < INDEX_MAX ? frames : INDEX_MAX / 2, INDEX_MAX);
	for (uint64_t n = 0; n < frames; n++) {
		struct index_entry frame = frame_of(n);

		if (at + 1 < x->count && x->entries[at + 1].offset == frame.offset) {
			assert_true(!at || in_entry == length);
			length = in_entry;
			in_entry = 0;
			at++;
		}
		in_entry++;
		calls += frame.calls;
		assert_true(!frame.others || x->entries[at].others);
		assert_true(!frame.calls || (x->entries[at].first_ns <= frame.first_ns &&
					     x->entries[at].last_ns >= frame.last_ns));
	}
	assert_int_equal(at, x->count - 1);
	assert_true(!at || in_entry <= length);
	assert_int_equal(index_calls(x), calls);
}

/* Written and read it is the same. */
static void check_bytes(const struct index *x, uint64_t end)
{
	struct bytes b = {0};
	struct index again;
	struct cursor c;

	index_write(x, &b);
	assert_false(b.failed);
	assert_true(b.used < FORMAT_MAX_RAW);
	c = cursor_over(b.at, b.used);
	assert_int_equal(index_read(&again, &c, end), 0);
	assert_int_equal(again.count, x->count);
	for (size_t i = 0; i < x->count; i++) {
		assert_int_equal(again.entries[i].offset, x->entries[i].offset);
		assert_int_equal(again.entries[i].first_ns, x->entries[i].first_ns);
		assert_int_equal(again.entries[i].last_ns, x->entries[i].last_ns);
		assert_int_equal(again.entries[i].calls, x->entries[i].calls);
		assert_int_equal(again.entries[i].others, x->entries[i].others);
	}
	index_fini(&again);
	c = cursor_over(b.at, b.used);
	assert_int_equal(index_read(&again, &c, x->entries[x->count - 1].offset), -EBADMSG);
	for (size_t size = 0; size < b.used && size < 1000; size++) {
		c = cursor_over(b.at, size);
		assert_int_equal(index_read(&again, &c, end), -EBADMSG);
		assert_null(again.entries);
	}
	bytes_fini(&b);
}

static void test_index(void **state)
{
	static const uint64_t looks[] = {
		1,      2,      1000, INDEX_MAX, INDEX_MAX + 1, INDEX_MAX + 2, 2 * INDEX_MAX + 1,
		200000, 1000001};
	struct index x = {0};
	size_t look = 0;

	(void)state;
	for (uint64_t n = 0; look < sizeof(looks) / sizeof(looks[0]); n++) {
		struct index_entry frame = frame_of(n);

		assert_int_equal(index_add(&x, &frame), 0);
		assert_true(x.count <= INDEX_MAX);
		if (n + 1 != looks[look])
			continue;
		check_entries(&x, n + 1);
		check_bytes(&x, frame.offset + 100);
		look++;
	}
	index_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seek),
		cmocka_unit_test(test_is_not_read),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_no_index),
		cmocka_unit_test(test_nothing_skipped),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_index),
	};

	return cmocka_run_group_tests_name("recording_seek", tests, NULL, NULL);
}
