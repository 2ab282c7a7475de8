/* SPDX-License-Identifier: MIT */
/*
 * Merges two streams by time: events, and what happens to the address spaces they come from. Before
 * an event is shown, every mapping that was made before it has been told to the symbolizer, and
 * nothing later; so a library that was loaded, used and unloaded within a millisecond still has its
 * names.
 */
#ifndef ALLOCTRACE_CMD_TIMELINE_H
#define ALLOCTRACE_CMD_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/heap.h"
#include "core/table.h"
#include "probe/watch.h"
#include "recording/record.h"
#include "sym/symbolizer.h"

/* A process whose address space matters has mapped code, at `ts_ns`. */
typedef void (*timeline_map_fn)(void *context, pid_t pid, const struct proc_mapping *m,
				uint64_t ts_ns);

struct timeline {
	struct watch *watch; /* owned; NULL: not to be had, then /proc must do */
	struct symbolizer *symbolizer;
	struct heap *heap;
	struct table family; /* PIDs whose address spaces matter, and since when (ns); none was ever
				added: all do */
	struct table exiting; /* PIDs whose main thread has begun to end: others may go on */
	bool has_family;
	bool follow;            /* children belong to the family as soon as they are made */
	timeline_map_fn on_map; /* NULL: nobody asks */
	void (*on_exit)(void *context, pid_t pid); /* the main thread has ended; others may go on */
	/* What the heap is told of a process, after it: for a recording. */
	void (*on_life)(void *context, const struct record_life *life);
	void *context;
	const struct watch_record *pending;
	size_t pending_count;
	uint64_t lost;       /* records that the kernel had no room for */
	uint64_t horizon_ns; /* all records up to here have been read */
};

uint64_t timeline_now(void); /* CLOCK_MONOTONIC in ns, the clock of events and records */

/* Starts watching; what happens from here on is known. Symbolizer and heap are borrowed. */
void timeline_init(struct timeline *t, struct symbolizer *symbolizer, struct heap *heap);
void timeline_fini(struct timeline *t);

/* Readable when there is something to apply; -1: nobody tells. */
int timeline_fd(const struct timeline *t);

/* From now on only such processes matter. 0 or -ENOMEM. */
int timeline_add(struct timeline *t, pid_t pid);

/* With follow: whether any of the family lives. */
bool timeline_family_lives(const struct timeline *t);

/* Applies all that happened up to `ts_ns`. */
void timeline_advance(struct timeline *t, uint64_t ts_ns);

/* Closes the accounts of processes that have ended; for when no event of theirs can come any more.
 */
void timeline_settle(struct timeline *t);

#endif
