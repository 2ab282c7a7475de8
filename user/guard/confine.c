// SPDX-License-Identifier: MIT
/*
 * The user is nobody, which owns nothing, when we may change it; who runs alloctrace by
 * capabilities alone stays himself, and the filter of system calls has to do.
 */
#include "guard/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <fcntl.h>
#include <unistd.h>

#include "guard/filter.h"

#define NOBODY 65534
#define MAX_MEMORY                                                                    \
	(1ULL << 30) /* files are read into it: no larger debug information has lines \
		      */

/* Down, never up; without an error where it is lower already. */
static int limit(int resource, rlim_t value)
{
	struct rlimit l;

	if (getrlimit(resource, &l))
		return -errno;
	if (l.rlim_max == RLIM_INFINITY || l.rlim_max > value)
		l.rlim_max = value;
	l.rlim_cur = l.rlim_max;
	return setrlimit(resource, &l) ? -errno : 0;
}

/* A quarter of what the machine has, or what the caller was given to map in all, if that is less.
 */
static rlim_t memory_limit(void)
{
	rlim_t bytes = (rlim_t)sysconf(_SC_PHYS_PAGES) * (rlim_t)sysconf(_SC_PAGESIZE) / 4;
	struct rlimit mapped;

	if (bytes > MAX_MEMORY)
		bytes = MAX_MEMORY;
	if (!getrlimit(RLIMIT_AS, &mapped) && mapped.rlim_cur < bytes)
		bytes = mapped.rlim_cur;
	return bytes;
}

static int limit_all(void)
{
	struct rlimit files;
	int err;

	/* One descriptor a mapped file: all that may be had. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* nobody's other processes count, and ours are not to wait for them */
	(void)setrlimit(RLIMIT_NPROC, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	err = limit(RLIMIT_CORE, 0);
	if (!err && !CONFINE_SANITIZED)
		err = limit(RLIMIT_DATA, memory_limit());
	return err;
}

/* What may be changed is asked for, not who we are: root may have been left without. */
static bool can_be_nobody(void)
{
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) > 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) > 0;
}

static int drop_user(void)
{
	unsigned int flags = CAPNG_DROP_SUPP_GRP;
	bool change;

	if (capng_get_caps_process())
		return -EPERM;
	change = can_be_nobody();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) > 0)
		flags |= CAPNG_CLEAR_BOUNDING;
	capng_clear(CAPNG_SELECT_ALL);
	/* There is no such user in a user namespace that does not map it. */
	if (change && !capng_change_id(NOBODY, NOBODY, (capng_flags_t)flags))
		return 0;
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT) ? -EPERM : 0;
}

static struct filter_code worker_filter;

static int make_filter(void)
{
	static const struct filter_call calls[] = {
		FILTER_ALLOW("pread64"),
		FILTER_ALLOW("lseek"),
		FILTER_ALLOW("fstat"),
		FILTER_ALLOW("newfstatat", FILTER_WITH(3, AT_EMPTY_PATH)),
		FILTER_ALLOW("fcntl", FILTER_IS(1, F_GETFL)),
		FILTER_ALLOW("fcntl", FILTER_IS(1, F_GETFD)),
		FILTER_ALLOW("sendmsg"),
		FILTER_ALLOW("recvmsg"),
		FILTER_ALLOW("setitimer"),
	};

	return filter_compile(&worker_filter, calls, sizeof(calls) / sizeof(calls[0]));
}

int confine_keeper(void)
{
	int err = make_filter();

	if (!err)
		err = limit_all();
	if (!err)
		err = drop_user();
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	/* Others that are nobody may not look into it either. */
	if (!err && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	return err;
}

int confine_worker(void)
{
	return filter_apply(&worker_filter);
}

bool confine_has_room(unsigned int part)
{
	size_t bytes = memory_limit() / part;
	void *at;

	if (CONFINE_SANITIZED)
		return true;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return false;
	munmap(at, bytes);
	return true;
}
