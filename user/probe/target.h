/* SPDX-License-Identifier: MIT */
/*
 * Which processes are looked at, and the placing of probes in what they map. Allocators are found
 * in the address spaces of the targets, not by names of files; a file is looked at once and probed
 * once per scope, however often it is mapped.
 */
#ifndef ALLOCTRACE_PROBE_TARGET_H
#define ALLOCTRACE_PROBE_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/table.h"
#include "probe/session.h"
#include "sym/proc.h"

/* 0 when the process can be a target, else a negative errno with a sentence in `why`. */
int target_check(pid_t pid, char *why, size_t len);

struct target_attacher {
	struct session *session; /* borrowed */
	struct table seen;       /* (device, inode, scope) -> nothing */
	size_t sites;            /* probes placed, entry and return counted as one */
	char summary[256]; /* "9 of libc.so.6, 4 of pool-demo": for people, cut when it is long */
	char why[512];
};

void target_attacher_init(struct target_attacher *a, struct session *session);
void target_attacher_fini(struct target_attacher *a);

/*
 * Probes everything of interest that the process maps now, for that process alone. The kernel ties
 * a probe's scope to the address space of one thread: the main one, or any other when that has
 * left. 0, or a negative errno with a sentence in a->why: -ESRCH when it has ended. Calling it
 * again adds what came since.
 */
int target_attach_process(struct target_attacher *a, pid_t pid);

/* The same for one mapping of the process, for whom `scope` says (a PID, SESSION_ALL_PROCESSES). */
int target_attach_mapping(struct target_attacher *a, pid_t pid, pid_t scope,
			  const struct proc_mapping *m);

/* The same for every process of the system, those to come included. Files that cannot be read are
 * skipped. */
int target_attach_system(struct target_attacher *a);

#endif
