/* SPDX-License-Identifier: MIT */
/* What a run is about: told to the sink, and, where something will be missing, to the user. */
#ifndef ALLOCTRACE_CMD_DESCRIBE_H
#define ALLOCTRACE_CMD_DESCRIBE_H

#include "cmd/state.h"

/* Fills r->info from the options. */
void describe_run(struct run *r);

/* Names and kinds of the functions, of which new ones may have come. */
void describe_functions(struct run *r);

/* Says which functions the table had no room for, when there are more of them than last time. */
void describe_refused(struct run *r);

/* Says what will not be read for lack of privileges. */
void describe_unreadable(void);

/* Says which functions of --function were not found. */
void describe_missing(struct run *r);

/* Says why there will be no run, and the hint unless it is empty. Returns `err`. */
int describe_error(int err, const char *why, const char *hint);

/* Nothing was found that could be traced in `whom`, and why. Returns -ENOENT. */
int describe_nothing(const struct run *r, const char *whom);

/* The part of it that a replay has as well: what the options ask of the report. */
void describe_report(struct run *r);

/* describe_functions, when the run has begun. */
void describe_more_functions(struct run *r);

/* The run begins now. */
void describe_begin(struct run *r);

/* Begins the recording, if there is to be one, with what the run is. 0, or a negative errno. */
int describe_recording(struct run *r);

#endif
