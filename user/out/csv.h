/* SPDX-License-Identifier: MIT */
/*
 * Comma-separated values as RFC 4180 has them: lines end with CR LF, a field that needs it stands
 * in quotes. Text of traced processes is escaped as everywhere (log_quote), so a row is one line
 * whatever names it holds, and none of its bytes steers a terminal.
 */
#ifndef ALLOCTRACE_OUT_CSV_H
#define ALLOCTRACE_OUT_CSV_H

#include <stdio.h>

#define CSV_END "\r\n" /* of a row */

/* Writes one field, without the comma behind it. */
void csv_text(FILE *out, const char *text);

#endif
