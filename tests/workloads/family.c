// SPDX-License-Identifier: MIT
/*
 * A process and its descendants, each of which knows what it called.
 *
 *	family [--wait] STEP…      the parent takes these steps, and tells its own truth at the end
 *	family member SEED         what a child becomes by exec
 *
 *	ready PID                        with --wait: goes on at the end of stdin
 *	truth PID CALLS BYTES            of each member, and its lines as in callbook.h
 *	inherited PID COUNT              blocks of a forebear that it freed
 *	live PID BLOCKS BYTES            what the parent kept; children free all that is theirs
 *	exec PID PROGRAM                 it becomes this one now
 *
 * Steps: work, fork, thread-fork, nested, orphan, threads, killed, exec, vfork, spawn,
 * other:PROGRAM, inherit, crossed, grand, moved, storm:COUNT. Those from "inherit" to "moved" have
 * children free or move what the parent had allocated.
 *
 * The first thing that a forked child does is to allocate.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "callbook.h"

#define INHERITED  12
#define CONCURRENT 8 /* children of the storm at a time */

extern char **environ;

static const char *self;
static struct book own;
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static long inherited, live_blocks, live_bytes;
static int lifeline[2] = {-1, -1}; /* its other end closes with the parent */
static void *heirlooms[INHERITED];

static size_t size_of(unsigned long seed, unsigned long round)
{
	return 24 + (seed * 113 + round * 389) % 900;
}

/* All that is taken is given back. */
static void work(unsigned long seed)
{
	unsigned long rounds = 3 + seed % 29;
	struct book t = {0};

	for (unsigned long i = 0; i < rounds; i++) {
		size_t n = size_of(seed, i), m = 1 + i % 4, zeroed = m * n;
		void *p, *q;

		p = malloc(n), counted(&t, BOOK_MALLOC, __LINE__, n);
		q = calloc(m, n), counted(&t, BOOK_CALLOC, __LINE__, zeroed);
		n = 3 * n + 8;
		p = realloc(p, n), counted(&t, BOOK_REALLOC, __LINE__, n);
		free(p), counted(&t, BOOK_FREE, __LINE__, n);
		free(q), counted(&t, BOOK_FREE, __LINE__, zeroed);
	}
	pthread_mutex_lock(&own_lock);
	book_merge(&own, &t);
	pthread_mutex_unlock(&own_lock);
}

static void tell(void)
{
	char text[160];

	book_tell(&own, getpid());
	book_write(text, snprintf(text, sizeof(text), "inherited %d %ld\nlive %d %ld %ld\n",
				  getpid(), inherited, getpid(), live_blocks, live_bytes));
}

/* A child has called nothing yet; what its parent keeps is not its own. */
static pid_t fork_member(void)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (!pid) {
		own = (struct book){0};
		inherited = live_blocks = live_bytes = 0;
	}
	return pid;
}

static void end_member(void)
{
	tell();
	_exit(0);
}

/* A child's end; -1: of any. It may have been killed, but must not have failed. */
static void await(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) <= 0 || (status && status != SIGKILL))
		abort();
}

static void do_work(const char *arg)
{
	(void)arg;
	work(5);
}

static void do_fork(const char *arg)
{
	pid_t pid = fork_member();

	(void)arg;
	if (!pid) {
		work(11);
		end_member();
	}
	work(1);
	await(pid);
}

/* Threads do not end before their process does: glibc frees what it had put by for them. */
static void *fork_there(void *done)
{
	do_fork(NULL);
	pthread_barrier_wait(done);
	for (;;)
		pause();
	return NULL;
}

static void do_thread_fork(const char *arg)
{
	pthread_barrier_t done;
	pthread_t thread;

	(void)arg;
	pthread_barrier_init(&done, NULL, 2);
	if (pthread_create(&thread, NULL, fork_there, &done))
		abort();
	pthread_barrier_wait(&done);
}

static void do_nested(const char *arg)
{
	pid_t pid = fork_member();

	(void)arg;
	if (!pid) {
		work(2);
		pid = fork_member();
		work(pid ? 17 : 19);
		if (pid)
			await(pid);
		end_member();
	}
	await(pid);
}

/* The grandchild is nobody's child by the time it works, and the parent has ended. */
static void do_orphan(const char *arg)
{
	pid_t pid = fork_member();
	char byte;

	(void)arg;
	if (pid) {
		await(pid);
		return;
	}
	work(3);
	if (fork_member())
		end_member();
	work(4);
	close(lifeline[1]);
	while (read(lifeline[0], &byte, 1) > 0)
		;
	nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
	work(23);
	end_member();
}

struct helper {
	unsigned long seed;
	pthread_barrier_t *done;
};

static void *work_there(void *arg)
{
	struct helper *h = arg;

	work(h->seed);
	pthread_barrier_wait(h->done);
	for (;;)
		pause();
	return NULL;
}

static void do_threads(const char *arg)
{
	pid_t pid = fork_member();
	struct helper helpers[3];
	pthread_barrier_t done;

	(void)arg;
	if (pid) {
		await(pid);
		return;
	}
	pthread_barrier_init(&done, NULL, 4);
	for (unsigned int i = 0; i < 3; i++) {
		pthread_t thread;

		helpers[i] = (struct helper){20 + i, &done};
		if (pthread_create(&thread, NULL, work_there, &helpers[i]))
			abort();
	}
	work(28);
	pthread_barrier_wait(&done);
	end_member();
}

static void do_killed(const char *arg)
{
	pid_t pid = fork_member();

	(void)arg;
	if (!pid) {
		work(9);
		tell();
		raise(SIGKILL);
	}
	await(pid);
}

static void become(const char *program, const char *word, const char *seed)
{
	char text[4300];

	book_write(text, snprintf(text, sizeof(text), "exec %d %.4000s\n", getpid(), program));
	execl(program, program, word, seed, (char *)NULL);
	_exit(127);
}

static void do_exec(const char *arg)
{
	pid_t pid = fork_member();

	(void)arg;
	if (!pid) {
		work(6);
		tell();
		become(self, "member", "26");
	}
	await(pid);
}

static void do_other(const char *program)
{
	pid_t pid = fork_member();

	if (!pid) {
		work(7);
		tell();
		become(program, NULL, NULL);
	}
	await(pid);
}

static void do_vfork(const char *arg)
{
	pid_t pid = vfork();

	(void)arg;
	if (!pid) {
		execl(self, self, "member", "24", (char *)NULL);
		_exit(127);
	}
	work(8);
	await(pid);
}

static void do_spawn(const char *arg)
{
	char *argv[] = {(char *)self, "member", "25", NULL};
	pid_t pid;

	(void)arg;
	if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
		abort();
	work(10);
	await(pid);
}

static void make_heirlooms(void)
{
	for (size_t i = 0; i < INHERITED; i++) {
		heirlooms[i] = malloc(32 + 8 * i), counted(&own, BOOK_MALLOC, __LINE__, 32 + 8 * i);
		live_blocks++;
		live_bytes += 32 + 8 * (long)i;
	}
}

/* A child's copies; the blocks of the parent stay. Then the child gets the addresses for its own.
 */
static void free_inherited(void)
{
	for (size_t i = 0; i < INHERITED; i++) {
		free(heirlooms[i]), counted(&own, BOOK_FREE, __LINE__, 32 + 8 * i);
		inherited++;
	}
	work(12);
}

static void do_inherit(const char *arg)
{
	pid_t pid;

	(void)arg;
	make_heirlooms();
	pid = fork_member();
	if (!pid) {
		free_inherited();
		end_member();
	}
	await(pid);
}

/* The parent frees first. */
static void do_crossed(const char *arg)
{
	int freed[2];
	pid_t pid;
	char byte;

	(void)arg;
	make_heirlooms();
	if (pipe(freed))
		abort();
	pid = fork_member();
	if (!pid) {
		close(freed[1]);
		while (read(freed[0], &byte, 1) > 0)
			;
		free_inherited();
		end_member();
	}
	for (size_t i = 0; i < INHERITED; i++) {
		free(heirlooms[i]), counted(&own, BOOK_FREE, __LINE__, 32 + 8 * i);
		live_blocks--;
		live_bytes -= 32 + 8 * (long)i;
	}
	close(freed[1]);
	await(pid);
	close(freed[0]);
}

static void do_grand(const char *arg)
{
	pid_t pid;

	(void)arg;
	make_heirlooms();
	pid = fork_member();
	if (!pid) {
		pid = fork_member();
		if (pid)
			await(pid);
		else
			free_inherited();
		end_member();
	}
	await(pid);
}

/* A child moves its copies by realloc, and frees what comes of it. */
static void do_moved(const char *arg)
{
	pid_t pid;

	(void)arg;
	make_heirlooms();
	pid = fork_member();
	if (!pid) {
		for (size_t i = 0; i < INHERITED; i++) {
			void *p = realloc(heirlooms[i], 5000);

			counted(&own, BOOK_REALLOC, __LINE__ - 2, 5000);
			free(p), counted(&own, BOOK_FREE, __LINE__, 5000);
		}
		end_member();
	}
	await(pid);
}

static void do_storm(const char *arg)
{
	long count = arg ? atol(arg) : 50, running = 0;

	for (long i = 0; i < count; i++) {
		if (!fork_member()) {
			work((unsigned long)i);
			end_member();
		}
		if (++running < CONCURRENT)
			continue;
		await(-1);
		running--;
	}
	while (running--)
		await(-1);
}

static void take_step(char *step)
{
	static const struct {
		const char *name;
		void (*run)(const char *arg);
	} steps[] = {
		{"work", do_work},       {"fork", do_fork},     {"thread-fork", do_thread_fork},
		{"nested", do_nested},   {"orphan", do_orphan}, {"threads", do_threads},
		{"killed", do_killed},   {"exec", do_exec},     {"vfork", do_vfork},
		{"spawn", do_spawn},     {"other", do_other},   {"inherit", do_inherit},
		{"crossed", do_crossed}, {"grand", do_grand},   {"moved", do_moved},
		{"storm", do_storm},
	};
	char *arg = strchr(step, ':');

	if (arg)
		*arg++ = '\0';
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!strcmp(step, steps[i].name)) {
			steps[i].run(arg);
			return;
		}
	}
	_exit(2);
}

static void wait_for_eof(void)
{
	char text[32], byte;

	book_write(text, snprintf(text, sizeof(text), "ready %d\n", getpid()));
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");

	self = argv[0];
	if (argc == 3 && !strcmp(argv[1], "member")) {
		work(strtoul(argv[2], NULL, 10));
		end_member();
	}
	if (pipe2(lifeline, O_CLOEXEC))
		return 1;
	if (wait)
		wait_for_eof();
	for (int i = 1 + wait; i < argc; i++)
		take_step(argv[i]);
	end_member();
}
