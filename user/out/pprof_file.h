/* SPDX-License-Identifier: MIT */
/*
 * A profile as pprof reads it (profile.proto), gzip'ed, written as it comes: of what has been
 * written only the numbers are kept by which it is referred to. Strings and nodes are borrowed
 * until pprof_end; texts of traced processes are escaped.
 */
#ifndef ALLOCTRACE_OUT_PPROF_FILE_H
#define ALLOCTRACE_OUT_PPROF_FILE_H

#include "out/tree.h"

#define PPROF_VALUES 4 /* of a sample */

struct pprof_file;

/* What all samples have in common. */
struct pprof_about {
	const char *types[PPROF_VALUES], *units[PPROF_VALUES];
	const char *shown;     /* the type that is looked at first */
	uint64_t sample_bytes; /* one sample in so many bytes on average; 0: all is seen */
	uint64_t time_ns;      /* since 1970, of the start; 0: not known */
	uint64_t duration_ns;
};

/* Begins a file. `out` and `about` are borrowed until pprof_end. NULL: no memory. */
struct pprof_file *pprof_begin(FILE *out, const struct pprof_about *about);

/* A sentence about the profile, plain text. */
void pprof_comment(struct pprof_file *f, const char *text);

/* A sample of the path that ends at the node; 0: where it came from is not known. `pool`: label;
 * NULL: none. */
void pprof_sample(struct pprof_file *f, const struct tree *t, uint32_t node, const char *pool,
		  const uint64_t values[PPROF_VALUES]);

/* Ends the file and frees `f`. False: parts are missing, for lack of memory. Whether `out` could be
 * written shows by ferror(out). */
bool pprof_end(struct pprof_file *f);

#endif
