/* SPDX-License-Identifier: MIT */
/* Which functions a command line asks for. */
#ifndef ALLOCTRACE_CMD_CHOOSE_H
#define ALLOCTRACE_CMD_CHOOSE_H

#include "cmd/options.h"

/* Marks the rows of o->functions that are wanted, and adds those that the user describes. 0, or
 * -EINVAL after one sentence on standard error. */
int options_choose(struct options *o);

#endif
