/*
 * Hides where the file lies and when it is read. The decisions:
 *
 * - The directory is held open, the file is not: the compiler may replace it. By the directory the
 *   last lines are found when the process has ended, and nobody can lead elsewhere by then.
 * - It is looked at before it is opened (regular.h has the reasons), and not through a link: the
 *   path is in a directory where anybody may put anything.
 * - It is looked at once a moment (perfmap_new), and only when somebody asks for a name: the
 *   compiler writes a line before it calls the code, so a look after a call finds its name, however
 *   short a time the code has been there.
 * - What was read stays when the file goes. One that is shorter than before, or another file, is
 *   read from its beginning, and what was known is forgotten.
 */
#include "sym/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE   (64u << 20)     /* bytes that are read of one file */
#define MAX_READ   (4u * MAX_FILE) /* and of all that a process has put there, one after another */
#define MAX_PARENT 8               /* forks whose names are still looked at */

struct perfmap {
	unsigned int users;
	pid_t pid;
	int directory; /* -1: the process has ended, or cannot be looked into */
	char name[32]; /* of the file */
	uid_t owner;   /* whom the process runs as */
	struct perfmaps *all;
	uint64_t looked; /* the moment of the last look */
	dev_t device;
	ino_t inode;
	uint64_t taken, total; /* bytes read of this file, of all */
	uint64_t readings;     /* that have brought something */
	bool anew;             /* nobody was told yet that all was forgotten */
	struct jit jit;
	struct perfmap *parent;
};

/* ---- the process ---- */

/* The user it runs as, and its number as it knows it itself. False when it is gone. */
static bool read_status(pid_t pid, uid_t *owner, int *inside)
{
	char path[64], line[256];
	unsigned int user;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		const char *last = strrchr(line, '\t');

		if (sscanf(line, "Uid: %*u %u", &user) == 1) {
			*owner = user;
			found = true;
		}
		if (!strncmp(line, "NSpid:", 6) && last)
			*inside = (int)strtol(last, NULL, 10);
	}
	fclose(file);
	return found;
}

static int depth(const struct perfmap *m)
{
	return m ? 1 + depth(m->parent) : 0;
}

struct perfmap *perfmap_restored(struct perfmaps *all, struct perfmap *parent)
{
	struct perfmap *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->users = 1;
	m->all = all;
	m->jit.room = &all->room;
	m->looked = all->moment - 1;
	m->parent = depth(parent) < MAX_PARENT ? perfmap_ref(parent) : NULL;
	m->directory = -1;
	return m;
}

struct perfmap *perfmap_new(pid_t pid, struct perfmaps *all, struct perfmap *parent)
{
	struct perfmap *m = perfmap_restored(all, parent);
	char path[64];
	int inside = pid;

	if (!m)
		return NULL;
	m->pid = pid;
	if (!read_status(pid, &m->owner, &inside))
		return m;
	snprintf(m->name, sizeof(m->name), "perf-%d.map", inside);
	snprintf(path, sizeof(path), "/proc/%d/root/tmp", pid);
	m->directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return m;
}

struct perfmap *perfmap_ref(struct perfmap *m)
{
	if (m)
		m->users++;
	return m;
}

static void let_go(struct perfmap *m)
{
	if (m->directory >= 0)
		close(m->directory);
	m->directory = -1;
}

void perfmap_unref(struct perfmap *m)
{
	while (m && !--m->users) {
		struct perfmap *parent = m->parent;

		let_go(m);
		jit_clear(&m->jit);
		free(m);
		m = parent;
	}
}

/* ---- the file ---- */

void perfmap_add(struct perfmap *m, bool anew, const char *bytes, size_t size)
{
	if (anew)
		jit_clear(&m->jit);
	jit_add(&m->jit, bytes, size);
	m->readings++;
}

static void add_and_tell(struct perfmap *m, const char *bytes, size_t size)
{
	perfmap_add(m, m->anew, bytes, size);
	if (m->all->tell)
		m->all->tell(m->all->tell_context, m->pid, m->anew, bytes, size);
	m->anew = false;
}

static void take(struct perfmap *m, int fd)
{
	char bytes[16384];
	ssize_t n;

	while (m->taken < MAX_FILE && m->total < MAX_READ &&
	       (n = pread(fd, bytes, sizeof(bytes), (off_t)m->taken)) > 0) {
		add_and_tell(m, bytes, (size_t)n);
		m->taken += (uint64_t)n;
		m->total += (uint64_t)n;
	}
}

/* `handle` is the file, not opened yet. */
static void open_and_take(struct perfmap *m, int handle)
{
	char self[64];
	int fd;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	take(m, fd);
	close(fd);
}

static void read_more(struct perfmap *m, int handle, const struct stat *st)
{
	if (st->st_dev != m->device || st->st_ino != m->inode || (uint64_t)st->st_size < m->taken) {
		m->anew = m->taken;
		m->device = st->st_dev;
		m->inode = st->st_ino;
		m->taken = 0;
	}
	if ((uint64_t)st->st_size != m->taken)
		open_and_take(m, handle);
	if (m->anew) /* and nothing has come since */
		add_and_tell(m, "", 0);
}

static void look(struct perfmap *m)
{
	struct stat st;
	int inside, handle;

	if (m->directory < 0)
		return;
	handle = openat(m->directory, m->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (handle < 0)
		return;
	if (!fstat(handle, &st) && S_ISREG(st.st_mode)) {
		read_status(m->pid, &m->owner, &inside); /* it may run as another one by now */
		if (st.st_uid == m->owner)
			read_more(m, handle, &st);
	}
	close(handle);
}

void perfmap_end(struct perfmap *m)
{
	look(m);
	let_go(m);
}

static void look_once(struct perfmap *m)
{
	if (m->directory < 0 || m->looked == m->all->moment)
		return;
	m->looked = m->all->moment;
	look(m);
}

uint64_t perfmap_readings(struct perfmap *m)
{
	uint64_t sum = 0;

	for (; m; m = m->parent) {
		look_once(m);
		sum += m->readings;
	}
	return sum;
}

const char *perfmap_find(struct perfmap *m, uint64_t address, uint64_t *start)
{
	const char *name = NULL;

	for (; m && !name; m = m->parent) {
		look_once(m);
		name = jit_find(&m->jit, address, start);
	}
	return name;
}

uint64_t perfmap_generation(const struct perfmap *m)
{
	uint64_t sum = 0;

	for (; m; m = m->parent)
		sum += m->jit.generation;
	return sum;
}
