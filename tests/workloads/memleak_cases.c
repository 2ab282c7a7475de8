// SPDX-License-Identifier: MIT
/*
 * Small cases that tracers of allocators get wrong, one at a time.
 *
 *	memleak_cases [--wait] CASE
 *
 *	thread    24 bytes leaked by the first allocation of a thread, which makes the C library map
 *	          an arena; the thread was there before "ready"
 *	created   the same in a thread that is made after "ready", so that what pthread_create
 *	          allocates is seen, too
 *	failed    200,000 bytes that outlive a realloc that cannot succeed
 *	deep      one malloc under twelve functions
 *	resize    blocks shrunk in place, moved, moved by mremap, and freed by realloc to size 0
 *
 * Prints, besides "ready PID":
 *
 *	truth KEY=N
 *	chain NAME...                                           deep: the functions, innermost first
 *	event CALL KIND FILE:LINE OLD OLDSIZE ADDR SIZE RESULT  resize: the calls, as they were made
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile size_t impossible = (size_t)1 << 62;
static volatile size_t zero;
static void *volatile kept[4];

static void wait_for_line(bool wait)
{
	char byte = 0;

	if (!wait)
		return;
	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

/* ---- thread, created */

static pthread_barrier_t barrier;

static void *leak(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	kept[0] = malloc(24), printf("truth line=%d\n", __LINE__);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

static int leak_in_thread(bool wait, bool before)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	if (before && pthread_create(&thread, NULL, leak, NULL))
		return 1;
	wait_for_line(wait);
	if (!before && pthread_create(&thread, NULL, leak, NULL))
		return 1;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return 0;
}

/* ---- failed */

static int fail_to_grow(bool wait)
{
	void *p, *q;

	wait_for_line(wait);
	p = malloc(200000), printf("truth malloc_line=%d\n", __LINE__);
	q = realloc(p, impossible), printf("truth realloc_line=%d\n", __LINE__);
	printf("truth addr=%#" PRIxPTR "\n", (uintptr_t)p);
	kept[0] = p;
	return q != NULL;
}

/* ---- deep */

static int deep_line;

static __attribute__((noinline, noclone)) int deep_1(int n)
{
	kept[0] = malloc((size_t)n), deep_line = __LINE__;
	return n + 1;
}

/* Something to do after the call, so that it is no jump, and registers to save for it. */
#define DEEP(name, below)                                         \
	static __attribute__((noinline, noclone)) int name(int n) \
	{                                                         \
		volatile int a = n * 3, b = n ^ 5;                \
		int result = below(n + 1);                        \
                                                                  \
		return result + a * b;                            \
	}

DEEP(deep_2, deep_1)
DEEP(deep_3, deep_2)
DEEP(deep_4, deep_3)
DEEP(deep_5, deep_4)
DEEP(deep_6, deep_5)
DEEP(deep_7, deep_6)
DEEP(deep_8, deep_7)
DEEP(deep_9, deep_8)
DEEP(deep_10, deep_9)
DEEP(deep_11, deep_10)
DEEP(deep_12, deep_11)

static __attribute__((noinline)) int go_deep(bool wait)
{
	volatile int result;

	wait_for_line(wait);
	result = deep_12(100);
	(void)result;
	printf("truth line=%d\nchain", deep_line);
	for (int i = 1; i <= 12; i++)
		printf(" deep_%d", i);
	printf(" go_deep main\n");
	return 0;
}

/* ---- resize */

struct row {
	const char *call, *kind, *result;
	int line;
	uintptr_t old, addr;
	size_t old_size, size;
};

static struct row rows[16];
static int row_count;

static void row(const char *call, const char *kind, int line, uintptr_t old, size_t old_size,
		void *addr, size_t size)
{
	const char *result = (uintptr_t)addr == old ? "same" : "moved";

	rows[row_count++] =
		(struct row){call, kind, result, line, old, (uintptr_t)addr, old_size, size};
}

static int resize(bool wait)
{
	uintptr_t old;
	void *p, *q;

	wait_for_line(wait);
	p = malloc(5000), row("malloc", "alloc", __LINE__, 0, 0, p, 5000);
	q = malloc(100), row("malloc", "alloc", __LINE__, 0, 0, q, 100);
	old = (uintptr_t)p;
	p = realloc(p, 3000), row("realloc", "realloc", __LINE__, old, 5000, p, 3000);
	old = (uintptr_t)p;
	p = realloc(p, 9000), row("realloc", "realloc", __LINE__, old, 3000, p, 9000);
	old = (uintptr_t)p;
	p = realloc(p, 300000), row("realloc", "realloc", __LINE__, old, 9000, p, 300000);
	old = (uintptr_t)p;
	p = realloc(p, 3000000), row("realloc", "realloc", __LINE__, old, 300000, p, 3000000);
	old = (uintptr_t)p;
	p = realloc(p, impossible), row("realloc", "failed", __LINE__, old, 3000000, NULL, 0);
	if (p)
		return 1;
	p = realloc((void *)old, zero), row("realloc", "free", __LINE__, old, 3000000, p, 0);
	p = realloc(NULL, 77), row("realloc", "alloc", __LINE__, 0, 0, p, 77);
	kept[0] = p;
	kept[1] = q;
	for (struct row *r = rows; r < rows + row_count; r++)
		printf("event %s %s memleak_cases.c:%d %#" PRIxPTR " %zu %#" PRIxPTR " %zu %s\n",
		       r->call, r->kind, r->line, r->old, r->old_size, r->addr, r->size, r->result);
	return 0;
}

int main(int argc, char **argv)
{
	static char output[8192];
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	const char *name = argc > 1 + wait ? argv[1 + wait] : "";
	int result = 2;

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (!strcmp(name, "thread") || !strcmp(name, "created"))
		result = leak_in_thread(wait, name[0] == 't');
	else if (!strcmp(name, "failed"))
		result = fail_to_grow(wait);
	else if (!strcmp(name, "deep"))
		result = go_deep(wait);
	else if (!strcmp(name, "resize"))
		result = resize(wait);
	else
		fprintf(stderr, "memleak_cases: no case '%s'\n", name);
	return fflush(stdout) ? 1 : result;
}
