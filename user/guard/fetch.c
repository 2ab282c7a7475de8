// SPDX-License-Identifier: MIT
/*
 * Hides debuginfod-find. The decisions:
 *
 * - The library is not linked: it would bring curl and TLS into a process that has privileges. The
 *   program is executed, by a process that has none any more.
 * - The file is opened by that process, so that the user's rights count and not ours. Who may write
 *   to the user's cache may choose what is read: no more than what is read of a traced file.
 * - Of the environment it gets what it needs and nothing else.
 */
#include "guard/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/message.h"
#include "guard/privileges.h"

#define PROGRAM       "debuginfod-find"
#define LINE_FD       3
#define MAX_ID        64 /* bytes */
#define MAX_SAID      8192
#define SLACK_MS      2000 /* for what is not the program's time */
#define SILENCE       "10" /* seconds in which a server may send next to nothing */
#define MAX_FAILURES  2    /* in a row */
#define MAX_VARIABLES 64

struct fetch {
	int line; /* -1: it is asked no more */
	pid_t process;
	unsigned int failures; /* in a row */
	uint64_t unanswered;   /* in all */
	uint64_t waited_ms;
	struct message message;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the process */

static bool is_wanted(const char *variable)
{
	static const char *const wanted[] = {
		"DEBUGINFOD_", "HOME=",        "XDG_CACHE_HOME=", "PATH=",
		"http_proxy=", "https_proxy=", "HTTPS_PROXY="};

	/* These two would have it talk where its answer is expected. */
	if (!strncmp(variable, "DEBUGINFOD_VERBOSE=", 19) ||
	    !strncmp(variable, "DEBUGINFOD_PROGRESS=", 20))
		return false;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (!strncmp(variable, wanted[i], strlen(wanted[i])))
			return true;
	}
	return false;
}

static char *variables[MAX_VARIABLES + 1];

static void choose_environment(const struct fetch_user *user)
{
	const struct passwd *entry = user->change ? getpwuid(user->uid) : NULL;
	size_t n = 0;

	if (entry)
		setenv("HOME", entry->pw_dir, 1);
	else if (user->change)
		unsetenv("HOME");
	setenv("DEBUGINFOD_TIMEOUT", SILENCE, 0);
	for (char **v = environ; *v && n < MAX_VARIABLES; v++) {
		if (is_wanted(*v))
			variables[n++] = *v;
	}
}

static int become(const struct fetch_user *user)
{
	if (user->change &&
	    (user->name[0] ? initgroups(user->name, user->gid) : setgroups(0, NULL)))
		return -errno;
	if (user->change && (setgid(user->gid) || setuid(user->uid)))
		return -errno;
	return privileges_renounce();
}

/* Nothing is held but the line, and no signal of alloctrace's is blocked. */
static void cut_off(int line)
{
	sigset_t none;
	int null;

	setpgid(0, 0); /* Ctrl-C is for alloctrace */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (line != LINE_FD && dup3(line, LINE_FD, O_CLOEXEC) < 0)
		_exit(EXIT_FAILURE);
	syscall(SYS_close_range, LINE_FD + 1, ~0U, 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		_exit(EXIT_FAILURE);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	close(null);
}

static _Noreturn void run_program(const char *id, int out)
{
	static char program[] = PROGRAM, kind[] = "debuginfo";
	char *argv[] = {program, kind, (char *)id, NULL};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvpe(PROGRAM, argv, variables);
	_exit(127);
}

/* All that it says, up to its end or the deadline; false: it has not ended by then. */
static bool listen_to(int in, int64_t deadline, char said[MAX_SAID])
{
	size_t used = 0;

	for (;;) {
		struct pollfd both[] = {{.fd = in, .events = POLLIN}, {.fd = LINE_FD}};
		int64_t left = deadline - now_ms();
		int n = left > 0 ? poll(both, 2, (int)left) : 0;
		ssize_t got;

		said[used] = '\0';
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || both[1].revents)
			return false;
		/* What is too much is read and dropped. */
		if (used == MAX_SAID - 1)
			used = 0;
		got = read(in, said + used, MAX_SAID - 1 - used);
		if (got <= 0)
			return true;
		used += (size_t)got;
	}
}

/* Its exit status, -1: it has been ended. */
static int await(pid_t child, int64_t deadline)
{
	int status;
	pid_t got;

	while (!(got = waitpid(child, &status, WNOHANG)) && now_ms() < deadline)
		poll(NULL, 0, 2);
	if (!got) {
		kill(child, SIGKILL);
		got = waitpid(child, &status, 0);
	}
	return got == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What the program has said is the path of the file, or why there is none. */
static int open_said(int status, char *said)
{
	int fd;

	if (status > 0 && strstr(said, strerror(ENOENT)))
		return -ENOENT;
	if (status)
		return -ETIMEDOUT;
	said[strcspn(said, "\n")] = '\0';
	if (said[0] != '/')
		return -ENOENT;
	fd = open(said, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -ENOENT : fd;
}

/* A descriptor, -ENOENT: no server has it, or -ETIMEDOUT: none could be asked. */
static int find(const char *id)
{
	int64_t deadline = now_ms() + FETCH_SECONDS * 1000;
	char said[MAX_SAID] = "";
	int ends[2], status = -1;
	pid_t child;
	bool ended;

	if (pipe2(ends, O_CLOEXEC))
		return -ETIMEDOUT;
	child = fork();
	if (!child)
		run_program(id, ends[1]);
	close(ends[1]);
	if (child > 0) {
		ended = listen_to(ends[0], deadline, said);
		status = await(child, ended ? deadline : 0);
	}
	close(ends[0]);
	return open_said(status, said);
}

static _Noreturn void run(const struct fetch_user *user, int line)
{
	static struct message m;
	ssize_t n;
	int fd;

	prctl(PR_SET_NAME, "alloctrace-net");
	choose_environment(user);
	cut_off(line);
	if (become(user))
		_exit(EXIT_FAILURE);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* only now: becoming another one has taken it back */
	if (message_send(LINE_FD, &m, MESSAGE_READY, 0, -1, 0))
		_exit(EXIT_FAILURE);
	while ((n = message_take(LINE_FD, &m, &fd, 0)) >= 0) {
		int err;

		if (fd >= 0)
			close(fd);
		m.bytes[n < HELPER_MAX_BYTES ? n : 0] = '\0';
		fd = find((const char *)m.bytes);
		err = fd < 0 ? fd : 0;
		memcpy(m.bytes, &err, sizeof(err));
		err = message_send(LINE_FD, &m, MESSAGE_ANSWER, sizeof(err), fd, 0);
		if (fd >= 0)
			close(fd);
		if (err)
			break;
	}
	_exit(EXIT_SUCCESS);
}

/* ---- alloctrace */

static bool is_there(void)
{
	const char *at = getenv("PATH");
	char path[PATH_MAX];

	while (at && *at) {
		int n = (int)strcspn(at, ":");

		if (snprintf(path, sizeof(path), "%.*s/" PROGRAM, n, at) < (int)sizeof(path) &&
		    !access(path, X_OK))
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

static void let_go(struct fetch *f)
{
	if (f->line >= 0)
		close(f->line);
	f->line = -1;
}

/* The answer in f->message, and the descriptor with it. */
static ssize_t take_soon(struct fetch *f, int64_t ms, int *fd)
{
	struct pollfd ready = {.fd = f->line, .events = POLLIN};
	int64_t deadline = now_ms() + ms;
	int n;

	*fd = -1;
	do
		n = poll(&ready, 1, (int)(deadline > now_ms() ? deadline - now_ms() : 0));
	while (n < 0 && errno == EINTR);
	return n > 0 ? message_take(f->line, &f->message, fd, MSG_DONTWAIT) : -ETIMEDOUT;
}

struct fetch *fetch_start(const struct fetch_user *user, int *err)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct fetch *f;
	int ends[2], fd;

	*err = 0;
	if (!urls || !urls[strspn(urls, " ")])
		return NULL;
	*err = is_there() ? -ENOMEM : -ENOENT;
	f = *err == -ENOENT ? NULL : calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		*err = -errno;
		free(f);
		return NULL;
	}
	f->line = ends[0];
	f->process = fork();
	if (!f->process)
		run(user, ends[1]);
	*err = f->process < 0 ? -errno : 0;
	close(ends[1]);
	if (!*err && take_soon(f, FETCH_SECONDS * 1000, &fd) < 0)
		*err = -EPERM;
	if (!*err)
		return f;
	fetch_stop(f);
	return NULL;
}

void fetch_stop(struct fetch *f)
{
	if (!f)
		return;
	let_go(f);
	if (f->process > 0)
		waitpid(f->process, NULL, 0);
	free(f);
}

/* A descriptor or a negative errno: anything but -ENOENT is a failure. */
static int ask(struct fetch *f, const unsigned char *id, size_t length)
{
	char *text = (char *)f->message.bytes;
	int fd, said = 0;
	ssize_t n;

	for (size_t i = 0; i < length; i++)
		sprintf(text + 2 * i, "%02x", id[i]);
	n = message_send(f->line, &f->message, MESSAGE_QUESTION, 2 * length, -1, MSG_DONTWAIT);
	if (!n)
		n = take_soon(f, FETCH_SECONDS * 1000 + SLACK_MS, &fd);
	else
		fd = -1;
	if (n < 0) { /* what it says now would be the answer to another question */
		let_go(f);
		return -ETIMEDOUT;
	}
	if (n == sizeof(said))
		memcpy(&said, f->message.bytes, sizeof(said));
	return fd >= 0 ? fd : said == -ENOENT ? -ENOENT : -ETIMEDOUT;
}

int fetch_file(struct fetch *f, const unsigned char *id, size_t length)
{
	int64_t begun = now_ms();
	int fd;

	if (f->line < 0 || f->failures >= MAX_FAILURES)
		return -ENOTCONN;
	if (!length || length > MAX_ID)
		return -ENOENT;
	fd = ask(f, id, length);
	f->waited_ms += (uint64_t)(now_ms() - begun);
	if (fd >= 0 || fd == -ENOENT) {
		f->failures = 0;
		return fd;
	}
	f->failures++;
	f->unanswered++;
	return fd;
}

uint64_t fetch_unanswered(const struct fetch *f)
{
	return f->unanswered;
}

uint64_t fetch_waited_ms(const struct fetch *f)
{
	return f->waited_ms;
}

pid_t fetch_process(const struct fetch *f)
{
	return f->process;
}
