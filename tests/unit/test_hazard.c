// SPDX-License-Identifier: MIT
/*
 * What is found out about seccomp, against a real return probe in a process that has a filter
 * (root alone can place one), and what asking leaves behind: nothing. Linked with
 * user/probe/hazard.c, the reader of /proc and libbpf.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/hazard.h"
#include "sym/proc.h"

#define NR_URETPROBE 335
#define NR_NONE      1000 /* no machine has that many */

/* ---- children ---- */

/* All but call `number` is allowed to whoever is the caller from now on. */
static int take_filter(long number, unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = 4, .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

struct child {
	pid_t pid;
	int ready; /* a byte comes when `prepare` is done */
	int go;    /* closed: the child goes on */
};

/* The child prepares itself, says so, waits, runs `then` and ends with its result. */
static struct child start(int (*prepare)(void), int (*then)(void))
{
	int ready[2], go[2];
	struct child c;
	char byte;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	c = (struct child){.pid = fork(), .ready = ready[0], .go = go[1]};
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGILL, SIG_DFL); /* whatever a sanitizer does about it */
		close(go[1]);
		if ((prepare && prepare()) || write(ready[1], "", 1) != 1)
			_exit(99);
		if (read(go[0], &byte, 1) != 0)
			_exit(98);
		_exit(then ? then() : 0);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(c.ready, &byte, 1), 1);
	return c;
}

/* Lets the child go on, and returns its wait status. */
static int finish(struct child *c)
{
	int status;

	close(c->go);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	close(c->ready);
	return status;
}

/* ---- what the kernel does ---- */

static void test_is_repeatable(void **state)
{
	bool first = hazard_seccomp();

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(hazard_seccomp(), first);
}

static void test_filter_sees(void **state)
{
	(void)state;
	assert_true(hazard_filter_sees(SYS_getppid));
	assert_false(hazard_filter_sees(NR_NONE));
}

#if defined(__x86_64__)

static int call_uretprobe(void)
{
	return syscall(NR_URETPROBE) == -1 ? errno : 0;
}

/* A call outside of the trampoline ends in SIGILL. Where a filter of our own container hides the
 * call, nothing is known. */
static bool kernel_has_uretprobe(void)
{
	struct child c = start(NULL, call_uretprobe);
	int status = finish(&c);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGILL;
}

static void test_filter_sees_the_call_itself(void **state)
{
	(void)state;
	assert_int_equal(hazard_filter_sees(NR_URETPROBE), hazard_seccomp());
	if (!kernel_has_uretprobe())
		assert_false(hazard_filter_sees(NR_URETPROBE));
}

static int ask_under_filter(void)
{
	return hazard_seccomp();
}

static int lose_clone(void)
{
	return take_filter(SYS_clone, SECCOMP_RET_ERRNO | EPERM);
}

static int lose_uretprobe(void)
{
	return take_filter(NR_URETPROBE, SECCOMP_RET_ERRNO | ENOSYS);
}

static int die_of_uretprobe(void)
{
	return take_filter(NR_URETPROBE, SECCOMP_RET_KILL_PROCESS);
}

/* As in a container. What the filter hides is not taken for the kernel's word. */
static void test_under_a_filter(void **state)
{
	int (*const filters[])(void) = {lose_uretprobe, die_of_uretprobe};
	bool truth = hazard_seccomp();
	struct child c;

	(void)state;
	for (int i = 0; i < 2; i++) {
		c = start(filters[i], ask_under_filter);
		assert_int_equal(finish(&c), W_EXITCODE(truth, 0));
	}
	/* No child, no knowledge: then the worst that the kernel can do. */
	c = start(lose_clone, ask_under_filter);
	assert_int_equal(finish(&c), W_EXITCODE(kernel_has_uretprobe(), 0));
}

/* ---- the same from a real return probe ---- */

__attribute__((noinline)) static int probed(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n + 1;
}

static int call_probed(void)
{
	return take_filter(NR_URETPROBE, SECCOMP_RET_KILL_PROCESS) ? 97 : probed(41);
}

static int find_probed(const struct proc_mapping *m, void *context)
{
	uint64_t address = (uintptr_t)probed;

	if (address < m->start || address >= m->end)
		return 0;
	*(uint64_t *)context = address - m->start + m->offset;
	return 1;
}

/* The number in a file of the uprobe device, "7" or "config:0"; -1 without uprobes. */
static int read_device(const char *name)
{
	char path[128];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/uprobe/%s", name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "config:%d", &value) != 1 && fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

/* A return probe on probed() in one process alone; counts its returns. */
static int probe(pid_t pid)
{
	int type = read_device("type"), bit = read_device("format/retprobe");
	struct perf_event_attr attr = {.size = sizeof(attr)};
	uint64_t offset = 0;

	if (type < 0 || bit < 0) {
		errno = ENODEV;
		return -1;
	}
	assert_int_equal(proc_each_mapping(getpid(), find_probed, &offset), 1);
	attr.type = (uint32_t)type;
	attr.config = 1ULL << bit;
	attr.uprobe_path = (uintptr_t) "/proc/self/exe";
	attr.probe_offset = offset;
	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void test_against_a_real_probe(void **state)
{
	struct child c = start(NULL, call_probed);
	int fd = probe(c.pid), error = errno, status = finish(&c);
	uint64_t hits = 0;

	(void)state;
	if (fd < 0) {
		print_message("# no return probe to compare with: %s\n", strerror(error));
		return;
	}
	if (hazard_seccomp()) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	} else {
		assert_int_equal(status, W_EXITCODE(42, 0));
		assert_int_equal(read(fd, &hits, sizeof(hits)), sizeof(hits));
		assert_int_equal(hits, 1);
	}
	close(fd);
}

#endif

/* ---- what is left behind ---- */

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

static void assert_no_children(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_leaves_no_trace(void **state)
{
	const struct sigaction counted = {.sa_handler = count_signal};
	struct sigaction before[NSIG], after, old[2];
	int no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	struct rlimit limit[2];
	sigset_t mask[2];

	(void)state;
	sigaction(SIGCHLD, &counted, &old[0]);
	sigaction(SIGILL, &counted, &old[1]);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, NULL, &before[i]);
	sigprocmask(SIG_SETMASK, NULL, &mask[0]);
	getrlimit(RLIMIT_CORE, &limit[0]);
	hazard_seccomp();
	hazard_filter_sees(SYS_getppid);
	getrlimit(RLIMIT_CORE, &limit[1]);
	sigprocmask(SIG_SETMASK, NULL, &mask[1]);
	for (int i = 1; i < NSIG; i++) {
		memset(&after, 0, sizeof(after));
		if (!sigaction(i, NULL, &after))
			assert_ptr_equal(after.sa_handler, before[i].sa_handler);
		assert_int_equal(sigismember(&mask[0], i), sigismember(&mask[1], i));
	}
	sigaction(SIGCHLD, &old[0], NULL);
	sigaction(SIGILL, &old[1], NULL);
	assert_int_equal(signals, 0);
	assert_memory_equal(&limit[0], &limit[1], sizeof(limit[0]));
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), no_new_privs);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), dumpable);
	assert_no_children();
}

/* Whatever the program has inherited. */
static void test_ignored_and_blocked_signals(void **state)
{
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	bool truth = hazard_seccomp();
	struct sigaction old[2];
	sigset_t all, mask;

	(void)state;
	sigaction(SIGCHLD, &ignored, &old[0]);
	sigaction(SIGILL, &ignored, &old[1]);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	assert_int_equal(hazard_seccomp(), truth);
	assert_true(hazard_filter_sees(SYS_getppid));
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGCHLD, &old[0], NULL);
	sigaction(SIGILL, &old[1], NULL);
	assert_no_children();
}

/* ---- who is sandboxed ---- */

static int filter_something(void)
{
	return take_filter(NR_NONE, SECCOMP_RET_ERRNO | EPERM);
}

static void *filter_thread(void *context)
{
	*(int *)context = filter_something();
	if (write(((int *)context)[1], "", 1) != 1)
		_exit(96);
	pause();
	return NULL;
}

/* The main thread stays free. */
static int filter_in_thread(void)
{
	static int result[2]; /* of the thread, and where it says that it is done */
	pthread_t thread;
	int done[2];
	char byte;

	if (pipe(done))
		return -1;
	result[1] = done[1];
	if (pthread_create(&thread, NULL, filter_thread, result) || read(done[0], &byte, 1) != 1)
		return -1;
	return result[0];
}

static void expect_sandboxed(int (*prepare)(void), bool sandboxed)
{
	struct child c = start(prepare, NULL);
	bool found = hazard_process_is_sandboxed(c.pid);

	assert_int_equal(finish(&c), 0);
	assert_int_equal(found, sandboxed);
	assert_false(hazard_process_is_sandboxed(c.pid)); /* gone */
}

static void test_is_sandboxed(void **state)
{
	bool we_are = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0;

	(void)state;
	assert_int_equal(hazard_process_is_sandboxed(getpid()), we_are);
	expect_sandboxed(NULL, we_are);
	expect_sandboxed(filter_something, true);
	expect_sandboxed(filter_in_thread, true);
	assert_false(hazard_process_is_sandboxed(INT32_MAX));
	assert_false(hazard_process_is_sandboxed(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_repeatable),
		cmocka_unit_test(test_filter_sees),
#if defined(__x86_64__)
		cmocka_unit_test(test_filter_sees_the_call_itself),
		cmocka_unit_test(test_under_a_filter),
		cmocka_unit_test(test_against_a_real_probe),
#endif
		cmocka_unit_test(test_leaves_no_trace),
		cmocka_unit_test(test_ignored_and_blocked_signals),
		cmocka_unit_test(test_is_sandboxed),
	};

	return cmocka_run_group_tests_name("hazard", tests, NULL, NULL);
}
