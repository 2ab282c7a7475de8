/* SPDX-License-Identifier: MIT */
/* Runs that come out of recordings. They need no privilege. */
#ifndef ALLOCTRACE_CMD_REPLAY_H
#define ALLOCTRACE_CMD_REPLAY_H

#include "cmd/state.h"

/* How a replay went. */
struct replay_end {
	bool read;   /* the file was a recording, and its start is there */
	bool short_; /* it ends before its run did, or is damaged */
};

/*
 * Replays the file of that path into a sink of the run's own options, which must have been set; `r`
 * is made by it, and to be given to replay_free. What is wrong with the file is said. 0 or a
 * negative errno.
 */
int replay_file(struct run *r, struct options *o, const char *path, struct replay_end *end);
void replay_free(struct run *r);

#endif
