/* SPDX-License-Identifier: MIT */
/* Runs that come out of recordings. They need no privilege. */
#ifndef ALLOCTRACE_CMD_REPLAY_H
#define ALLOCTRACE_CMD_REPLAY_H

#include "cmd/state.h"

struct replay;

/* How a replay went. */
struct replay_end {
	bool begun;  /* the recording's start was there, so there is a report */
	bool partly; /* it ends before its run did, or is damaged: that has been said */
};

/*
 * Opens the recording of that path and makes `r`, whose output is open, ready for the report that
 * the options ask for. NULL after one sentence. `r` and `o` are borrowed.
 */
struct replay *replay_open(struct run *r, struct options *o, const char *path);

/* All of it: at the end the sink has printed its report. 0, or a negative errno after one sentence.
 */
int replay_read(struct replay *p, struct replay_end *end);

/* Frees it and what `r` holds, the output excepted. NULL is allowed. */
void replay_close(struct replay *p);

#endif
