// SPDX-License-Identifier: MIT
/* What goes on in the processes of a helper. Nothing of alloctrace's own is left in them. */
#include "guard/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/confine.h"
#include "guard/message.h"

#define LINE_FD    3 /* in the keeper: to alloctrace */
#define WORKER_FD  4 /* in a worker: the same */
#define MAX_PATH   4096
#define FORK_TRIES 50 /* ten milliseconds apart */

struct helper_worker {
	struct message in, out;
};

/* ---- the worker */

int helper_want(struct helper_worker *w, const char *path)
{
	size_t len = strnlen(path, MAX_PATH);
	ssize_t n;
	int fd;

	if (len == MAX_PATH)
		return -1;
	memcpy(w->out.bytes, path, len);
	if (message_send(WORKER_FD, &w->out, MESSAGE_WANT, len, -1, 0))
		_exit(EXIT_FAILURE);
	n = message_take(WORKER_FD, &w->out, &fd, 0);
	if (n < 0 || w->out.type != MESSAGE_FILE)
		_exit(EXIT_FAILURE);
	return fd;
}

/* From now on at most so many seconds of CPU time, then the kernel ends the process; 0: any. */
static void limit_seconds(time_t seconds)
{
	const struct itimerval timer = {.it_value.tv_sec = seconds};

	setitimer(ITIMER_PROF, &timer, NULL);
}

/*
 * When memory runs out, libraries go on with less, and what they say then is wrong without a word.
 * So a worker that has next to none left gives no answer, and one that has used half of it, as it
 * may for one file after another, makes room for a new one.
 */
static _Noreturn void run_worker(const struct helper_job *job)
{
	static struct helper_worker w;
	unsigned char *answer = malloc(HELPER_MAX_BYTES);
	ssize_t n;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!answer || confine_worker())
		_exit(EXIT_FAILURE);
	while ((n = message_take(WORKER_FD, &w.in, &fd, 0)) >= 0) {
		size_t len;

		limit_seconds(job->seconds);
		len = job->answer(job->context, &w, w.in.bytes, (size_t)n, fd, answer);
		limit_seconds(0);
		if (!confine_has_room(16))
			_exit(EXIT_FAILURE);
		memcpy(w.out.bytes, answer, len);
		if (message_send(WORKER_FD, &w.out, MESSAGE_ANSWER, len, -1, 0) ||
		    !confine_has_room(2))
			break;
	}
	_exit(EXIT_SUCCESS);
}

/* ---- the keeper */

/* Nothing of alloctrace's is held but the line; what a file makes of us reaches no terminal. */
static void close_the_rest(int line)
{
	int null;

	if (line != LINE_FD && dup3(line, LINE_FD, O_CLOEXEC) < 0)
		_exit(EXIT_FAILURE);
	syscall(SYS_close_range, LINE_FD + 1, ~0U, 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		_exit(EXIT_FAILURE);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fd != STDERR_FILENO || !CONFINE_SANITIZED)
			dup2(null, fd);
	}
	close(null);
}

static void take_default_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Whether a worker can be bound, before anybody relies on it. */
static bool can_confine(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(confine_worker() ? EXIT_FAILURE : EXIT_SUCCESS);
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static void end_worker(pid_t worker)
{
	if (worker <= 0)
		return;
	kill(worker, SIGKILL);
	waitpid(worker, NULL, 0);
}

/* For a while: others that are nobody may have all the processes that nobody may have. */
static pid_t try_fork(void)
{
	pid_t pid = fork();

	for (int i = 0; pid < 0 && i < FORK_TRIES; i++) {
		poll(NULL, 0, 10);
		pid = fork();
	}
	return pid;
}

/* The new worker, and its socket in *end; -1 when there is none. */
static pid_t start_worker(const struct helper_job *job, int *end)
{
	int ends[2];
	pid_t worker;

	*end = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	worker = try_fork();
	if (!worker) {
		close(LINE_FD);
		if (ends[1] != WORKER_FD && dup3(ends[1], WORKER_FD, O_CLOEXEC) < 0)
			_exit(EXIT_FAILURE);
		syscall(SYS_close_range, WORKER_FD + 1, ~0U, 0);
		run_worker(job);
	}
	close(ends[1]);
	if (worker > 0)
		*end = ends[0];
	else
		close(ends[0]);
	return worker;
}

void keeper_run(const struct helper_job *job, int line)
{
	static struct message m;
	pid_t worker = -1;
	int fd, end;

	setpgid(0, 0); /* Ctrl-C is for alloctrace, and our processes are known by it */
	take_default_signals();
	close_the_rest(line);
	prctl(PR_SET_NAME, job->name);
	if (confine_keeper() || !can_confine() ||
	    message_send(LINE_FD, &m, MESSAGE_READY, 0, -1, 0))
		_exit(EXIT_FAILURE);
	while (message_take(LINE_FD, &m, &fd, 0) >= 0) {
		int err;

		end_worker(worker);
		worker = start_worker(job, &end);
		err = message_send(LINE_FD, &m, MESSAGE_START, 0, end, 0);
		if (end >= 0)
			close(end);
		if (err)
			break;
	}
	end_worker(worker);
	_exit(EXIT_SUCCESS);
}
