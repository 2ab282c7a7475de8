/* SPDX-License-Identifier: MIT */
/*
 * Keeps the kernel side's picture of address spaces true (probe/layouts.h), so that it can walk
 * stacks: asks for the unwind rules of every file that a traced process maps, hands them over as
 * they come, and tells anew what a process has mapped whenever that, or what is known of it, has
 * changed. Until then its stacks end where the new begins, and say so.
 */
#ifndef ALLOCTRACE_CMD_UNWINDER_H
#define ALLOCTRACE_CMD_UNWINDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/event.h"
#include "core/table.h"
#include "probe/layouts.h"
#include "sym/symbolizer.h"
#include "sym/tables.h"

struct unwinder {
	struct symbolizer *symbolizer; /* borrowed */
	struct tables *tables;         /* borrowed; NULL: whole stacks are not asked for */
	struct layouts layouts;
	struct table files;    /* module's id -> struct unwinder_file * */
	struct table told;     /* process -> struct unwinder_told */
	uint64_t serial;       /* of the last layout */
	uint64_t seen;         /* changes of mappings that have been looked at */
	uint64_t known_ns;     /* what was mapped until then, the symbolizer knows … */
	bool lags;             /* … which may be long ago */
	uint64_t next_look_ns; /* when to look again, while it lags */
	uint64_t arrivals;     /* files whose rules have come */
	uint64_t arrivals_seen, arrivals_said;
	uint64_t rules;   /* in them */
	uint64_t refused; /* files or mappings beyond what the kernel side can keep */
};

/* All zero is an unwinder that does nothing. */
void unwinder_init(struct unwinder *u, struct symbolizer *symbolizer, struct tables *tables,
		   const struct layouts *layouts);
void unwinder_fini(struct unwinder *u);

/*
 * Looks what has changed and what has come, and waits a moment for what is under way. Costs next to
 * nothing if nothing is. The symbolizer knows what was mapped until `known_ns`; with `lags` that is
 * not the present, and what processes have mapped is looked up.
 */
void unwinder_update(struct unwinder *u, uint64_t known_ns, bool lags);

/* The same until all rules are there that were asked for, or for `ms` milliseconds. */
void unwinder_wait(struct unwinder *u, uint64_t known_ns, int ms);

/* Readable when there is something to update; -1: nothing is under way. */
int unwinder_fd(const struct unwinder *u);

/* Cuts off what was walked by mappings that were not those of the event's own time any more. */
void unwinder_judge(const struct unwinder *u, struct event *e);

#endif
