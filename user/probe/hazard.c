// SPDX-License-Identifier: MIT
/*
 * A child makes the system call twice, the second time with a filter that answers with an errno
 * which nothing else uses, and tells by its exit status what became of it. Outside of the kernel's
 * trampoline call 335 does nothing but raise SIGILL, so that trying is safe; a kernel without it
 * says ENOSYS.
 *
 * The child is made as posix_spawn makes one, in our memory and while we wait, for that costs a
 * fifth of a fork. It is a stranger to whatever else the caller has set up: no SIGCHLD tells of its
 * end, so that an ignored one does not reap it either; it starts with all signals blocked, so that
 * no inherited handler runs; it leaves by _exit.
 */
#include "probe/hazard.h"

#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ODD_ERRNO  ENOANO
#define STACK_SIZE 65536 /* the registers that a signal saves are 11 KB on some */

/* What the child found out. Nothing, when it could not be made or was killed. */
enum facts {
	FACT_MISSING = 1, /* ENOSYS: there is no such call */
	FACT_ILLEGAL = 2, /* SIGILL: the kernel has the call, and took it for misuse */
	FACT_REFUSED = 4, /* by our filter: it saw the call */
};

/* ---- in the child: nothing but system calls ---- */

static volatile sig_atomic_t illegal;

static void on_illegal(int signal)
{
	(void)signal;
	illegal = 1;
}

/* A SIGILL that is handled leaves neither a core nor a word in the logs. The filter of a container
 * that we are in may still kill. */
static void be_quiet(void)
{
	const struct sigaction caught = {.sa_handler = on_illegal};
	const struct rlimit nothing = {0, 0};
	sigset_t only;

	setrlimit(RLIMIT_CORE, &nothing);
	sigaction(SIGILL, &caught, NULL);
	sigemptyset(&only);
	sigaddset(&only, SIGILL);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
}

static int refuse(long number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (__u32)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ODD_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) ? -errno : 0;
}

static int error_of(long number)
{
	return syscall(number, 0, 0, 0, 0, 0, 0) == -1 ? errno : 0;
}

/* Does not return. */
static int find_out(void *context)
{
	long number = *(const long *)context;
	int facts = 0;

	be_quiet();
	if (error_of(number) == ENOSYS)
		facts |= FACT_MISSING;
	if (illegal)
		facts |= FACT_ILLEGAL;
	if (!refuse(number) && error_of(number) == ODD_ERRNO)
		facts |= FACT_REFUSED;
	_exit(facts);
}

/* ---- in the caller ---- */

static int exit_status(pid_t pid)
{
	pid_t got;
	int status;

	do
		got = waitpid(pid, &status, __WALL);
	while (got < 0 && errno == EINTR);
	return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static int facts_about(long number)
{
	_Alignas(16) char stack[STACK_SIZE]; /* grows down on all machines that we know */
	sigset_t all, before;
	pid_t pid;

	illegal = 0;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(find_out, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, &number);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? 0 : exit_status(pid);
}

bool hazard_filter_sees(long number)
{
	return (facts_about(number) & (FACT_MISSING | FACT_REFUSED)) == FACT_REFUSED;
}

#if defined(__x86_64__)

#define NR_URETPROBE 335

static bool kernel_has_uretprobe(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has = btf && btf__find_by_name_kind(btf, "__x64_sys_uretprobe", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return has;
}

/*
 * Without SIGILL there is no such call, or a filter that we run under ourselves, a container's, has
 * answered instead of the kernel. That it could is the hazard.
 */
bool hazard_seccomp(void)
{
	int facts = facts_about(NR_URETPROBE);

	if (facts & FACT_ILLEGAL)
		return facts & FACT_REFUSED;
	return hazard_process_is_sandboxed(getpid()) && kernel_has_uretprobe();
}

#else /* other machines return through a breakpoint */

bool hazard_seccomp(void)
{
	return false;
}

#endif

/* ---- who has a filter ---- */

/* The line is "Seccomp:", a tab and the mode. A process cannot fake it by its name, whose newlines
 * are escaped. */
static bool status_is_sandboxed(const char *path)
{
	FILE *f = fopen(path, "re");
	bool sandboxed = false;
	char line[256];

	if (!f)
		return false;
	while (!sandboxed && fgets(line, sizeof(line), f))
		sandboxed = !strncmp(line, "Seccomp:\t", 9) && line[9] != '0';
	fclose(f);
	return sandboxed;
}

bool hazard_process_is_sandboxed(pid_t pid)
{
	const struct dirent *entry;
	bool sandboxed = false;
	char path[320];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while (!sandboxed && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		sandboxed = status_is_sandboxed(path);
	}
	closedir(tasks);
	return sandboxed;
}
