// SPDX-License-Identifier: MIT
/*
 * Recordings from anywhere. The first byte of an input says what the rest is: a whole file;
 * contents of frames with their lengths before them, which no sum and no zstd hides from the
 * fuzzer; or the bytes of an index. What is taken for records must be what the writer would take as
 * well, and written and read again it must come to the same bytes.
 */
#include "fuzz.h"

#include <errno.h>

#include "recording/frame.h"
#include "recording/in.h"
#include "recording/index.h"
#include "recording/out.h"
#include "recording/reader.h"

enum { MODE_FILE, MODE_CONTENTS, MODE_INDEX, NR_MODES };

/* All bytes of a text, so that the sanitizer sees one that is not there. */
static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

static void check_event(const struct event *e)
{
	fuzz_check(e->kind >= EVENT_ALLOC && e->kind <= EVENT_STACK && e->kind != EVENT_PRESSURE,
		   "a kind that is known");
	fuzz_check(e->grade < EVENT_NR_GRADES && e->why < EVENT_NR_WHYS, "a grade and a reason");
	fuzz_check(e->function < EVENT_MAX_FUNCTIONS, "a row of the table");
	fuzz_check(e->frames <= EVENT_MAX_FRAMES, "the stack fits");
	fuzz_check(e->kind == EVENT_STACK || !e->stack_id || e->frames <= 1,
		   "a stack with a number has its caller alone");
	fuzz_check(memchr(e->comm, 0, sizeof(e->comm)), "the command's name ends");
	fuzz_check(memchr(e->name, 0, sizeof(e->name)), "the pool's name ends");
}

static void check_texts(const struct record *r)
{
	size_t length = 0;

	switch (r->kind) {
	case RECORD_START:
		length = length_of(r->start.version) | length_of(r->start.kernel) |
			 length_of(r->start.command) | length_of(r->start.only_pool);
		break;
	case RECORD_FUNCTIONS:
		for (uint32_t i = 0; i < r->functions.count; i++)
			length |= length_of(r->functions.at[i].name);
		break;
	case RECORD_MODULE:
		length = length_of(r->module.path);
		break;
	case RECORD_NAMES:
		for (uint32_t i = 0; i < r->names.count; i++)
			length |= length_of(r->names.frames[i].function) |
				  length_of(r->names.frames[i].file);
		break;
	case RECORD_BOOKS:
		length = length_of(r->books.fate);
		break;
	default:
		break;
	}
	fuzz_check(length < RECORD_MAX_TEXT, "texts are bounded");
}

static void check_view(const struct record *r)
{
	fuzz_check(r->kind >= RECORD_START && r->kind < RECORD_NR_KINDS, "a kind that is known");
	if (r->kind == RECORD_EVENT || r->kind == RECORD_STACK)
		check_event(r->event);
	check_texts(r);
	if (r->kind == RECORD_SPACE)
		for (uint32_t i = 0; i < r->space.count; i++)
			fuzz_check(r->space.mappings[i].start < r->space.mappings[i].end,
				   "a mapping has bytes");
}

/* ---- whole files */

static void read_file(struct fuzz_input *in)
{
	uint8_t settings = fuzz_byte(in);
	uint64_t from = settings & 1 ? fuzz_word(in) : 0, until = from + fuzz_byte(in);
	int fd = fuzz_file(in->at, in->left), err = 0;
	struct recording *r;
	struct record record;
	char why[128] = "";
	FILE *file;

	lseek(fd, 0, SEEK_SET);
	file = fdopen(fd, "rb");
	if (!file)
		abort();
	r = recording_open(file, &err, why, sizeof(why));
	fuzz_check(r ? !err && !*why : err < 0 && *why, "it is one, or it is said why not");
	if (r && settings & 1)
		fuzz_check(!recording_seek(r, from, until), "seeking never fails");
	while (r && recording_next(r, &record) == 1)
		check_view(&record);
	if (r) {
		fuzz_check(recording_offset(r) <= in->left, "it ends within its bytes");
		fuzz_check(recording_end(r) <= READER_DAMAGED, "it has ended somehow");
	}
	recording_close(r);
	fclose(file);
}

/* ---- contents */

static void put(struct check *check, struct out *o, const struct record *r)
{
	fuzz_check(check_record(check, r), "what is read can be written");
	if (r->kind == RECORD_EVENT)
		out_call(o, r->event);
	else if (r->kind == RECORD_STACK)
		out_stack(o, r->event);
	else
		out_other(o, r);
}

/* As the writer lays it before zstd. The caller frees it. */
static uint8_t *content_of(const struct out *o, size_t *size)
{
	uint8_t *raw, *at;

	*size = out_size(o);
	raw = malloc(*size ? *size : 1);
	if (!raw || out_has_failed(o))
		abort();
	at = raw + FORMAT_LENGTHS;
	for (size_t i = 0; i < FORMAT_NR_COLUMNS && *size; i++) {
		bytes_set_half(raw + 4 * i, (uint32_t)o->columns[i].used);
		if (o->columns[i].used)
			memcpy(at, o->columns[i].at, o->columns[i].used);
		at += o->columns[i].used;
	}
	return raw;
}

/* Reads contents into `in`, and writes what they say into one. Returns how many records. */
static size_t copy(struct in *in, const uint8_t *raw, size_t size, struct check *check,
		   struct out *o)
{
	struct record r;
	size_t records = 0;

	if (in_begin(in, raw, size))
		return 0;
	while (in_next(in, &r) == 1) {
		check_view(&r);
		put(check, o, &r);
		records++;
	}
	return records;
}

static size_t copy_all(struct fuzz_input *input, struct check *check, struct out *o)
{
	size_t records = 0;
	struct in in;

	if (in_init(&in))
		abort();
	while (input->left) {
		size_t size = fuzz_byte(input);
		uint8_t *block;

		size |= (size_t)fuzz_byte(input) << 8;
		block = fuzz_block(input, &size);
		records += copy(&in, block, size, check, o);
		free(block);
	}
	in_fini(&in);
	return records;
}

static void read_contents(struct fuzz_input *input)
{
	struct check checks[2] = {{0}};
	struct out outs[2];
	uint8_t *once, *twice;
	size_t records, size, again;
	struct in in;

	out_init(&outs[0]);
	out_init(&outs[1]);
	records = copy_all(input, &checks[0], &outs[0]);
	once = content_of(&outs[0], &size);
	if (in_init(&in))
		abort();
	fuzz_check(copy(&in, once, size, &checks[1], &outs[1]) == records,
		   "what was written is read");
	in_fini(&in);
	twice = content_of(&outs[1], &again);
	fuzz_check(size == again && !memcmp(once, twice, size), "and comes to the same bytes");
	free(once);
	free(twice);
	out_fini(&outs[0]);
	out_fini(&outs[1]);
}

/* ---- indices */

static void read_index(struct fuzz_input *in)
{
	uint64_t end = fuzz_word(in), from = fuzz_word(in), until = fuzz_word(in), at;
	size_t size = in->left;
	uint8_t *block = fuzz_block(in, &size);
	struct cursor c = cursor_over(block, size);
	struct index x;

	at = FORMAT_BEGINNING;
	if (!index_read(&x, &c, end)) {
		fuzz_check(x.count <= INDEX_MAX, "it is as long as it may be");
		for (size_t i = 0; i <= x.count; i++) {
			uint64_t next = index_next(&x, at, from, until, end);

			fuzz_check(next >= at && (next <= end || next == at), "it leads on");
			at = next + 1;
		}
		index_fini(&x);
	}
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	switch (fuzz_byte(&in) % NR_MODES) {
	case MODE_FILE:
		read_file(&in);
		break;
	case MODE_CONTENTS:
		read_contents(&in);
		break;
	default:
		read_index(&in);
	}
	return 0;
}
