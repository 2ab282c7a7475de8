/* SPDX-License-Identifier: MIT */
/*
 * One live run, the same for every command that looks at events as they come: places the probes,
 * lets the events through core, the symbolizer and the sink, and closes the books.
 */
#ifndef ALLOCTRACE_CMD_RUN_H
#define ALLOCTRACE_CMD_RUN_H

#include "cmd/options.h"

/* The program's exit code; whatever went wrong has been said. */
int run_live(struct options *o);

#endif
