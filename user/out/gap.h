/* SPDX-License-Identifier: MIT */
/* The live heap beside the memory that it lies in, over time, and which of them grows. */
#ifndef ALLOCTRACE_OUT_GAP_H
#define ALLOCTRACE_OUT_GAP_H

#include "out/sink.h"

/* A table of some moments and one sentence; nothing while less than two moments are known. */
void gap_write(struct sink *s, const struct memory *m);

/* The line of type "memory" of every moment. */
void gap_write_json(struct sink *s, const struct memory *m);

#endif
