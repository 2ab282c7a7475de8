/* SPDX-License-Identifier: MIT */
/* The commands that need no target: `report`, any report from a recording, and `diff`, of two. */
#ifndef ALLOCTRACE_CMD_REPORT_H
#define ALLOCTRACE_CMD_REPORT_H

#include "cmd/options.h"

/* The whole command; its exit code. */
int run_report(struct options *o);
int run_diff(struct options *o);

#endif
