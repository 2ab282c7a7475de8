// SPDX-License-Identifier: MIT
/*
 * Starting a command under ptrace and letting it go at its entry point. Only mmap with PROT_EXEC is
 * of interest on the way; the entry point is caught by a breakpoint instruction in the program's
 * private copy of the page, taken back before it runs. PTRACE_O_EXITKILL sees to it that a program
 * that still has the breakpoint does not outlive us.
 */
#include "probe/spawn.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define BREAKPOINT      0xccUL /* int3 */
#define BREAKPOINT_MASK 0xffUL
#define BREAKPOINT_STEP 1 /* the program counter is behind it when it has hit */
#define PROGRAM_COUNTER rip
#elif defined(__aarch64__)
#define BREAKPOINT      0xd4200000UL /* brk #0 */
#define BREAKPOINT_MASK 0xffffffffUL
#define BREAKPOINT_STEP 0
#define PROGRAM_COUNTER pc
#else
#error "alloctrace knows x86-64 and arm64"
#endif

struct tracee {
	pid_t pid;
	uint64_t entry;       /* address of the program's first instruction */
	long original;        /* the word that lies there */
	bool executable_mmap; /* the system call under way maps code */
};

static bool parse_id(const char *text, unsigned int *id)
{
	char *end;
	unsigned long value;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	*id = (unsigned int)value;
	return !errno && !*end && value < UINT32_MAX;
}

struct spawn_user spawn_sudo_user(void)
{
	struct spawn_user user = {0};
	const char *name = getenv("SUDO_USER");

	if (geteuid() || !parse_id(getenv("SUDO_UID"), &user.uid) ||
	    !parse_id(getenv("SUDO_GID"), &user.gid))
		return user;
	user.change = user.uid != 0;
	snprintf(user.name, sizeof(user.name), "%s", name ? name : "");
	return user;
}

static void replace(const char *name, const char *old, const char *new)
{
	const char *value = getenv(name);

	if (value && !strcmp(value, old))
		setenv(name, new, 1);
}

/* What sudo has set for root is the caller's again; what it was told to keep stays as it is. */
static void restore_environment(uid_t uid)
{
	static const char *const sudos[] = {"SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND"};
	char home[4096] = "/root", shell[4096] = "/bin/sh", name[256] = "root";
	const struct passwd *entry = getpwuid(0);

	if (entry) {
		snprintf(home, sizeof(home), "%s", entry->pw_dir);
		snprintf(shell, sizeof(shell), "%s", entry->pw_shell);
		snprintf(name, sizeof(name), "%s", entry->pw_name);
	}
	for (size_t i = 0; i < sizeof(sudos) / sizeof(sudos[0]); i++)
		unsetenv(sudos[i]);
	entry = getpwuid(uid);
	if (!entry)
		return;
	replace("HOME", home, entry->pw_dir);
	replace("SHELL", shell, entry->pw_shell);
	replace("USER", name, entry->pw_name);
	replace("LOGNAME", name, entry->pw_name);
}

static int become(const struct spawn_user *user)
{
	if (!user->change)
		return 0;
	if (user->name[0] ? initgroups(user->name, user->gid) : setgroups(0, NULL))
		return -errno;
	if (setgid(user->gid) || setuid(user->uid))
		return -errno;
	restore_environment(user->uid);
	return 0;
}

/* One end of each pipe between us and the child until it has exec'ed. */
struct handshake {
	int go[2];     /* we have seized it */
	int report[2]; /* its errno; a successful exec closes it */
};

/*
 * In the child. Does not return. It waits until it has been seized: if we die before that, it reads
 * the end of the pipe and goes, and if we die after that, PTRACE_O_EXITKILL takes it along. So it
 * never stays behind, stopped.
 */
static void run_command(char *const argv[], const struct spawn_user *user,
			const struct spawn_signals *signals, struct handshake *h)
{
	const char *preload = getenv("ALLOCTRACE_LD_PRELOAD"); /* main.c has put it away */
	char byte;
	int err;

	close(h->go[1]);
	if (read(h->go[0], &byte, 1) != 1)
		_exit(125);
	sigaction(SIGPIPE, &signals->pipe, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
	err = become(user);
	if (preload) {
		setenv("LD_PRELOAD", preload, 1);
		unsetenv("ALLOCTRACE_LD_PRELOAD");
	}
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(h->report[1], &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* The child's word on how its exec went: 0 when the pipe was closed by it. */
static int read_report(int fd)
{
	int err = 0;
	ssize_t n;

	do
		n = read(fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? err : 0;
}

static int wait_for(pid_t pid, int *status)
{
	pid_t got;

	do
		got = waitpid(pid, status, __WALL);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : 0;
}

void spawn_kill(pid_t pid)
{
	int status;

	if (kill(pid, SIGKILL))
		return; /* not ours to kill any more: it goes when we end (PTRACE_O_EXITKILL) */
	while (!wait_for(pid, &status) && !WIFEXITED(status) && !WIFSIGNALED(status))
		;
}

static void explain(char *why, size_t len, const char *command, int err)
{
	if (err == -ENOENT)
		snprintf(why, len, "cannot start '%s': command not found", command);
	else
		snprintf(why, len, "cannot start '%s': %s", command, strerror(-err));
}

static int open_handshake(struct handshake *h)
{
	if (pipe2(h->go, O_CLOEXEC))
		return -errno;
	if (!pipe2(h->report, O_CLOEXEC))
		return 0;
	close(h->go[0]);
	close(h->go[1]);
	return -errno;
}

/* Our side: seize the child, let it exec, wait for the stop behind the exec. */
static int hold_command(pid_t pid, struct handshake *h)
{
	unsigned long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
	int status, err;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) || write(h->go[1], "", 1) != 1)
		return -errno;
	err = wait_for(pid, &status);
	if (err)
		return err;
	if (WIFSTOPPED(status) && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
		return 0;
	err = WIFSTOPPED(status) ? 0 : read_report(h->report[0]);
	return err ? err : -ECHILD;
}

pid_t spawn_start(char *const argv[], const struct spawn_user *user,
		  const struct spawn_signals *signals, char *why, size_t len)
{
	struct handshake h;
	pid_t pid = -1;
	int err = open_handshake(&h);

	if (err)
		goto out;
	pid = fork();
	if (pid == 0)
		run_command(argv, user, signals, &h);
	err = pid < 0 ? -errno : 0;
	close(h.go[0]);
	close(h.report[1]);
	if (!err)
		err = hold_command(pid, &h);
	close(h.go[1]);
	close(h.report[0]);
out:
	if (!err)
		return pid;
	if (pid > 0)
		spawn_kill(pid);
	explain(why, len, argv[0], err);
	return err;
}

/* Reads AT_ENTRY and AT_BASE. Without a loader (AT_BASE is 0) there is no way to go: entry is left
 * 0. */
static int find_entry(struct tracee *t)
{
	char path[64];
	uint64_t pair[2], entry = 0, base = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/auxv", t->pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fread(pair, sizeof(pair), 1, f) == 1 && pair[0] != AT_NULL) {
		if (pair[0] == AT_ENTRY)
			entry = pair[1];
		if (pair[0] == AT_BASE)
			base = pair[1];
	}
	fclose(f);
	t->entry = base ? entry : 0;
	return 0;
}

static int set_breakpoint(struct tracee *t)
{
	unsigned long word;

	errno = 0;
	t->original = ptrace(PTRACE_PEEKTEXT, t->pid, (void *)t->entry, NULL);
	if (errno)
		return -errno;
	word = ((unsigned long)t->original & ~BREAKPOINT_MASK) | BREAKPOINT;
	return ptrace(PTRACE_POKETEXT, t->pid, (void *)t->entry, (void *)word) ? -errno : 0;
}

/* Takes the breakpoint back when this stop is its hit; false when it is another. */
static bool at_entry(struct tracee *t)
{
	struct user_regs_struct regs;
	struct iovec iov = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, t->pid, (void *)NT_PRSTATUS, &iov))
		return false;
	if (regs.PROGRAM_COUNTER != t->entry + BREAKPOINT_STEP)
		return false;
	regs.PROGRAM_COUNTER = t->entry;
	ptrace(PTRACE_POKETEXT, t->pid, (void *)t->entry, (void *)t->original);
	ptrace(PTRACE_SETREGSET, t->pid, (void *)NT_PRSTATUS, &iov);
	return true;
}

/* At the end of an mmap that maps code, tells the caller. */
static int on_syscall(struct tracee *t, const struct spawn_hooks *hooks)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, (void *)sizeof(info), &info) < 0)
		return -errno;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->executable_mmap = info.entry.nr == SYS_mmap && info.entry.args[2] & PROT_EXEC;
		return 0;
	}
	if (info.op != PTRACE_SYSCALL_INFO_EXIT || !t->executable_mmap || info.exit.is_error)
		return 0;
	return hooks->mapped(hooks->context, t->pid);
}

/* From one stop to the next until the entry point: 0 there, 1 when the process ended. */
static int step_to_entry(struct tracee *t, const struct spawn_hooks *hooks, int *status)
{
	int signal = 0, err;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, t->pid, NULL, (void *)(long)signal))
			return -errno;
		err = wait_for(t->pid, status);
		if (err || !WIFSTOPPED(*status))
			return err ? err : 1;
		signal = *status >> 16 ? 0 : WSTOPSIG(*status); /* an event's stop is no signal */
		if (signal == (SIGTRAP | 0x80)) {
			signal = 0;
			err = on_syscall(t, hooks);
			if (err)
				return err;
		} else if (signal == SIGTRAP && at_entry(t)) {
			return 0;
		}
	}
}

int spawn_release(pid_t pid, const struct spawn_hooks *hooks, int *status)
{
	struct tracee t = {.pid = pid};
	int err = find_entry(&t);

	if (!err)
		err = hooks->mapped(hooks->context, pid);
	if (!err && t.entry)
		err = set_breakpoint(&t);
	if (!err && t.entry)
		err = step_to_entry(&t, hooks, status);
	if (!err)
		err = hooks->entered(hooks->context, pid);
	if (err < 0)
		spawn_kill(pid);
	if (err)
		return err;
	return ptrace(PTRACE_DETACH, pid, NULL, NULL) ? -errno : 0;
}
