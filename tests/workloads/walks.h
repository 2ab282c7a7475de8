/* SPDX-License-Identifier: MIT */
/*
 * For programs whose stacks are known: who is called by whom is what the source says. Every
 * function is one of its own, and ends with a return.
 */
#ifndef ALLOCTRACE_WALKS_H
#define ALLOCTRACE_WALKS_H

#include <stddef.h>
#include <stdlib.h>

#define OWN __attribute__((noinline, noipa))

/* Behind a call: it is none that could be a jump. */
#define AND_RETURN() asm volatile("" ::: "memory")

/* One block of a size by which the test knows it. */
static OWN void take(size_t size)
{
	free(malloc(size));
	AND_RETURN();
}

#endif
