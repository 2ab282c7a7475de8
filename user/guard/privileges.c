// SPDX-License-Identifier: MIT
/*
 * Capabilities by libcap-ng, system calls by filter.c. The table was taken from runs of every kind
 * under strace, and from reading what libbpf and the C library of other versions do in their place:
 * links by perf events instead of multi links, fstat for newfstatat, poll for ppoll.
 */
#include "guard/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard/filter.h"

#define NR(array)   (sizeof(array) / sizeof((array)[0]))
#define BIT(number) (1ULL << (number))

/* ---- capabilities ---- */

struct capability {
	unsigned int number;
	const char *name;
};

/* In the order in which they are told. */
static const struct {
	struct capability narrow, wide; /* which stands for it */
} wanted[] = {
	{{CAP_BPF, "CAP_BPF"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}},
	{{CAP_PERFMON, "CAP_PERFMON"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}},
	{{CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}, {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}},
	{{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"}, {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}},
	{{CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}},
};

static bool has(unsigned int number)
{
	return capng_have_capability(CAPNG_EFFECTIVE, number) > 0;
}

/* What serves as wanted[i]; NULL: nothing that is there. */
static const struct capability *find(size_t i)
{
	if (has(wanted[i].narrow.number))
		return &wanted[i].narrow;
	return has(wanted[i].wide.number) ? &wanted[i].wide : NULL;
}

static void append(char *list, size_t len, const char *name)
{
	size_t used = strlen(list);

	if (!strstr(list, name))
		snprintf(list + used, len - used, "%s%s", used ? ", " : "", name);
}

const char *privileges_missing(char *buf, size_t len)
{
	int err = capng_get_caps_process();

	buf[0] = '\0';
	for (size_t i = 0; i < NR(wanted) && !err; i++) {
		if (!find(i))
			append(buf, len, wanted[i].narrow.name);
	}
	return buf;
}

static uint64_t mask_of_wanted(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < NR(wanted); i++)
		mask |= find(i) ? BIT(find(i)->number) : 0;
	return mask;
}

static void list(uint64_t mask, char *buf, size_t len)
{
	buf[0] = '\0';
	for (size_t i = 0; i < NR(wanted); i++) {
		if (mask & BIT(wanted[i].narrow.number))
			append(buf, len, wanted[i].narrow.name);
		if (mask & BIT(wanted[i].wide.number))
			append(buf, len, wanted[i].wide.name);
	}
	if (!mask)
		append(buf, len, "none");
}

/* The bounding set goes first, while there still is what that needs. */
static int drop_bounds(void)
{
	if (capng_get_caps_process())
		return -EPERM;
	if (!has(CAP_SETPCAP))
		return 0;
	capng_clear(CAPNG_SELECT_BOUNDS);
	return capng_apply(CAPNG_SELECT_BOUNDS) ? -EPERM : 0;
}

static int keep(uint64_t effective, uint64_t permitted)
{
	capng_clear(CAPNG_SELECT_CAPS);
	capng_clear(CAPNG_SELECT_AMBIENT);
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++) {
		if (effective & BIT(i))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, i);
		if (permitted & BIT(i))
			capng_update(CAPNG_ADD, CAPNG_PERMITTED, i);
	}
	return capng_apply(CAPNG_SELECT_AMBIENT) || capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/* Newer kernels want CAP_SYS_ADMIN for them, others CAP_PERFMON. Whoever may is told that there is
 * no path to a file. */
bool privileges_refuse_perf_events(void)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	long fd = -1;

	errno = 0;
	if (file && fscanf(file, "%u", &attr.type) == 1)
		fd = syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		close((int)fd);
	if (file)
		fclose(file);
	return fd < 0 && (errno == EACCES || errno == EPERM);
}

/* Of what is there, what the run needs. */
static int drop_capabilities(bool by_perf_events, char *kept, size_t len)
{
	uint64_t mask;
	int err = capng_get_caps_process() ? -EPERM : 0;

	mask = mask_of_wanted();
	if (!err && by_perf_events && has(CAP_SYS_ADMIN)) {
		err = keep(mask, mask | BIT(CAP_SYS_ADMIN));
		if (privileges_refuse_perf_events())
			mask |= BIT(CAP_SYS_ADMIN);
	}
	list(mask, kept, len);
	return err ? err : keep(mask, mask);
}

/* ---- system calls ---- */

/* Our own maps, programs and links; nobody else's, which are had by their numbers or paths. */
#define ALLOW_BPF(command) FILTER_ALLOW("bpf", FILTER_IS(0, command))

static const struct filter_call looks[] = {
	/* What came later is looked at: files that others map, /proc, debug information. */
	FILTER_ALLOW("open", FILTER_WITHOUT(1, O_ACCMODE | O_CREAT | O_TRUNC)),
	FILTER_ALLOW("openat", FILTER_WITHOUT(2, O_ACCMODE | O_CREAT | O_TRUNC)),
	FILTER_ALLOW("pread64"),
	FILTER_ALLOW("lseek"),
	FILTER_ALLOW("stat"),
	FILTER_ALLOW("lstat"),
	FILTER_ALLOW("fstat"),
	FILTER_ALLOW("newfstatat"),
	FILTER_ALLOW("statx"),
	FILTER_ALLOW("fstatfs"),
	FILTER_ALLOW("access"),
	FILTER_ALLOW("faccessat"),
	FILTER_ALLOW("readlink"),
	FILTER_ALLOW("readlinkat"),
	FILTER_ALLOW("getdents64"),
	FILTER_ALLOW("getcwd"),
	FILTER_ALLOW("fcntl", FILTER_IS(1, F_GETFD)),
	FILTER_ALLOW("fcntl", FILTER_IS(1, F_SETFD)),
	FILTER_ALLOW("fcntl", FILTER_IS(1, F_GETFL)),
	FILTER_ALLOW("fcntl", FILTER_IS(1, F_DUPFD_CLOEXEC)),
	FILTER_ALLOW("dup"),

	/* The loop: waiting, signals as a descriptor, the calibrator's line, the output. */
	FILTER_ALLOW("poll"),
	FILTER_ALLOW("ppoll"),
	FILTER_ALLOW("epoll_wait"),
	FILTER_ALLOW("epoll_pwait"),
	FILTER_ALLOW("epoll_ctl"),
	FILTER_ALLOW("sendto", FILTER_IS_NULL(4)),
	FILTER_ALLOW("recvfrom"),
	FILTER_ALLOW("sendmsg"),
	FILTER_ALLOW("recvmsg"),
	FILTER_ALLOW("ioctl", FILTER_IS(1, TCGETS)), /* isatty, and what newer C libraries ask */
	FILTER_ALLOW("ioctl", FILTER_IS(1, 0x802c542a)),
	FILTER_ALLOW("ftruncate"),

	/* Children are reaped, processes asked for; links are dropped by threads. */
	FILTER_ALLOW("wait4"),
	FILTER_ALLOW("getpgid"),
	FILTER_ALLOW("kill", FILTER_IS(1, 0)),
	FILTER_ALLOW("clone", FILTER_WITH(0, CLONE_THREAD)),

#if defined(__SANITIZE_ADDRESS__)
	/* The leak check stops us from a process of its own, and looks where the stack lies. */
	FILTER_ALLOW("clone"),
	FILTER_ALLOW("ptrace"),
	FILTER_ALLOW("prctl"),
	FILTER_ALLOW("process_vm_readv"),
#endif
};

static const struct filter_call probes[] = {
	/* It is probed, by multi links or by perf events; libbpf tries what the kernel can. */
	ALLOW_BPF(BPF_MAP_CREATE),
	ALLOW_BPF(BPF_MAP_LOOKUP_ELEM),
	ALLOW_BPF(BPF_MAP_UPDATE_ELEM),
	ALLOW_BPF(BPF_MAP_DELETE_ELEM),
	ALLOW_BPF(BPF_MAP_GET_NEXT_KEY),
	ALLOW_BPF(BPF_MAP_LOOKUP_BATCH),
	ALLOW_BPF(BPF_PROG_LOAD),
	ALLOW_BPF(BPF_BTF_LOAD),
	ALLOW_BPF(BPF_OBJ_GET_INFO_BY_FD),
	ALLOW_BPF(BPF_LINK_CREATE),
	FILTER_ALLOW("perf_event_open"),
	FILTER_ALLOW("mmap", FILTER_WITHOUT(2, PROT_EXEC)), /* shared with the kernel, too */
	FILTER_ALLOW("ioctl", FILTER_IS(1, PERF_EVENT_IOC_SET_BPF)),
	FILTER_ALLOW("ioctl", FILTER_IS(1, PERF_EVENT_IOC_ENABLE)),
	FILTER_ALLOW("ioctl", FILTER_IS(1, PERF_EVENT_IOC_DISABLE)),
};

#define MAX_CALLS (NR(looks) + NR(probes) + 1 + PRIVILEGES_MAX_CHILDREN)

/* The tables, and what is for these processes alone. */
static int install(const struct privileges *p)
{
	struct filter_call all[MAX_CALLS];
	size_t n = NR(looks) + NR(probes);

	memcpy(all, looks, sizeof(looks));
	memcpy(all + NR(looks), probes, sizeof(probes));
	if (p->held)
		all[n++] = (struct filter_call)FILTER_ALLOW("ptrace", FILTER_IS(0, PTRACE_DETACH),
							    FILTER_IS(1, p->held));
	for (size_t i = 0; i < PRIVILEGES_MAX_CHILDREN; i++) {
		if (p->children[i])
			all[n++] = (struct filter_call)FILTER_ALLOW(
				"kill", FILTER_IS(0, p->children[i]), FILTER_IS(1, SIGKILL));
	}
	return filter_install(all, n);
}

int privileges_confine(const struct privileges *p, char *kept, size_t len)
{
	int err = drop_bounds();

	if (!err)
		err = drop_capabilities(p->by_perf_events, kept, len);
	return err ? err : install(p);
}

int privileges_confine_reader(void)
{
	int err = drop_bounds();

	if (!err)
		err = keep(0, 0);
	return err ? err : filter_install(looks, NR(looks));
}

int privileges_renounce(void)
{
	int err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : drop_bounds();

	return err ? err : keep(0, 0);
}
