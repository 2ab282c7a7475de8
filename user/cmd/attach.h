/* SPDX-License-Identifier: MIT */
/* The last part of the way to a running session (setup.c): the targets get their probes. */
#ifndef ALLOCTRACE_CMD_ATTACH_H
#define ALLOCTRACE_CMD_ATTACH_H

#include "cmd/state.h"

/*
 * Attaches to the processes or the system that the options name, or starts the command; at the end
 * the gate is open. 0, or a negative errno after one sentence on standard error.
 */
int attach_targets(struct run *r);

#endif
