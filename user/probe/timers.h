/* SPDX-License-Identifier: MIT */
/* Programs that time their pools' operations themselves, in groups (ALLOCTRACE_TIMER of
 * alloctrace/pool.h). */
#ifndef ALLOCTRACE_PROBE_TIMERS_H
#define ALLOCTRACE_PROBE_TIMERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "probe/scan.h"

/* Whether the process maps code with the probe alloctrace:timed. What cannot be read has none. */
bool timers_in_process(struct scanner *scanner, pid_t pid);

#endif
