// SPDX-License-Identifier: MIT
/* Looks for the notes of alloctrace:timed in what a process maps. */
#include "probe/timers.h"

#include <unistd.h>

#include "sym/proc.h"

struct search {
	struct scanner *scanner;
	pid_t pid;
};

static void pass_over(void *context, const struct scan_function *f)
{
	(void)context;
	(void)f;
}

static int visit_mapping(const struct proc_mapping *m, void *context)
{
	const struct search *s = context;
	struct scan_facts facts;
	int fd, err;

	if (!m->executable || !m->inode)
		return 0;
	fd = proc_open_mapped(s->pid, m);
	if (fd < 0)
		return 0;
	err = scanner_read(s->scanner, fd, &facts, pass_over, NULL);
	close(fd);
	return !err && facts.has_timers;
}

bool timers_in_process(struct scanner *scanner, pid_t pid)
{
	struct search s = {.scanner = scanner, .pid = pid};

	return proc_each_mapping(pid, visit_mapping, &s) == 1;
}
