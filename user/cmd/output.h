/* SPDX-License-Identifier: MIT */
/* Where the data goes: standard output, or a file that nobody else can have put a trap into. */
#ifndef ALLOCTRACE_CMD_OUTPUT_H
#define ALLOCTRACE_CMD_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output {
	FILE *file;
	const char *name; /* for sentences */
	int error;        /* errno of the first failed write */
};

/*
 * `path` NULL: standard output. Files are made with mode 0600; one that is there must be ours, and
 * is not emptied yet. When it cannot be opened, or should not be written to: a negative errno, and
 * half a sentence in *why, valid until the next call.
 */
int output_open(struct output *o, const char *path, const char **why);

/* The run begins: what an existing file held is given up now, and not by a run that never was. */
void output_begin(struct output *o);

/* Writes what is buffered; false, with o->error set, when this or an earlier write failed. */
bool output_flush(struct output *o);

/* Closes; -errno when the last bytes did not arrive. */
int output_close(struct output *o);

#endif
