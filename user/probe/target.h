/* SPDX-License-Identifier: MIT */
/*
 * Which processes are looked at, and the placing of probes in what they map. Allocators are found
 * in the address spaces of the targets, not by names of files; a file is looked at once and probed
 * once per scope, however often it is mapped, and let go when nobody maps it any more.
 *
 * Code that comes later is probed when its mapping is reported, and by then some of its calls may
 * be over. So the allocators of the loader's cache are probed ahead: a uprobe lies on a file, and
 * costs nothing until somebody maps it.
 */
#ifndef ALLOCTRACE_PROBE_TARGET_H
#define ALLOCTRACE_PROBE_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/table.h"
#include "probe/company.h"
#include "probe/session.h"
#include "sym/proc.h"
#include "sym/symbolizer.h"

/* 0 when the process can be a target, else a negative errno with a sentence in `why`. */
int target_check(pid_t pid, char *why, size_t len);

#define TARGET_MAX_NAMED 16

/* A file as the kernel knows it. */
struct target_file {
	uint64_t device, inode;
};

struct target_named {
	const char *path; /* borrowed */
	struct target_file file;
};

struct target_attacher {
	struct session *session;             /* borrowed */
	struct functions *functions;         /* borrowed */
	struct scanner *scanner;             /* borrowed; reads the files */
	const struct symbolizer *symbolizer; /* borrowed; for whose processes nothing is probed */
	struct table seen;     /* (device, inode, generation, scope) of a mapping -> nothing */
	struct table attached; /* (device, inode, scope) of a file -> struct attached */
	struct target_named named[TARGET_MAX_NAMED]; /* the only ones to be probed */
	size_t named_count;                          /* 0: whatever is an allocator */
	size_t sites; /* probes placed in what is mapped, entry and return counted as one */
	uint64_t functions_seen; /* bit i: row i of the table has been attached */
	struct company company;  /* of the files that were seen mapped */
	uint64_t round;          /* of target_let_go */
	char summary[256]; /* "9 of libc.so.6, 4 of pool-demo": for people, cut when it is long */
	char why[512];
};

void target_attacher_init(struct target_attacher *a, struct session *session,
			  struct functions *functions, struct scanner *scanner,
			  const struct symbolizer *symbolizer);
void target_attacher_fini(struct target_attacher *a);

/*
 * From here on only files that were named are probed, and these whatever they define. -ENOEXEC and
 * others with a sentence in a->why: it cannot be one.
 */
int target_name_object(struct target_attacher *a, const char *path);

/*
 * Probes the named objects, or the allocators of the loader's cache and of a list of LD_PRELOAD,
 * which may be NULL, before anybody maps them. Does nothing where probes are slow to come and go.
 */
void target_attach_ahead(struct target_attacher *a, pid_t scope, const char *preload);

/*
 * Probes everything of interest that the process maps now, for that process `alone` or
 * for all of them. The kernel ties a probe's scope to the address space of
 * one thread: the main one, or any other when that has left. 0, or a negative errno with a sentence
 * in a->why: -ESRCH when it has ended. Calling it again adds what came since.
 */
int target_attach_process(struct target_attacher *a, pid_t pid, bool alone);

/* How the news of a mapping was taken. */
enum target_news {
	TARGET_OLD,   /* nothing to probe, or probed long ago */
	TARGET_AHEAD, /* probed before it was mapped: none of its calls was missed */
	TARGET_LATE,  /* probed now */
};

/*
 * The same for one mapping of the process, for whom `scope` says (a PID, SESSION_ALL_PROCESSES).
 * What it is, or a negative errno with a sentence in a->why.
 */
int target_attach_mapping(struct target_attacher *a, pid_t pid, pid_t scope,
			  const struct proc_mapping *m);

/*
 * The same for every process of the system, those to come included. Files that cannot be read or
 * probed are skipped; the latter is said.
 */
void target_attach_system(struct target_attacher *a);

/* Drops the probes of files that no process of the system maps any more. */
void target_let_go(struct target_attacher *a);

#endif
