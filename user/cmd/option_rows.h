/* SPDX-License-Identifier: MIT */
/* The table of options, for options.c alone, which parses by it and prints it as help. */
#ifndef ALLOCTRACE_CMD_OPTION_ROWS_H
#define ALLOCTRACE_CMD_OPTION_ROWS_H

#include "cmd/options.h"

struct option_row;

/* Stores the value; 0, or -EINVAL when it is not one of its kind. */
typedef int (*option_fn)(struct options *o, const struct option_row *row, const char *value);

struct option_row {
	char letter; /* 0: none */
	bool live;   /* about a target, or the probes on it */
	const char *name;
	const char *value; /* as the help calls it; NULL: a switch */
	option_fn take;
	size_t field; /* offset into struct options */
	double low, high;
	const char *help;
};

#define OPTION_MAX_ROWS 128

extern const struct option_row option_rows[];
extern const size_t option_row_count;

#endif
