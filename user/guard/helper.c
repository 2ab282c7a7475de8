// SPDX-License-Identifier: MIT
/*
 * Hides the sockets, and the processes at their other ends (keeper.c). A message is one packet: its
 * type, then its bytes, with it perhaps a file. The decisions:
 *
 * - A worker's end of its socket is nobody else's, so that its death is the end of the line; and it
 *   has nothing but that end, so that it can neither outlive its turn nor speak for the keeper.
 * - Time is limited twice: by CPU time in the worker, which is fair on a busy machine, and on the
 *   clock in alloctrace, for all of a question, for a worker that has been made to ignore the
 *   first. Nothing that alloctrace sends can block it beyond that.
 */
#include "guard/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/keeper.h"
#include "guard/message.h"

#define PATIENCE_MS   60000
#define LONG_MS       1000
#define TOLD_EVERY_MS 250
#define MAX_WANTED    64 /* files, in one question */
#define MAX_PATH      4096

struct helper {
	int line;   /* to the keeper; -1: it is there no more */
	int worker; /* -1: none has been started */
	bool asked; /* it has a question of helper_send's */
	pid_t keeper;
	int64_t deadline_ms; /* of the question at hand */
	helper_wait_fn wait;
	void *wait_context;
	struct message message;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* How long to wait before who wants to know is told that there is still nothing. */
static int64_t until_told(const struct helper *h, int64_t left, int64_t waited)
{
	int64_t next = waited < LONG_MS ? LONG_MS - waited : TOLD_EVERY_MS;

	return h->wait && next < left ? next : left;
}

/* 0 when the socket is ready for it, or has ended; -ETIMEDOUT, or another negative errno. */
static int wait_ready(const struct helper *h, int socket, short events)
{
	struct pollfd ready = {.fd = socket, .events = events};
	int64_t left, waited;
	int n;

	do {
		left = h->deadline_ms - now_ms();
		waited = PATIENCE_MS - left;
		if (h->wait && waited >= LONG_MS)
			h->wait(h->wait_context, waited);
		n = left > 0 ? poll(&ready, 1, (int)until_told(h, left, waited)) : 0;
	} while (left > 0 && (!n || (n < 0 && errno == EINTR)));
	return n > 0 ? 0 : n ? -errno : -ETIMEDOUT;
}

static int send_soon(struct helper *h, int socket, enum message_type type, size_t len, int fd)
{
	int err;

	do {
		err = wait_ready(h, socket, POLLOUT);
		if (!err)
			err = message_send(socket, &h->message, type, len, fd, MSG_DONTWAIT);
	} while (err == -EAGAIN);
	return err;
}

/* The next message, which is in h->message. */
static ssize_t take_soon(struct helper *h, int socket, int *fd)
{
	int err = wait_ready(h, socket, POLLIN);

	*fd = -1;
	return err ? err : message_take(socket, &h->message, fd, MSG_DONTWAIT);
}

static void close_line(int *line)
{
	if (*line >= 0)
		close(*line);
	*line = -1;
}

static void begin(struct helper *h)
{
	h->deadline_ms = now_ms() + PATIENCE_MS;
}

/* The keeper ends it when the next one is wanted; what it was asked goes with it. */
static void leave_worker(struct helper *h)
{
	close_line(&h->worker);
	h->asked = false;
}

struct helper *helper_start(const struct helper_job *job, int *err)
{
	struct helper *h = calloc(1, sizeof(*h));
	int ends[2], fd;
	ssize_t n;

	*err = -ENOMEM;
	if (!h)
		return NULL;
	h->line = h->worker = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		*err = -errno;
		free(h);
		return NULL;
	}
	h->keeper = fork();
	if (!h->keeper)
		keeper_run(job, ends[1]);
	*err = h->keeper < 0 ? -errno : 0;
	close(ends[1]);
	h->line = ends[0];
	begin(h);
	if (!*err) {
		n = take_soon(h, h->line, &fd);
		*err = n == -EPIPE ? -EPERM : n < 0 ? (int)n : 0;
	}
	if (!*err)
		return h;
	helper_stop(h);
	return NULL;
}

/* They end when the line is closed; the keeper sees to it that the worker does. */
void helper_stop(struct helper *h)
{
	if (!h)
		return;
	close_line(&h->worker);
	close_line(&h->line);
	if (h->keeper > 0)
		waitpid(h->keeper, NULL, 0);
	free(h);
}

void helper_on_wait(struct helper *h, helper_wait_fn wait, void *context)
{
	h->wait = wait;
	h->wait_context = context;
}

void helper_renew(struct helper *h)
{
	leave_worker(h);
}

pid_t helper_keeper(const struct helper *h)
{
	return h->keeper;
}

bool helper_owns(const struct helper *h, pid_t pid)
{
	return getpgid(pid) == h->keeper;
}

/* A worker, whose socket is in h->worker. */
static int have_worker(struct helper *h)
{
	ssize_t n;
	int fd = -1;

	if (h->worker >= 0)
		return 0;
	if (h->line < 0)
		return -ENOTCONN;
	n = send_soon(h, h->line, MESSAGE_START, 0, -1);
	if (!n)
		n = take_soon(h, h->line, &fd);
	if (n < 0) {
		close_line(&h->line);
		return -ENOTCONN;
	}
	h->worker = fd;
	return fd < 0 ? -EAGAIN : 0;
}

/* A worker may have ended since it answered last: then another one gets the question. */
static int put_question(struct helper *h, const void *question, size_t len, int fd)
{
	int err = have_worker(h);

	memcpy(h->message.bytes, question, len);
	if (!err)
		err = send_soon(h, h->worker, MESSAGE_QUESTION, len, fd);
	if (err != -EPIPE && err != -ECONNRESET)
		return err;
	close_line(&h->worker);
	err = have_worker(h);
	memcpy(h->message.bytes, question, len);
	return err ? err : send_soon(h, h->worker, MESSAGE_QUESTION, len, fd);
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
	err = send_soon(h, h->worker, MESSAGE_FILE, 0, fd);
	if (fd >= 0)
		close(fd);
	return err;
}

/* The answer is in h->message. */
static ssize_t wait_answer(struct helper *h, helper_open_fn open_file, void *context)
{
	for (int wanted = 0; wanted <= MAX_WANTED; wanted++) {
		int fd, err;
		ssize_t n = take_soon(h, h->worker, &fd);

		if (fd >= 0)
			close(fd); /* a worker has no files to give */
		if (n < 0 || h->message.type == MESSAGE_ANSWER)
			return n;
		if (h->message.type != MESSAGE_WANT)
			return -EBADMSG;
		err = give_file(h, (size_t)n, open_file, context);
		if (err)
			return err;
	}
	return -EBADMSG;
}

/* Whether this may be asked now. */
static int check_question(const struct helper *h, size_t len)
{
	if (len > HELPER_MAX_BYTES)
		return -EMSGSIZE;
	return h->asked ? -EBUSY : 0;
}

ssize_t helper_ask(struct helper *h, const void *question, size_t len, int fd,
		   unsigned char answer[HELPER_MAX_BYTES], helper_open_fn open_file, void *context)
{
	ssize_t n = check_question(h, len);

	if (n)
		return n;
	begin(h);
	n = put_question(h, question, len, fd);
	if (n == -ENOTCONN || n == -EAGAIN)
		return n;
	if (!n)
		n = wait_answer(h, open_file, context);
	if (n >= 0) {
		memcpy(answer, h->message.bytes, (size_t)n);
		return n;
	}
	leave_worker(h);
	return -ECONNRESET;
}

/* That a worker is there and has the question is waited for; `ms` is for what it does with it. */
int helper_send(struct helper *h, const void *question, size_t len, int fd, int ms)
{
	int err = check_question(h, len);

	if (err)
		return err;
	begin(h);
	err = put_question(h, question, len, fd);
	if (err == -ENOTCONN || err == -EAGAIN)
		return err;
	if (err) {
		leave_worker(h);
		return -ECONNRESET;
	}
	h->asked = true;
	h->deadline_ms = now_ms() + ms;
	return 0;
}

int helper_fd(const struct helper *h)
{
	return h->asked ? h->worker : -1;
}

ssize_t helper_take(struct helper *h, unsigned char answer[HELPER_MAX_BYTES])
{
	ssize_t n;
	int fd;

	if (!h->asked)
		return -EINVAL;
	n = message_take(h->worker, &h->message, &fd, MSG_DONTWAIT);
	if (fd >= 0)
		close(fd); /* a worker has no files to give */
	if (n == -EAGAIN && now_ms() < h->deadline_ms)
		return n;
	if (n >= 0 && h->message.type == MESSAGE_ANSWER) {
		h->asked = false;
		memcpy(answer, h->message.bytes, (size_t)n);
		return n;
	}
	leave_worker(h);
	return -ECONNRESET;
}
