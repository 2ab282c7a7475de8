// SPDX-License-Identifier: MIT
/*
 * Processes that come and go, each of which knows what it called.
 *
 *	brief spawn COUNT MS [PROGRAM…]   COUNT children one after another, spread over MS; each is
 *the next PROGRAM (brief itself, or its static build), in turn brief child SEED FD such a child:
 *calls, writes its book to FD, ends brief hold                        prints "ready PID" and ends
 *with its standard input
 *
 *	quarter PID              a quarter of the children have ended, this one just now
 *	truth PID CALLS BYTES    one for each child, at the end, and its lines as in callbook.h
 *
 * A child lives for some milliseconds. How often it calls, how much it asks for and what it leaves
 * behind depend on SEED.
 */
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "callbook.h"

#define MAX_CHILDREN 20000
#define LEFT_BEHIND  100 /* small blocks, so that who keeps books of the ended is found out */

struct child {
	pid_t pid;
	struct book book;
};

static struct child children[MAX_CHILDREN];

static size_t size_of(unsigned long seed, unsigned long round)
{
	return 1 + (seed * 131 + round * 977) % 1500;
}

static int be_child(unsigned long seed, int fd)
{
	unsigned long rounds = 4 + seed * 7 % 37;
	struct book t = {0};

	for (int i = 0; i < LEFT_BEHIND; i++)
		malloc(24), counted(&t, BOOK_MALLOC, __LINE__, 24);
	for (unsigned long i = 0; i < rounds; i++) {
		size_t n = size_of(seed, i), m = 1 + i % 5, zeroed = m * n;
		void *p, *q;

		p = malloc(n), counted(&t, BOOK_MALLOC, __LINE__, n);
		q = calloc(m, n), counted(&t, BOOK_CALLOC, __LINE__, zeroed);
		n = 2 * n + 16;
		p = realloc(p, n), counted(&t, BOOK_REALLOC, __LINE__, n);
		free(q), counted(&t, BOOK_FREE, __LINE__, zeroed);
		if ((i + seed) % 8)
			free(p), counted(&t, BOOK_FREE, __LINE__, n);
	}
	return write(fd, &t, sizeof(t)) != sizeof(t);
}

/* The child's book comes through a pipe, in one piece. */
static int run_child(const char *program, unsigned long seed, int pipe[2], struct child *c)
{
	char seed_text[24], fd_text[12];
	int status = -1;

	_Static_assert(sizeof(c->book) <= 4096, "a pipe takes it in one piece");
	snprintf(seed_text, sizeof(seed_text), "%lu", seed);
	snprintf(fd_text, sizeof(fd_text), "%d", pipe[1]);
	c->pid = vfork();
	if (!c->pid) {
		execl(program, program, "child", seed_text, fd_text, (char *)NULL);
		_exit(127);
	}
	if (c->pid < 0 || waitpid(c->pid, &status, 0) != c->pid || status)
		return 1;
	return read(pipe[0], &c->book, sizeof(c->book)) != sizeof(c->book);
}

static void sleep_until(struct timespec start, long ns)
{
	start.tv_sec += (start.tv_nsec + ns) / 1000000000;
	start.tv_nsec = (start.tv_nsec + ns) % 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &start, NULL))
		;
}

static int spawn(long count, long ms, char **programs, int nr_programs)
{
	struct timespec start;
	int fds[2];

	if (count < 1 || count > MAX_CHILDREN || pipe(fds))
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (long i = 0; i < count; i++) {
		sleep_until(start, i * (ms * 1000000 / count));
		if (run_child(programs[i % nr_programs], (unsigned long)i, fds, &children[i])) {
			fprintf(stderr, "brief: child %ld failed\n", i);
			return 1;
		}
		if (i == count / 4)
			dprintf(STDOUT_FILENO, "quarter %d\n", children[i].pid);
	}
	for (long i = 0; i < count; i++)
		book_tell(&children[i].book, children[i].pid);
	return 0;
}

static int hold(void)
{
	char byte;

	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "child"))
		return be_child(strtoul(argv[2], NULL, 10), atoi(argv[3]));
	if (argc >= 4 && !strcmp(argv[1], "spawn"))
		return spawn(atol(argv[2]), atol(argv[3]), argc > 4 ? argv + 4 : argv,
			     argc > 4 ? argc - 4 : 1);
	if (argc == 2 && !strcmp(argv[1], "hold"))
		return hold();
	return 2;
}
