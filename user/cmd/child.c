// SPDX-License-Identifier: MIT
/* The command that alloctrace started, and what became of it. */
#include "cmd/child.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

bool child_poll(struct child *c, int ms)
{
	for (;;) {
		if (!c->pid || c->ended)
			return c->ended;
		c->ended = waitpid(c->pid, &c->status, WNOHANG) == c->pid;
		if (c->ended || ms-- <= 0)
			return c->ended;
		poll(NULL, 0, 1);
	}
}

const char *child_fate(const struct child *c, char *buf, size_t len)
{
	if (!c->pid)
		return NULL;
	if (!c->ended)
		snprintf(buf, len, "still running as PID %d", c->pid);
	else if (WIFEXITED(c->status))
		snprintf(buf, len, "exited with %d", WEXITSTATUS(c->status));
	else
		snprintf(buf, len, "killed by SIG%s%s", sigabbrev_np(WTERMSIG(c->status)),
			 WCOREDUMP(c->status) ? " (core dumped)" : "");
	return buf;
}

int child_exit_code(const struct child *c)
{
	if (!c->ended)
		return 0;
	return WIFEXITED(c->status) ? WEXITSTATUS(c->status) : 128 + WTERMSIG(c->status);
}
