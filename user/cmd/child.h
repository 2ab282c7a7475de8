/* SPDX-License-Identifier: MIT */
/* The command that alloctrace started, and what became of it. */
#ifndef ALLOCTRACE_CMD_CHILD_H
#define ALLOCTRACE_CMD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid; /* 0: there is none */
	bool ended;
	int status; /* as waitpid gives it, once it has ended */
};

/* Looks whether the child has ended; waits for it at most `ms` milliseconds. */
bool child_poll(struct child *c, int ms);

/* "exited with 0", "killed by SIGSEGV", "still running as PID 12"; NULL without a child. Returns
 * buf. */
const char *child_fate(const struct child *c, char *buf, size_t len);

/* What a shell would make of it: the exit code, or 128 + signal; 0 while it runs. */
int child_exit_code(const struct child *c);

#endif
