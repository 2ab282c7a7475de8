/* SPDX-License-Identifier: MIT */
/* The books in words: what every text report ends with. */
#ifndef ALLOCTRACE_OUT_BOOKS_H
#define ALLOCTRACE_OUT_BOOKS_H

#include "out/sink.h"

/*
 * Writes calls and bytes per function and pool, live blocks, unmatched frees, losses by cause and
 * the balance: calls that began = events + lost + only counted + still open.
 */
void books_write(struct sink *s, const struct report *r);

/* A duration for eyes, as "1.63us"; returns buf, which holds BOOKS_DURATION bytes. The fine one
 * has decimals below a microsecond, too: "4.12ns". */
#define BOOKS_DURATION 16
const char *books_duration(char *buf, uint64_t ns);
const char *books_fine_duration(char *buf, double ns);

#endif
