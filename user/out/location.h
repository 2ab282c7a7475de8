/* SPDX-License-Identifier: MIT */
/* A place in the code, for eyes: "main at demo.c:12:9", or "g_malloc+0x19 (/usr/lib/x.so)" where
 * there is no line information. */
#ifndef ALLOCTRACE_OUT_LOCATION_H
#define ALLOCTRACE_OUT_LOCATION_H

#include <stdbool.h>
#include <stdio.h>

#include "sym/frame.h"

/* Escapes every name. `say_inlined`: adds that to a frame that is. */
void location_write(FILE *out, const struct sym_frame *f, bool say_inlined);

#endif
