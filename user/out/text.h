/* SPDX-License-Identifier: MIT */
/* Lines of the trace for eyes that have a file of their own. */
#ifndef ALLOCTRACE_OUT_TEXT_H
#define ALLOCTRACE_OUT_TEXT_H

#include "out/sink.h"

/* What a pool did wrong, and where. */
void text_finding(struct sink *s, const struct finding *f);

#endif
