/* SPDX-License-Identifier: MIT */
/*
 * Starts the command to be traced and holds it, by ptrace(2), while its libraries come in: after
 * every executable mapping the caller may place probes before the program goes on, so that no call
 * is missed, those of constructors included. At the program's entry point it is let go and is
 * nobody's tracee any more.
 */
#ifndef ALLOCTRACE_PROBE_SPAWN_H
#define ALLOCTRACE_PROBE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As whom the command runs; `change` false: as we are. */
struct spawn_user {
	bool change;
	uid_t uid;
	gid_t gid;
	char name[64]; /* for the supplementary groups */
};

/* The user who called sudo, from SUDO_UID, SUDO_GID and SUDO_USER; change is false when there is
 * none. */
struct spawn_user spawn_sudo_user(void);

/*
 * Starts argv[0], found in PATH, and stops it before its first instruction. Its PID, or a negative
 * errno with a sentence in `why`. If the caller dies from here on until the program is let go, so
 * does the program.
 */
pid_t spawn_start(char *const argv[], const struct spawn_user *user, char *why, size_t len);

/*
 * Runs the loader up to the program's entry point, calling `mapped` at the start and after each new
 * executable mapping, with the process stopped. A negative errno of `mapped` ends the process and
 * is returned. 0: the program runs, nobody's tracee; 1: it ended on the way, *status as waitpid
 * gave it.
 */
typedef int (*spawn_mapped_fn)(void *context, pid_t pid);
int spawn_release(pid_t pid, spawn_mapped_fn mapped, void *context, int *status);

/* Ends a process that spawn_start started and reaps it. */
void spawn_kill(pid_t pid);

#endif
