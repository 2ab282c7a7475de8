// SPDX-License-Identifier: MIT
/*
 * Lines of /proc/PID/maps, whose paths the traced process chooses, and the raw paths of perf. A
 * line that is accepted is written again by this file and must read the same.
 */
#include "fuzz.h"

#include <inttypes.h>

#include "sym/proc.h"

/* As the kernel writes it: of a path only the newline is escaped. */
static char *write_line(const struct proc_mapping *m)
{
	size_t room = 4 * strlen(m->path) + 256;
	char *line = malloc(room);
	int n;

	if (!line)
		abort();
	n = snprintf(line, room, "%" PRIx64 "-%" PRIx64 " r-%c%c %08" PRIx64 " %02x:%02x %" PRIu64,
		     m->start, m->end, m->executable ? 'x' : '-', m->shared ? 's' : 'p', m->offset,
		     m->dev_major, m->dev_minor, m->inode);
	if (m->path[0] || m->deleted)
		line[n++] = ' ';
	for (const char *c = m->path; *c; c++)
		n += snprintf(line + n, room - (size_t)n, *c == '\n' ? "\\012" : "%c", *c);
	snprintf(line + n, room - (size_t)n, "%s\n", m->deleted ? " (deleted)" : "");
	return line;
}

static void check_same(const struct proc_mapping *a, const struct proc_mapping *b)
{
	fuzz_check(a->start == b->start && a->end == b->end && a->offset == b->offset,
		   "addresses are read as written");
	fuzz_check(a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
			   a->inode == b->inode,
		   "the file is read as written");
	fuzz_check(a->executable == b->executable && a->shared == b->shared,
		   "permissions are read as written");
	fuzz_check(a->deleted == b->deleted && !strcmp(a->path, b->path),
		   "the path is read as written");
}

static void check_line(char *line, size_t length)
{
	struct proc_mapping m, again;
	char *copy;

	if (proc_parse_mapping(line, &m))
		return;
	fuzz_check(m.start < m.end, "a mapping has bytes");
	fuzz_check(m.path >= line && m.path + strlen(m.path) <= line + length,
		   "the path lies in the line");
	/* An empty name that is deleted, or a padding inside what is left, the kernel never writes.
	 */
	if (m.path[0] == ' ' || m.path[0] == '\t' || strstr(m.path, "\\012"))
		return;
	copy = write_line(&m);
	fuzz_check(!proc_parse_mapping(copy, &again), "what was written is read");
	check_same(&m, &again);
	free(copy);
}

static void check_path(char *path)
{
	size_t length = strlen(path);
	struct proc_mapping m = {0};

	proc_mapping_set_path(&m, path);
	fuzz_check(m.path == path, "the path stays where it is");
	fuzz_check(strlen(path) == length - (m.deleted ? strlen(" (deleted)") : 0),
		   "the mark is cut off, and nothing else");
	fuzz_check(m.deleted || path[length] == '\0', "a path without the mark is kept");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size}, same = {data, size};
	char *line = fuzz_text(&in, size), *path = fuzz_text(&same, size);

	check_line(line, strlen(line));
	check_path(path);
	free(line);
	free(path);
	return 0;
}
