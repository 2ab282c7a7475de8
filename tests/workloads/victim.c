// SPDX-License-Identifier: MIT
/*
 * victim [--wait | --until-eof] [--rounds N] [ACTION [ARG…]]
 *
 * Allocates, frees and verifies, then does what tracers find hard, and tells how it went:
 *
 *	ready PID
 *	truth malloc=…  truth calloc=…  truth realloc=…  truth free=…  truth wrong=0  truth
 *bytes-intact=1
 *
 * --wait goes on at the end of standard input; --until-eof works until then. Actions: exit CODE,
 * signal NUMBER, segv, exec PROGRAM ARG…, fork N, spawn N PROGRAM, dlopen N LIBRARY, mainexit,
 * threads N.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "victim.h"

#define CHILD_ROUNDS 200

extern char **environ;

static struct work work;
static uint64_t rounds = 1000;
static bool until_eof; /* the tracer has been told to go when the work ends */

static void finish(int code)
{
	work_end(&work);
	say_truth(&work);
	if (until_eof)
		say_text_intact();
	_exit(code);
}

static void do_exit(char **args)
{
	finish(args[0] ? atoi(args[0]) : 0);
}

static void do_signal(char **args)
{
	work_end(&work);
	say_truth(&work);
	signal(atoi(args[0]), SIG_DFL);
	raise(atoi(args[0]));
}

static void do_segv(char **args)
{
	volatile int *volatile nowhere = NULL;

	(void)args;
	work_end(&work);
	say_truth(&work);
	*nowhere = 1;
}

static void do_exec(char **args)
{
	work_end(&work);
	say_truth(&work);
	execv(args[0], args);
	_exit(98);
}

/* In a child: its own heap must be right; its calls are not the parent's. */
static void child_work(int code)
{
	struct work own = {0};

	work_rounds(&own, CHILD_ROUNDS);
	work_end(&own);
	_exit(own.wrong ? 97 : code);
}

static void do_fork(char **args)
{
	int children = atoi(args[0]), right = 0;

	for (int i = 0; i < children; i++) {
		pid_t pid = fork();
		int status = -1;

		if (!pid)
			child_work(i % 90);
		work_rounds(&work, 10);
		waitpid(pid, &status, 0);
		right += WIFEXITED(status) && WEXITSTATUS(status) == i % 90;
	}
	say("truth children-right=%d\n", right);
	finish(0);
}

static pid_t start_by_vfork(char **argv)
{
	pid_t pid = vfork();

	if (!pid) {
		execv(argv[0], argv);
		_exit(98);
	}
	return pid;
}

static pid_t start_by_spawn(char **argv)
{
	pid_t pid;

	return posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) ? -1 : pid;
}

/* vfork and posix_spawn in turns; both children run on the parent's memory for a while. */
static void do_spawn(char **args)
{
	int children = atoi(args[0]), right = 0;

	for (int i = 0; i < children; i++) {
		int status = -1;
		pid_t pid = i % 2 ? start_by_spawn(args + 1) : start_by_vfork(args + 1);

		work_rounds(&work, 10);
		right += waitpid(pid, &status, 0) == pid && status == 0;
	}
	say("truth children-right=%d\n", right);
	finish(0);
}

static void do_dlopen(char **args)
{
	int loads = atoi(args[0]), right = 0;

	for (int i = 0; i < loads; i++) {
		void *library = dlopen(args[1], RTLD_NOW);

		work_rounds(&work, 10);
		right += library && !dlclose(library);
		work_rounds(&work, 10);
	}
	say("truth loads-right=%d\n", right);
	finish(0);
}

static char leader_state(void)
{
	char text[512];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *paren;

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	paren = strrchr(text, ')');
	return paren ? paren[2] : '?';
}

static void *outlive_main(void *unused)
{
	while (leader_state() != 'Z')
		pause_us(1000);
	say("main-gone\n");
	await_eof();
	work_rounds(&work, rounds);
	finish(0);
	return unused;
}

/* The work is done twice: by main, and by a thread that is alone. */
static void do_mainexit(char **args)
{
	pthread_t thread;

	(void)args;
	pthread_create(&thread, NULL, outlive_main, NULL);
	pthread_exit(NULL);
}

static void *wait_about(void *unused)
{
	await_eof();
	return unused;
}

static void do_threads(char **args)
{
	int count = atoi(args[0]);
	pthread_t threads[16];

	for (int i = 0; i < count && i < 16; i++)
		pthread_create(&threads[i], NULL, wait_about, NULL);
	say("threads\n");
	for (int i = 0; i < count && i < 16; i++)
		pthread_join(threads[i], NULL);
	finish(0);
}

static void act(char **args)
{
	static const struct {
		const char *name;
		void (*run)(char **args);
	} actions[] = {
		{"exit", do_exit},     {"signal", do_signal},     {"segv", do_segv},
		{"exec", do_exec},     {"fork", do_fork},         {"spawn", do_spawn},
		{"dlopen", do_dlopen}, {"mainexit", do_mainexit}, {"threads", do_threads},
	};

	for (size_t i = 0; args[0] && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!strcmp(args[0], actions[i].name))
			actions[i].run(args + 1);
	}
	finish(args[0] ? 96 : 0);
}

int main(int argc, char **argv)
{
	bool wait = false;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		wait |= !strcmp(argv[i], "--wait");
		until_eof |= !strcmp(argv[i], "--until-eof");
		if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			rounds = strtoull(argv[++i], NULL, 10);
	}
	say("ready %d\n", getpid());
	if (wait)
		await_eof();
	work_rounds(&work, rounds);
	while (until_eof && !at_eof(0)) {
		work_rounds(&work, 20);
		pause_us(500);
	}
	act(argv + i);
}
