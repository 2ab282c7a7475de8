/* SPDX-License-Identifier: MIT */
/* Figures and texts as people read them at a glance, for reports on a terminal. */
#ifndef ALLOCTRACE_OUT_HUMAN_H
#define ALLOCTRACE_OUT_HUMAN_H

#include "out/sink.h"

#define HUMAN_TEXT 32 /* bytes that each buffer here holds; all return it */

/* Three digits that count, in units of 1024: "160 B", "4.00 KiB", "1.23 MiB". */
const char *human_size(char *buf, uint64_t bytes);

/* So many in that time, for each second: "831", "0.25"; "-" without a time. */
const char *human_rate(char *buf, uint64_t count, uint64_t ns);
const char *human_size_rate(char *buf, uint64_t bytes, uint64_t ns);

/* "61.3%"; "-" of nothing. */
const char *human_share(char *buf, uint64_t part, uint64_t whole);

/* The sizes above the power of two before that one, exact in few digits: "17..32", "512K+1..1M". */
const char *human_class(char *buf, unsigned int power);

/* The decade (core/profile.h) that the lifetime of the block in the middle lies in: "<10us",
 * ">10000s"; "-" of none. */
const char *human_lifetime(char *buf, const uint64_t *lifetimes);

/* A bar of `value` beside the longest, `most`, as wide as HUMAN_BAR on the screen always. */
#define HUMAN_BAR 10
void human_bar_write(FILE *out, uint64_t value, uint64_t most);

/* Columns that the text takes on a screen. */
unsigned int human_width(const char *text);

/* Takes characters out of the middle, and says so by "…", until the text is no wider than that;
 * the end, where the name of a file is, keeps the most. Nothing is done below a width of 4. */
void human_shorten(char *text, unsigned int width);

/* "1 block", "2 blocks". */
void human_number_write(FILE *out, uint64_t n, const char *thing);

/* Turns a way of writing on, and off again; nothing where colors are not wanted. */
enum human_style { HUMAN_PLAIN, HUMAN_TITLE, HUMAN_FIGURE, HUMAN_FAINT };
void human_style(const struct sink *s, enum human_style style);

#endif
