// SPDX-License-Identifier: MIT
/*
 * floor PID FILE MALLOC FREE [stack]: empty programs at malloc (entry and return) and free (entry),
 * at the file offsets given, where alloctrace has its own; with the last word, those at malloc's
 * return and at free take the stack, as alloctrace does. Says "ready" and holds them until it is
 * interrupted. The benchmark measures the traced program meanwhile.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floor.skel.h"

static int attach(struct bpf_program *program, pid_t pid, const char *file, const char *offset,
		  bool at_return)
{
	size_t at = strtoull(offset, NULL, 16);

	if (bpf_program__attach_uprobe(program, at_return, pid, file, at))
		return 0;
	fprintf(stderr, "floor: cannot attach at '%s': %s\n", offset, strerror(errno));
	return -errno;
}

int main(int argc, char **argv)
{
	struct floor_bpf *skeleton = floor_bpf__open_and_load();
	struct bpf_program *nothing, *last;
	sigset_t set;
	pid_t pid;
	int got;

	if (!skeleton || argc < 5)
		return 1;
	pid = (pid_t)strtol(argv[1], NULL, 10);
	nothing = skeleton->progs.nothing;
	last = argc > 5 ? skeleton->progs.stack : nothing;
	if (attach(last, pid, argv[2], argv[3], true) ||
	    attach(nothing, pid, argv[2], argv[3], false) ||
	    attach(last, pid, argv[2], argv[4], false))
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fputs("ready: floor\n", stderr);
	sigwait(&set, &got);
	_exit(0);
}
