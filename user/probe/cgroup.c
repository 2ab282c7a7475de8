// SPDX-License-Identifier: MIT
/* The level is the number of steps up to the mount point, which is where the inode number is the
 * root's. */
#include "probe/cgroup.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define ROOT_ID 1 /* of the cgroup at the top of the hierarchy */

static int inode_of(const char *path, uint64_t *inode)
{
	struct statfs fs;
	struct stat st;

	if (stat(path, &st) || statfs(path, &fs))
		return -errno;
	*inode = st.st_ino;
	return fs.f_type == CGROUP2_SUPER_MAGIC && S_ISDIR(st.st_mode) ? 0 : -ENOTSUP;
}

int cgroup_find(struct cgroup *c, const char *path)
{
	char *real = realpath(path, NULL);
	uint64_t above;
	int err;

	*c = (struct cgroup){0};
	if (!real)
		return -errno;
	err = inode_of(real, &c->id);
	above = c->id;
	while (!err && above != ROOT_ID) {
		char *slash = strrchr(real, '/');

		c->level++;
		if (!slash || slash == real)
			err = -ENOTSUP;
		else
			*slash = '\0';
		if (!err)
			err = inode_of(real, &above);
	}
	free(real);
	return err;
}
