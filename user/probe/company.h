/* SPDX-License-Identifier: MIT */
/*
 * Which functions belong together, as far as that is known from what files define: who may free
 * what whom handed out, and whether every hand-out of an allocator is seen. Both decide whether a
 * free may be called wrong, so what is not certain is not known.
 *
 * Functions without a prefix are one family, C++'s operators and mallocx included; so is each of
 * the prefixes that are known from the start, unless its functions lie in one file with malloc and
 * free: then they are these by another name. Of nobody else it is known: what the user names may
 * wrap malloc, and Rust's functions are inlined here and there, so that the malloc inside shows.
 *
 * An allocator is closed when all its functions that hand out blocks are in the table and none
 * hands one out unseen. mimalloc and tcmalloc have many more (mi_zalloc); two files that define
 * malloc may be an allocator and what wraps it, with calls of free inside of free; and a function
 * that is entered anew before it has returned may have been interrupted by a signal's handler.
 *
 * What an allocator's own file frees is its own affair: glibc frees once more what an ending thread
 * had freed and kept for itself.
 */
#ifndef ALLOCTRACE_PROBE_COMPANY_H
#define ALLOCTRACE_PROBE_COMPANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/functions.h"
#include "sym/proc.h"

/* All zeros: nothing has been seen yet. */
struct company {
	size_t plain;        /* files that define malloc and free by these names */
	char path[512];      /* of the first of them, as it is mapped */
	uint64_t begin, end; /* where its code lies in the process that mapped it first */
	uint64_t beside;     /* bit i: row i has a prefix, and its file is one of these */
	bool incomplete; /* an allocator may be mapped that has no probes: a file could not be read,
			    a function not probed */
};

/* A file has been mapped that defines these rows (bit i: row i). */
void company_note(struct company *c, const struct functions *f, uint64_t defined,
		  const struct proc_mapping *m);

/* Whether code of a file, by its path, may free what it likes. */
bool company_is_inside(const struct company *c, const char *path);

/* By row; 0: unknown. */
void company_families(const struct company *c, const struct functions *f,
		      uint8_t families[EVENT_MAX_FUNCTIONS]);

/* Bit i: function i hands out blocks, and no other one is called inside. */
uint64_t company_leaves(const struct functions *f);

/*
 * Whether all blocks of the function's family are seen as they are handed out. `nested` by row, bit
 * i: function i was called inside, and handed out a block.
 */
bool company_is_closed(const struct company *c, const struct functions *f, unsigned int function,
		       const uint64_t nested[EVENT_MAX_FUNCTIONS]);

/* Whether the functions of that prefix, if it has one, have their blocks from nobody else: then
 * they do not wrap another allocator. */
bool company_is_independent(const struct functions *f, unsigned int function,
			    const uint64_t nested[EVENT_MAX_FUNCTIONS]);

#endif
