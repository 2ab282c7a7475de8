/* SPDX-License-Identifier: MIT */
/*
 * Where in a function a probe is cheapest and still sound.
 *
 * The kernel emulates a few kinds of instructions under a uprobe (push of a register, nop, jumps,
 * calls; see arch/x86/kernel/uprobes.c, branch_setup_xol_ops and push_setup_xol_ops) and
 * single-steps all others out of line, which costs three to four times as much. A function's first
 * instruction is often of the dear kind (endbr64, test, mov), and a cheap one follows. A probe
 * there sees the same arguments, the same stack pointer and the same return address as at the entry
 * when every instruction skipped is straight-line, writes no argument register, no stack pointer
 * and no memory, and when nothing in the function jumps to the site or into the span before it.
 */
#ifndef ALLOCTRACE_PROBE_SITE_H
#define ALLOCTRACE_PROBE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/calibration.h"

/* How the kernel will run the instruction under the probe. */
enum site_cost {
	SITE_EMULATED,
	SITE_STEPPED,
	SITE_REFUSED, /* no place here is safe */
};

struct site {
	uint64_t skip; /* bytes from the function's entry */
	enum site_cost cost;
	enum calibration_class class; /* of the instruction: what its window costs */
	char instruction[80];         /* at the site, as Intel syntax */
	char why[160];                /* why there, in a few words */
};

/*
 * Finds the site of the function whose code begins with the `size` bytes at `code`. `whole`: these
 * are all of it, so that all of its jumps are seen; without that the site is the entry.
 * `nop5_hazard`: as site_nop5_hazard says.
 */
void site_find(struct site *site, const unsigned char *code, size_t size, bool whole,
	       bool nop5_hazard);

/*
 * Whether this kernel rewrites a uprobe on a 5-byte nop into a call, which overwrites the red zone
 * and breaks forked children (the generation of kernel 6.18). Asked of the kernel, not of its
 * version: its uprobe system call, 336 on x86-64, answers ENXIO when it is called from elsewhere.
 */
bool site_nop5_hazard(void);

#endif
