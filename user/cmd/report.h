/* SPDX-License-Identifier: MIT */
/* The command `report`: any report from a recording. */
#ifndef ALLOCTRACE_CMD_REPORT_H
#define ALLOCTRACE_CMD_REPORT_H

#include "cmd/options.h"

/* The whole command; its exit code. */
int run_report(struct options *o);

#endif
