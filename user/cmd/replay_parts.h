/* SPDX-License-Identifier: MIT */
/* What the parts of a replay share. For replay*.c alone. */
#ifndef ALLOCTRACE_CMD_REPLAY_PARTS_H
#define ALLOCTRACE_CMD_REPLAY_PARTS_H

#include <stdio.h>

#include "cmd/replay.h"
#include "core/table.h"
#include "recording/reader.h"

struct replay {
	struct run *run;
	FILE *file;
	struct recording *recording;
	char name[160]; /* of the file, for sentences */
	bool begun;     /* the sink has been told of the start */
	bool finished;  /* … and of the end */
	bool named;     /* names are embedded */
	bool ended;     /* the run's own books were there */
	uint64_t doubt_ns, last_ns;
	uint64_t answers; /* to what will be asked next, the first one in the highest of … */
	unsigned int answer_count;  /* … so many bits */
	struct table shared;        /* (PID, address) -> whether it was */
	uint64_t missing;           /* files that are not those of the recording */
	size_t kept;                /* texts in run->kept */
	uint64_t from_ns, until_ns; /* calls of other times are left out */
	bool windowed;
	int err;
};

/* Records about what addresses mean. */
void replay_module(struct replay *p, const struct record *record);
void replay_space(struct replay *p, const struct record *record);
void replay_code(struct replay *p, const struct record *record);
void replay_names(struct replay *p, const struct record *record);

#endif
