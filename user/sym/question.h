/* SPDX-License-Identifier: MIT */
/* Addresses that are asked about together, each once and those of a module beside each other. */
#ifndef ALLOCTRACE_SYM_QUESTION_H
#define ALLOCTRACE_SYM_QUESTION_H

#include <stddef.h>

#include "sym/cache.h"

struct module;

/* An address nobody has asked about yet, and what it is an address of. */
struct question {
	struct cache_key key;
	struct module *module; /* NULL: nothing is mapped there */
};

/* As the module counts: a return address is the one behind that of its key. */
struct sym_address question_address(const struct question *q);

/* By module and address, which is the order of its code; how many are left. */
size_t questions_sort(struct question *questions, size_t n);

#endif
