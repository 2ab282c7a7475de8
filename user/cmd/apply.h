/* SPDX-License-Identifier: MIT */
/*
 * The way of what a run learns, from a checked event on: the same for a live run and for a
 * recording of one, so that both come to the same report.
 */
#ifndef ALLOCTRACE_CMD_APPLY_H
#define ALLOCTRACE_CMD_APPLY_H

#include "cmd/state.h"

/* An EVENT_STACK. */
void apply_stack(struct run *r, const struct event *e);

/* A call, whose stack is at hand. */
void apply_call(struct run *r, const struct event *e);

/* An EVENT_PRESSURE. `counted`: calls that were only counted until now. */
void apply_pressure(struct run *r, const struct event *e, uint64_t counted);

/* What became of a process. */
void apply_life(struct run *r, const struct record_life *life);

/* What a process had at that moment. */
void apply_memory(struct run *r, const struct record_memory *m);

/* The books of all calls, for the report at hand: `unsent` of those that are no events (with
 * sampling: of all). */
void apply_totals(struct run *r, const struct event_totals unsent[EVENT_MAX_FUNCTIONS]);

/* What a report says of itself when nothing has been added to it yet. */
struct report apply_report(const struct run *r, bool final);

#endif
