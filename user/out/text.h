/* SPDX-License-Identifier: MIT */
/* What the lines of the trace for eyes are made of. For text.c and text_finding.c alone. */
#ifndef ALLOCTRACE_OUT_TEXT_H
#define ALLOCTRACE_OUT_TEXT_H

#include "out/sink.h"

/* One frame, as "function at file:line:column" or "function+0xoff (module)". */
void text_frame(struct sink *s, const struct sym_frame *f);

/* What a pool did wrong, and where. */
void text_finding(struct sink *s, const struct finding *f);

#endif
