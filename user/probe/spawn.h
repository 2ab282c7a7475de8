/* SPDX-License-Identifier: MIT */
/*
 * Starts the command to be traced and holds it, by ptrace(2), while its libraries come in: after
 * every executable mapping the caller may place probes before the program goes on, so that no call
 * is missed, those of constructors included. At the program's entry point it is let go and is
 * nobody's tracee any more.
 */
#ifndef ALLOCTRACE_PROBE_SPAWN_H
#define ALLOCTRACE_PROBE_SPAWN_H

#include <signal.h>
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

/* What the command inherits of the signals that alloctrace itself needs otherwise. */
struct spawn_signals {
	sigset_t mask;
	struct sigaction pipe; /* of SIGPIPE */
};

/* The user who called sudo, from SUDO_UID, SUDO_GID and SUDO_USER; change is false when there is
 * none. */
struct spawn_user spawn_sudo_user(void);

/*
 * Starts argv[0], found in PATH, and stops it before its first instruction. Its PID, or a negative
 * errno with a sentence in `why`. If the caller dies from here on until the program is let go, so
 * does the program.
 */
pid_t spawn_start(char *const argv[], const struct spawn_user *user,
		  const struct spawn_signals *signals, char *why, size_t len);

/*
 * What is done with the process while it is stopped: `mapped` before its first instruction and
 * after each new executable mapping, `entered` at the program's entry point, before it is let go. A
 * negative errno of either ends the process.
 */
struct spawn_hooks {
	int (*mapped)(void *context, pid_t pid);
	int (*entered)(void *context, pid_t pid);
	void *context;
};

/*
 * Runs the loader up to the entry point. 0: the program runs, nobody's tracee; 1: it ended on the
 * way, *status as waitpid gave it; or a negative errno: it has been ended.
 */
int spawn_release(pid_t pid, const struct spawn_hooks *hooks, int *status);

/* Ends a process that spawn_start started and reaps it. */
void spawn_kill(pid_t pid);

#endif
