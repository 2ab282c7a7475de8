/* SPDX-License-Identifier: MIT */
/*
 * The answers about one file, of this run and of earlier ones (store.h). Those of earlier runs hold
 * as long as the file is the same and would be given the same debug files: which ones the helper
 * process wanted, and what it got, is kept with them.
 */
#ifndef ALLOCTRACE_SYM_ANSWERS_H
#define ALLOCTRACE_SYM_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "sym/frame.h"

struct answers;
struct names;
struct store;

/* Opens what the helper process would be given today for that path, see reader.h; -1: nothing. */
typedef int (*answers_open_fn)(void *context, const char *path);

/*
 * Of the open file of that path; all are borrowed and outlive the result. NULL: nothing may be kept
 * about it, or memory is out. Earlier answers are read at the first question.
 */
struct answers *answers_new(struct store *store, int fd, const char *path, struct names *names,
			    answers_open_fn open_file, void *context);

/* Writes what is new, unless something has spoiled it. NULL is allowed. */
void answers_free(struct answers *a);

/* How many frames, which are in *frames until answers_free; 0: there is no answer. */
size_t answers_find(struct answers *a, const struct sym_address *at,
		    const struct sym_frame **frames);

/* Keeps a new answer; the frames are borrowed until answers_free. */
void answers_add(struct answers *a, const struct sym_address *at, const struct sym_frame *frames,
		 size_t count);

/* The helper process has asked for the file of that path and was given `fd`; -1: none. */
void answers_wanted(struct answers *a, const char *path, int fd);

/* What is answered from now on is less than there is, or cannot be believed in another run. */
void answers_spoil(struct answers *a);

#endif
