// SPDX-License-Identifier: MIT
/*
 * The filter, by what its process can still do, and capabilities. Each case is a child
 * of its own, for neither can be undone; a child's exit status is the number of its first claim
 * that does not hold. What alloctrace's own table forbids is tried by tests/workloads/confined.c,
 * without the sanitizers, whose end needs more. Linked with user/guard/.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard/filter.h"
#include "guard/privileges.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* In a child: the first that does not hold ends it. */
#define CLAIM(holds)                   \
	do {                           \
		claims++;              \
		if (!(holds))          \
			_exit(claims); \
	} while (0)

#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

static int claims;

/* 0: all held. */
static int in_child(void (*run)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		claims = 0;
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- the filter ---- */

static void refuse_what_is_not_named(void)
{
	static char *const argv[] = {"/bin/true", NULL};
	static const struct filter_call calls[] = {FILTER_ALLOW("pread64")};

	CLAIM(!filter_install(calls, NR(calls)));
	CLAIM(FAILS(open("/dev/null", O_RDONLY), EPERM));
	CLAIM(FAILS(socket(AF_UNIX, SOCK_STREAM, 0), EPERM));
	CLAIM(FAILS(execv(argv[0], argv), EPERM));
	CLAIM(FAILS(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM));
	CLAIM(FAILS(syscall(SYS_getppid), EPERM));
	CLAIM(FAILS(pread(-1, NULL, 0, 0), EBADF));
}

static void keep_what_everybody_needs(void)
{
	char *memory;

	CLAIM(!filter_install(NULL, 0));
	memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CLAIM(memory != MAP_FAILED);
	memory[4096] = 'x';
	CLAIM(!mprotect(memory, 4096, PROT_READ));
	CLAIM(!munmap(memory, 1 << 20));
	CLAIM(FAILS(write(-1, "", 1), EBADF));
	CLAIM(getpid() > 0);
	CLAIM(sysconf(_SC_NPROCESSORS_ONLN) > 0);
}

static void map_no_code(void)
{
	char *memory;

	CLAIM(!filter_install(NULL, 0));
	CLAIM(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	      MAP_FAILED);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CLAIM(memory != MAP_FAILED);
	CLAIM(FAILS(mprotect(memory, 4096, PROT_READ | PROT_EXEC), EPERM));
}

/* All bits, none of them, a value, two tests, two rows. */
static void look_at_arguments(void)
{
	const struct filter_call calls[] = {
		FILTER_ALLOW("openat", FILTER_WITHOUT(2, O_ACCMODE | O_CREAT)),
		FILTER_ALLOW("fcntl", FILTER_IS(1, F_GETFD)),
		FILTER_ALLOW("fcntl", FILTER_IS(1, F_GETFL)),
		FILTER_ALLOW("kill", FILTER_IS(0, getpid()), FILTER_IS(1, 0)),
		FILTER_ALLOW("socket", FILTER_WITH(1, SOCK_CLOEXEC | SOCK_STREAM)),
		FILTER_ALLOW("sendto", FILTER_IS_NULL(4)),
	};
	pid_t pid = getpid();

	CLAIM(!filter_install(calls, NR(calls)));
	CLAIM(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
	CLAIM(FAILS(open("/dev/null", O_WRONLY), EPERM));
	CLAIM(FAILS(open("/dev/null", O_RDWR), EPERM));
	CLAIM(FAILS(open("/no/such/file", O_RDONLY | O_CREAT, 0600), EPERM));
	CLAIM(fcntl(0, F_GETFD) >= 0 && fcntl(0, F_GETFL) >= 0);
	CLAIM(FAILS(fcntl(0, F_DUPFD, 0), EPERM));
	/* The kernel takes the command from the lower half of the register, and so do we. */
	CLAIM(syscall(SYS_fcntl, 0, 0xdead00000000 | F_GETFD) >= 0);
	CLAIM(FAILS(syscall(SYS_fcntl, 0, 0xdead00000000 | F_DUPFD, 0), EPERM));
	CLAIM(!kill(pid, 0));
	CLAIM(FAILS(kill(pid, SIGCONT), EPERM));
	CLAIM(FAILS(kill(1, 0), EPERM));
	CLAIM(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	CLAIM(FAILS(socket(AF_UNIX, SOCK_STREAM, 0), EPERM));
	CLAIM(FAILS(sendto(-1, "", 1, 0, NULL, 0), EBADF));
	CLAIM(FAILS(sendto(-1, "", 1, 0, (const struct sockaddr *)"", 1), EPERM));
}

/* Their numbers lie above all that is named; a library has something older in their place. */
static void miss_what_is_new(void)
{
	static const struct filter_call calls[] = {FILTER_ALLOW("pidfd_open")};

	CLAIM(!filter_install(calls, NR(calls)));
	CLAIM(FAILS(syscall(435, NULL, 0), ENOSYS)); /* clone3 */
	CLAIM(FAILS(syscall(437, 0, "/", NULL, 0), ENOSYS));
	CLAIM(FAILS(syscall(511), ENOSYS));
	CLAIM(FAILS(syscall(434, -1, 0), EINVAL)); /* pidfd_open is named: the kernel's own word */
}

static void pass_over_unknown_names(void)
{
	static const struct filter_call calls[] = {FILTER_ALLOW("no_such_call"),
						   FILTER_ALLOW("getppid")};

	CLAIM(!filter_install(calls, NR(calls)));
	CLAIM(syscall(SYS_getppid) > 0);
}

static pthread_barrier_t barrier;

static void *try_in_thread(void *p)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return FAILS(syscall(SYS_getppid), EPERM) ? p : NULL;
}

static void bind_threads_that_run(void)
{
	static const struct filter_call calls[] = {
		FILTER_ALLOW("clone", FILTER_WITH(0, CLONE_THREAD))};
	pthread_t old, new;
	void *bound = NULL;
	char mark;

	pthread_barrier_init(&barrier, NULL, 2);
	CLAIM(!pthread_create(&old, NULL, try_in_thread, &mark));
	pthread_barrier_wait(&barrier);
	CLAIM(!filter_install(calls, NR(calls)));
	pthread_barrier_wait(&barrier);
	CLAIM(!pthread_join(old, &bound) && bound == &mark);
	CLAIM(!pthread_create(&new, NULL, try_in_thread, &mark));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	CLAIM(!pthread_join(new, &bound) && bound == &mark);
}

static void abort_in_the_filter(void)
{
	filter_install(NULL, 0);
	abort();
}

static void test_filter(void **state)
{
	(void)state;
	assert_int_equal(in_child(refuse_what_is_not_named), 0);
	assert_int_equal(in_child(keep_what_everybody_needs), 0);
	assert_int_equal(in_child(map_no_code), 0);
	assert_int_equal(in_child(look_at_arguments), 0);
	assert_int_equal(in_child(miss_what_is_new), 0);
	assert_int_equal(in_child(pass_over_unknown_names), 0);
	assert_int_equal(in_child(bind_threads_that_run), 0);
}

/* A bug in a confined process ends it as bugs do, with a signal that tells. */
static void test_abort(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		abort_in_the_filter();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- capabilities ---- */

struct sets {
	uint64_t effective, permitted, inheritable;
};

/* By /proc: capget is not among what confined processes may call. */
static struct sets capabilities(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	struct sets sets = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "CapInh: %" SCNx64, &sets.inheritable);
		(void)sscanf(line, "CapPrm: %" SCNx64, &sets.permitted);
		(void)sscanf(line, "CapEff: %" SCNx64, &sets.effective);
	}
	if (file)
		fclose(file);
	return sets;
}

/* Sets effective and permitted; false: we may not. */
static bool take(uint64_t wanted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)wanted, .permitted = (uint32_t)wanted},
		{.effective = (uint32_t)(wanted >> 32), .permitted = (uint32_t)(wanted >> 32)},
	};

	return !syscall(SYS_capset, &header, data);
}

#define BIT(capability) (1ULL << (capability))

static uint64_t before;

static void keep_five(void)
{
	const uint64_t five = BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_PTRACE) |
			      BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_CHECKPOINT_RESTORE);
	const struct privileges none = {0};
	struct sets left;
	char kept[256];

	CLAIM(!privileges_confine(&none, kept, sizeof(kept)));
	left = capabilities();
	CLAIM(left.effective == (before & five));
	CLAIM(left.permitted == (before & five));
	CLAIM(left.inheritable == 0);
}

/* A container's root has the wide ones, and not those that were cut out of them. */
static void keep_the_wide_where_the_narrow_are_not(void)
{
	const uint64_t wide = BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_OVERRIDE);
	const struct privileges none = {0};
	char list[256];

	CLAIM(take(wide | BIT(CAP_SYS_PTRACE) | BIT(CAP_CHOWN)));
	CLAIM(!privileges_missing(list, sizeof(list))[0]);
	CLAIM(!privileges_confine(&none, list, sizeof(list)));
	CLAIM(!strcmp(list, "CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_OVERRIDE"));
	CLAIM(capabilities().effective == (wide | BIT(CAP_SYS_PTRACE)));
}

static void tell_what_is_missing(void)
{
	char list[256];

	CLAIM(take(BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_PTRACE)));
	privileges_missing(list, sizeof(list));
	CLAIM(!strcmp(list, "CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE"));
	CLAIM(!strcmp(privileges_missing(list, 24), "CAP_DAC_READ_SEARCH, CA"));
}

static void renounce(void)
{
	struct sets left;

	CLAIM(!privileges_renounce());
	left = capabilities();
	CLAIM(!left.effective && !left.permitted && !left.inheritable);
	CLAIM(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CLAIM(prctl(PR_GET_SECCOMP) == 0);
}

static void renounce_with_nothing(void)
{
	CLAIM(take(0));
	CLAIM(!privileges_renounce());
}

static void confine_with_nothing(void)
{
	const struct privileges none = {0};
	char kept[256];

	CLAIM(take(0));
	CLAIM(!privileges_confine(&none, kept, sizeof(kept)));
	CLAIM(!strcmp(kept, "none"));
	CLAIM(capabilities().permitted == 0);
}

static void test_without_capabilities(void **state)
{
	(void)state;
	assert_int_equal(in_child(renounce), 0);
	assert_int_equal(in_child(renounce_with_nothing), 0);
	assert_int_equal(in_child(confine_with_nothing), 0);
}

static void test_capabilities(void **state)
{
	(void)state;
	before = capabilities().permitted;
	if (geteuid() || !(before & BIT(CAP_SYS_ADMIN)))
		skip();
	assert_int_equal(in_child(keep_five), 0);
	assert_int_equal(in_child(keep_the_wide_where_the_narrow_are_not), 0);
	assert_int_equal(in_child(tell_what_is_missing), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_without_capabilities),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
