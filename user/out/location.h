/* SPDX-License-Identifier: MIT */
/* A place in the code, for eyes: "main at demo.c:12:9", or "g_malloc+0x19 (/usr/lib/x.so)" where
 * there is no line information. */
#ifndef ALLOCTRACE_OUT_LOCATION_H
#define ALLOCTRACE_OUT_LOCATION_H

#include <stdbool.h>
#include <stdio.h>

#include "core/event.h"
#include "sym/frame.h"

/* Escapes every name. `say_inlined`: adds that to a frame that is. */
void location_write(FILE *out, const struct sym_frame *f, bool say_inlined);

/* The same in no more columns than that, if it can be: the path of the file loses its middle, then
 * the function's name does. 0: as it is. */
void location_fit(FILE *out, const struct sym_frame *f, bool say_inlined, unsigned int width);

/* How far a stack is to be believed, and why there is no more of it, behind `indent`: "… truncated:
 * no unwind rules (/usr/lib/x.so)". `module`: of its outermost frame. False, and nothing written,
 * when it is whole. */
bool location_end_write(FILE *out, const char *indent, enum event_grade grade, enum event_why why,
			const char *module);

#endif
