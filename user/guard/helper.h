/* SPDX-License-Identifier: MIT */
/*
 * A process of our own without rights, for work on files that others have made. It gets questions
 * and open files over a socket and gives bytes back; whatever such a file makes of it, it cannot
 * open, start, trace or reach anything (confine.h). When it dies of a question, that question has
 * no answer, and the next one finds a new process.
 *
 * There are two processes to it. A worker answers, over a socket of its own; whatever a file makes
 * of it, it has no other. The keeper, who reads no file, starts a worker when it is told to, ends
 * the one before it by SIGKILL, and ends with alloctrace. The keeper is forked before alloctrace
 * has anything to hide, and workers are forked from the keeper.
 *
 *	alloctrace --- start ------------> keeper     (ends the old worker, forks a new one)
 *	           <-- socket ------------
 *	           --- question, file ---> worker
 *	           <-- want PATH? --------            (a further file, which alloctrace may refuse)
 *	           --- file, or none ---->
 *	           <-- answer ------------
 */
#ifndef ALLOCTRACE_GUARD_HELPER_H
#define ALLOCTRACE_GUARD_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HELPER_MAX_BYTES (96 << 10) /* of a question or an answer */

struct helper;
struct helper_worker;

/* What is done in the worker. It lives in the memory of alloctrace when the helper was started. */
struct helper_job {
	const char *name; /* of its processes, up to 15 bytes */
	/*
	 * Writes the answer into `answer` and returns its length. `fd` is the file that came with
	 * the question, -1 when none came, and is the callee's to close.
	 */
	size_t (*answer)(void *context, struct helper_worker *w, const void *question, size_t len,
			 int fd, unsigned char answer[HELPER_MAX_BYTES]);
	void *context;
	unsigned int seconds; /* of CPU time that an answer may take */
};

/* In the worker, while it answers: the file of that path as alloctrace opens it, or -1. */
int helper_want(struct helper_worker *w, const char *path);

/* Opens what a worker wants, or refuses: a descriptor, which is closed when it was sent, or -1. */
typedef int (*helper_open_fn)(void *context, const char *path);

/* NULL with a negative errno in *err: there is no such process, and nothing may be read without. */
struct helper *helper_start(const struct helper_job *job, int *err);

/* Ends the processes. NULL is allowed. */
void helper_stop(struct helper *h);

/*
 * Asks and waits, for a minute at most. `fd` is borrowed, -1: no file. `open_file` may be NULL. The
 * length of the answer, or a negative errno: -ECONNRESET when the worker died of it, took longer
 * than the job allows or spoke out of turn; -EAGAIN when no worker can be started now; -ENOTCONN
 * when there is no keeper any more. What the answer says is not to be believed further than the
 * file itself would be.
 */
ssize_t helper_ask(struct helper *h, const void *question, size_t len, int fd,
		   unsigned char answer[HELPER_MAX_BYTES], helper_open_fn open_file, void *context);

/*
 * Asks without waiting for the answer, which helper_take brings; until then nothing else can be
 * asked (-EBUSY). The worker has `ms` milliseconds for it, and no further file: one that wants some
 * speaks out of turn. 0 or a negative errno, as above. It may take as long as starting a worker
 * does, if there is none.
 */
int helper_send(struct helper *h, const void *question, size_t len, int fd, int ms);

/* Readable when helper_take has something to say; -1: nothing was asked. A worker that is late
 * leaves it unreadable: whoever waits has to call helper_take then and again. */
int helper_fd(const struct helper *h);

/*
 * The length of the answer, or a negative errno: -EAGAIN, there is none yet; -EINVAL, nothing was
 * asked; -ECONNRESET, there will be none, as above, also when the time is over.
 */
ssize_t helper_take(struct helper *h, unsigned char answer[HELPER_MAX_BYTES]);

/* What is enough for the debug information of the largest programs, and not for ever. */
#define HELPER_SECONDS 10

/*
 * Told while an answer is waited for, once a second has gone by and then every quarter of one, how
 * long it has been. Of a question that is answered sooner nothing is told.
 */
typedef void (*helper_wait_fn)(void *context, int64_t waited_ms);

void helper_on_wait(struct helper *h, helper_wait_fn wait, void *context);

/* The next question finds a new worker: what the last one's file has made of it does not reach it.
 * A question that is under way has no answer any more. */
void helper_renew(struct helper *h);

/* The keeper, whose children are the workers. */
pid_t helper_keeper(const struct helper *h);

/* The process is one of a helper of ours. */
bool helper_owns(const struct helper *h, pid_t pid);

#endif
