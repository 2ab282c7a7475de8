/* SPDX-License-Identifier: MIT */
/*
 * What happens to the address spaces of the machine: every executable mapping, exec, fork and exit,
 * with its time, from a dummy software event on each CPU (perf_event_open(2), PERF_RECORD_MMAP2 and
 * its kin). It sees processes that end before /proc could be read. The clock is that of
 * core/event's ts_ns, so that the caller can merge both by time.
 */
#ifndef ALLOCTRACE_PROBE_WATCH_H
#define ALLOCTRACE_PROBE_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "sym/proc.h"

enum watch_kind { WATCH_MAP, WATCH_EXEC, WATCH_FORK, WATCH_EXIT, WATCH_LOST };

struct watch_record {
	enum watch_kind kind;
	uint64_t ts_ns;              /* CLOCK_MONOTONIC; WATCH_LOST: behind all others */
	pid_t pid;                   /* the process; WATCH_LOST: 0 */
	pid_t parent;                /* WATCH_FORK */
	struct proc_mapping mapping; /* WATCH_MAP */
	uint64_t lost;               /* WATCH_LOST: records that the kernel had no room for */
};

struct watch;

/* NULL with a negative errno in *err when the kernel or the privileges do not allow it. */
struct watch *watch_new(int *err);
void watch_free(struct watch *w);

/* A descriptor that becomes readable when there is something to read; borrowed. */
int watch_fd(const struct watch *w);

/*
 * Takes all that has come since the last call, sorted by time. The records and their paths live
 * until the next call. Returns their number (0: nothing new) or a negative errno.
 */
ssize_t watch_read(struct watch *w, const struct watch_record **records);

#endif
