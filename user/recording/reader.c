// SPDX-License-Identifier: MIT
/*
 * Frames one after another, as they are read. A frame is taken whole or not at all: it is unpacked
 * into memory, and only then its first record is handed out. Nothing is sought but by
 * recording_seek; what it has skipped is not missed at the end.
 */
#include "recording/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "recording/frame.h"
#include "recording/in.h"
#include "recording/index.h"

struct recording {
	FILE *file;
	struct in in;
	struct unpacker *unpacker;
	uint64_t offset; /* bytes from the beginning; while a frame is handed out, its own … */
	uint64_t next;   /* … and of what follows it */
	uint64_t events;
	int err;     /* memory was out once: there is no going on */
	bool within; /* a frame */
	bool ended;
	enum reader_end end;
	/* What recording_seek was told. */
	struct index index;
	uint64_t index_at, from_ns, until_ns;
	off_t base; /* of the recording in its file */
	bool skipping, skipped;
};

/* ---- the beginning */

/* 0, -EINVAL or -EPROTO; the version in any case. */
static int judge(const unsigned char *bytes, size_t size, uint32_t *version)
{
	if (size < FORMAT_BEGINNING || bytes_get_word(bytes) != FORMAT_MAGIC)
		return -EINVAL;
	if (bytes_get_word(bytes + 12) != frame_sum(bytes, 12))
		return -EINVAL;
	*version = bytes_get_half(bytes + 8);
	return *version == FORMAT_VERSION ? 0 : -EPROTO;
}

/* What is wrong with a beginning, as the rest of a sentence that begins with the file's name. */
static void explain(char *why, size_t len, const unsigned char *bytes, size_t size,
		    uint32_t version)
{
	unsigned char magic[8];

	bytes_set_word(magic, FORMAT_MAGIC);
	if (version > FORMAT_VERSION)
		snprintf(why, len,
			 "was written by a newer alloctrace (format %u; this one reads %u)",
			 version, FORMAT_VERSION);
	else if (version)
		snprintf(why, len,
			 "was written by an older alloctrace (format %u; this one reads %u)",
			 version, FORMAT_VERSION);
	else if (!size)
		snprintf(why, len, "is empty");
	else if (memcmp(bytes, magic, size < sizeof(magic) ? size : sizeof(magic)))
		snprintf(why, len, "is no recording of alloctrace");
	else if (size < FORMAT_BEGINNING)
		snprintf(why, len, "ends within its first bytes");
	else
		snprintf(why, len, "is damaged in its first bytes");
}

static int begin(struct recording *r, char *why, size_t len)
{
	unsigned char bytes[FORMAT_BEGINNING];
	size_t size = fread(bytes, 1, sizeof(bytes), r->file);
	uint32_t version = 0;
	int err = judge(bytes, size, &version);

	if (!err)
		return 0;
	if (ferror(r->file)) {
		snprintf(why, len, "cannot be read");
		return -EIO;
	}
	explain(why, len, bytes, size, version);
	return err;
}

struct recording *recording_open(FILE *in, int *err, char *why, size_t len)
{
	struct recording *r = calloc(1, sizeof(*r));

	*err = -ENOMEM;
	if (!r || in_init(&r->in) || !(r->unpacker = unpacker_new())) {
		snprintf(why, len, "needs more memory than there is");
		recording_close(r);
		return NULL;
	}
	r->file = in;
	r->base = ftello(in);
	*err = begin(r, why, len);
	if (*err) {
		recording_close(r);
		return NULL;
	}
	r->offset = r->next = FORMAT_BEGINNING;
	return r;
}

void recording_close(struct recording *r)
{
	if (!r)
		return;
	in_fini(&r->in);
	unpacker_free(r->unpacker);
	index_fini(&r->index);
	free(r);
}

/* ---- frames */

/* That was the end. 0. */
static int finish(struct recording *r, enum reader_end end)
{
	r->ended = true;
	r->within = false;
	r->end = end;
	return 0;
}

/* The raw bytes of the frame of that head. 1; 0: it ended there, and how is known; or -ENOMEM. */
static int read_body(struct recording *r, const struct frame_head *head, const unsigned char **raw)
{
	unsigned char *room = unpacker_room(r->unpacker, head);
	int err;

	if (!room)
		return -ENOMEM;
	if (fread(room, 1, head->packed, r->file) < head->packed)
		return finish(r, READER_CUT);
	err = unpacker_unpack(r->unpacker, head, raw);
	if (err == -EBADMSG)
		return finish(r, READER_DAMAGED);
	return err ? err : 1;
}

static bool is_trailer(const unsigned char *bytes)
{
	return bytes_get_word(bytes) == FORMAT_END &&
	       bytes_get_word(bytes + 16) == frame_sum(bytes, 16);
}

/* What is behind the index: the trailer and nothing. */
static enum reader_end judge_trailer(struct recording *r)
{
	unsigned char bytes[FORMAT_TRAILER];

	if (fread(bytes, 1, sizeof(bytes), r->file) < sizeof(bytes))
		return READER_CUT;
	if (!is_trailer(bytes) || bytes_get_word(bytes + 8) != r->offset)
		return READER_DAMAGED;
	return getc(r->file) == EOF ? READER_WHOLE : READER_DAMAGED;
}

/* The index has come: it tells of all frames that have been read, or it is not theirs. */
static int end_with_index(struct recording *r, const struct frame_head *head,
			  const unsigned char *raw)
{
	struct cursor c = cursor_over(raw, head->raw);
	struct index index;
	enum reader_end end;
	uint64_t calls;
	int err = index_read(&index, &c, r->offset);

	if (err == -ENOMEM)
		return err;
	calls = index_calls(&index);
	index_fini(&index);
	if (err || (!r->skipped && calls != r->events))
		return finish(r, READER_DAMAGED);
	end = judge_trailer(r);
	if (end == READER_WHOLE)
		r->offset += FORMAT_HEAD + head->packed + FORMAT_TRAILER;
	return finish(r, end);
}

/* Goes on behind what nobody wants. */
static void skip(struct recording *r)
{
	uint64_t to;

	if (!r->skipping)
		return;
	to = index_next(&r->index, r->offset, r->from_ns, r->until_ns, r->index_at);
	if (to == r->offset || fseeko(r->file, r->base + (off_t)to, SEEK_SET))
		return;
	r->offset = to;
	r->skipped = true;
}

/* The next frame of records, or the end. 0 or -ENOMEM. */
static int read_frame(struct recording *r)
{
	unsigned char bytes[FORMAT_HEAD];
	struct frame_head head;
	const unsigned char *raw;
	int got;

	r->offset = r->next;
	skip(r);
	if (fread(bytes, 1, sizeof(bytes), r->file) < sizeof(bytes))
		return finish(r, READER_CUT);
	if (!frame_get_head(&head, bytes))
		return finish(r, READER_DAMAGED);
	got = read_body(r, &head, &raw);
	if (got <= 0)
		return got;
	if (head.type == FORMAT_INDEX)
		return end_with_index(r, &head, raw);
	if (in_begin(&r->in, raw, head.raw))
		return finish(r, READER_DAMAGED);
	r->next = r->offset + FORMAT_HEAD + head.packed;
	r->within = true;
	return 0;
}

int recording_next(struct recording *r, struct record *record)
{
	int got = r->err;

	while (!r->ended && !got) {
		if (!r->within) {
			got = read_frame(r);
			continue;
		}
		got = in_next(&r->in, record);
		if (got == -EBADMSG)
			return finish(r, READER_DAMAGED);
		if (!got)
			r->within = false;
	}
	if (got < 0)
		r->err = got;
	if (got == 1 && record->kind == RECORD_EVENT)
		r->events++;
	return got;
}

/* ---- seeking */

/* Reads `size` bytes at an offset of the recording. */
static bool read_at(struct recording *r, uint64_t offset, void *bytes, size_t size)
{
	return offset <= INT64_MAX / 2 && !fseeko(r->file, r->base + (off_t)offset, SEEK_SET) &&
	       fread(bytes, 1, size, r->file) == size;
}

/* Where the index is by the trailer; false: there is no trailer. */
static bool find_index(struct recording *r, uint64_t *at)
{
	unsigned char bytes[FORMAT_TRAILER];
	off_t end;

	if (fseeko(r->file, 0, SEEK_END))
		return false;
	end = ftello(r->file) - r->base - FORMAT_TRAILER;
	if (end < FORMAT_BEGINNING || !read_at(r, (uint64_t)end, bytes, sizeof(bytes)) ||
	    !is_trailer(bytes))
		return false;
	*at = bytes_get_word(bytes + 8);
	return *at >= FORMAT_BEGINNING && *at < (uint64_t)end;
}

/* 0, -ENOMEM, or -EBADMSG: there is none. The frame that is handed out must stay where it is, so
 * this one is unpacked elsewhere. */
static int load_index(struct recording *r, struct unpacker *u, uint64_t at)
{
	unsigned char bytes[FORMAT_HEAD], *room;
	struct frame_head head;
	const unsigned char *raw;
	struct cursor c;
	int err;

	if (!read_at(r, at, bytes, sizeof(bytes)) || !frame_get_head(&head, bytes) ||
	    head.type != FORMAT_INDEX)
		return -EBADMSG;
	room = unpacker_room(u, &head);
	if (!room)
		return -ENOMEM;
	if (fread(room, 1, head.packed, r->file) < head.packed)
		return -EBADMSG;
	err = unpacker_unpack(u, &head, &raw);
	if (err)
		return err;
	c = cursor_over(raw, head.raw);
	return index_read(&r->index, &c, at);
}

static int get_index(struct recording *r)
{
	struct unpacker *u = unpacker_new();
	int err = -ENOMEM;

	if (u)
		err = find_index(r, &r->index_at) ? load_index(r, u, r->index_at) : -EBADMSG;
	unpacker_free(u);
	return err;
}

int recording_seek(struct recording *r, uint64_t from_ns, uint64_t until_ns)
{
	int err = 0;

	if (r->ended || r->err || r->base < 0)
		return r->err;
	if (!r->skipping) {
		err = get_index(r);
		if (fseeko(r->file, r->base + (off_t)r->next, SEEK_SET))
			return -errno;
	}
	r->skipping = !err;
	r->from_ns = from_ns;
	r->until_ns = until_ns;
	return err == -EBADMSG ? 0 : err;
}

enum reader_end recording_end(const struct recording *r)
{
	return r->end;
}

uint64_t recording_offset(const struct recording *r)
{
	return r->offset;
}

uint64_t recording_events(const struct recording *r)
{
	return r->events;
}
