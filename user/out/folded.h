/* SPDX-License-Identifier: MIT */
/* The path to a call site as one word of folded stacks: "main;queue_push;message_new". */
#ifndef ALLOCTRACE_OUT_FOLDED_H
#define ALLOCTRACE_OUT_FOLDED_H

#include "out/tree.h"

/* From the outermost frame on, no name with a semicolon in it. `quoted`: every name is escaped;
 * else that is left to the caller. */
void folded_path_write(FILE *out, const struct tree *t, uint32_t node, bool quoted);

/* What stands before the path of a pool's site: "[pool NAME];", escaped. */
void folded_pool_write(FILE *out, const char *pool);

#endif
