/* SPDX-License-Identifier: MIT */
/*
 * What is a record and what is none: the one place that says it, for the writer, who makes no file
 * that cannot be read, and for the reader, who believes no file. What is checked while bytes are
 * read, because memory hangs on it, is checked here once more for the writer's sake.
 */
#ifndef ALLOCTRACE_RECORDING_CHECK_H
#define ALLOCTRACE_RECORDING_CHECK_H

#include "recording/record.h"

/* What the records so far have told that later ones refer to. All zero before the first. */
struct check {
	bool started;
	uint32_t functions; /* rows of their table */
	uint32_t modules;
};

/* Whether the record may be the next one; if so it is taken into account. */
bool check_record(struct check *c, const struct record *r);

#endif
