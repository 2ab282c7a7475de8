// SPDX-License-Identifier: MIT
/*
 * Hides the socket and the two processes. A message is one packet: its type, then its bytes, with
 * it perhaps a file. The decisions:
 *
 * - The keeper takes no part in questions. When a worker has died it says so and waits for leave to
 *   go on, and drops what comes until then: so it is certain which question was lost.
 * - Time is limited twice: by CPU time in the worker, which is fair on a busy machine, and on the
 *   clock in alloctrace, for a worker that has been made to ignore it. Then the helper is given up.
 */
#include "guard/helper.h"

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
#include <unistd.h>

#include "guard/confine.h"

#define SOCKET_FD   3 /* in the helper's processes */
#define RENEWED     7 /* exit status of a worker that makes room for another */
#define PATIENCE_MS 60000
#define STOP_MS     2000
#define MAX_PATH    4096

enum message_type {
	MESSAGE_QUESTION,
	MESSAGE_ANSWER,
	MESSAGE_WANT,
	MESSAGE_FILE,
	MESSAGE_DIED,
	MESSAGE_GO,
	MESSAGE_RENEW,
};

struct message {
	uint32_t type;
	uint32_t reserved;
	unsigned char bytes[HELPER_MAX_BYTES];
};

#define HEAD offsetof(struct message, bytes)

struct helper_worker {
	struct message in, out;
};

struct helper {
	int socket; /* -1: given up */
	pid_t keeper;
	struct message message;
};

/* ---- messages */

/* 0 or a negative errno; -EPIPE when nobody is there. */
static int send_message(int socket, struct message *m, enum message_type type, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec bytes = {.iov_base = m, .iov_len = HEAD + len};
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1};
	ssize_t n;

	m->type = type;
	m->reserved = 0;
	if (fd >= 0) {
		packet.msg_control = control.room;
		packet.msg_controllen = sizeof(control.room);
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(socket, &packet, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The length of what came, the file with it in *fd (-1: none); -EPIPE when the other side has gone,
 * or another negative errno. */
static ssize_t take_message(int socket, struct message *m, int *fd, int flags)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr packet = {.msg_iov = &bytes,
				.msg_iovlen = 1,
				.msg_control = control.room,
				.msg_controllen = sizeof(control.room)};
	const struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(socket, &packet, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -EPIPE;
	c = CMSG_FIRSTHDR(&packet);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if ((size_t)n >= HEAD)
		return n - (ssize_t)HEAD;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return -EBADMSG;
}

/* ---- the worker */

int helper_want(struct helper_worker *w, const char *path)
{
	size_t len = strnlen(path, MAX_PATH);
	ssize_t n;
	int fd;

	if (len == MAX_PATH)
		return -1;
	memcpy(w->out.bytes, path, len);
	if (send_message(SOCKET_FD, &w->out, MESSAGE_WANT, len, -1))
		_exit(EXIT_FAILURE);
	n = take_message(SOCKET_FD, &w->out, &fd, 0);
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

static _Noreturn void run_worker(const struct helper_job *job)
{
	static struct helper_worker w;
	unsigned char *answer = malloc(HELPER_MAX_BYTES);
	ssize_t n;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!answer || confine_worker())
		_exit(EXIT_FAILURE);
	while ((n = take_message(SOCKET_FD, &w.in, &fd, 0)) >= 0) {
		size_t len;

		if (w.in.type == MESSAGE_RENEW)
			_exit(RENEWED);
		limit_seconds(job->seconds);
		len = job->answer(job->context, &w, w.in.bytes, (size_t)n, fd, answer);
		limit_seconds(0);
		memcpy(w.out.bytes, answer, len);
		if (send_message(SOCKET_FD, &w.out, MESSAGE_ANSWER, len, -1))
			break;
	}
	_exit(n == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- the keeper */

/* Tells of the death and waits for leave; false when nobody is there any more. */
static bool tell_death(struct message *m)
{
	ssize_t n;
	int fd;

	if (send_message(SOCKET_FD, m, MESSAGE_DIED, 0, -1))
		return false;
	do {
		n = take_message(SOCKET_FD, m, &fd, 0);
		if (fd >= 0)
			close(fd);
	} while (n >= 0 && m->type != MESSAGE_GO);
	return n >= 0;
}

/* Nothing of alloctrace's is held but the socket; what a file makes of us reaches no terminal. */
static void close_the_rest(int socket)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (socket != SOCKET_FD && (dup3(socket, SOCKET_FD, O_CLOEXEC) < 0 || null < 0))
		_exit(EXIT_FAILURE);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fd != STDERR_FILENO || !CONFINE_SANITIZED)
			dup2(null, fd);
	}
	syscall(SYS_close_range, SOCKET_FD + 1, ~0U, 0);
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

static _Noreturn void run_keeper(const struct helper_job *job, int socket)
{
	static struct message m;
	int status = 0;

	setpgid(0, 0); /* Ctrl-C is for alloctrace, and our processes are known by it */
	take_default_signals();
	close_the_rest(socket);
	prctl(PR_SET_NAME, job->name);
	if (confine_keeper() || !can_confine())
		_exit(EXIT_FAILURE);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It can be told from a death by that alone that there was a first message. */
	if (send_message(SOCKET_FD, &m, MESSAGE_GO, 0, -1))
		_exit(EXIT_FAILURE);
	do {
		pid_t worker = fork();

		if (!worker)
			run_worker(job);
		if (worker < 0 || waitpid(worker, &status, 0) != worker)
			_exit(EXIT_FAILURE);
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
			_exit(EXIT_SUCCESS);
	} while ((WIFEXITED(status) && WEXITSTATUS(status) == RENEWED) || tell_death(&m));
	_exit(EXIT_SUCCESS);
}

/* ---- alloctrace */

static void give_up(struct helper *h)
{
	if (h->socket >= 0)
		close(h->socket);
	h->socket = -1;
}

/* The keeper says when it has given up its rights. */
static int wait_ready(struct helper *h)
{
	ssize_t n;
	int fd;

	n = take_message(h->socket, &h->message, &fd, 0);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return n == -EPIPE ? -EPERM : (int)n;
	return 0;
}

struct helper *helper_start(const struct helper_job *job, int *err)
{
	struct helper *h = calloc(1, sizeof(*h));
	int ends[2];

	*err = -ENOMEM;
	if (!h)
		return NULL;
	h->socket = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		*err = -errno;
		free(h);
		return NULL;
	}
	h->keeper = fork();
	if (!h->keeper)
		run_keeper(job, ends[1]);
	*err = h->keeper < 0 ? -errno : 0;
	close(ends[1]);
	h->socket = ends[0];
	if (!*err)
		*err = wait_ready(h);
	if (!*err)
		return h;
	helper_stop(h);
	return NULL;
}

/*
 * They end when the line is closed. A worker that has been made to hang on has no time beyond that:
 * the kernel ends both when alloctrace ends (PR_SET_PDEATHSIG, which it cannot change).
 */
void helper_stop(struct helper *h)
{
	if (!h)
		return;
	give_up(h);
	for (int ms = 0; h->keeper > 0 && ms < STOP_MS; ms++) {
		if (waitpid(h->keeper, NULL, WNOHANG))
			break;
		poll(NULL, 0, 1);
	}
	free(h);
}

void helper_renew(struct helper *h)
{
	if (h->socket >= 0 && send_message(h->socket, &h->message, MESSAGE_RENEW, 0, -1))
		give_up(h);
}

bool helper_owns(const struct helper *h, pid_t pid)
{
	return getpgid(pid) == h->keeper;
}

/* A worker has died: another one may come. */
static void let_go_on(struct helper *h)
{
	if (send_message(h->socket, &h->message, MESSAGE_GO, 0, -1))
		give_up(h);
}

static int give_file(struct helper *h, size_t len, helper_open_fn open_file, void *context)
{
	char path[MAX_PATH];
	int fd = -1, err;

	if (len < sizeof(path) && open_file) {
		memcpy(path, h->message.bytes, len);
		path[len] = '\0';
		fd = open_file(context, path);
	}
	err = send_message(h->socket, &h->message, MESSAGE_FILE, 0, fd);
	if (fd >= 0)
		close(fd);
	return err;
}

/* The next message, which is in h->message. */
static ssize_t wait_message(struct helper *h, int ms)
{
	struct pollfd ready = {.fd = h->socket, .events = POLLIN};
	ssize_t n;
	int fd;

	do {
		n = poll(&ready, 1, ms);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	n = take_message(h->socket, &h->message, &fd, 0);
	if (fd >= 0)
		close(fd); /* nobody sends us files */
	return n;
}

/* A death that nobody has asked about, between two questions. */
static void notice_death(struct helper *h)
{
	while (h->socket >= 0) {
		ssize_t n = wait_message(h, 0);

		if (n == -ETIMEDOUT)
			return;
		if (n < 0 || h->message.type != MESSAGE_DIED)
			give_up(h);
		else
			let_go_on(h);
	}
}

ssize_t helper_ask(struct helper *h, const void *question, size_t len, int fd,
		   unsigned char answer[HELPER_MAX_BYTES], helper_open_fn open_file, void *context)
{
	ssize_t n;

	notice_death(h);
	if (h->socket < 0)
		return -ENOTCONN;
	if (len > HELPER_MAX_BYTES)
		return -EMSGSIZE;
	memcpy(h->message.bytes, question, len);
	n = send_message(h->socket, &h->message, MESSAGE_QUESTION, len, fd);
	while (!n) {
		n = wait_message(h, PATIENCE_MS);
		if (n < 0)
			break;
		switch (h->message.type) {
		case MESSAGE_ANSWER:
			memcpy(answer, h->message.bytes, (size_t)n);
			return n;
		case MESSAGE_DIED:
			let_go_on(h);
			return -ECONNRESET;
		case MESSAGE_WANT:
			n = give_file(h, (size_t)n, open_file, context);
			break;
		default:
			n = -EBADMSG;
		}
	}
	give_up(h);
	return -ENOTCONN;
}
