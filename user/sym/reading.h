/*
 * What the helper process does for the symbolizer: it keeps the files that it was given, by number,
 * and answers what lies at their addresses. The form of questions and answers, for reader.c:
 *
 *	READING_OPEN id plain path (file)           -> size, build-id, segments
 *	READING_FRAMES id n, n x address is_return  -> k, k x (count, frames); 0: no such number
 *	READING_CLOSE id                            -> nothing
 *
 * Of n addresses the first k are answered, at least one: as many as there is room for, and time.
 */
#ifndef ALLOCTRACE_SYM_READING_H
#define ALLOCTRACE_SYM_READING_H

#include <stdint.h>

#include "guard/helper.h"

enum reading_question { READING_OPEN, READING_FRAMES, READING_CLOSE };

/* The "path" by which a debug file is wanted that a server may have. */
#define READING_FETCH "debuginfod"

#define READING_MAX_ADDRESSES 2048 /* in one question */
#define READING_MAX_NAME      4095 /* bytes of a function's name or a file's path */

extern const struct helper_job reading_job;

#endif
