/* SPDX-License-Identifier: MIT */
/*
 * The table of traced functions: the one place where their names and argument shapes stand. A row's
 * index is the attach cookie of its probes, the `function` of its events, and its index in the
 * books.
 *
 * It begins with the catalogue of what every allocator may define. Rows come to it while a run
 * lives: je_malloc when a file defines it, and what --function names.
 */
#ifndef ALLOCTRACE_PROBE_FUNCTIONS_H
#define ALLOCTRACE_PROBE_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"
#include "core/table.h"

/*
 * Functions that make sense only together: none of a family counts in an object that does not
 * define both functions that the catalogue calls its keys (malloc and free).
 */
enum function_family { FAMILY_MALLOC, FAMILY_ALLOCX, FAMILY_RUST, FAMILY_OWN, FAMILY_NR };

#define FUNCTION_NAME_LEN      256
#define FUNCTIONS_MAX_PREFIXES 20 /* four of them are known from the start */

struct function {
	char name[FUNCTION_NAME_LEN]; /* what the user reads and writes */
	struct event_args args; /* without a size: it takes blocks away and does nothing else */
	enum function_family family;
	unsigned int prefix; /* 0: none, else index + 1 into prefixes */
	bool key;            /* of its family */
	bool wanted;         /* this run looks at it */
};

struct functions {
	struct function rows[EVENT_MAX_FUNCTIONS];
	size_t count;
	const char *prefixes[FUNCTIONS_MAX_PREFIXES]; /* borrowed */
	size_t prefix_count;
	bool pools;         /* are looked at */
	char pool_name[65]; /* only pools of this name; "": all */
	uint64_t refused;   /* functions for which the table had no row left */
	struct table names; /* hash of a symbol -> row */
};

/* The catalogue and the prefixes that are in use (je_, mi_, tc_, _rjem_); everything is wanted. */
void functions_init(struct functions *f);
void functions_fini(struct functions *f);

/* Functions called PREFIX + malloc and so on count as well. -ENOSPC: there are too many. */
int functions_add_prefix(struct functions *f, const char *prefix);

/*
 * Adds what --function says: SYM(key=argN,…,ret=ptr). 0, or a negative errno with a sentence in
 * `why`. It is wanted whatever -e says.
 */
int functions_add_own(struct functions *f, const char *spec, char *why, size_t len);

/* From now on only what functions_select names is wanted. */
void functions_want_none(struct functions *f);

/*
 * Adds the list of -e: names of functions, "pool", "pool:NAME", divided by commas. On an error
 * `refused` (of `len` bytes) holds the word that caused it: -EINVAL, it is none of these (an empty
 * list is the empty word); -E2BIG, it is a second pool's name.
 */
int functions_select(struct functions *f, const char *list, char *refused, size_t len);

/*
 * The row that a symbol of a file stands for, made when it has a known prefix and is new; -1: none.
 * `exported`: it is visible outside of its object. The allocator of the C library is looked for
 * among such ones alone.
 */
int functions_match(struct functions *f, const char *symbol, bool exported);

/* Whether functions_match could find a row for the symbol, or make one if there were room. */
bool functions_know(const struct functions *f, const char *symbol);

static inline bool function_frees(const struct function *f)
{
	return !f->args.size;
}

/* Whether allocations and frees are both wanted, so that live blocks can be told. */
bool functions_pair(const struct functions *f);

#endif
