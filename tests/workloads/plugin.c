// SPDX-License-Identifier: MIT
/*
 * libplugin.so: a library that calls malloc from functions and lines of its own, which are to be
 * named when its file has gone from the disk, too. run_library(ROUNDS) prints the books of tally.h.
 */
#include "tally.h"

void run_library(long rounds);
void *plugin_make(size_t size);
void plugin_drop(struct block *b);

TRACED void *plugin_make(size_t size)
{
	void *p;

	p = malloc(size), made("malloc", __LINE__, size, p);
	return p;
}

TRACED void plugin_drop(struct block *b)
{
	free(b->ptr), gone("free", __LINE__, *b);
	b->ptr = NULL;
}

void run_library(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		size_t n = next_size();
		struct block b = {plugin_make(n), n};

		if (i % LEAK_EVERY)
			plugin_drop(&b);
	}
	tally_print(__FILE__);
}
