// SPDX-License-Identifier: MIT
/*
 * Hides which directories are good enough. What is read there is believed, so each of them, from
 * the user's own down, has to be ours, and not for others to write. Below that one no link is
 * followed, and each is looked at through the descriptor by which the next one is found: what
 * others do to the path meanwhile makes no difference.
 */
#include "cmd/cache.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* `fd`, or -1 after it was closed. */
static int if_ours(int fd)
{
	if (fd < 0 || is_ours(fd))
		return fd;
	close(fd);
	return -1;
}

/* The directory `name` in `parent`, which is closed and may be -1. */
static int descend(int parent, const char *name)
{
	int fd;

	if (parent < 0)
		return -1;
	(void)mkdirat(parent, name, 0700);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(parent);
	return if_ours(fd);
}

/* NULL and what is no absolute path lead nowhere. */
static int open_base(const char *path)
{
	if (!path || path[0] != '/')
		return -1;
	return if_ours(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int open_users(void)
{
	const char *set = getenv("XDG_CACHE_HOME");

	if (set && set[0] == '/')
		return open_base(set);
	return descend(open_base(getenv("HOME")), ".cache");
}

int cache_open_dir(const char *name)
{
	int fd = descend(descend(open_users(), "alloctrace"), name);

	if (fd < 0 && !geteuid())
		fd = descend(descend(open_base("/var/cache"), "alloctrace"), name);
	return fd;
}
