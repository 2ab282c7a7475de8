/* SPDX-License-Identifier: MIT */
/*
 * The one JSON writer: jansson, one compact object a line. Text of traced processes may be any
 * bytes; what is not UTF-8 becomes U+FFFD, so that every line is valid always.
 */
#ifndef ALLOCTRACE_OUT_JSON_H
#define ALLOCTRACE_OUT_JSON_H

#include <jansson.h>

#include "out/sink.h"

/* New references; never NULL but for lack of memory, which jansson's *_set_new takes as a failure.
 */
json_t *json_text(const char *text);
json_t *json_address(uint64_t address); /* "0x…" */
json_t *json_count(uint64_t n);         /* jansson's integers are signed: clamped */
json_t *json_decimal(double value);     /* whole, or with thousandths; must be finite */

/* Appends the frames of one code address, innermost first. */
void json_append_frames(json_t *list, struct sym_stack stack);

/* An array of frames of the first `depth` words of a stack, the caller first; inlined ones have
 * entries of their own, and what a signal interrupted is marked. */
json_t *json_stack(const struct sink *s, uint32_t pid, const uint64_t *stack, unsigned int depth);

/* A finding: a new reference, and as a line of its own. */
json_t *json_of_finding(const struct sink *s, const struct finding *f);
void json_finding(struct sink *s, const struct finding *f);

/* Writes the object as one line, and drops the reference. NULL, for lack of memory: no line. */
void json_line(FILE *out, json_t *object);

/* The same without the braces and the end of the line, for what is put together of parts. */
void json_members(FILE *out, json_t *object);

/* To be called before the first object is made. */
void json_begin(void);

/* Whether memory was short since json_begin: lines are missing, or parts of lines. */
bool json_ran_short(void);

/* The first line, with json_begin before it, an interim line and the last line of every JSON
 * output. */
void json_start(struct sink *s);
/* One line for each class of what measuring costs. */
void json_calibration(struct sink *s, const struct report *r);
void json_books(struct sink *s, const struct report *r);

#endif
