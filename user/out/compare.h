/* SPDX-License-Identifier: MIT */
/*
 * What text, JSON and picture of `compare` share: the lanes of the report put together over their
 * slices, each pool's beside malloc's, and the words for the outcome.
 */
#ifndef ALLOCTRACE_OUT_COMPARE_H
#define ALLOCTRACE_OUT_COMPARE_H

#include "core/verdict.h"
#include "out/sink.h"

#define COMPARE_LABEL    288  /* bytes: a name, every byte of it escaped */
#define COMPARE_SENTENCE 1280 /* two of them, and numbers */

struct compare_lane {
	char name[72]; /* of the pool or the function */
	enum lane_op op;
	enum calibration_class class;
	uint32_t group;
	struct hist slices[LANE_SLICES], all; /* as measured, in `unit` */
	uint64_t disturbed, failed;           /* in no histogram */
	bool known;                           /* what measuring costs is known, so is the rest */
	double unit;                          /* ns */
	struct verdict_lane seen;             /* without the cost, if known */
};

/* Why there is no verdict. */
enum compare_obstacle {
	COMPARE_NONE,
	COMPARE_ALONE,        /* nothing of malloc's was timed for this */
	COMPARE_STEPPED,      /* one lane was single-stepped */
	COMPARE_UNCALIBRATED, /* the cost of one lane is not known */
};

/* A pool's lane against malloc's. */
struct comparison {
	const struct compare_lane *pool, *against; /* against: NULL with COMPARE_ALONE */
	enum compare_obstacle obstacle;
	bool alike; /* both were timed by the same mechanism */
	struct verdict verdict;
};

/* Lanes in the order of the table: allocations, frees, pairs, then what probes have timed. */
struct comparisons {
	struct compare_lane *lanes;
	size_t lane_count;
	struct comparison *pairs;
	size_t pair_count;
};

/* The report must outlive it. 0 or -ENOMEM; compare_fini either way. */
int compare_init(struct comparisons *c, const struct report *r);
void compare_fini(struct comparisons *c);

static inline bool compare_in_process(const struct compare_lane *lane)
{
	return lane->op != LANE_CALL;
}

/* ---- words: all of them return buf ---- */

/* "protocol:alloc", escaped; buf holds COMPARE_LABEL bytes. `as_is` leaves escaping to others. */
const char *compare_label(char *buf, const struct compare_lane *lane);
const char *compare_label_as_is(char *buf, size_t len, const struct compare_lane *lane);
const char *compare_op(enum lane_op op);

/* "inside, by 64", "probe on nop"; buf holds 24 bytes. */
const char *compare_how(char *buf, const struct compare_lane *lane);

/* "4.1 ns" with " " as the gap, "1.63us" with ""; buf holds 24 bytes. */
const char *compare_quantity(char *buf, double ns, const char *gap);
/* With the unit that fits: "4.1ns [3.9, 4.3]"; buf holds 64 bytes. */
const char *compare_with_interval(char *buf, double ns, const struct verdict_interval *in,
				  const char *gap);

/* The outcome in one sentence without a full stop; buf holds COMPARE_SENTENCE bytes. */
const char *compare_sentence(char *buf, const struct comparison *pair);
/* That the two were not timed alike, if so: otherwise NULL. The same buffer size. */
const char *compare_caution(char *buf, const struct comparison *pair);
/* When there is nothing to compare at all. */
const char *compare_nothing(void);
/* How intervals came about. */
const char *compare_method(void);

/* "faster", "slower", "cannot-tell", "too-few". */
const char *compare_verdict(const struct comparison *pair);

#endif
