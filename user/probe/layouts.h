/* SPDX-License-Identifier: MIT */
/*
 * The kernel side's picture of address spaces: pieces of unwind rules (bpf/unwind.h), and for each
 * process which piece tells of which part of its code. Errors are negative errno.
 */
#ifndef ALLOCTRACE_PROBE_LAYOUTS_H
#define ALLOCTRACE_PROBE_LAYOUTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/unwind.h"

#define LAYOUTS_MAX_BYTES (256ULL << 20) /* of all pieces */

struct layouts {
	int tables, layouts; /* descriptors of the maps, borrowed */
	uint32_t used;       /* inner maps so far … */
	uint64_t blocks;     /* … and what is in them */
	/* The inner map that small pieces share. */
	int shared;                         /* its descriptor; none while there is no room in it */
	uint32_t shared_table, shared_room; /* its number; blocks */
};

void layouts_init(struct layouts *l, int tables, int layouts);
void layouts_fini(struct layouts *l);

/* Copies a piece to the kernel side; *table is its place there, for struct unwind_map. -ENOSPC:
 * there are as many as there can be. */
int layouts_add_piece(struct layouts *l, const struct unwind_piece *piece, uint32_t *table);

/* From now on the process's stacks are walked by this layout, which is not kept. -ENOSPC or -E2BIG:
 * too many processes. */
int layouts_set(const struct layouts *l, pid_t pid, const struct unwind_layout *layout);

/* The process is there no more. */
void layouts_drop(const struct layouts *l, pid_t pid);

/* Whether the kernel side has one of the process: it forgets that of a program that is replaced. */
bool layouts_has(const struct layouts *l, pid_t pid);

#endif
