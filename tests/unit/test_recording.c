// SPDX-License-Identifier: MIT
/* Every kind of record, written and read: with nothing in it, with all that fits, and what is no
 * record. */
#include "recording_file.h"

#include <errno.h>

#include "recording/format.h"

static const char *longest_text(void)
{
	static char text[RECORD_MAX_TEXT];

	memset(text, 'x', sizeof(text) - 1);
	return text;
}

/* Modules that records can refer to. */
static void put_modules(struct file *f, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct record r = {.kind = RECORD_MODULE, .module = {.path = "/lib/x.so"}};

		file_put(f, &r);
	}
}

/* Writes the record behind a beginning and `modules` modules, and expects it back, alone and among
 * others. */
static void round_trip(const struct record *r, unsigned int modules)
{
	struct record settle = {.kind = RECORD_SETTLE, .ns = 77};
	struct file f;
	struct reading in;

	file_begin(&f);
	file_start(&f);
	put_modules(&f, modules);
	file_put(&f, r);
	file_put(&f, &settle);
	file_put(&f, r);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	assert_non_null(in.r);
	reading_start(&in);
	for (unsigned int i = 0; i < modules; i++)
		reading_expect(&in, RECORD_MODULE);
	same_record(reading_expect(&in, r->kind), r);
	same_record(reading_expect(&in, RECORD_SETTLE), &settle);
	same_record(reading_expect(&in, r->kind), r);
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_offset(in.r), f.size);
	reading_close(&in);
	file_free(&f);
}

static void refuse(struct writer *w, const struct record *r)
{
	assert_int_equal(writer_put(w, r), -EINVAL);
}

static void check_start(const struct record_start *start)
{
	struct record r = {.kind = RECORD_START, .start = *start};
	struct file f;
	struct reading in;

	file_begin(&f);
	file_put(&f, &r);
	refuse(f.writer, &r);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	same_record(reading_expect(&in, RECORD_START), &r);
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

static void test_start(void **state)
{
	struct record_start full = {.version = longest_text(),
				    .kernel = "6.1.0-\xff\x01",
				    .command = longest_text(),
				    .start_ns = UINT64_MAX,
				    .wall_ns = UINT64_MAX - 1,
				    .target_count = RECORD_MAX_TARGETS,
				    .sample_bytes = UINT64_MAX,
				    .only_pool = "protocol"};
	struct record_start empty = {.version = "", .kernel = "", .command = "", .only_pool = ""};
	bool *const flags[] = {&full.stacks,          &full.live_known, &full.checks, &full.partial,
			       &full.partial_threads, &full.whole_life, &full.names};

	(void)state;
	check_start(&empty);
	for (uint32_t i = 0; i < RECORD_MAX_TARGETS; i++)
		full.targets[i] = UINT32_MAX - i;
	for (size_t i = 0; i < 7; i++) {
		*flags[i] = true;
		check_start(&full);
		*flags[i] = false;
	}
}

static void test_functions(void **state)
{
	struct record_function rows[EVENT_MAX_FUNCTIONS] = {0};
	struct record r = {.kind = RECORD_FUNCTIONS, .functions = {rows, EVENT_MAX_FUNCTIONS}};

	(void)state;
	for (uint32_t i = 0; i < EVENT_MAX_FUNCTIONS; i++)
		rows[i] = (struct record_function){.name = i % 2 ? "free" : "",
						   .family = i == 5 ? UINT32_MAX : i,
						   .traced = i & 1,
						   .frees = i & 2,
						   .own = i & 4};
	round_trip(&r, 0);
	r.functions.count--;
	{
		struct file f;

		file_begin(&f);
		file_start(&f);
		refuse(f.writer, &r); /* rows never go */
		file_close(&f);
		file_free(&f);
	}
}

static void test_module(void **state)
{
	struct record r = {.kind = RECORD_MODULE,
			   .module = {.path = longest_text(),
				      .build_id_size = RECORD_MAX_BUILD_ID,
				      .size = UINT64_MAX}};

	(void)state;
	for (size_t i = 0; i < RECORD_MAX_BUILD_ID; i++)
		r.module.build_id[i] = (uint8_t)(255 - i);
	round_trip(&r, 0);
	r.module = (struct record_module){.path = ""};
	round_trip(&r, 0);
}

static void test_space(void **state)
{
	struct record_mapping *at = calloc(RECORD_MAX_MAPPINGS, sizeof(*at));
	struct record r = {.kind = RECORD_SPACE, .space = {.pid = UINT32_MAX, .fresh = true}};

	(void)state;
	assert_non_null(at);
	round_trip(&r, 0);
	for (uint32_t i = 0; i < RECORD_MAX_MAPPINGS; i++)
		at[i] = (struct record_mapping){0x400000 + 8192ULL * i, 0x401000 + 8192ULL * i,
						4096ULL * i, i % 3};
	at[0] = (struct record_mapping){0, UINT64_MAX, UINT64_MAX, 2};
	at[1] = (struct record_mapping){UINT64_MAX - 1, UINT64_MAX, 0, 0};
	r.space = (struct record_space){.pid = 1, .count = RECORD_MAX_MAPPINGS, .mappings = at};
	round_trip(&r, 3);
	r.space.count = 1;
	round_trip(&r, 3);
	free(at);
}

static void test_code(void **state)
{
	char bytes[300];
	struct record r = {.kind = RECORD_CODE, .code = {.pid = 4211, .anew = true}};

	(void)state;
	round_trip(&r, 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	r.code.size = sizeof(bytes);
	r.code.bytes = bytes;
	round_trip(&r, 0);
}

/* More than one record holds: the same bytes in several of them, and only the first is new. */
static void test_much_code(void **state)
{
	uint32_t size = 2 * RECORD_MAX_CODE + 5, read = 0;
	char *bytes = malloc(size);
	struct record r = {.kind = RECORD_CODE,
			   .code = {.pid = 9, .anew = true, .size = size, .bytes = bytes}};
	struct file f;
	struct reading in;

	(void)state;
	assert_non_null(bytes);
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 2654435761U >> 24);
	file_begin(&f);
	file_start(&f);
	file_put(&f, &r);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	for (unsigned int i = 0; i < 3; i++) {
		const struct record_code *c = &reading_expect(&in, RECORD_CODE)->code;

		assert_int_equal(c->pid, 9);
		assert_int_equal(c->anew, i == 0);
		assert_true(c->size <= RECORD_MAX_CODE && c->size <= size - read);
		assert_memory_equal(c->bytes, bytes + read, c->size);
		read += c->size;
	}
	assert_int_equal(read, size);
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
	free(bytes);
}

static void test_life(void **state)
{
	struct record r = {.kind = RECORD_LIFE};

	(void)state;
	for (int what = RECORD_FORK; what <= RECORD_END; what++) {
		r.life = (struct record_life){(enum record_life_kind)what, UINT32_MAX, UINT32_MAX,
					      UINT64_MAX};
		round_trip(&r, 0);
		r.life = (struct record_life){.what = (enum record_life_kind)what};
		round_trip(&r, 0);
	}
}

static void test_names(void **state)
{
	struct record_frame *frames = calloc(RECORD_MAX_FRAMES, sizeof(*frames));
	struct record r = {.kind = RECORD_NAMES, .names = {.module = 1}};

	(void)state;
	assert_non_null(frames);
	round_trip(&r, 2);
	for (uint32_t i = 0; i < RECORD_MAX_FRAMES; i++)
		frames[i] = (struct record_frame){.function = longest_text(),
						  .file = longest_text(),
						  .line = INT32_MAX,
						  .column = INT32_MIN,
						  .offset = UINT64_MAX,
						  .module_offset = UINT64_MAX,
						  .inlined = i + 1 < RECORD_MAX_FRAMES};
	frames[3] = (struct record_frame){0};
	frames[4] = (struct record_frame){.function = "", .line = -1};
	r.names = (struct record_names){1, UINT64_MAX, true, RECORD_MAX_FRAMES, frames};
	round_trip(&r, 2);
	free(frames);
}

static void test_small(void **state)
{
	struct record all[] = {
		{.kind = RECORD_PRESSURE},
		{.kind = RECORD_PRESSURE, .pressure = {EVENT_COUNTS, UINT64_MAX, UINT64_MAX}},
		{.kind = RECORD_SETTLE},
		{.kind = RECORD_SETTLE, .ns = UINT64_MAX},
		{.kind = RECORD_DOUBT, .ns = UINT64_MAX},
		{.kind = RECORD_SHARED},
		{.kind = RECORD_SHARED, .shared = {UINT32_MAX, UINT64_MAX, true}},
		{.kind = RECORD_MISSED},
		{.kind = RECORD_MEMORY},
		{.kind = RECORD_MEMORY,
		 .memory = {UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		round_trip(&all[i], 0);
}

static void test_books(void **state)
{
	struct record_pool_totals *pools = malloc(RECORD_MAX_POOLS * sizeof(*pools));
	struct record r = {.kind = RECORD_BOOKS};

	(void)state;
	assert_non_null(pools);
	round_trip(&r, 0);
	memset(pools, 0xff, RECORD_MAX_POOLS * sizeof(*pools));
	for (uint32_t i = 0; i < RECORD_MAX_POOLS; i++)
		pools[i].pool.reserved = 0;
	memset(&r.books, 0xff, sizeof(r.books));
	r.books.final = true;
	r.books.pools = pools;
	r.books.pool_count = RECORD_MAX_POOLS;
	r.books.fate = longest_text();
	round_trip(&r, 0);
	r.books.pool_count = 1;
	r.books.fate = "";
	round_trip(&r, 0);
	free(pools);
}

/* A text that is too long loses its end and nothing else. */
static void test_long_text(void **state)
{
	char text[RECORD_MAX_TEXT + 100] = {0};
	struct record r = {.kind = RECORD_MODULE, .module = {.path = text, .size = 5}};
	const struct record_module *m;
	struct file f;
	struct reading in;

	(void)state;
	memset(text, 'y', sizeof(text) - 1);
	file_begin(&f);
	file_start(&f);
	file_put(&f, &r);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	m = &reading_expect(&in, RECORD_MODULE)->module;
	assert_int_equal(strlen(m->path), RECORD_MAX_TEXT - 1);
	assert_memory_equal(m->path, text, RECORD_MAX_TEXT - 1);
	assert_int_equal(m->size, 5);
	reading_close(&in);
	file_free(&f);
}

/* What no reader would take is not written, and harms nothing that is. */
static void test_no_records(void **state)
{
	static struct record_mapping beyond = {1, 2, 0, 1}, backwards = {2, 2, 0, 0};
	struct record bad[] = {
		{.kind = RECORD_START,
		 .start = {.version = "", .kernel = "", .command = "", .only_pool = ""}},
		{.kind = RECORD_MODULE},
		{.kind = RECORD_MODULE,
		 .module = {.path = "", .build_id_size = RECORD_MAX_BUILD_ID + 1}},
		{.kind = RECORD_SPACE, .space = {.count = 1, .mappings = &beyond}},
		{.kind = RECORD_SPACE, .space = {.count = 1, .mappings = &backwards}},
		{.kind = RECORD_SPACE, .space = {.count = 1}},
		{.kind = RECORD_SPACE, .space = {.count = RECORD_MAX_MAPPINGS + 1}},
		{.kind = RECORD_CODE, .code = {.size = 1}},
		{.kind = RECORD_CODE, .code = {.size = UINT32_MAX}},
		{.kind = RECORD_LIFE, .life = {.what = (enum record_life_kind)3}},
		{.kind = RECORD_NAMES, .names = {.module = 1}},
		{.kind = RECORD_NAMES, .names = {.count = RECORD_MAX_FRAMES + 1}},
		{.kind = RECORD_PRESSURE, .pressure = {.level = EVENT_NR_LEVELS}},
		{.kind = RECORD_BOOKS, .books = {.pool_count = RECORD_MAX_POOLS + 1}},
		{.kind = RECORD_BOOKS, .books = {.pool_count = 1}},
		{.kind = RECORD_EVENT},
		{.kind = RECORD_STACK},
		{.kind = (enum record_kind)0},
		{.kind = RECORD_NR_KINDS},
	};
	struct record missed = {.kind = RECORD_MISSED};
	struct file f;
	struct reading in;

	(void)state;
	file_begin(&f);
	refuse(f.writer, &missed); /* RECORD_START is the first */
	file_start(&f);
	put_modules(&f, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(f.writer, &bad[i]);
	file_put(&f, &missed);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	reading_expect(&in, RECORD_MODULE);
	reading_expect(&in, RECORD_MISSED);
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

/* What was flushed is there, whatever becomes of the writer; and a frame has something in it. */
static void test_flush(void **state)
{
	struct record settle = {.kind = RECORD_SETTLE};
	struct file f;
	struct reading in;
	size_t flushed;

	(void)state;
	file_begin(&f);
	assert_int_equal(writer_flush(f.writer), 0);
	file_start(&f);
	file_put(&f, &settle);
	assert_int_equal(writer_flush(f.writer), 0);
	flushed = f.size;
	assert_int_equal(writer_bytes(f.writer), flushed);
	assert_int_equal(writer_flush(f.writer), 0);
	assert_int_equal(f.size, flushed);
	file_put(&f, &settle);
	file_close(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	reading_expect(&in, RECORD_SETTLE);
	reading_end(&in, READER_CUT);
	assert_int_equal(recording_offset(in.r), flushed);
	reading_close(&in);
	file_free(&f);
	writer_free(NULL);
	recording_close(NULL);
}

/* Takes all bytes but those of the second time. */
static ssize_t write_but_once(void *cookie, const char *bytes, size_t size)
{
	unsigned int *times = cookie;

	(void)bytes;
	return ++*times == 2 ? 0 : (ssize_t)size;
}

/* Behind what could not be written nothing is, and nobody fails for it but the stream. */
static void test_full_disk(void **state)
{
	struct record start = {
		.kind = RECORD_START,
		.start = {.version = "", .kernel = "", .command = "", .only_pool = ""}};
	unsigned int times = 0;
	FILE *full = fopencookie(&times, "wb", (cookie_io_functions_t){.write = write_but_once});
	struct writer *w;

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	w = writer_new(full);
	assert_non_null(w);
	assert_int_equal(writer_bytes(w), FORMAT_BEGINNING);
	assert_int_equal(writer_put(w, &start), 0);
	assert_int_equal(writer_finish(w), 0);
	assert_true(ferror(full));
	assert_int_equal(writer_bytes(w), FORMAT_BEGINNING);
	assert_int_equal(times, 2);
	writer_free(w);
	fclose(full);
}

/* No record at all is a recording, too. */
static void test_nothing(void **state)
{
	struct file f;
	struct reading in;

	(void)state;
	file_begin(&f);
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_end(&in, READER_WHOLE);
	assert_int_equal(recording_events(in.r), 0);
	reading_close(&in);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),     cmocka_unit_test(test_functions),
		cmocka_unit_test(test_module),    cmocka_unit_test(test_space),
		cmocka_unit_test(test_code),      cmocka_unit_test(test_much_code),
		cmocka_unit_test(test_life),      cmocka_unit_test(test_names),
		cmocka_unit_test(test_small),     cmocka_unit_test(test_books),
		cmocka_unit_test(test_long_text), cmocka_unit_test(test_no_records),
		cmocka_unit_test(test_flush),     cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
