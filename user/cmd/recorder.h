/* SPDX-License-Identifier: MIT */
/*
 * Writes down what a live run learns (recording/record.h), so that a replay can do without the
 * machine: before each call what has become of the mappings that its addresses lie in, behind it
 * the call itself. All of it does nothing while no recording is asked for.
 */
#ifndef ALLOCTRACE_CMD_RECORDER_H
#define ALLOCTRACE_CMD_RECORDER_H

#include "cmd/output.h"
#include "core/table.h"
#include "sym/symbolizer.h"
#include "recording/writer.h"

struct recorder {
	struct output output;          /* file NULL: nothing is recorded */
	struct writer *writer;         /* NULL: not begun */
	struct symbolizer *symbolizer; /* borrowed */
	bool names;                    /* are embedded */
	struct table modules;          /* id of a module -> number in the recording */
	struct table spaces;           /* PID -> serial of what was written of its mappings */
	struct table ended; /* PIDs of processes that have: who has mappings again is another one */
	struct table named; /* addresses whose names were written */
	struct table stacks; /* stacks whose addresses all were, by number and process */
	uint64_t doubt_ns;   /* the last answer of findings.known_since */
	uint64_t next_flush_ns;
	int error; /* of memory; the output has its own */
};

/* The probes are in place, and the output has been opened: the file begins. 0 or -ENOMEM. */
int recorder_begin(struct recorder *r, const struct record_start *start,
		   struct symbolizer *symbolizer);
void recorder_fini(struct recorder *r);

static inline bool recorder_is_on(const struct recorder *r)
{
	return r->writer;
}

/* Before an event is applied: what its addresses mean. `e` has the words of its stack. */
void recorder_prepare(struct recorder *r, const struct event *e);

/* When something has been applied. */
void recorder_put(struct recorder *r, const struct record *record);
void recorder_event(struct recorder *r, enum record_kind kind, const struct event *e);
void recorder_ns(struct recorder *r, enum record_kind kind, uint64_t ns);
void recorder_life(struct recorder *r, const struct record_life *life);

/* findings.known_since has answered: written when it is not what it was. */
void recorder_doubt(struct recorder *r, uint64_t since_ns);

/* Now and then: what has been recorded until now is safe. */
void recorder_tick(struct recorder *r, uint64_t now_ns);

/* The last record has been put. False when something could not be written: `output.error` or
 * `error`. */
bool recorder_finish(struct recorder *r);

#endif
