/* SPDX-License-Identifier: MIT */
/*
 * Reads a recording, which may come from anywhere: every byte is checked, and memory is bounded by
 * the size of one frame, however long the file is.
 */
#ifndef ALLOCTRACE_RECORDING_READER_H
#define ALLOCTRACE_RECORDING_READER_H

#include <stdio.h>

#include "recording/record.h"

struct recording;

/* How a recording ended. */
enum reader_end {
	READER_WHOLE,   /* with its index: nothing is missing */
	READER_CUT,     /* the last frame is not whole, or there is no index: it was not finished */
	READER_DAMAGED, /* a frame is not what was written */
};

/*
 * Begins to read at `in`, which is borrowed and may be a pipe. NULL with a negative errno in *err
 * and a sentence's end in `why` ("is no recording of alloctrace", "was written by a newer
 * alloctrace (format 7; this one reads 1)").
 */
struct recording *recording_open(FILE *in, int *err, char *why, size_t len);
void recording_close(struct recording *r); /* NULL is allowed */

/*
 * The next record of a whole frame. 1; 0: there is none, and recording_end says how it ended; or
 * -ENOMEM, and so from then on. The record lives until the next call. Where reading fails the file
 * is at its end: ferror(in) tells.
 */
int recording_next(struct recording *r, struct record *record);

enum reader_end recording_end(const struct recording *r);

/* Where reading stopped, in bytes from the beginning of the file, and how many calls were read. */
uint64_t recording_offset(const struct recording *r);
uint64_t recording_events(const struct recording *r);

/*
 * From now on frames that hold nothing but calls and lie outside [from_ns, until_ns] are skipped,
 * by the index, where the file has one and can be sought in; else nothing is. 0 or a negative
 * errno.
 */
int recording_seek(struct recording *r, uint64_t from_ns, uint64_t until_ns);

#endif
