/*
 * Hides how to look before one opens. To open a device can do harm (a watchdog starts, a tape is
 * rewound), and to open a FIFO can take for ever. O_PATH takes hold of a file without opening it;
 * what is opened then is that very file, whatever its name leads to by now.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif

#include "sym/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int regular_open(const char *path, struct stat *st)
{
	int err = 0, fd = -1, handle = open(path, O_PATH | O_CLOEXEC);
	char self[64];

	if (handle < 0)
		return -errno;
	if (fstat(handle, st))
		err = -errno;
	else if (!S_ISREG(st->st_mode))
		err = -EINVAL;
	if (err)
		goto out;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		err = -errno;
out:
	close(handle);
	return err ? err : fd;
}

bool regular_is_elf(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, "\177ELF", sizeof(magic));
}
