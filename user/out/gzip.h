/* SPDX-License-Identifier: MIT */
/* A gzip file that is written from front to end. */
#ifndef ALLOCTRACE_OUT_GZIP_H
#define ALLOCTRACE_OUT_GZIP_H

#include <stdbool.h>
#include <stdio.h>
#include <zlib.h>

struct gzip {
	z_stream stream; /* private */
	FILE *out;       /* borrowed */
};

/* False: no memory, and nothing else is to be called. */
bool gzip_begin(struct gzip *z, FILE *out);
void gzip_write(struct gzip *z, const void *data, size_t length);
void gzip_end(struct gzip *z);

#endif
