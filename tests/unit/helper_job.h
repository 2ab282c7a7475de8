/* SPDX-License-Identifier: MIT */
/* What the helper of test_helper.c does in its process, and how it is asked. */
#ifndef ALLOCTRACE_UNIT_HELPER_JOB_H
#define ALLOCTRACE_UNIT_HELPER_JOB_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "guard/confine.h"
#include "guard/helper.h"

/* As guard/helper.c has them. */
#define WORKERS_LINE 4
#define ANSWER       3

static unsigned char answer[HELPER_MAX_BYTES];

/* ---- what the helper does */

enum question {
	SAY_HELLO,
	READ_FILE,
	COUNT,
	DIE,
	LOOP,
	WANT_FILE,
	TRY_EVERYTHING,
	FILL_MEMORY,
	WANT_FOR_EVER,
	ANSWER_AHEAD,
	GIVE_FILES,
	LEAVE,
	SLEEP
};

/* What was forbidden and succeeded all the same, as bits. */
static uint32_t try_everything(void)
{
	uint32_t done = 0;
	long pid;

	done |= (open("/etc/passwd", O_RDONLY) >= 0) << 0;
	done |= (open("/tmp/alloctrace-helper-was-here", O_WRONLY | O_CREAT, 0600) >= 0) << 1;
	done |= (socket(AF_INET, SOCK_STREAM, 0) >= 0) << 2;
	done |= (execl("/bin/true", "true", NULL) != -1) << 3;
	done |= (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0) << 4;
	done |= (kill(getppid(), 0) == 0) << 5;
	done |= (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		 MAP_FAILED)
		<< 6;
	done |= (setuid(0) == 0) << 7;
	done |= (unlink("/tmp/alloctrace-nothing") == 0 || errno != EPERM) << 8;
	done |= (syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM) << 9;
	pid = syscall(SYS_fork);
	if (!pid)
		_exit(0);
	done |= (pid > 0) << 10;
	done |= (geteuid() == 0) << 11;
	return done;
}

/* How many blocks of 64 MiB there are, at most 8 GiB. */
static uint32_t fill_memory(void)
{
	const size_t bytes = 64 << 20;
	uint32_t n = 0;

	while (n < 128 && mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0) != MAP_FAILED)
		n++;
	return n;
}

static size_t read_some(int fd, unsigned char *bytes)
{
	ssize_t n = pread(fd, bytes, 64, 0);

	return n > 0 ? (size_t)n : 0;
}

/* A packet of our own on the worker's line, as a worker that was taken over may send them. */
static void send_raw(uint32_t type, int files)
{
	const int both[2] = {0, 0};
	uint32_t head[2] = {type, 0};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(both))];
	} control = {0};
	struct iovec bytes = {.iov_base = head, .iov_len = sizeof(head)};
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1};

	if (files) {
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(both)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), both, sizeof(both));
		packet.msg_control = control.room;
		packet.msg_controllen = sizeof(control.room);
	}
	sendmsg(WORKERS_LINE, &packet, 0);
}

static size_t do_job(void *context, struct helper_worker *w, const void *question, size_t len,
		     int fd, unsigned char bytes[HELPER_MAX_BYTES])
{
	const unsigned char *asked = question;
	uint32_t *number = (uint32_t *)bytes, *count = context;

	assert(len >= 1);
	switch (asked[0]) {
	case SAY_HELLO:
		memcpy(bytes, "hello", 5);
		return 5;
	case READ_FILE:
		return fd < 0 ? 0 : read_some(fd, bytes);
	case WANT_FILE:
		fd = helper_want(w, "/wanted");
		return fd < 0 ? 0 : read_some(fd, bytes);
	case COUNT:
		*number = ++*count;
		return sizeof(*number);
	case TRY_EVERYTHING:
		*number = try_everything();
		return sizeof(*number);
	case FILL_MEMORY:
		*number = fill_memory();
		return sizeof(*number);
	case WANT_FOR_EVER:
		for (;;)
			helper_want(w, "/wanted");
	case ANSWER_AHEAD:
		for (int i = 0; i < 3; i++)
			send_raw(ANSWER, 0);
		return 0;
	case GIVE_FILES:
		send_raw(ANSWER, 2);
		return 0;
	case DIE:
		raise(SIGKILL);
		__builtin_trap();
	case SLEEP: /* takes no CPU time, of which the job allows some */
		for (;;)
			nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
	case LOOP:
		for (;;)
			__asm__ volatile("");
	default:
		_exit(EXIT_FAILURE);
	}
}

/* ---- the tests */

static struct helper *start(void)
{
	static uint32_t count;
	const struct helper_job job = {
		.name = "helper of test", .answer = do_job, .context = &count, .seconds = 1};
	struct helper *h;
	int err;

	count = 0;
	h = helper_start(&job, &err);
	assert_non_null(h);
	assert_int_equal(err, 0);
	return h;
}

static ssize_t ask(struct helper *h, unsigned char question, int fd)
{
	memset(answer, 0, 128);
	return helper_ask(h, &question, 1, fd, answer, NULL, NULL);
}

static uint32_t number(void)
{
	uint32_t n;

	memcpy(&n, answer, sizeof(n));
	return n;
}

static int file_with(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

#endif
