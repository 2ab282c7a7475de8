/* SPDX-License-Identifier: MIT */
/* How a process of our own gives up what it could do to others; see helper.h for whom. */
#ifndef ALLOCTRACE_GUARD_CONFINE_H
#define ALLOCTRACE_GUARD_CONFINE_H

#include <stdbool.h>

/* The sanitizers take address space beyond any limit, and report on standard error. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_SANITIZED 1
#else
#define CONFINE_SANITIZED 0
#endif

/*
 * No capabilities, no user of this machine, no gain of privileges by exec, bounded memory. The
 * process may still start others. 0 or a negative errno: it must not go on.
 */
int confine_keeper(void);

/*
 * What is left is to compute, to read files that are open, and to talk over sockets that are open
 * (and to ask for the size of a file by its path, which a filter cannot tell from one that is
 * open). After confine_keeper, be it in the same process or in the one that started it. 0 or a
 * negative errno.
 */
int confine_worker(void);

/* Whether a process so confined can still have one part in so many of the memory that it may have
 * in all. */
bool confine_has_room(unsigned int part);

#endif
