/* SPDX-License-Identifier: MIT */
/*
 * The command line of pool-demo.
 */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>

#include "bugs.h"
#include "lane.h"

struct options {
	struct lane_config config;
	bool lanes[LANE_KINDS]; /* which of them to print */
	enum bug_kind bug;
	bool wait;
	bool help;
};

extern const char options_help[];

/*
 * Parses in place, without a call to an allocator. 0, or -1 after a sentence on stderr. With help
 * set, the rest is not complete.
 */
int options_parse(int argc, char **argv, struct options *options);

#endif
