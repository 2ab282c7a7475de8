/* SPDX-License-Identifier: MIT */
/*
 * What is given up when everything is set up and before anything is counted. Whoever takes
 * alloctrace over by what a traced process writes then finds a process that can look, and neither
 * touch nor tell anybody.
 *
 * What is kept serves the code that comes later, by dlopen, exec or new processes, which any run
 * may meet: placing probes (CAP_BPF, CAP_PERFMON), and reading what others map (CAP_SYS_PTRACE,
 * CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE). Where one of them is not there and a wider one
 * stands for it, that one is kept; and CAP_SYS_ADMIN is, where the kernel wants it for uprobes that
 * are perf events (which is tried). Nobody gets what he did not have.
 */
#ifndef ALLOCTRACE_GUARD_PRIVILEGES_H
#define ALLOCTRACE_GUARD_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PRIVILEGES_MAX_CHILDREN 4

/* What the rest of the run still does to other processes; a PID of 0 stands for none. */
struct privileges {
	pid_t held;                              /* under ptrace: may be let go, no more */
	pid_t children[PRIVILEGES_MAX_CHILDREN]; /* may be killed by SIGKILL */
	bool by_perf_events;                     /* probes: not by multi links */
};

/*
 * Keeps in the effective and permitted sets what is named above, and nothing in the others (the
 * bounding set with CAP_SETPCAP alone: without it the kernel does not let it shrink); then sets
 * no_new_privs and a filter under which no program can be executed, no process started or traced,
 * no file opened for writing, no socket made. Threads and the descriptors at hand go on. For good;
 * there must be one thread so far. Which capabilities are left is told in `kept`, as "CAP_BPF,
 * CAP_PERFMON"; 256 bytes will do. A negative errno: then some of it may have been given up.
 */
int privileges_confine(const struct privileges *p, char *kept, size_t len);

/* The same for who looks at files alone: no capability is kept, and no BPF object is to be had. */
int privileges_confine_reader(void);

/* For a child that needs none at all: empties all sets, and sets no_new_privs. A negative errno. */
int privileges_renounce(void);

/* Those of the five that are not there, nor anything in their place; as above. Returns buf. */
const char *privileges_missing(char *buf, size_t len);

/* Whether this kernel refuses us uprobes that are perf events. No probe is placed. */
bool privileges_refuse_perf_events(void);

#endif
