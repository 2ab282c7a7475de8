// SPDX-License-Identifier: MIT
/*
 * Bytes that only a stranger writes, with sums as they should be. Each row is content that is good,
 * and one byte that is not: so what is refused is refused for that byte.
 */
#include "recording_file.h"

#include "recording/bytes.h"
#include "recording/format.h"
#include "recording/frame.h"
#include "recording/out.h"

struct column {
	const char *at;
	size_t size;
};

#define BYTES(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

/* What comes behind RECORD_START and a table of one function. */
struct content {
	struct column columns[FORMAT_NR_COLUMNS];
	unsigned int records;
};

/* In the content, one byte is another one; at the end of the column it is one too much. */
struct row {
	const char *what;
	const struct content *content;
	enum format_column column;
	size_t at;
	unsigned char byte;
};

/* clang-format off */
#define THREAD "\1\1\0\0" "\2" "a\0" /* pid, tid, and in their namespace; comm */
#define WORD   "\x00\x10\x40\0\0\0\0\0"

/* REST: kind, function, flags, fields, alignment, pool; where the stack is, grade, why, layout,
 * frames, their words; the thread. */
static const struct content call = {{
	[COLUMN_SHAPES] = BYTES("\1"), [COLUMN_THREADS] = BYTES("\0"), [COLUMN_GAPS] = BYTES("\0"),
	[COLUMN_REST] = BYTES("\1\0\0\0\0\0" "\0\0\0\0\1" WORD THREAD)}, 1};

/* The same with all fields, twice: latency, size, two addresses, weight. */
static const struct content calls = {{
	[COLUMN_SHAPES] = BYTES("\1\2"), [COLUMN_THREADS] = BYTES("\0\1"),
	[COLUMN_GAPS] = BYTES("\0\x80"), [COLUMN_GAPS_MORE] = BYTES("\1"),
	[COLUMN_LATENCIES] = BYTES("\x80\1"), [COLUMN_LATENCIES_MORE] = BYTES("\1"),
	[COLUMN_SIZES] = BYTES("\1\1"), [COLUMN_PLACES] = BYTES("\0\1\3\4"),
	[COLUMN_FRESH] = BYTES("\2\2"),
	[COLUMN_REST] = BYTES("\3\0\0\x1f\0\0" "\0\0\0\0\0" THREAD "\5\5")}, 2};

static const struct content pool = {{
	[COLUMN_SHAPES] = BYTES("\1"), [COLUMN_THREADS] = BYTES("\0"), [COLUMN_GAPS] = BYTES("\0"),
	[COLUMN_REST] = BYTES("\5\0\0\0\0\x40" "\0\0\0\0\0" THREAD)}, 1};

/* … base, chunks, name. */
static const struct content creation = {{
	[COLUMN_SHAPES] = BYTES("\1"), [COLUMN_THREADS] = BYTES("\0"), [COLUMN_GAPS] = BYTES("\0"),
	[COLUMN_REST] = BYTES("\4\0\0\0\0\x40" "\0\0\0\0\1" WORD THREAD "\1\1\1" "\2" "p\0")}, 1};

/* RECORD_STACK: is numbered, thread, id; function, flags, time and 6 fields; grade, why, layout,
 * frames, word. Then a call along it, by its number. */
static const struct content stack = {{
	[COLUMN_SHAPES] = BYTES("\0\1"), [COLUMN_THREADS] = BYTES("\0\1"), [COLUMN_GAPS] = BYTES("\0"),
	[COLUMN_REST] = BYTES("\x08" "\1" THREAD "\1\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0" "\1\0\0\1" WORD
			      "\1\0\0\0\0\0" "\1\0")}, 2};

/* A call along a stack that has not been told: layout, frames, word, id. */
static const struct content by_id = {{
	[COLUMN_SHAPES] = BYTES("\1"), [COLUMN_THREADS] = BYTES("\0"), [COLUMN_GAPS] = BYTES("\0"),
	[COLUMN_REST] = BYTES("\1\0\0\0\0\0" "\2\0\1" WORD "\1\0\0\0\0\0\0\0" THREAD)}, 1};

#define OTHER(...) {{[COLUMN_SHAPES] = BYTES("\0"), [COLUMN_REST] = BYTES(__VA_ARGS__)}, 1}
#define AFTER_MODULE(...) \
	{{[COLUMN_SHAPES] = BYTES("\0\0"), [COLUMN_REST] = BYTES("\3" "\2x\0" "\0\0" __VA_ARGS__)}, 2}

static const struct content settle = OTHER("\x0b" "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1");
static const struct content functions = OTHER("\2\2" "\2m\0" "\0\0\0\0" "\2f\0" "\0\0\0\0");
static const struct content module = OTHER("\3" "\3xy\0" "\2" "id" "\5");
static const struct content space = AFTER_MODULE("\4" "\1\0\1" "\4\2\0\0");
static const struct content code = OTHER("\5" "\1\0\2" "xy");
static const struct content life = OTHER("\6" "\2\1\1\0");
static const struct content names = AFTER_MODULE("\7" "\0\1\0\1" "\0\0" "\xfe\xff\xff\xff\x0f" "\0\0\0\0");
static const struct content pressure = OTHER("\x0a" "\2\1\1");
static const struct content shared = OTHER("\x0d" "\1\1\1");
/* clang-format on */

static const struct row rows[] = {
	{"a shape that has not been told", &calls, COLUMN_SHAPES, 1, 3},
	{"a shape is told and has no bytes", &calls, COLUMN_SHAPES, 1, 1},
	{"a call less than there are threads", &calls, COLUMN_SHAPES, 1, 0},
	{"a record too much", &calls, COLUMN_SHAPES, 2, 2},
	{"a thread that has not been told", &calls, COLUMN_THREADS, 1, 2},
	{"a thread too much", &calls, COLUMN_THREADS, 2, 1},
	{"a gap that does not end", &call, COLUMN_GAPS, 0, 0x80},
	{"a gap too much", &call, COLUMN_GAPS, 1, 0},
	{"a gap whose rest is not wanted", &calls, COLUMN_GAPS, 1, 1},
	{"a latency that does not end", &calls, COLUMN_LATENCIES, 1, 0x80},
	{"a latency whose rest does not end", &calls, COLUMN_LATENCIES_MORE, 0, 0x80},
	{"a size that does not end", &calls, COLUMN_SIZES, 1, 0x80},
	{"a size too much", &calls, COLUMN_SIZES, 2, 1},
	{"a place before the first", &calls, COLUMN_PLACES, 2, 4},
	{"a place far before the first", &calls, COLUMN_PLACES, 3, 0x7f},
	{"a new place without an address", &calls, COLUMN_PLACES, 3, 0},
	{"an address too much", &calls, COLUMN_FRESH, 2, 1},
	{"a weight that does not end", &calls, COLUMN_REST, 19, 0x80},
	{"a call of no kind", &call, COLUMN_REST, 0, 0},
	{"a change of the level as a call", &call, COLUMN_REST, 0, EVENT_PRESSURE},
	{"a stack as a call", &call, COLUMN_REST, 0, EVENT_STACK},
	{"a pool's call without a pool", &call, COLUMN_REST, 0, EVENT_POOL_ALLOC},
	{"a function that has not been told", &call, COLUMN_REST, 1, 1},
	{"a function beyond all", &pool, COLUMN_REST, 1, EVENT_MAX_FUNCTIONS},
	{"a flag that is none", &call, COLUMN_REST, 2, FLAG_ALL + 1},
	{"a field that is none", &call, COLUMN_REST, 3, FIELD_ALL + 1},
	{"a latency that is not there", &call, COLUMN_REST, 3, FIELD_LATENCY},
	{"a size that is not there", &call, COLUMN_REST, 3, FIELD_SIZE},
	{"an address that is not there", &call, COLUMN_REST, 3, FIELD_ADDR},
	{"an old address that is not there", &call, COLUMN_REST, 3, FIELD_OLD_ADDR},
	{"a weight that is not there", &call, COLUMN_REST, 3, FIELD_WEIGHT},
	{"a pool that malloc has not", &call, COLUMN_REST, 5, 1},
	{"a stack nowhere", &call, COLUMN_REST, 6, FORMAT_NR_STACKS},
	{"a stack's number instead of words", &call, COLUMN_REST, 6, STACK_NUMBER},
	{"a grade that is none", &call, COLUMN_REST, 7, EVENT_NR_GRADES},
	{"a reason that is none", &call, COLUMN_REST, 8, EVENT_NR_WHYS},
	{"words that are not there", &call, COLUMN_REST, 10, 3},
	{"a text without a zero", &call, COLUMN_REST, 25, 'x'},
	{"a text that is no text", &call, COLUMN_REST, 23, 0},
	{"a byte too much", &call, COLUMN_REST, 26, 0},
	{"a pool at 0", &pool, COLUMN_REST, 5, 0},
	{"a creation with an alignment", &creation, COLUMN_REST, 4, 1},
	{"a creation at no pool", &creation, COLUMN_REST, 5, 0},
	{"a creation with a grade", &creation, COLUMN_REST, 7, EVENT_COMPLETE},
	{"a creation with a reason", &creation, COLUMN_REST, 8, EVENT_WHY_DEPTH},
	{"a creation with a layout", &creation, COLUMN_REST, 9, 1},
	{"a creation without a name", &creation, COLUMN_REST, 29, 0},
	{"a stack with a number that is no flag", &stack, COLUMN_REST, 1, 2},
	{"a stack without an id", &stack, COLUMN_REST, 9, 0},
	{"a stack without a number, and one of it", &stack, COLUMN_REST, 1, 0},
	{"a stack without words", &stack, COLUMN_REST, 29, 0},
	{"a stack of a grade that is none", &stack, COLUMN_REST, 26, EVENT_NR_GRADES},
	{"a stack's number that has not been told", &stack, COLUMN_REST, 45, 1},
	{"more of an id's words than the caller", &by_id, COLUMN_REST, 8, 2},
	{"a record of no kind", &settle, COLUMN_REST, 0, 0},
	{"a record of a later kind", &settle, COLUMN_REST, 0, RECORD_NR_KINDS},
	{"a call among what is none", &settle, COLUMN_REST, 0, RECORD_EVENT},
	{"a beginning in the midst", &settle, COLUMN_REST, 0, RECORD_START},
	{"a number of 65 bits", &settle, COLUMN_REST, 10, 2},
	{"a number of 11 bytes", &settle, COLUMN_REST, 10, 0x81},
	{"functions that have gone", &functions, COLUMN_REST, 1, 0},
	{"functions that are not there", &functions, COLUMN_REST, 1, 3},
	{"a text with two zeros", &module, COLUMN_REST, 3, 0},
	{"a module without a path", &module, COLUMN_REST, 1, 0},
	{"a build-id beyond all", &module, COLUMN_REST, 5, RECORD_MAX_BUILD_ID + 1},
	{"a mapping of a module that has not been told", &space, COLUMN_REST, 13, 1},
	{"a mapping without a byte", &space, COLUMN_REST, 11, 0},
	{"mappings that are not there", &space, COLUMN_REST, 9, 2},
	{"a flag of 2", &space, COLUMN_REST, 8, 2},
	{"code that is not there", &code, COLUMN_REST, 3, 3},
	{"what becomes of nobody", &life, COLUMN_REST, 1, RECORD_END + 1},
	{"names in a module that has not been told", &names, COLUMN_REST, 7, 1},
	{"names that are not there", &names, COLUMN_REST, 10, 2},
	{"a line of 33 bits", &names, COLUMN_REST, 17, 0x10},
	{"a level that is none", &pressure, COLUMN_REST, 1, EVENT_NR_LEVELS},
	{"an answer that is neither", &shared, COLUMN_REST, 3, 2},
};

/* ---- files */

static void append_frame(struct bytes *file, enum format_type type, const void *raw, size_t size)
{
	struct frame_piece piece = {raw, size};
	struct packer *p = packer_new();
	const unsigned char *frame;
	size_t packed;

	assert_non_null(p);
	assert_int_equal(packer_pack(p, type, &piece, 1, &frame, &packed), 0);
	bytes_raw(file, frame, packed);
	packer_free(p);
}

static void append_content(struct bytes *file, const struct out *o)
{
	struct bytes raw = {0};
	unsigned char length[4];

	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++) {
		bytes_set_half(length, (uint32_t)o->columns[i].used);
		bytes_raw(&raw, length, sizeof(length));
	}
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		bytes_raw(&raw, o->columns[i].at, o->columns[i].used);
	assert_false(raw.failed);
	append_frame(file, FORMAT_RECORDS, raw.at, raw.used);
	bytes_fini(&raw);
}

/* A beginning, RECORD_START, and a table of one function. */
static void begin(struct bytes *file, struct out *o)
{
	struct record_function row = {.name = "malloc"};
	struct record start = {
		.kind = RECORD_START,
		.start = {.version = "", .kernel = "", .command = "", .only_pool = ""}};
	struct record table = {.kind = RECORD_FUNCTIONS, .functions = {&row, 1}};
	unsigned char beginning[FORMAT_BEGINNING];

	*file = (struct bytes){0};
	bytes_set_word(beginning, FORMAT_MAGIC);
	bytes_set_half(beginning + 8, FORMAT_VERSION);
	bytes_set_word(beginning + 12, frame_sum(beginning, 12));
	bytes_raw(file, beginning, sizeof(beginning));
	out_init(o);
	out_other(o, &start);
	out_other(o, &table);
	assert_false(out_has_failed(o));
}

static void read_all(const struct bytes *file, unsigned int least, unsigned int most,
		     enum reader_end end)
{
	struct reading in;
	unsigned int records = 0;
	int got;

	reading_begin(&in, (const char *)file->at, file->used);
	assert_non_null(in.r);
	reading_start(&in);
	while ((got = reading_next(&in)) == 1)
		records++;
	assert_int_equal(got, 0);
	assert_int_equal(recording_end(in.r), end);
	assert_in_range(records, least, most);
	reading_close(&in);
}

/* The content behind a beginning, with the row's byte or without. */
static void check(const struct row *row, bool spoil)
{
	unsigned int records = row->content->records;
	struct bytes file;
	struct out o;

	begin(&file, &o);
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++) {
		const struct column *c = &row->content->columns[i];
		struct bytes *column = &o.columns[i];
		size_t at = column->used;

		bytes_raw(column, c->at, c->size);
		if (!spoil || i != row->column)
			continue;
		assert_true(row->at <= c->size);
		if (row->at == c->size)
			bytes_raw(column, &row->byte, 1);
		assert_true(row->at == c->size || column->at[at + row->at] != row->byte);
		column->at[at + row->at] = row->byte;
	}
	append_content(&file, &o);
	if (spoil)
		read_all(&file, 0, records, READER_DAMAGED);
	else
		read_all(&file, records, records, READER_CUT);
	out_fini(&o);
	bytes_fini(&file);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		check(&rows[i], false);
		check(&rows[i], true);
	}
}

/* ---- frames */

static void expect_damage(struct bytes *file, struct out *o)
{
	read_all(file, 0, 0, READER_DAMAGED);
	out_fini(o);
	bytes_fini(file);
}

/* Content that ends before its columns do, or goes on behind them. */
static void test_lengths(void **state)
{
	static const unsigned char none[FORMAT_LENGTHS + 1], one[FORMAT_LENGTHS + 1] = {2};
	struct bytes file;
	struct out o;

	(void)state;
	for (size_t size = 1; size <= sizeof(none); size++) {
		begin(&file, &o);
		append_content(&file, &o);
		append_frame(&file, FORMAT_RECORDS, none, size);
		expect_damage(&file, &o);
	}
	begin(&file, &o);
	append_content(&file, &o);
	append_frame(&file, FORMAT_RECORDS, one, sizeof(one));
	expect_damage(&file, &o);
}

/* An index that counts no call too few, and one that is none. */
static void test_index(void **state)
{
	static const char *const bad[] = {"\1\0\x14\1\1\0\0", "\1\0\x13\1\0\0\0",
					  "\2\0\x14\1\0\0\0", "\1\0\x14\2\0\0\0",
					  "\1\0\x7f\1\0\0\0", "\1\1\x14\1\1\0\0"};
	struct bytes file;
	struct out o;

	(void)state;
	begin(&file, &o);
	append_content(&file, &o);
	append_frame(&file, FORMAT_INDEX, "\1\0\x14\1\0\0\0", 7);
	read_all(&file, 0, 0, READER_CUT); /* it is good: the trailer alone is missing */
	out_fini(&o);
	bytes_fini(&file);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(&file, &o);
		append_content(&file, &o);
		append_frame(&file, FORMAT_INDEX, bad[i], 7);
		expect_damage(&file, &o);
	}
}

/* Heads that promise what no frame has, and bytes of which zstd makes nothing, or too much, or
 * which another format of zstd's family has. */
static void test_heads(void **state)
{
	static const unsigned char old[] = {0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0},
				   skipped[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
	const struct frame_head heads[] = {
		{3, 40, 8, 0},
		{FORMAT_RECORDS, FORMAT_MAX_RAW + 1, 8, 0},
		{FORMAT_RECORDS, 0, 8, 0},
		{FORMAT_RECORDS, 40, UINT32_MAX, 0},
		{FORMAT_RECORDS, 40, 8, 0},
		{FORMAT_RECORDS, 40, 8, 0},
		{FORMAT_RECORDS, 40, 8, 0},
	};
	struct bytes file;
	struct out o;

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		unsigned char bytes[FORMAT_HEAD + 8] = {0};
		struct frame_head head = heads[i];

		memcpy(bytes + FORMAT_HEAD, i == 5 ? old : i == 6 ? skipped : bytes, 8);
		head.sum = frame_sum(bytes + FORMAT_HEAD, 8);
		frame_put_head(bytes, &head);
		begin(&file, &o);
		append_content(&file, &o);
		bytes_raw(&file, bytes, sizeof(bytes));
		expect_damage(&file, &o);
	}
}

/* A frame of zstd that is larger, or smaller, than its head says, or is followed by another. */
static void test_sizes(void **state)
{
	struct bytes file, twice;
	struct out o;

	(void)state;
	for (int how = 0; how < 3; how++) {
		struct frame_head head;
		size_t packed;

		begin(&file, &o);
		append_content(&file, &o);
		assert_true(frame_get_head(&head, file.at + FORMAT_BEGINNING));
		packed = head.packed;
		if (how == 2) {
			twice = (struct bytes){0};
			bytes_raw(&twice, file.at + FORMAT_BEGINNING + FORMAT_HEAD, packed);
			bytes_raw(&file, twice.at, packed);
			bytes_fini(&twice);
			head.packed *= 2;
			head.raw *= 2;
		} else {
			head.raw += how ? 1 : -1;
		}
		head.sum = frame_sum(file.at + FORMAT_BEGINNING + FORMAT_HEAD, head.packed);
		frame_put_head(file.at + FORMAT_BEGINNING, &head);
		{
			struct reading in;

			reading_begin(&in, (const char *)file.at, file.used);
			reading_end(&in, READER_DAMAGED);
			assert_int_equal(recording_offset(in.r), FORMAT_BEGINNING);
			reading_close(&in);
		}
		out_fini(&o);
		bytes_fini(&file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),  cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_index), cmocka_unit_test(test_heads),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests_name("recording_strangers", tests, NULL, NULL);
}
