// SPDX-License-Identifier: MIT
/*
 * floor PID LIBRARY: empty programs at malloc (entry and return) and free (entry), at the symbols,
 * where alloctrace has its own. Says "ready" and holds them until it is interrupted. The benchmark
 * measures the traced program meanwhile.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floor.skel.h"

static int attach(struct floor_bpf *skeleton, pid_t pid, const char *library, const char *name,
		  bool at_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = name, .retprobe = at_return);

	if (bpf_program__attach_uprobe_opts(skeleton->progs.nothing, pid, library, 0, &options))
		return 0;
	fprintf(stderr, "floor: cannot attach to '%s': %s\n", name, strerror(errno));
	return -errno;
}

int main(int argc, char **argv)
{
	struct floor_bpf *skeleton = floor_bpf__open_and_load();
	sigset_t set;
	pid_t pid;
	int got;

	if (!skeleton || argc != 3)
		return 1;
	pid = (pid_t)strtol(argv[1], NULL, 10);
	if (attach(skeleton, pid, argv[2], "malloc", true) ||
	    attach(skeleton, pid, argv[2], "malloc", false) ||
	    attach(skeleton, pid, argv[2], "free", false))
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fputs("ready: floor\n", stderr);
	sigwait(&set, &got);
	_exit(0);
}
