/* SPDX-License-Identifier: MIT */
/* A call site as one word of folded stacks: "main;queue_push;message_new". */
#ifndef ALLOCTRACE_OUT_FOLDED_H
#define ALLOCTRACE_OUT_FOLDED_H

#include "out/sites.h"

/* From the outermost frame on, every name escaped, none with a semicolon in it. */
void folded_path_write(FILE *out, const struct tree *t, const struct site_row *row);

#endif
