/* SPDX-License-Identifier: MIT */
/*
 * What the checks (core/finding.h) need to know of the run, so that none of them is false; and
 * --stop-on-error, which needs the same.
 */
#ifndef ALLOCTRACE_CMD_CHECKS_H
#define ALLOCTRACE_CMD_CHECKS_H

#include "cmd/state.h"

/* Has findings told to the run's sink, if it takes them. After heap, timeline and sink were made.
 */
void checks_init(struct run *r);

/* Lets the heap know once something was missed. To be called between drains of the ring. */
void checks_note_losses(struct run *r);

/* The gate is about to open; functions may have come to the table; an allocator was mapped before
 * it had its probes. */
void checks_begin(struct run *r);
void checks_learn(struct run *r);
void checks_came_late(struct run *r);

/*
 * With --stop-on-error; else they do nothing. The command's blocks are followed from now on; it is
 * stopped, or not: to be disarmed before anything is probed while it runs. checks_look says when it
 * was stopped.
 */
void checks_watch(struct run *r, pid_t pid);
void checks_arm(struct run *r);
void checks_disarm(struct run *r);
void checks_look(struct run *r);

#endif
