/* SPDX-License-Identifier: MIT */
/*
 * Writes a recording. The file (format.h says how it looks) is whole up to its last frame at any
 * moment, whatever happens to the writer; a frame is closed when it is full, or at writer_flush.
 */
#ifndef ALLOCTRACE_RECORDING_WRITER_H
#define ALLOCTRACE_RECORDING_WRITER_H

#include <stdio.h>

#include "recording/record.h"

struct writer;

/* Begins a file at `out`, which is borrowed and may be a pipe. NULL: memory is out. Errors of
 * writing are the caller's to see, by ferror(out); after one nothing more is written. */
struct writer *writer_new(FILE *out);

/* 0; -EINVAL: the record is none that a reader would take, and nothing is written of it; or
 * -ENOMEM, and so from then on: the file is what it was with its last frame. */
int writer_put(struct writer *w, const struct record *r);

/* Closes the frame, if there is anything in it, and hands all to the system. 0 or -ENOMEM. */
int writer_flush(struct writer *w);

/* Closes the last frame and writes the index. To be called once, after the last record. */
int writer_finish(struct writer *w);

/* Frees it, whether finished or not. NULL is allowed. */
void writer_free(struct writer *w);

/* What has been written so far: calls (RECORD_EVENT), and bytes of the file. */
uint64_t writer_events(const struct writer *w);
uint64_t writer_bytes(const struct writer *w);

#endif
