// SPDX-License-Identifier: MIT
/* early: a constructor allocates before main runs, and main does next to nothing. */
#include "victim.h"

#define EARLY 50

static struct work work;

__attribute__((noinline, noclone)) static void *take_early(size_t size)
{
	void *block = malloc(size);

	work.mallocs++;
	return block;
}

__attribute__((constructor)) static void allocate_early(void)
{
	for (size_t i = 0; i < EARLY; i++)
		give_block(&work, take_early(100 + i));
}

int main(void)
{
	say("ready %d\ntruth early=%d\n", getpid(), (int)work.mallocs);
	return 0;
}
