// SPDX-License-Identifier: MIT
/*
 * Processes that get the number of one that has ended, at once and for certain (clone3, set_tid).
 *
 *	reborn pair PROGRAM ARG…     two targets; when the first has ended PROGRAM gets its number
 *	reborn stranger              a target with a child; its number goes to a child of nobody's
 *	reborn twins                 a target with two children of one number, one after the other
 *	reborn images PROGRAM PROGRAM   the same, and each executes a program
 *	reborn heirs                 the same, and the second gives back 2000 blocks where the first
 *	                             one's were
 *
 *	ready PID [PID]              the targets; goes on at a line of standard input, which the
 *	                             stranger reads as well
 *	unable                       numbers cannot be chosen here
 *	truth PID CALLS BYTES        of whoever is a target, and its lines as in callbook.h
 *	stranger PID CALLS           of whoever is none
 *	number PID                   what was handed out twice
 *	over                         the targets have ended; who took the number reads on
 *
 * In "pair" the second target ends after PROGRAM has.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "callbook.h"

#define ROUNDS 40
#define KEPT   7
#define HEIRS  2000

static struct book own;

static void say(const char *word, long first, long second)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "%s", word);

	if (first >= 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %ld", first);
	if (second >= 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %ld", second);
	text[n++] = '\n';
	book_write(text, n);
}

static bool await_line(int fd)
{
	char byte = 0;

	while (byte != '\n' && read(fd, &byte, 1) == 1)
		;
	return byte == '\n';
}

static void work(void)
{
	for (long i = 0; i < ROUNDS; i++) {
		void *p;

		p = malloc(40), counted(&own, BOOK_MALLOC, __LINE__, 40);
		free(p), counted(&own, BOOK_FREE, __LINE__, 40);
	}
}

/* What nobody gives back: a sibling finds the same addresses. */
static void keep(void)
{
	for (int i = 0; i < KEPT; i++)
		(void)!malloc(700), counted(&own, BOOK_MALLOC, __LINE__, 700);
}

/* As many blocks as make some of them be sampled, at the same addresses in every child. */
static void take_many(bool give_back)
{
	static void *blocks[HEIRS];

	for (int i = 0; i < HEIRS; i++)
		blocks[i] = malloc(700), counted(&own, BOOK_MALLOC, __LINE__, 700);
	for (int i = 0; give_back && i < HEIRS; i++)
		free(blocks[i]), counted(&own, BOOK_FREE, __LINE__, 700);
}

static pid_t fork_as(pid_t number)
{
	struct clone_args args = {.exit_signal = SIGCHLD};

	if (number) {
		args.set_tid = (uint64_t)(uintptr_t)&number;
		args.set_tid_size = 1;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* clone3 behind libc's back leaves it with the parent's thread number: nothing here asks for it. */
static pid_t fork_member(pid_t number)
{
	pid_t pid = fork_as(number);

	if (!pid)
		own = (struct book){0};
	if (pid >= 0)
		return pid;
	say("unable", -1, -1);
	exit(0);
}

static pid_t number_of_self(void)
{
	return (pid_t)syscall(SYS_getpid);
}

static void end_member(void)
{
	book_tell(&own, number_of_self());
	_exit(0);
}

static void await(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		abort();
}

/* A target that works when its pipe says so. */
static pid_t make_target(int *gate)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		abort();
	pid = fork_member(0);
	if (!pid) {
		close(ends[1]);
		await_line(ends[0]);
		work();
		end_member();
	}
	close(ends[0]);
	*gate = ends[1];
	return pid;
}

static void let_go(int gate)
{
	if (write(gate, "\n", 1) != 1)
		abort();
	close(gate);
}

static void do_pair(char **program)
{
	int gates[2];
	pid_t first = make_target(&gates[0]), second = make_target(&gates[1]), stranger;

	say("ready", first, second);
	await_line(STDIN_FILENO);
	let_go(gates[0]);
	await(first);
	stranger = fork_member(first);
	if (!stranger) {
		close(gates[1]);
		execvp(program[0], program);
		_exit(127);
	}
	say("number", stranger, -1);
	await(stranger); /* it reads the same standard input */
	let_go(gates[1]);
	await(second);
}

/* The target's child ends, and a process that is no kin of the target's gets the number. */
static void do_stranger(char **unused)
{
	int to_target[2], to_parent[2];
	pid_t target, child = 0;

	(void)unused;
	if (pipe(to_target) || pipe(to_parent))
		abort();
	target = fork_member(0);
	if (!target) {
		await_line(to_target[0]);
		child = fork_member(0);
		if (!child) {
			work();
			end_member();
		}
		await(child);
		work();
		if (write(to_parent[1], &child, sizeof(child)) != sizeof(child))
			abort();
		await_line(to_target[0]);
		end_member();
	}
	say("ready", target, -1);
	await_line(STDIN_FILENO);
	if (write(to_target[1], "\n", 1) != 1 ||
	    read(to_parent[0], &child, sizeof(child)) != sizeof(child))
		abort();
	if (!fork_member(child)) {
		work();
		say("stranger", number_of_self(), own.calls);
		while (await_line(STDIN_FILENO))
			;
		_exit(0);
	}
	say("number", child, -1);
	let_go(to_target[1]);
	await(target);
	say("over", -1, -1);
	await(child);
}

/* The second child frees nothing of the first one's, and finds its own blocks where those were. */
static void do_twins(char **programs)
{
	pid_t number = 0;

	say("ready", number_of_self(), -1);
	await_line(STDIN_FILENO);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork_member(number);

		if (!pid) {
			keep();
			work();
			if (!*programs)
				end_member();
			book_tell(&own, number_of_self());
			execl(programs[i], programs[i], (char *)NULL);
			_exit(127);
		}
		await(pid);
		number = pid;
	}
	say("number", number, -1);
	work();
	end_member();
}

static void do_heirs(char **unused)
{
	pid_t number = 0;

	(void)unused;
	say("ready", number_of_self(), -1);
	await_line(STDIN_FILENO);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork_member(number);

		if (!pid) {
			take_many(i == 1);
			end_member();
		}
		await(pid);
		number = pid;
	}
	say("number", number, -1);
	end_member();
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

	if (!strcmp(way, "pair") && argc > 2)
		do_pair(argv + 2);
	else if (!strcmp(way, "stranger"))
		do_stranger(argv + 2);
	else if ((!strcmp(way, "twins") && argc == 2) || (!strcmp(way, "images") && argc == 4))
		do_twins(argv + 2);
	else if (!strcmp(way, "heirs") && argc == 2)
		do_heirs(argv + 2);
	else
		return 2;
	return 0;
}
