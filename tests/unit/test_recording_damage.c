// SPDX-License-Identifier: MIT
/* Recordings that end anywhere, with bytes that changed anywhere, and files that are none: what is
 * handed out is what was written up to a whole frame, and how it ended is told. */
#include "recording_file.h"
#include "recording_stream.h"

#include <errno.h>
#include <unistd.h>

#include "recording/bytes.h"
#include "recording/format.h"
#include "recording/frame.h"

#define FRAMES 7

/* A small recording of several frames. */
struct sample {
	struct file f;
	size_t ends[FRAMES + 1];          /* of the beginning, and of each frame */
	unsigned int records[FRAMES + 1]; /* up to there */
};

static void put_others(struct file *f)
{
	static struct record_mapping mapping = {0x400000, 0x401000, 0, 0};
	static struct record_frame frame = {.function = "main", .file = "main.c", .line = 3};
	struct record all[] = {
		{.kind = RECORD_MODULE, .module = {.path = "/bin/true", .build_id_size = 20}},
		{.kind = RECORD_SPACE, .space = {.pid = 4000, .count = 1, .mappings = &mapping}},
		{.kind = RECORD_NAMES, .names = {.address = 5, .count = 1, .frames = &frame}},
		{.kind = RECORD_CODE, .code = {.pid = 4000, .size = 6, .bytes = "1 2 f\n"}},
		{.kind = RECORD_BOOKS, .books = {.final = true, .fate = "exited with 0"}},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		file_put(f, &all[i]);
}

static void sample_make(struct sample *s)
{
	struct stream stream = {.state = 4242};
	struct record r;

	*s = (struct sample){0};
	file_begin(&s->f);
	s->ends[0] = writer_bytes(s->f.writer);
	for (unsigned int i = 1; i <= FRAMES; i++) {
		s->records[i] = s->records[i - 1] + 6;
		if (i == 1) {
			file_start(&s->f);
			s->records[i] -= 4;
		} else if (i == 3) {
			put_others(&s->f);
			s->records[i] -= 1;
		}
		for (unsigned int k = 0; i != 1 && i != 3 && k < 6; k++) {
			stream_next(&stream, &r);
			file_put(&s->f, &r);
		}
		assert_int_equal(writer_flush(s->f.writer), 0);
		s->ends[i] = writer_bytes(s->f.writer);
	}
	file_finish(&s->f);
}

/* How many records the whole frames of the first `size` bytes have, and where they end. */
static unsigned int records_in(const struct sample *s, size_t size, size_t *end)
{
	unsigned int i = 0;

	while (i < FRAMES && s->ends[i + 1] <= size)
		i++;
	*end = s->ends[i];
	return s->records[i];
}

/* Those bytes begin with `records` records of the sample, and end at `offset` in that way. */
static void expect(const struct sample *s, const char *bytes, size_t size, unsigned int records,
		   size_t offset, enum reader_end end)
{
	struct reading in, whole;

	reading_begin(&in, bytes, size);
	assert_non_null(in.r);
	reading_begin(&whole, s->f.bytes, s->f.size);
	for (unsigned int i = 0; i < records; i++) {
		assert_int_equal(reading_next(&whole), 1);
		same_record(reading_expect(&in, whole.record.kind), &whole.record);
	}
	reading_end(&in, end);
	assert_int_equal(recording_offset(in.r), offset);
	reading_close(&in);
	reading_close(&whole);
}

static void expect_none(const char *bytes, size_t size, int err, const char *why)
{
	struct reading in;

	reading_begin(&in, bytes, size);
	assert_null(in.r);
	assert_int_equal(in.err, err);
	assert_string_equal(in.why, why);
	reading_close(&in);
}

/* Cut anywhere. */
static void test_cut(void **state)
{
	struct sample s;
	size_t end;

	(void)state;
	sample_make(&s);
	for (size_t size = FORMAT_BEGINNING; size < s.f.size; size++) {
		unsigned int records = records_in(&s, size, &end);

		expect(&s, s.f.bytes, size, records, end, READER_CUT);
	}
	for (size_t size = 1; size < FORMAT_BEGINNING; size++)
		expect_none(s.f.bytes, size, -EINVAL, "ends within its first bytes");
	expect_none(s.f.bytes, 0, -EINVAL, "is empty");
	expect(&s, s.f.bytes, s.f.size, s.records[FRAMES], s.f.size, READER_WHOLE);
	file_free(&s.f);
}

/* A byte that has changed anywhere, in some of its bits. */
static void test_changed(void **state)
{
	static const unsigned char flips[] = {0x01, 0x10, 0x80, 0xff};
	struct sample s;

	(void)state;
	sample_make(&s);
	for (size_t i = 0; i < s.f.size * sizeof(flips); i++) {
		size_t at = i / sizeof(flips), end;
		char *copy = malloc(s.f.size);
		unsigned int records = records_in(&s, at, &end);

		assert_non_null(copy);
		memcpy(copy, s.f.bytes, s.f.size);
		copy[at] = (char)(copy[at] ^ flips[i % sizeof(flips)]);
		if (at < 8)
			expect_none(copy, s.f.size, -EINVAL, "is no recording of alloctrace");
		else if (at < FORMAT_BEGINNING)
			expect_none(copy, s.f.size, -EINVAL, "is damaged in its first bytes");
		else
			expect(&s, copy, s.f.size, records, end, READER_DAMAGED);
		free(copy);
	}
	file_free(&s.f);
}

/* A byte that is missing, one that is too much, a frame that is missing, one that comes twice. */
static void test_moved(void **state)
{
	struct sample s;
	char *copy;
	size_t end, size;

	(void)state;
	sample_make(&s);
	copy = malloc(2 * s.f.size);
	assert_non_null(copy);
	for (size_t at = FORMAT_BEGINNING; at < s.f.size; at++) {
		unsigned int records = records_in(&s, at, &end);

		memcpy(copy, s.f.bytes, at);
		copy[at] = 'x';
		memcpy(copy + at + 1, s.f.bytes + at, s.f.size - at);
		if (s.f.bytes[at] != 'x')
			expect(&s, copy, s.f.size + 1, records, end, READER_DAMAGED);
	}
	memcpy(copy, s.f.bytes, s.f.size);
	memcpy(copy + s.f.size, "x", 1);
	records_in(&s, s.f.size, &end);
	expect(&s, copy, s.f.size + 1, s.records[FRAMES], end, READER_DAMAGED);

	/* The last frame of records: the index counts its calls. */
	size = s.ends[FRAMES - 1];
	memcpy(copy + size, s.f.bytes + s.ends[FRAMES], s.f.size - s.ends[FRAMES]);
	expect(&s, copy, s.f.size - (s.ends[FRAMES] - size), s.records[FRAMES - 1], size,
	       READER_DAMAGED);
	free(copy);
	file_free(&s.f);
}

static void test_garbage(void **state)
{
	struct stream stream = {.state = 99};
	char bytes[1000];

	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (char)stream_random(&stream);
		expect_none(bytes, 1 + 5 * i, -EINVAL, "is no recording of alloctrace");
	}
	bytes_set_word((unsigned char *)bytes, FORMAT_MAGIC);
	expect_none(bytes, sizeof(bytes), -EINVAL, "is damaged in its first bytes");
	expect_none("{\"type\":\"start\"}\n", 17, -EINVAL, "is no recording of alloctrace");
}

static void set_version(char *bytes, uint32_t version)
{
	unsigned char *at = (unsigned char *)bytes;

	bytes_set_half(at + 8, version);
	bytes_set_word(at + 12, frame_sum(at, 12));
}

static void test_version(void **state)
{
	struct sample s;

	(void)state;
	sample_make(&s);
	set_version(s.f.bytes, 7);
	expect_none(s.f.bytes, s.f.size, -EPROTO,
		    "was written by a newer alloctrace (format 7; this one reads 1)");
	expect_none(s.f.bytes, FORMAT_BEGINNING, -EPROTO,
		    "was written by a newer alloctrace (format 7; this one reads 1)");
	file_free(&s.f);
}

/* Through a pipe, which cannot be sought in and hands out as little as it likes. */
static void test_pipe(void **state)
{
	struct sample s;
	struct reading in = {0}, whole;
	int ends[2];

	(void)state;
	sample_make(&s);
	assert_int_equal(pipe(ends), 0);
	assert_true(s.f.size < 65536);
	assert_int_equal(write(ends[1], s.f.bytes, s.f.size), s.f.size);
	close(ends[1]);
	in.stream = fdopen(ends[0], "rb");
	assert_non_null(in.stream);
	setvbuf(in.stream, NULL, _IOFBF, 16);
	in.r = recording_open(in.stream, &in.err, in.why, sizeof(in.why));
	assert_non_null(in.r);
	assert_int_equal(recording_seek(in.r, UINT64_MAX, UINT64_MAX), 0);
	reading_begin(&whole, s.f.bytes, s.f.size);
	for (unsigned int i = 0; i < s.records[FRAMES]; i++) {
		assert_int_equal(reading_next(&whole), 1);
		same_record(reading_expect(&in, whole.record.kind), &whole.record);
	}
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_offset(in.r), s.f.size);
	reading_close(&in);
	reading_close(&whole);
	file_free(&s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),     cmocka_unit_test(test_changed),
		cmocka_unit_test(test_moved),   cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_version), cmocka_unit_test(test_pipe),
	};

	return cmocka_run_group_tests_name("recording_damage", tests, NULL, NULL);
}
