// SPDX-License-Identifier: MIT
#include "cmd/commands.h"

#include <string.h>

static const struct command commands[] = {
	{.name = "trace",
	 .operands = "TARGET",
	 .help = "one line per call, the books at the end (the default)",
	 .replays = true},
	{.name = "latency",
	 .operands = "TARGET",
	 .help = "a latency histogram a function and pool",
	 .adds_up = true,
	 .replays = true},
	{.name = "compare",
	 .operands = "TARGET",
	 .help = "pools against malloc, with a verdict",
	 .adds_up = true},
	{.name = "leaks",
	 .operands = "TARGET",
	 .help = "what is still live, by call stack",
	 .stacks = true,
	 .replays = true},
	{.name = "hot",
	 .operands = "TARGET",
	 .help = "who allocates most often",
	 .stacks = true,
	 .replays = true},
	{.name = "temporary",
	 .operands = "TARGET",
	 .help = "what is freed as soon as it has been allocated",
	 .stacks = true,
	 .replays = true},
	{.name = "peak",
	 .operands = "TARGET",
	 .help = "what was live when most was",
	 .stacks = true,
	 .replays = true},
	{.name = "sizes",
	 .operands = "TARGET",
	 .help = "how large blocks are, and how long they live",
	 .replays = true},
	{.name = "record",
	 .operands = "TARGET -o FILE",
	 .help = "all of it into a file, for report and diff",
	 .stacks = true},
	{.name = "report",
	 .operands = "FILE [--as trace|…]",
	 .help = "any of the above from a recording, without root",
	 .kind = COMMAND_REPORT},
	{.name = "diff",
	 .operands = "FILE FILE",
	 .help = "what changed between two recordings, by call site",
	 .kind = COMMAND_DIFF,
	 .stacks = true},
	{.name = "sites",
	 .operands = "FILE [FUNCTION…]",
	 .help = "where probes would lie in a file",
	 .kind = COMMAND_SITES},
};

#define COUNT (sizeof(commands) / sizeof(commands[0]))

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

const struct command *command_at(size_t i)
{
	return i < COUNT ? &commands[i] : NULL;
}

bool command_is_reserved(const char *name)
{
	return !strcmp(name, "top");
}

const char *command_replays(void)
{
	static char list[256];

	if (list[0])
		return list;
	for (size_t i = 0; i < COUNT; i++) {
		if (!commands[i].replays)
			continue;
		if (list[0])
			strcat(list, ", ");
		strcat(list, commands[i].name);
	}
	return list;
}
