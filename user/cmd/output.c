// SPDX-License-Identifier: MIT
/*
 * Output files are made 0600 and never through a symbolic link: a trace names what a process does,
 * and root writing through somebody's link would be a way in. Nor is written to what somebody else
 * has put there before us, in /tmp say: a file of his, where he could read it, or another name of a
 * file of ours. A file that is ours keeps its mode. Devices may be named (/dev/stdout is a link, so
 * write to standard output instead).
 */
#include "cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/spawn.h"

#define BUFFER_BYTES (256U << 10)

/* Under sudo, what belongs to the user who called it belongs to us. */
static bool is_ours(uid_t owner)
{
	const struct spawn_user caller = spawn_sudo_user();

	return owner == geteuid() || (caller.change && owner == caller.uid);
}

/* What speaks against writing there; NULL: nothing. */
static const char *objection(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return strerror(errno);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return NULL;
	if (!is_ours(st.st_uid))
		return "it belongs to another user, who could read what is written";
	return S_ISREG(st.st_mode) && st.st_nlink > 1 ? "the file has another name (a hard link)"
						      : NULL;
}

static int open_file(const char *path, FILE **file, const char **why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

	*why = fd < 0 ? strerror(errno) : objection(fd);
	*file = *why ? NULL : fdopen(fd, "w");
	if (*file)
		return 0;
	if (!*why)
		*why = "out of memory";
	if (fd >= 0)
		close(fd);
	return -EACCES;
}

/* A call with its whole stack takes some kilobytes. What a terminal is shown comes line by line. */
static void take_room(FILE *file)
{
	if (!isatty(fileno(file)))
		setvbuf(file, NULL, _IOFBF, BUFFER_BYTES);
}

int output_open(struct output *o, const char *path, const char **why)
{
	int err = 0;

	*o = (struct output){.file = stdout, .name = path ? path : "standard output"};
	if (path)
		err = open_file(path, &o->file, why);
	if (!err)
		take_room(o->file);
	return err;
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
