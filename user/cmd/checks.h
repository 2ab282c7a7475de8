/* SPDX-License-Identifier: MIT */
/* What the checks of pools (core/finding.h) need to know of the run, so that none of them is false.
 */
#ifndef ALLOCTRACE_CMD_CHECKS_H
#define ALLOCTRACE_CMD_CHECKS_H

#include "cmd/state.h"

/* Has findings told to the run's sink, if it takes them. After heap, timeline and sink were made.
 */
void checks_init(struct run *r);

/* Lets the heap know once something was missed. To be called between drains of the ring. */
void checks_note_losses(struct run *r);

#endif
