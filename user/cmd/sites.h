/* SPDX-License-Identifier: MIT */
/* `alloctrace sites BINARY [FUNCTION…]`: where probes would lie in a file. Needs no privileges,
 * attaches nothing. */
#ifndef ALLOCTRACE_CMD_SITES_H
#define ALLOCTRACE_CMD_SITES_H

#include "cmd/options.h"

/* The program's exit code; whatever went wrong has been said. */
int run_sites(struct options *o);

#endif
