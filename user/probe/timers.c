// SPDX-License-Identifier: MIT
/* Looks for the notes of alloctrace:timed in what a process maps. */
#include "probe/timers.h"

#include <unistd.h>

#include "probe/binary.h"
#include "sym/proc.h"

static int visit_mapping(const struct proc_mapping *m, void *context)
{
	pid_t pid = *(const pid_t *)context;
	struct binary *b;
	bool found;
	int fd, err;

	if (!m->executable || !m->inode)
		return 0;
	fd = proc_open_mapped(pid, m);
	if (fd < 0)
		return 0;
	b = binary_new(fd, &err);
	found = b && binary_has_probe(b, "alloctrace", "timed");
	binary_free(b);
	close(fd);
	return found;
}

bool timers_in_process(pid_t pid)
{
	return proc_each_mapping(pid, visit_mapping, &pid) == 1;
}
