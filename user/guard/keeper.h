/* SPDX-License-Identifier: MIT */
/* The processes of a helper: the keeper, and the workers that it starts (helper.h). */
#ifndef ALLOCTRACE_GUARD_KEEPER_H
#define ALLOCTRACE_GUARD_KEEPER_H

#include "guard/helper.h"

/* The rest of a process's life, as the keeper of workers that do this job. `line` is its end of the
 * socket to alloctrace. */
_Noreturn void keeper_run(const struct helper_job *job, int line);

#endif
