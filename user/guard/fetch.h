/* SPDX-License-Identifier: MIT */
/*
 * A process that asks the debuginfod servers of the user for debug files, when DEBUGINFOD_URLS says
 * so: by debuginfod-find, which keeps what it has got in the user's cache. It runs as the user who
 * called us, without capabilities, and is started before anything is counted; alloctrace itself
 * talks to no network.
 */
#ifndef ALLOCTRACE_GUARD_FETCH_H
#define ALLOCTRACE_GUARD_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fetch;

/* Who it is to run as. */
struct fetch_user {
	bool change; /* false: whoever we are */
	uid_t uid;
	gid_t gid;
	const char *name; /* for the supplementary groups; "": none of them */
};

/*
 * NULL with *err 0 when no server is named, -ENOENT when debuginfod-find is not in PATH, and with
 * another negative errno when there can be no such process.
 */
struct fetch *fetch_start(const struct fetch_user *user, int *err);
void fetch_stop(struct fetch *f); /* NULL is allowed */

#define FETCH_SECONDS 30 /* for one file; a server that says nothing is given up sooner */

/*
 * The debug file of that build-id, open for reading, which the caller closes; the caller checks
 * what it is. Waits. A negative errno: -ENOENT when no server has it, -ENOTCONN when they are asked
 * no more, since they did not answer twice in a row.
 */
int fetch_file(struct fetch *f, const unsigned char *id, size_t length);

uint64_t fetch_unanswered(const struct fetch *f); /* questions that no server could be asked */
uint64_t fetch_waited_ms(const struct fetch *f);  /* in all */
pid_t fetch_process(const struct fetch *f);

#endif
