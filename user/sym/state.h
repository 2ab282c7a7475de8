/* SPDX-License-Identifier: MIT */
/*
 * What a symbolizer is made of, for the files that are its parts: symbolizer.c follows processes
 * that run, restore.c is told of those that ran, and survey.c tells what there is to record.
 */
#ifndef ALLOCTRACE_SYM_STATE_H
#define ALLOCTRACE_SYM_STATE_H

#include "sym/perfmap.h"
#include "sym/processes.h"
#include "sym/resolver.h"
#include "sym/symbolizer.h"

struct cache;
struct module;
struct modules;
struct names;
struct reader;
struct store;

/* What a recording has told. All zero: there is none. */
struct restored {
	bool any;           /* nothing is asked of the processes of this machine */
	struct module **at; /* by number; each with a reference */
	size_t count, capacity;
	size_t open;   /* files */
	size_t frames; /* that were told */
};

void restored_fini(struct restored *r);

struct symbolizer {
	struct names *names;
	struct reader *reader;
	struct reader *guests; /* NULL: no answers are kept, and nobody else is needed */
	struct store *store;
	struct fetch *fetch; /* NULL: no server is asked */
	symbolizer_wait_fn wait;
	void *wait_context;
	struct modules *modules;
	struct cache *cache;
	struct resolver resolver;
	struct processes processes;
	uint64_t changes; /* of what any process has mapped */
	struct perfmaps perfmaps;
	struct restored restored;
	struct symbolizer_losses losses;
};

/* Counts a process that the table had no room for; returns the error. */
int state_count_refused(struct symbolizer *s, int err);

#endif
