// SPDX-License-Identifier: MIT
/*
 * liblone.so: a library that defines malloc and no other function of an allocator. Nobody is to be
 * linked with it; run_library(ROUNDS) calls it and prints the books of tally.h.
 */
#include "tally.h"

static char region[1 << 22];
static size_t used;

/* The name for all others; in here it would be libc's. */
void *alone(size_t size) __asm__("malloc") __attribute__((visibility("protected")));
void run_library(long rounds);

TRACED void *alone(size_t size)
{
	void *block = region + used;

	if (size > sizeof(region) - used)
		return NULL;
	used += size;
	return block;
}

void run_library(long rounds)
{
	void *p;

	for (long i = 0; i < rounds; i++) {
		size_t n = next_size();

		p = alone(n), made("malloc", __LINE__, n, p);
	}
	tally_print(__FILE__);
}
