// SPDX-License-Identifier: MIT
/*
 * Blocks on either side of the size from which on glibc maps each by itself.
 *
 *	slow_mmap [--wait] [CALLS]
 *
 *	ready PID                       with --wait: goes on at a line or the end of stdin
 *	truth below calls=N mapped=0    mapped: blocks whose header says that they are
 *	truth above calls=N mapped=N
 *
 * Both are made by malloc and released by free, one at a time, in functions of these names. What
 *lies below comes from a heap that is large enough before "ready": no brk.
 */
#include <malloc.h>

#include "tally.h"

#define THRESHOLD (128 << 10)
#define IS_MAPPED 2 /* in the word before a block of glibc's */

struct side {
	long calls, mapped;
};

static struct side below_side, above_side;

TRACED static void count(struct side *side, const void *block)
{
	side->calls++;
	side->mapped += (((const size_t *)block)[-1] & IS_MAPPED) != 0;
}

TRACED static void below(size_t size)
{
	void *block = malloc(size);

	count(&below_side, block);
	free(block);
	__asm__ volatile(""); /* the call is no jump */
}

TRACED static void above(size_t size)
{
	void *block = malloc(size);

	count(&above_side, block);
	free(block);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	long calls;

	buffer_output();
	mallopt(M_MMAP_THRESHOLD, THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 0);
	free(malloc(THRESHOLD - 4096));
	wait_if_asked(&argc, &argv);
	calls = argc > 1 ? atol(argv[1]) : 5000;
	for (long i = 0; i < calls; i++) {
		below(THRESHOLD - 4096);
		above(THRESHOLD + 4096);
	}
	printf("truth below calls=%ld mapped=%ld\n", below_side.calls, below_side.mapped);
	printf("truth above calls=%ld mapped=%ld\n", above_side.calls, above_side.mapped);
	return fflush(stdout) ? 1 : 0;
}
