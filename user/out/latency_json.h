/* SPDX-License-Identifier: MIT */
/* What the JSON lines of histograms and of causes share. */
#ifndef ALLOCTRACE_OUT_LATENCY_JSON_H
#define ALLOCTRACE_OUT_LATENCY_JSON_H

#include "out/json.h"
#include "out/latency.h"

/* Nanoseconds: a whole number, or one with up to three decimals where these mean something. */
json_t *latency_json_number(const struct latency_figures *f, double ns);

/* "call", "class" and, where the row is of one call site, "pid" and "stack". */
void latency_json_set_row(json_t *o, const struct sink *s, const struct latency_row *row);

/* "cost_ns" and "floor_ns", where they are known. */
void latency_json_set_floor(json_t *o, const struct latency_figures *f);

/* A line that says what -N left out of the rows of that type of line; none when nothing was. */
void latency_json_left_out(struct sink *s, const struct report *r, const struct latency_rows *rows,
			   size_t shown, const char *type);

#endif
