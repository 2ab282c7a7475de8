// SPDX-License-Identifier: MIT
/* Frames one after another: which records go into one, when it is closed, and what is left at the
 * end. */
#include "recording/writer.h"

#include <errno.h>
#include <stdlib.h>

#include "recording/check.h"
#include "recording/frame.h"
#include "recording/index.h"
#include "recording/out.h"

struct writer {
	FILE *file;
	struct check check;
	struct out out;
	struct packer *packer;
	struct index index;
	uint64_t calls, bytes;
	int err; /* what went wrong once: nothing is written any more */
};

/* Behind bytes that could not be written nothing is worth writing. */
static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
	if (!ferror(w->file))
		w->bytes += fwrite(bytes, 1, size, w->file);
}

static void put_beginning(struct writer *w)
{
	unsigned char bytes[FORMAT_BEGINNING];

	bytes_set_word(bytes, FORMAT_MAGIC);
	bytes_set_half(bytes + 8, FORMAT_VERSION);
	bytes_set_word(bytes + 12, frame_sum(bytes, 12));
	put_bytes(w, bytes, sizeof(bytes));
}

struct writer *writer_new(FILE *out)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->packer = packer_new();
	if (!w->packer) {
		free(w);
		return NULL;
	}
	w->file = out;
	out_init(&w->out);
	put_beginning(w);
	return w;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	out_fini(&w->out);
	index_fini(&w->index);
	packer_free(w->packer);
	free(w);
}

static int put_frame(struct writer *w, enum format_type type, const struct frame_piece *pieces,
		     size_t count)
{
	const unsigned char *frame;
	size_t size;
	int err = packer_pack(w->packer, type, pieces, count, &frame, &size);

	if (!err)
		put_bytes(w, frame, size);
	return err;
}

static int put_content(struct writer *w)
{
	struct frame_piece pieces[1 + FORMAT_NR_COLUMNS];
	unsigned char lengths[FORMAT_LENGTHS];

	pieces[0] = (struct frame_piece){lengths, sizeof(lengths)};
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++) {
		const struct bytes *column = &w->out.columns[i];

		bytes_set_half(lengths + 4 * i, (uint32_t)column->used);
		pieces[1 + i] = (struct frame_piece){column->at, column->used};
	}
	return put_frame(w, FORMAT_RECORDS, pieces, 1 + FORMAT_NR_COLUMNS);
}

static int close_frame(struct writer *w)
{
	const struct out *o = &w->out;
	struct index_entry entry = {w->bytes, o->first_ns, o->last_ns, o->calls, o->others};

	if (w->err || !out_size(o))
		return w->err;
	w->err = out_has_failed(o) ? -ENOMEM : put_content(w);
	if (!w->err)
		w->err = index_add(&w->index, &entry);
	out_restart(&w->out);
	return w->err;
}

/* A large piece of code is as good as several small ones. */
static int put_code(struct writer *w, const struct record *whole)
{
	struct record r = *whole;
	uint32_t left = whole->code.size;
	int err = 0;

	while (!err && left > RECORD_MAX_CODE) {
		r.code.size = RECORD_MAX_CODE;
		err = writer_put(w, &r);
		r.code.bytes += RECORD_MAX_CODE;
		r.code.anew = false;
		left -= RECORD_MAX_CODE;
	}
	r.code.size = left;
	return err ? err : writer_put(w, &r);
}

int writer_put(struct writer *w, const struct record *r)
{
	if (w->err)
		return w->err;
	if (r->kind == RECORD_CODE && r->code.size > RECORD_MAX_CODE && r->code.bytes)
		return put_code(w, r);
	if (!check_record(&w->check, r))
		return -EINVAL;
	if (r->kind == RECORD_EVENT) {
		out_call(&w->out, r->event);
		w->calls++;
	} else if (r->kind == RECORD_STACK) {
		out_stack(&w->out, r->event);
	} else {
		out_other(&w->out, r);
	}
	if (out_has_failed(&w->out))
		w->err = -ENOMEM;
	return out_is_full(&w->out) ? close_frame(w) : w->err;
}

int writer_flush(struct writer *w)
{
	int err = close_frame(w);

	fflush(w->file);
	return err;
}

static int put_index(struct writer *w)
{
	struct bytes bytes = {0};
	struct frame_piece piece;
	int err;

	index_write(&w->index, &bytes);
	piece = (struct frame_piece){bytes.at, bytes.used};
	err = bytes.failed ? -ENOMEM : put_frame(w, FORMAT_INDEX, &piece, 1);
	bytes_fini(&bytes);
	return err;
}

static void put_trailer(struct writer *w, uint64_t index_at)
{
	unsigned char bytes[FORMAT_TRAILER];

	bytes_set_word(bytes, FORMAT_END);
	bytes_set_word(bytes + 8, index_at);
	bytes_set_word(bytes + 16, frame_sum(bytes, 16));
	put_bytes(w, bytes, sizeof(bytes));
}

int writer_finish(struct writer *w)
{
	int err = close_frame(w);
	uint64_t index_at = w->bytes;

	if (!err)
		w->err = err = put_index(w);
	if (!err)
		put_trailer(w, index_at);
	fflush(w->file);
	return err;
}

uint64_t writer_events(const struct writer *w)
{
	return w->calls;
}

uint64_t writer_bytes(const struct writer *w)
{
	return w->bytes;
}
