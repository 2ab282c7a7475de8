// SPDX-License-Identifier: MIT
/*
 * Frees of what must not be freed, and frees that only look like it. Every wrong one is such that
 * glibc does not notice.
 *
 *	wrongfrees [--wait] CASE
 *
 * (with --wait when its standard input ends, and a while later) prints where it was done, before it
 *is done and after the last call of malloc:
 *
 *	bug CASE now=wrongfrees.c:90 before=wrongfrees.c:88 made=wrongfrees.c:80
 *
 * A block of 24 bytes may be freed twice when another one of its size is freed in between and the
 * thread's cache is full. A block that is none is believed to be one by the word in front of it,
 * which is the size of its chunk.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloctrace/pool.h"

#define SIZE     24
#define CACHED   7 /* blocks of a size in a thread's cache */
#define CHUNK    0x21
#define NOINLINE __attribute__((noipa))

static int made, before, now;

#define MADE(call)   (made = __LINE__, (call))
#define BEFORE(call) (before = __LINE__, (call))
/* No jump: who called is on the stack. */
#define NOW(call)                     \
	do {                          \
		now = __LINE__;       \
		tell();               \
		call;                 \
		__asm__ volatile(""); \
	} while (0)

extern char **environ;
static const char *case_name;

/* Not by printf, which allocates. */
static void tell(void)
{
	char line[256], *end = line;

	end += snprintf(end, 200, "bug %s now=wrongfrees.c:%d", case_name, now);
	if (before)
		end += snprintf(end, 30, " before=wrongfrees.c:%d", before);
	if (made)
		end += snprintf(end, 30, " made=wrongfrees.c:%d", made);
	*end++ = '\n';
	if (write(STDOUT_FILENO, line, (size_t)(end - line)) < 0)
		_exit(1);
}

static void fill_cache(void)
{
	void *blocks[CACHED];

	for (int i = 0; i < CACHED; i++)
		blocks[i] = malloc(SIZE);
	for (int i = 0; i < CACHED; i++)
		free(blocks[i]);
}

/* The cache is full, and these two are not of it. */
static void take_two(void **a, void **b)
{
	void *cached[CACHED];

	for (int i = 0; i < CACHED; i++)
		cached[i] = malloc(SIZE);
	*a = MADE(malloc(SIZE));
	*b = malloc(SIZE);
	for (int i = 0; i < CACHED; i++)
		free(cached[i]);
}

static void *volatile lent; /* a block whose story does not end where it began */

/* ---- wrong ---- */

static void do_double(void)
{
	void *a, *b;

	take_two(&a, &b);
	BEFORE(free(a));
	free(b);
	NOW(free(a));
}

static void *free_elsewhere(void *block)
{
	fill_cache();
	NOW(free(block));
	return NULL;
}

static void do_double_thread(void)
{
	pthread_t thread;
	void *a, *b;

	take_two(&a, &b);
	BEFORE(free(a));
	free(b);
	pthread_create(&thread, NULL, free_elsewhere, a);
	pthread_join(thread, NULL);
	_exit(0);
}

static void do_double_realloc(void)
{
	void *a, *b;

	take_two(&a, &b);
	lent = BEFORE(realloc(a, 200));
	free(b);
	NOW(free(a));
}

/* Handed out and freed rightly a thousand times before. */
static void do_double_reused(void)
{
	void *a, *b;

	for (int i = 0; i < 1000; i++)
		free(malloc(SIZE));
	do_double();
	a = malloc(200), b = malloc(200);
	free(a), free(b);
}

NOINLINE static void *at(uint64_t *words)
{
	words[1] = CHUNK;
	words[5] = CHUNK;
	return words + 2;
}

static void do_invalid(void)
{
	static _Alignas(16) uint64_t words[8];

	NOW(free(at(words)));
}

static void do_inside(void)
{
	uint64_t *block = MADE(malloc(80));

	NOW(free(at(block)));
}

static void do_realloc_invalid(void)
{
	static _Alignas(16) uint64_t words[8];

	NOW(lent = realloc(at(words), 2000));
}

/* An allocator beside libc's. */
static _Alignas(16) uint64_t je_region[64];

NOINLINE void *je_malloc(size_t size)
{
	return size <= SIZE ? at(je_region) : NULL;
}

NOINLINE void je_free(void *block)
{
	(void)block;
}

static void do_other_by_free(void)
{
	void *block = MADE(je_malloc(SIZE));

	NOW(free(block));
}

static void do_free_by_other(void)
{
	void *block = MADE(malloc(SIZE));

	NOW(je_free(block));
}

/* A pool in memory of its own. */
static _Alignas(16) uint64_t pool[64];

ALLOCTRACE_NOINLINE static void *take(uint64_t *words)
{
	void *chunk = at(words);
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();

	ALLOCTRACE_POOL_ALLOC(pool, chunk, SIZE, 0, t0);
	return chunk;
}

ALLOCTRACE_NOINLINE static void give(void *chunk)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();

	ALLOCTRACE_POOL_FREE(pool, chunk, t0);
}

static void do_chunk(void)
{
	void *chunk;

	ALLOCTRACE_POOL_CREATE(pool, "wrongs", pool, sizeof(pool), 32, 16);
	give(take(pool + 32));
	chunk = MADE(take(pool));
	NOW(free(chunk));
}

/* ---- right ---- */

static void do_fork(void)
{
	void *block = malloc(SIZE);
	pid_t child;

	free(malloc(SIZE));
	child = fork();
	if (!child) {
		free(block);
		block = malloc(SIZE);
		free(block);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	free(block);
}

/* A child on this memory hands out a block that was free, and it is freed here. */
static int lend(void *unused)
{
	(void)unused;
	lent = malloc(SIZE);
	return 0;
}

static void do_borrowed(void)
{
	static _Alignas(16) char stack[1 << 16];
	pid_t child;

	free(malloc(SIZE));
	child = clone(lend, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	waitpid(child, NULL, 0);
	free(lent);
}

static void do_spawned(void)
{
	char *argv[] = {"true", NULL};
	pid_t child;

	free(malloc(SIZE));
	if (!posix_spawnp(&child, "true", NULL, NULL, argv, environ))
		waitpid(child, NULL, 0);
	free(malloc(SIZE));
}

/* A handler that interrupts nothing but itself allocates, too. */
static void allocate(int signal)
{
	(void)signal;
	lent = malloc(SIZE);
}

static void do_handler(void)
{
	signal(SIGUSR1, allocate);
	for (int i = 0; i < 100; i++) {
		raise(SIGUSR1);
		free(lent);
	}
}

#define MOVERS 4
#define ROUNDS 20000

static void *move_about(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		void *block = malloc(SIZE);

		block = realloc(block, 40 + (size_t)i % 3000);
		free(malloc(SIZE + (size_t)i % 3000));
		free(block);
	}
	return unused;
}

static void do_movers(void)
{
	pthread_t threads[MOVERS];

	for (int i = 0; i < MOVERS; i++)
		pthread_create(&threads[i], NULL, move_about, NULL);
	for (int i = 0; i < MOVERS; i++)
		pthread_join(threads[i], NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"double", do_double},
	{"double-thread", do_double_thread},
	{"double-realloc", do_double_realloc},
	{"double-reused", do_double_reused},
	{"invalid", do_invalid},
	{"inside", do_inside},
	{"realloc-invalid", do_realloc_invalid},
	{"other-by-free", do_other_by_free},
	{"free-by-other", do_free_by_other},
	{"chunk", do_chunk},
	{"fork", do_fork},
	{"borrowed", do_borrowed},
	{"spawned", do_spawned},
	{"handler", do_handler},
	{"movers", do_movers},
};

/* Whoever traces this process from here on believes what it saw after 100 ms. */
static void wait_for_tracer(void)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "ready %d\n", getpid());

	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(1);
	while (read(STDIN_FILENO, line, sizeof(line)) > 0)
		;
	usleep(300000);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "--wait")) {
		wait_for_tracer();
		argv++, argc--;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		case_name = cases[i].name;
		cases[i].run();
		_exit(0); /* what was done to the heap must not be found at exit */
	}
	return 2;
}
