/* SPDX-License-Identifier: MIT */
/*
 * How much each process has on its heap while a trace goes on, told once a millisecond at most: a
 * viewer draws what lies between as a step.
 */
#ifndef ALLOCTRACE_OUT_CHROME_LIVE_H
#define ALLOCTRACE_OUT_CHROME_LIVE_H

#include "core/table.h"
#include "out/sink.h"

#define CHROME_LIVE_MAX     (1U << 16) /* processes; those beyond have no counters */
#define CHROME_LIVE_STEP_NS 1000000

/* With samples: what they stand for. */
struct chrome_live_value {
	double blocks, bytes;
};

/* The value of a process at a time (the clock of the events) is to be written. */
typedef void (*chrome_live_fn)(struct sink *s, uint32_t pid, uint64_t ts_ns,
			       struct chrome_live_value value);

struct chrome_live {
	struct sink *sink; /* borrowed */
	struct heap *heap; /* borrowed; NULL: nothing is counted */
	chrome_live_fn tell;
	struct table processes; /* private: PID -> struct counted */
};

/* Begins to watch the sink's heap, if it has one, until chrome_live_fini. `tell` may be called by
 * apply and finish alone. */
void chrome_live_init(struct chrome_live *l, struct sink *s, chrome_live_fn tell);
void chrome_live_fini(struct chrome_live *l); /* zeros are allowed */

/* After heap_apply of a call. */
void chrome_live_apply(struct chrome_live *l, const struct event *e, const struct heap_note *note);

/* Tells what has not been told. */
void chrome_live_finish(struct chrome_live *l);

#endif
