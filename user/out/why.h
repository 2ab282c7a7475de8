/* SPDX-License-Identifier: MIT */
/*
 * --why: what the calls of a row spent their time on. The kernel side has given every call the
 * cause that most of its time went into; here calls are split by that, and so is the tail: the
 * calls that took longer than the p99 of all calls of the row.
 *
 * Calls that were switched off the CPU inside are in it: who waits for a lock is.
 */
#ifndef ALLOCTRACE_OUT_WHY_H
#define ALLOCTRACE_OUT_WHY_H

#include "out/latency.h"

struct why_cause {
	enum lane_cause cause;
	struct hist hist;              /* of the calls whose cause this is; may be empty */
	struct latency_figures values; /* of that histogram */
	double ns;                     /* these calls together, corrected where that is possible */
	/* What happened inside these calls: how often, and how long (lane.h). */
	uint64_t times[LANE_NR_CAUSES], inside_ns[LANE_NR_CAUSES];
	uint64_t tail; /* how many of them belong to the tail */
};

struct why {
	struct why_cause causes[LANE_NR_CAUSES]; /* own code, then those that took most time */
	struct latency_figures values;           /* of all calls of the row */
	uint64_t count, tail;                    /* all calls; those above values.raw[P99] */
	double ns;
};

/* 0 or -ENOMEM; call why_fini in both cases. */
int why_init(struct why *w, const struct latency_row *row, const struct report *r);
void why_fini(struct why *w);

/* The rows that can be split, those that took most time first: pools are timed inside the process,
 * where nobody looks for causes. 0 or -ENOMEM. */
int why_rows_init(struct latency_rows *rows, const struct sink *s, const struct report *r,
		  enum lane_by by);

/* The section of the text report, and the lines of the JSON one. */
void why_json(struct sink *s, const struct report *r);
void why_write(struct sink *s, const struct report *r);

#endif
