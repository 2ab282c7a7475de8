/* SPDX-License-Identifier: MIT */
/*
 * One frame: packing by zstd, the head before it, and the sums that tell whether either is still
 * what was written. What the raw bytes mean is not known here.
 */
#ifndef ALLOCTRACE_RECORDING_FRAME_H
#define ALLOCTRACE_RECORDING_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording/format.h"

/* As drawn in format.h. */
struct frame_head {
	uint32_t type;
	uint32_t raw, packed; /* bytes */
	uint64_t sum;
};

struct frame_piece {
	const void *at;
	size_t size;
};

uint64_t frame_sum(const void *bytes, size_t size);

/* FORMAT_HEAD bytes at `to`, and from there. false: it is none that this version writes, or sizes
 * are beyond all bounds. */
void frame_put_head(unsigned char *to, const struct frame_head *head);
bool frame_get_head(struct frame_head *head, const unsigned char *from);

struct packer;                      /* what zstd keeps, and the bytes that were packed last */
struct packer *packer_new(void);    /* NULL: no memory */
void packer_free(struct packer *p); /* NULL is allowed */

/*
 * The frame of that type whose raw bytes are the pieces, one behind the other, each with statistics
 * of its own: `*frame` is `*size` bytes, head and all, which live until the next call. 0, -ENOMEM,
 * or -EFBIG: it would be larger than a reader takes.
 */
int packer_pack(struct packer *p, enum format_type type, const struct frame_piece *pieces,
		size_t count, const unsigned char **frame, size_t *size);

struct unpacker;
struct unpacker *unpacker_new(void);    /* NULL: no memory */
void unpacker_free(struct unpacker *u); /* NULL is allowed */

/* Where the packed bytes of that frame are to be put; until the next call. NULL: no memory. */
unsigned char *unpacker_room(struct unpacker *u, const struct frame_head *head);

/*
 * The raw bytes of the frame of that head, whose packed ones have been put into that room:
 * head->raw bytes at `*raw`, until the next call. 0, -ENOMEM, or -EBADMSG: they are not what was
 * written.
 */
int unpacker_unpack(struct unpacker *u, const struct frame_head *head, const unsigned char **raw);

#endif
