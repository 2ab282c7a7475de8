// SPDX-License-Identifier: MIT
/*
 * Output files are made 0600 and never through a symbolic link: a trace names what a process does,
 * and root writing through somebody's link would be a way in. Devices and pipes may be named
 * (/dev/stdout is a link, so write to standard output instead).
 */
#include "cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *path, FILE **file)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

	if (fd < 0)
		return -errno;
	*file = fdopen(fd, "w");
	if (*file)
		return 0;
	close(fd);
	return -ENOMEM;
}

int output_open(struct output *o, const char *path)
{
	*o = (struct output){.file = stdout, .name = path ? path : "standard output"};
	return path ? open_file(path, &o->file) : 0;
}

void output_begin(struct output *o)
{
	struct stat st;
	int fd = fileno(o->file);

	if (o->file != stdout && !fstat(fd, &st) && S_ISREG(st.st_mode) && ftruncate(fd, 0))
		o->error = errno;
}

bool output_flush(struct output *o)
{
	if (!o->error && (fflush(o->file) || ferror(o->file)))
		o->error = errno ? errno : EIO;
	return !o->error;
}

int output_close(struct output *o)
{
	if (!o->file)
		return 0;
	output_flush(o);
	if (o->file != stdout && fclose(o->file) && !o->error)
		o->error = errno;
	o->file = NULL;
	return -o->error;
}
