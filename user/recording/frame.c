// SPDX-License-Identifier: MIT
/*
 * zstd, and sums.
 *
 * Each piece ends a block of zstd (ZSTD_e_flush), so that the next one gets its own tables of codes
 * while still one window lies over all. Packing is by steps for that reason; unpacking is one step
 * into a room of just the size that the head tells, so the window that a foreign frame may ask for
 * costs no memory.
 */
#include "recording/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "recording/bytes.h"

#define LEVEL 3
#define BLOCK 64 /* bytes, more than what the head and the rest of a block of zstd take */

/* What packing can make of incompressible bytes, and more. */
#define MAX_PACKED (FORMAT_MAX_RAW + (FORMAT_MAX_RAW >> 7) + 4096)

struct packer {
	ZSTD_CCtx *zstd;
	unsigned char *out; /* head and packed bytes */
	size_t room;
};

struct unpacker {
	ZSTD_DCtx *zstd;
	unsigned char *packed, *raw;
	size_t packed_room, raw_room;
};

/* Multiply and fold, word by word, and what is left as one word; the size is part of it. Both steps
 * can be undone, so two rows of bytes that differ within one word differ in their sum. */
uint64_t frame_sum(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint64_t sum = 0x452821e638d01377ULL ^ size;
	unsigned char last[8] = {0};

	for (; size >= sizeof(last); size -= sizeof(last), at += sizeof(last)) {
		sum = (sum ^ bytes_get_word(at)) * 0x9e3779b97f4a7c15ULL;
		sum ^= sum >> 32;
	}
	memcpy(last, at, size);
	sum = (sum ^ bytes_get_word(last)) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 32;
}

void frame_put_head(unsigned char *to, const struct frame_head *head)
{
	bytes_set_half(to, head->type);
	bytes_set_half(to + 4, head->raw);
	bytes_set_half(to + 8, head->packed);
	bytes_set_word(to + 12, head->sum);
	bytes_set_word(to + 20, frame_sum(to, 20));
}

bool frame_get_head(struct frame_head *head, const unsigned char *from)
{
	head->type = bytes_get_half(from);
	head->raw = bytes_get_half(from + 4);
	head->packed = bytes_get_half(from + 8);
	head->sum = bytes_get_word(from + 12);
	if (bytes_get_word(from + 20) != frame_sum(from, 20))
		return false;
	if (head->type != FORMAT_RECORDS && head->type != FORMAT_INDEX)
		return false;
	return head->raw && head->raw <= FORMAT_MAX_RAW && head->packed &&
	       head->packed <= MAX_PACKED;
}

struct packer *packer_new(void)
{
	struct packer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->zstd = ZSTD_createCCtx();
	if (p->zstd &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL)) &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1)))
		return p;
	packer_free(p);
	return NULL;
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->zstd);
	free(p->out);
	free(p);
}

/* At least that many bytes at *at; what was there is gone. */
static bool make_room(unsigned char **at, size_t *room, size_t size)
{
	if (size <= *room)
		return true;
	free(*at);
	*room = 0;
	*at = malloc(size);
	if (!*at)
		return false;
	*room = size;
	return true;
}

/* Nothing but memory can be wrong here: the room is there, and so are the parameters. */
static int pack_pieces(struct packer *p, const struct frame_piece *pieces, size_t count,
		       ZSTD_outBuffer *out)
{
	for (size_t i = 0; i < count; i++) {
		ZSTD_inBuffer in = {pieces[i].at, pieces[i].size, 0};
		ZSTD_EndDirective then = i + 1 < count ? ZSTD_e_flush : ZSTD_e_end;
		size_t left;

		if (!in.size && then == ZSTD_e_flush)
			continue;
		do {
			left = ZSTD_compressStream2(p->zstd, out, &in, then);
			if (ZSTD_isError(left) || (left && out->pos == out->size))
				return -ENOMEM;
		} while (left);
	}
	return 0;
}

int packer_pack(struct packer *p, enum format_type type, const struct frame_piece *pieces,
		size_t count, const unsigned char **frame, size_t *size)
{
	struct frame_head head = {.type = type};
	ZSTD_outBuffer out;
	size_t raw = 0;
	int err;

	for (size_t i = 0; i < count; i++)
		raw += pieces[i].size;
	if (raw > FORMAT_MAX_RAW)
		return -EFBIG;
	if (!make_room(&p->out, &p->room, FORMAT_HEAD + ZSTD_compressBound(raw) + count * BLOCK))
		return -ENOMEM;
	ZSTD_CCtx_reset(p->zstd, ZSTD_reset_session_only);
	if (ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(p->zstd, raw)))
		return -ENOMEM;
	out = (ZSTD_outBuffer){p->out + FORMAT_HEAD, p->room - FORMAT_HEAD, 0};
	err = pack_pieces(p, pieces, count, &out);
	if (err)
		return err;
	head.raw = (uint32_t)raw;
	head.packed = (uint32_t)out.pos;
	head.sum = frame_sum(out.dst, out.pos);
	frame_put_head(p->out, &head);
	*frame = p->out;
	*size = FORMAT_HEAD + out.pos;
	return 0;
}

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->zstd = ZSTD_createDCtx();
	if (u->zstd)
		return u;
	free(u);
	return NULL;
}

void unpacker_free(struct unpacker *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->zstd);
	free(u->packed);
	free(u->raw);
	free(u);
}

unsigned char *unpacker_room(struct unpacker *u, const struct frame_head *head)
{
	return make_room(&u->packed, &u->packed_room, head->packed) ? u->packed : NULL;
}

/* One frame of just these sizes, and of the format that zstd has had since it has been finished. */
static bool is_one_frame(const unsigned char *packed, const struct frame_head *head)
{
	return head->packed > 4 && bytes_get_half(packed) == ZSTD_MAGICNUMBER &&
	       ZSTD_findFrameCompressedSize(packed, head->packed) == head->packed &&
	       ZSTD_getFrameContentSize(packed, head->packed) == head->raw;
}

int unpacker_unpack(struct unpacker *u, const struct frame_head *head, const unsigned char **raw)
{
	if (frame_sum(u->packed, head->packed) != head->sum || !is_one_frame(u->packed, head))
		return -EBADMSG;
	if (!make_room(&u->raw, &u->raw_room, head->raw))
		return -ENOMEM;
	if (ZSTD_decompressDCtx(u->zstd, u->raw, u->raw_room, u->packed, head->packed) != head->raw)
		return -EBADMSG;
	*raw = u->raw;
	return 0;
}
