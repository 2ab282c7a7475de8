/* SPDX-License-Identifier: MIT */
#ifndef ALLOCTRACE_CMD_TOGETHER_H
#define ALLOCTRACE_CMD_TOGETHER_H

#include "cmd/options.h"

/* When all options are known: what is printed, and whether they go together. 0, or -EINVAL after
 * one sentence on standard error. */
int options_settle(struct options *o);

#endif
