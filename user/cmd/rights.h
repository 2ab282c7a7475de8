/* SPDX-License-Identifier: MIT */
#ifndef ALLOCTRACE_CMD_RIGHTS_H
#define ALLOCTRACE_CMD_RIGHTS_H

#include "cmd/state.h"

/*
 * Starts the processes that will read the files of others: now, while there is nothing yet that
 * they could inherit. 0, or a negative errno after one sentence.
 */
int rights_split(struct run *r);

/*
 * From here on alloctrace itself looks, and can do no more than that: no process can be started any
 * more. 0, or a negative errno after one sentence.
 */
int rights_give_up(const struct run *r);

/* The part of it that needs no privileges and traces nothing: makes r->symbolizer. 0 or a negative
 * errno. */
int rights_symbolizer(struct run *r);

#endif
