// SPDX-License-Identifier: MIT
/*
 * Calls an allocator that it borrows from a library, and gives the library back. It does what the
 * lines of its standard input say:
 *
 *	load LIBRARY    maps it, in a name space of its own: a copy of libc may serve as well
 *	work COUNT      so often malloc and free of the library
 *	drop            unmaps it
 *	await FILE TEXT until that text is in that file, for a minute at most
 *	end             as the end of standard input does
 *
 *	ready PID                        first of all
 *	did NUMBER WORD                  after each line, from 1
 *	truth PID CALLS BYTES            at the end, and its lines as in callbook.h; then "did
 *NUMBER end"
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "callbook.h"

#define AWAIT_STEP_NS 5000000L
#define AWAIT_STEPS   12000

static struct book own;
static struct {
	void *handle;
	void *(*malloc)(size_t);
	void (*free)(void *);
} lent;

static int load(const char *library)
{
	lent.handle = dlmopen(LM_ID_NEWLM, library, RTLD_NOW | RTLD_LOCAL);
	if (!lent.handle) {
		fprintf(stderr, "lender: %s\n", dlerror());
		return -1;
	}
	lent.malloc = (void *(*)(size_t))dlsym(lent.handle, "malloc");
	lent.free = (void (*)(void *))dlsym(lent.handle, "free");
	return lent.malloc && lent.free ? 0 : -1;
}

static int work(long count)
{
	if (!lent.handle)
		return -1;
	for (long i = 0; i < count; i++) {
		size_t n = 16 + (size_t)i % 700;
		void *p;

		p = lent.malloc(n), counted(&own, BOOK_MALLOC, __LINE__, n);
		lent.free(p), counted(&own, BOOK_FREE, __LINE__, n);
	}
	return 0;
}

static int drop(void)
{
	void *handle = lent.handle;

	lent.handle = NULL;
	return handle ? dlclose(handle) : -1;
}

static bool is_in(const char *path, const char *text)
{
	static char buf[1 << 20];
	size_t used = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && n > 0 && used < sizeof(buf)) {
		n = read(fd, buf + used, sizeof(buf) - used);
		used += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return memmem(buf, used, text, strlen(text));
}

static int await(char *path)
{
	char *text = strchr(path, ' ');

	if (!text)
		return -1;
	*text++ = '\0';
	for (int i = 0; !is_in(path, text); i++) {
		if (i == AWAIT_STEPS)
			return -1;
		nanosleep(&(struct timespec){.tv_nsec = AWAIT_STEP_NS}, NULL);
	}
	return 0;
}

static int obey(char *line)
{
	char *arg = strchr(line, ' ');

	if (arg)
		*arg++ = '\0';
	if (!strcmp(line, "load") && arg)
		return load(arg);
	if (!strcmp(line, "work") && arg)
		return work(atol(arg));
	if (!strcmp(line, "await") && arg)
		return await(arg);
	return strcmp(line, "drop") ? -1 : drop();
}

/* A line of standard input without its end; NULL: it has ended, or the line is too long. */
static char *next_line(void)
{
	static char line[4200];
	size_t used = 0;

	while (used < sizeof(line) && read(STDIN_FILENO, line + used, 1) == 1) {
		if (line[used] == '\n') {
			line[used] = '\0';
			return line;
		}
		used++;
	}
	return NULL;
}

int main(void)
{
	char *line;
	int done = 0;

	dprintf(STDOUT_FILENO, "ready %d\n", getpid());
	while ((line = next_line()) && strcmp(line, "end")) {
		if (obey(line))
			return 1;
		dprintf(STDOUT_FILENO, "did %d %s\n", ++done, line);
	}
	return book_tell(&own, getpid()) || dprintf(STDOUT_FILENO, "did %d end\n", ++done) < 0;
}
