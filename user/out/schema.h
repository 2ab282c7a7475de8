/* SPDX-License-Identifier: MIT */
/* What the lines of -f json look like, for programs: a JSON Schema. */
#ifndef ALLOCTRACE_OUT_SCHEMA_H
#define ALLOCTRACE_OUT_SCHEMA_H

#include <stdio.h>

/* Writes the schema. As with sinks, errors show by ferror(out). */
void schema_print(FILE *out);

#endif
