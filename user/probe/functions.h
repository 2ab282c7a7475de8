/* SPDX-License-Identifier: MIT */
/*
 * The table of traced functions: the one place where their names and argument shapes stand. A row's
 * index is the attach cookie of its probes, the `function` of its events, and its index in the
 * books.
 */
#ifndef ALLOCTRACE_PROBE_FUNCTIONS_H
#define ALLOCTRACE_PROBE_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the arguments lie: one entry program each. */
enum function_shape {
	SHAPE_SIZE,         /* f(size) */
	SHAPE_COUNT_SIZE,   /* f(count, size) */
	SHAPE_ALIGN_SIZE,   /* f(align, size) */
	SHAPE_SIZE_ALIGN,   /* f(size, align) */
	SHAPE_MEMPTR,       /* f(memptr, align, size) */
	SHAPE_REALLOC,      /* f(block, size) */
	SHAPE_REALLOCARRAY, /* f(block, count, size) */
	SHAPE_FREE,         /* f(block), probed at entry alone */
	SHAPE_NR,
};

#define FUNCTION_MAX_SYMBOLS 12

struct function {
	const char
		*name; /* what the user reads and writes, and the symbol where there is no other */
	enum function_shape shape;
	const char *symbols[FUNCTION_MAX_SYMBOLS]; /* none: the name */
};

extern const struct function functions[];
extern const size_t function_count;

/* What a run looks at: bit i is functions[i]. */
struct function_set {
	uint64_t functions;
	bool pools;
	char pool_name[65]; /* only pools of this name; "": all */
};

/* Whether the function has that symbol. */
bool function_has_symbol(const struct function *f, const char *symbol);

/* Everything. */
struct function_set function_set_all(void);

/*
 * Adds the list of -e: names of functions, "pool", "pool:NAME", divided by commas. On an error
 * `refused` (of `len` bytes) holds the word that caused it: -EINVAL, it is none of these (an empty
 * list is the empty word); -E2BIG, it is a second pool's name.
 */
int function_set_add(struct function_set *set, const char *list, char *refused, size_t len);

/* Whether allocations and frees are both in the set, so that live blocks can be told. */
bool function_set_pairs(const struct function_set *set);

#endif
