/* SPDX-License-Identifier: MIT */
/* How much memory the targets have, beside what the events say is live in it. */
#ifndef ALLOCTRACE_CMD_FOOTPRINT_H
#define ALLOCTRACE_CMD_FOOTPRINT_H

#include "cmd/state.h"

/* Looks when it is time: often in the beginning, and the more rarely the longer the run lasts.
 * Nothing where nobody wants to know, or the whole system is traced. */
void footprint_tick(struct run *r, uint64_t now_ns);

/* Looks now: the run ends. */
void footprint_last(struct run *r);

#endif
