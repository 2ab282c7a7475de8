/* SPDX-License-Identifier: MIT */
/* The commands: one table tells what each is, for parsing, help and everybody who asks. */
#ifndef ALLOCTRACE_CMD_COMMANDS_H
#define ALLOCTRACE_CMD_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

enum command_kind {
	COMMAND_LIVE,   /* traces a target */
	COMMAND_SITES,  /* looks into a file */
	COMMAND_REPORT, /* reads a recording */
	COMMAND_DIFF,   /* reads two */
};

struct command {
	const char *name;
	const char *operands; /* as the help shows them */
	const char *help;
	enum command_kind kind;
	bool adds_up; /* calls are added up in the kernel, and are not looked at one by one */
	bool stacks;  /* whole stacks are what it is about: they need not be asked for */
	bool replays; /* a recording has all that it needs: `report --as` it */
};

/* NULL: there is none of that name. */
const struct command *command_find(const char *name);

/* In the order of the help; NULL: there are no more. */
const struct command *command_at(size_t i);

/* Words that will be commands, and are none yet. */
bool command_is_reserved(const char *name);

/* The names of those that replay, as "trace, leaks …". A constant. */
const char *command_replays(void);

#endif
