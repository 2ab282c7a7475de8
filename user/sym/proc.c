/*
 * Hides the text formats of /proc. The decisions:
 *
 * - Numbers are read by hand: strtol accepts signs, blanks and "0x", none of which the kernel
 *   writes.
 * - What a traced process can choose, its paths and its name, is never trusted: a mapped file is
 *   opened by whatever name is at hand, but used only when it is the inode that is mapped.
 */
#include "sym/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sym/regular.h"

#define DELETED " (deleted)"

/* From linux/sched.h, part of the kernel's interface through /proc/PID/stat. */
#define PF_KTHREAD 0x00200000

/* ---- numbers ---- */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 16;
}

/* Reads a number of `base` and the one character that must follow it; *s moves past both. */
static int take_number(char **s, unsigned int base, char follow, uint64_t *value)
{
	char *p = *s;
	uint64_t v = 0;

	for (; (unsigned int)digit_value(*p) < base; p++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (unsigned int)digit_value(*p), &v))
			return -EINVAL;
	if (p == *s || *p != follow)
		return -EINVAL;
	/* The caller may go on from a terminator: it stays on it. */
	*s = follow ? p + 1 : p;
	*value = v;
	return 0;
}

static int parse_pid(const char *name, pid_t *pid)
{
	char *s = (char *)name;
	uint64_t value;

	if (take_number(&s, 10, '\0', &value) || !value || value > INT_MAX)
		return -EINVAL;
	*pid = (pid_t)value;
	return 0;
}

/* ---- mappings ---- */

/*
 * In a maps file the kernel writes a newline as \012 and nothing else in that way, not even the
 * backslash. So only \012 is undone: a name that really holds "\040" stays as it is.
 */
static void undo_newlines(char *s)
{
	char *to = s;

	while (*s) {
		if (!strncmp(s, "\\012", 4)) {
			*to++ = '\n';
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

void proc_mapping_set_path(struct proc_mapping *m, char *path)
{
	size_t length = strlen(path), suffix = strlen(DELETED);

	m->path = path;
	m->deleted = length > suffix && !strcmp(path + length - suffix, DELETED);
	if (m->deleted)
		path[length - suffix] = '\0';
}

static int take_permissions(char **s, struct proc_mapping *m)
{
	const char *p = *s;

	if ((p[0] != 'r' && p[0] != '-') || (p[1] != 'w' && p[1] != '-') ||
	    (p[2] != 'x' && p[2] != '-') || (p[3] != 'p' && p[3] != 's') || p[4] != ' ')
		return -EINVAL;
	m->writable = p[1] == 'w';
	m->executable = p[2] == 'x';
	m->shared = p[3] == 's';
	*s += 5;
	return 0;
}

/* 7f01a000-7f01c000 r-xp 00026000 08:01 131	 /usr/lib/libc.so.6 */
int proc_parse_mapping(char *line, struct proc_mapping *m)
{
	uint64_t dev_major, dev_minor;
	char *s = line;

	*m = (struct proc_mapping){0};
	s[strcspn(s, "\n")] = '\0';
	if (take_number(&s, 16, '-', &m->start) || take_number(&s, 16, ' ', &m->end) ||
	    take_permissions(&s, m) || take_number(&s, 16, ' ', &m->offset) ||
	    take_number(&s, 16, ':', &dev_major) || take_number(&s, 16, ' ', &dev_minor))
		return -EINVAL;
	if (m->start >= m->end || dev_major > UINT32_MAX || dev_minor > UINT32_MAX)
		return -EINVAL;
	m->dev_major = (uint32_t)dev_major;
	m->dev_minor = (uint32_t)dev_minor;
	/* The inode is the last field of a line without a path, blank or end behind it. */
	if (take_number(&s, 10, ' ', &m->inode) && take_number(&s, 10, '\0', &m->inode))
		return -EINVAL;
	/* The kernel pads with blanks; a name in the list begins with '/' or '[', never a blank. */
	s += strspn(s, " \t");
	undo_newlines(s);
	proc_mapping_set_path(m, s);
	return 0;
}

/* A process that ends while it is read shows as one of these. */
static int process_error(int error)
{
	return error == ENOENT || error == ESRCH ? -ESRCH : -error;
}

static FILE *proc_fopen(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fopen(path, "re");
}

int proc_each_mapping(pid_t pid, proc_mapping_fn fn, void *ctx)
{
	FILE *file = proc_fopen(pid, "maps");
	struct proc_mapping m;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (!file)
		return process_error(errno);
	while (!err) {
		errno = 0;
		if (getline(&line, &size, file) < 0) {
			/* At the end of the file errno stays 0. */
			err = errno ? process_error(errno) : 0;
			break;
		}
		err = proc_parse_mapping(line, &m);
		if (!err)
			err = fn(&m, ctx);
	}
	free(line);
	fclose(file);
	return err;
}

/* ---- the mapped file ---- */

/*
 * Is this the mapped inode? The number alone is not enough: two disks made from one image agree in
 * paths and inodes. Yet btrfs and overlayfs give stat a device of their own for each subvolume or
 * mount, while the list of mappings names the file system below. Those devices have no driver,
 * major 0, and for them alone a difference is accepted.
 */
static bool is_mapped_inode(const struct stat *st, const struct proc_mapping *m)
{
	bool same_device = major(st->st_dev) == m->dev_major && minor(st->st_dev) == m->dev_minor;

	return st->st_ino == m->inode && (same_device || major(st->st_dev) == 0);
}

static int open_if_mapped(const char *path, const struct proc_mapping *m)
{
	struct stat st;
	int fd = regular_open(path, &st);

	if (fd < 0 || is_mapped_inode(&st, m))
		return fd;
	close(fd);
	return -ESTALE;
}

int proc_open_mapped(pid_t pid, const struct proc_mapping *m)
{
	char path[PATH_MAX + 64];
	int fd;

	if (!m->inode)
		return -ENOENT;
	/* The kernel's own link reaches deleted files too, but only for a privileged caller. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		 (unsigned long long)m->start, (unsigned long long)m->end);
	fd = open_if_mapped(path, m);
	if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
		return fd;
	if (m->path[0] != '/' || strlen(m->path) >= PATH_MAX)
		return -ENOENT;
	/* As the process sees it, so that a container's file is not taken for the host's. */
	snprintf(path, sizeof(path), "/proc/%d/root%s", pid, m->path);
	fd = open_if_mapped(path, m);
	if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
		return fd;
	return open_if_mapped(m->path, m);
}

/* ---- processes ---- */

int proc_comm(pid_t pid, char *buf, size_t len)
{
	FILE *file;
	size_t got;
	int err = 0;

	if (!len)
		return -EINVAL;
	buf[0] = '\0';
	file = proc_fopen(pid, "comm");
	if (!file)
		return process_error(errno);
	errno = 0;
	got = fread(buf, 1, len - 1, file);
	if (ferror(file))
		err = process_error(errno);
	buf[got] = '\0';
	/* The last newline is the kernel's, any other is part of the name. */
	if (got && buf[got - 1] == '\n')
		buf[got - 1] = '\0';
	fclose(file);
	return err;
}

bool proc_exists(pid_t pid)
{
	/* 0 and negative numbers would speak of process groups. */
	return pid > 0 && (!kill(pid, 0) || errno == EPERM);
}

/*
 * The state and the flags of a task: the first and the seventh field behind the name. The name
 * stands in parentheses and may hold blanks and parentheses itself, so the last one is where it
 * ends.
 */
static bool read_stat(pid_t pid, char *state, unsigned int *flags)
{
	FILE *file = proc_fopen(pid, "stat");
	char text[1024], *p;
	size_t got;

	if (!file)
		return false;
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[got] = '\0';
	p = strrchr(text, ')');
	/* ") S ppid pgrp session tty tpgid flags" */
	return p && sscanf(p, ") %c %*d %*d %*d %*d %*d %u", state, flags) == 2;
}

bool proc_is_kernel_thread(pid_t pid)
{
	unsigned int flags;
	char state;

	return read_stat(pid, &state, &flags) && flags & PF_KTHREAD;
}

static bool is_alive(pid_t tid)
{
	unsigned int flags;
	char state;

	return read_stat(tid, &state, &flags) && state != 'Z' && state != 'X';
}

pid_t proc_live_thread(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	pid_t tid = 0;
	DIR *dir;

	if (is_alive(pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!parse_pid(entry->d_name, &tid) && is_alive(tid))
			break;
		tid = 0;
	}
	if (dir)
		closedir(dir);
	return tid;
}

bool proc_is_thread(pid_t pid)
{
	FILE *file = proc_fopen(pid, "status");
	char *line = NULL;
	size_t size = 0;
	int tgid = pid;

	if (!file)
		return false;
	/* The kernel escapes a newline in the name, so no name can pose as this line. */
	while (getline(&line, &size, file) >= 0)
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	free(line);
	fclose(file);
	return tgid != pid;
}

int proc_each_process(int (*fn)(pid_t pid, void *ctx), void *ctx)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int err = 0;
	pid_t pid;

	if (!dir)
		return -errno;
	while (!err) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			err = -errno;
			break;
		}
		if (!parse_pid(entry->d_name, &pid))
			err = fn(pid, ctx);
	}
	closedir(dir);
	return err;
}

/* ---- memory ---- */

/* Where the allocator's blocks can lie: the heap of brk, and what mmap gives without a file. */
static int add_anonymous(const struct proc_mapping *m, void *ctx)
{
	bool named = m->path[0] && strcmp(m->path, "[heap]") && strncmp(m->path, "[anon", 5);

	if (m->writable && !m->shared && !m->inode && !named)
		((struct proc_memory *)ctx)->anonymous += m->end - m->start;
	return 0;
}

int proc_memory(pid_t pid, struct proc_memory *memory)
{
	char line[256];
	unsigned long kib;
	FILE *file;
	int err;

	*memory = (struct proc_memory){0};
	err = proc_each_mapping(pid, add_anonymous, memory);
	if (err)
		return err;
	file = proc_fopen(pid, "status");
	if (!file)
		return process_error(errno);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmRSS: %lu", &kib) == 1)
			memory->rss = (uint64_t)kib << 10;
		if (sscanf(line, "RssAnon: %lu", &kib) == 1)
			memory->resident = (uint64_t)kib << 10;
	}
	fclose(file);
	return 0;
}
