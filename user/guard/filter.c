// SPDX-License-Identifier: MIT
/*
 * Names become numbers at run time, so that one table serves all machines and all versions of the
 * headers. The answer to what is not allowed is an error and never a signal: a library that tries
 * something by the way goes on without it.
 */
#include "guard/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* From here on all machines number alike; x32 has its own from 512 on. */
#define FIRST_NEW 424
#define LAST_NEW  511

/* System calls of the kernel's own, by which it returns from probes on x86-64. They are never
 * called, and a filter that refuses them ends the process (kernel 6.11 to 6.13). */
#if defined(__x86_64__)
#define NR_URETPROBE 335
#define NR_UPROBE    336
#endif

/* What every program needs that only computes and tells. */
static const struct filter_call everybody[] = {
	FILTER_ALLOW("brk"),
	FILTER_ALLOW("mmap", FILTER_WITHOUT(2, PROT_EXEC), FILTER_WITHOUT(3, MAP_SHARED)),
	FILTER_ALLOW("mprotect", FILTER_WITHOUT(2, PROT_EXEC)),
	FILTER_ALLOW("munmap"),
	FILTER_ALLOW("mremap"),
	FILTER_ALLOW("madvise"),
	FILTER_ALLOW("read"),
	FILTER_ALLOW("readv"),
	FILTER_ALLOW("write"),
	FILTER_ALLOW("writev"),
	FILTER_ALLOW("close"),
	FILTER_ALLOW("futex"),
	FILTER_ALLOW("sched_yield"),
	FILTER_ALLOW("clock_gettime"),
	FILTER_ALLOW("clock_getres"),
	FILTER_ALLOW("clock_nanosleep"),
	FILTER_ALLOW("nanosleep"),
	FILTER_ALLOW("gettimeofday"),
	FILTER_ALLOW("time"),
	FILTER_ALLOW("getcpu"),
	FILTER_ALLOW("getpid"),
	FILTER_ALLOW("gettid"),
	FILTER_ALLOW("getrandom"),
	FILTER_ALLOW("sysinfo"),
	FILTER_ALLOW("uname"),
	FILTER_ALLOW("sched_getaffinity"),
	FILTER_ALLOW("prlimit64", FILTER_IS(0, 0), FILTER_IS_NULL(2)),
	FILTER_ALLOW("getrlimit"),
	FILTER_ALLOW("rt_sigaction"),
	FILTER_ALLOW("rt_sigprocmask"),
	FILTER_ALLOW("rt_sigreturn"),
	FILTER_ALLOW("sigaltstack"),
	FILTER_ALLOW("restart_syscall"),
	FILTER_ALLOW("set_robust_list"),
	FILTER_ALLOW("rseq"),
	FILTER_ALLOW("exit"),
	FILTER_ALLOW("exit_group"),
};

struct builder {
	scmp_filter_ctx context;
	bool named[LAST_NEW + 1]; /* by the table: not to be refused */
};

static int allow_number(struct builder *b, int number, const struct filter_test *tests)
{
	struct scmp_arg_cmp conditions[FILTER_MAX_TESTS];
	unsigned int n = 0;

	for (size_t i = 0; i < FILTER_MAX_TESTS; i++) {
		if (tests && tests[i].mask)
			conditions[n++] = SCMP_CMP(tests[i].argument, SCMP_CMP_MASKED_EQ,
						   tests[i].mask, tests[i].value);
	}
	if (number <= LAST_NEW)
		b->named[number] = true;
	return seccomp_rule_add_array(b->context, SCMP_ACT_ALLOW, number, n, conditions);
}

/* Unknown here, or to this machine: negative. */
static int allow(struct builder *b, const struct filter_call *call)
{
	int number = seccomp_syscall_resolve_name(call->name);

	return number < 0 ? 0 : allow_number(b, number, call->tests);
}

static int allow_all(struct builder *b, const struct filter_call *calls, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = allow(b, &calls[i]);
	return err;
}

/* abort() sends a signal to the thread that calls it. */
static int allow_abort(struct builder *b)
{
	const struct filter_call call = FILTER_ALLOW("tgkill", FILTER_IS(0, getpid()));

	return allow(b, &call);
}

static int allow_kernels_own(struct builder *b)
{
#if defined(__x86_64__)
	int err = allow_number(b, NR_URETPROBE, NULL);

	return err ? err : allow_number(b, NR_UPROBE, NULL);
#else
	(void)b;
	return 0;
#endif
}

static int miss_new(struct builder *b)
{
	int err = 0;

	for (int number = FIRST_NEW; number <= LAST_NEW && !err; number++) {
		if (!b->named[number])
			err = seccomp_rule_add_array(b->context, SCMP_ACT_ERRNO(ENOSYS), number, 0,
						     NULL);
	}
	return err;
}

/* A tree instead of a list of comparisons, and the kernel's own errno, are for libseccomp 2.5. That
 * all threads are bound, and not the caller alone, is needed. */
static int set_attributes(const struct builder *b)
{
	(void)seccomp_attr_set(b->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(b->context, SCMP_FLTATR_API_SYSRAWRC, 1);
	return seccomp_attr_set(b->context, SCMP_FLTATR_CTL_TSYNC, 1);
}

/* The filter, but for what belongs to one process; NULL with a negative errno in *err. */
static scmp_filter_ctx build(struct builder *b, const struct filter_call *calls, size_t count,
			     int *err)
{
	*b = (struct builder){.context = seccomp_init(SCMP_ACT_ERRNO(EPERM))};
	*err = b->context ? set_attributes(b) : -ENOMEM;
	if (!*err)
		*err = allow_all(b, everybody, sizeof(everybody) / sizeof(everybody[0]));
	if (!*err)
		*err = allow_all(b, calls, count);
	if (!*err)
		*err = allow_kernels_own(b);
	if (!*err)
		*err = miss_new(b);
	if (!*err)
		return b->context;
	seccomp_release(b->context);
	return NULL;
}

int filter_install(const struct filter_call *calls, size_t count)
{
	struct builder b;
	int err;

	if (!build(&b, calls, count, &err))
		return err;
	err = allow_abort(&b);
	if (!err)
		err = seccomp_load(b.context);
	seccomp_release(b.context);
	return err;
}

/* libseccomp writes its result into a file and nowhere else. */
static int read_code(struct filter_code *code, int fd)
{
	off_t bytes = lseek(fd, 0, SEEK_END);

	if (bytes <= 0)
		return -EIO;
	code->bytes = malloc((size_t)bytes);
	if (!code->bytes)
		return -ENOMEM;
	code->size = (size_t)bytes;
	return pread(fd, code->bytes, code->size, 0) == bytes ? 0 : -EIO;
}

int filter_compile(struct filter_code *code, const struct filter_call *calls, size_t count)
{
	struct builder b;
	int err, fd;

	*code = (struct filter_code){0};
	if (!build(&b, calls, count, &err))
		return err;
	fd = memfd_create("filter", MFD_CLOEXEC);
	err = fd < 0 ? -errno : seccomp_export_bpf(b.context, fd);
	if (!err)
		err = read_code(code, fd);
	if (fd >= 0)
		close(fd);
	seccomp_release(b.context);
	return err;
}

int filter_apply(const struct filter_code *code)
{
	const struct sock_fprog program = {
		.len = (unsigned short)(code->size / sizeof(struct sock_filter)),
		.filter = code->bytes};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ? -errno : 0;
}
