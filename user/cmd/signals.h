/* SPDX-License-Identifier: MIT */
/*
 * Signals as a descriptor. The first SIGINT or SIGTERM asks for the end of the run; from then on
 * they have their default effect, so that a second one quits at once.
 */
#ifndef ALLOCTRACE_CMD_SIGNALS_H
#define ALLOCTRACE_CMD_SIGNALS_H

#include <stdbool.h>

#include "probe/spawn.h"

struct signals {
	int fd;
	struct spawn_signals inherited; /* as they were when we started: a command is given them */
	bool stop, report;              /* what was asked for; the reader resets `report` */
};

/* Blocks the signals for this process; programs it starts get what was inherited. 0 or a negative
 * errno.
 */
int signals_init(struct signals *s);
void signals_fini(struct signals *s);
void signals_read(struct signals *s);

#endif
