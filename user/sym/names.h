/*
 * A pool of strings in which equal strings are one string. Function names and source paths recur
 * at thousands of addresses; here each is stored once, apart from the debug information it came
 * from, so that a module can be closed while its names are still shown.
 */
#ifndef ALLOCTRACE_SYM_NAMES_H
#define ALLOCTRACE_SYM_NAMES_H

#include <stddef.h>

struct names;

/* An empty pool, or NULL when memory is out. The caller frees it. */
struct names *names_new(void);

/* Ends the life of every string of the pool. NULL is allowed. */
void names_free(struct names *n);

/* The pool's copy of `s`, made on first sight; lives until names_free. NULL when `s` is NULL or
 * memory is out. */
const char *names_intern(struct names *n, const char *s);

size_t names_bytes(const struct names *n); /* of all strings, their zeros included */

#endif
