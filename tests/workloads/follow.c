// SPDX-License-Identifier: MIT
/*
 * Reads a trace (-f json -o FILE) while it is being written, judges every line, and gives the disk
 * back behind itself, so that a trace may be longer than the disk is large. For the writer nothing
 * is different: it writes to a file, and nobody makes it wait.
 *
 *	follow FILE PID
 *
 * Goes on until the end of stdin, and from there to the end of the file. A line is right when it is
 * one JSON object and, if an event, one of that process with all that an event has. On stdout: the
 * lines that are not events, as they are, and the books of what was read:
 *
 *	{"type":"summary", …}
 *	{"type":"followed","lines":9,"events":7,"wrong":0,"bytes":1800,"most_kept":8192,
 *	 "calls":{"malloc":4,"free":3}}
 *
 * "most_kept" is how much of the file was ever on the disk. Its last part stays, behind a hole. The
 * first wrong line is told on stderr.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER    (4 << 20) /* more than the longest line */
#define KEEP      (1 << 20) /* of what was read */
#define GIVE_BACK (8 << 20) /* at once */
#define MAX_CALLS 64
#define MAX_DEPTH 16
#define PAUSE_MS  20

struct tally {
	char name[64];
	long count;
};

static struct tally calls[MAX_CALLS];
static long lines, events, wrong, most_kept;
static char of_process[32];

static const char *value(const char *p, int depth);

static const char *spaces(const char *p)
{
	return p + strspn(p, " \t");
}

/* Each returns what follows, or NULL where there is none of its kind. A line ends in a 0. */
static const char *string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < ' ')
			return NULL;
		if (*p != '\\')
			continue;
		if (!*++p || !strchr("\"\\/bfnrtu", *p))
			return NULL;
		if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") < 4)
			return NULL;
	}
	return p + 1;
}

static const char *number(const char *p)
{
	char *end;

	if (!isdigit((unsigned char)p[*p == '-']))
		return NULL;
	strtod(p, &end);
	return end;
}

static const char *word(const char *p)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < 3; i++) {
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	}
	return NULL;
}

/* What stands between the brackets, of an array or of an object. */
static const char *members(const char *p, char close, int depth)
{
	p = spaces(p + 1);
	if (*p == close)
		return p + 1;
	for (;;) {
		if (close == '}') {
			p = string(spaces(p));
			if (!p || *(p = spaces(p)) != ':')
				return NULL;
			p++;
		}
		p = value(spaces(p), depth + 1);
		if (!p)
			return NULL;
		p = spaces(p);
		if (*p == close)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

static const char *value(const char *p, int depth)
{
	if (depth > MAX_DEPTH)
		return NULL;
	switch (*p) {
	case '{':
		return members(p, '}', depth);
	case '[':
		return members(p, ']', depth);
	case '"':
		return string(p);
	case '-':
	case '0' ... '9':
		return number(p);
	default:
		return word(p);
	}
}

static void count_call(const char *name, size_t length)
{
	struct tally *t = calls;

	while (t->count && (strncmp(t->name, name, length) != 0 || t->name[length])) {
		if (++t == calls + MAX_CALLS)
			abort();
	}
	memcpy(t->name, name, length);
	t->count++;
}

/* An event of the process: its function, and all that no event lacks. */
static bool read_event(const char *line, const char *call)
{
	static const char *const fields[] = {"\"kind\":\"", "\"ts_ns\":", "\"tid\":", "\"comm\":\"",
					     "\"stack\":[{"};
	size_t length = strcspn(call, "\"");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!strstr(line, fields[i]))
			return false;
	}
	if (!strstr(line, of_process) || length >= sizeof(calls->name))
		return false;
	count_call(call, length);
	events++;
	return true;
}

static void judge(const char *line)
{
	static const char event[] = "{\"type\":\"event\",\"call\":\"";
	const char *end = *line == '{' ? value(line, 0) : NULL;
	bool right = end && !*end;

	lines++;
	if (right && !strncmp(line, event, sizeof(event) - 1))
		right = read_event(line, line + sizeof(event) - 1);
	else if (right)
		puts(line);
	if (!right && !wrong++)
		fprintf(stderr, "follow: line %ld is wrong: %.400s\n", lines, line);
}

/* All whole lines in the buffer; returns how many bytes they were. */
static size_t judge_lines(char *buffer, size_t used)
{
	char *at = buffer, *end;

	while ((end = memchr(at, '\n', used - (size_t)(at - buffer)))) {
		*end = '\0';
		if (strlen(at) != (size_t)(end - at))
			wrong++; /* a 0 in it */
		judge(at);
		at = end + 1;
	}
	return (size_t)(at - buffer);
}

/* What lies before `end` but for the last part of it. */
static void give_back(int fd, off_t end)
{
	static off_t given;
	off_t until = (end - KEEP) & ~(off_t)(KEEP - 1);
	struct stat st;

	if (!fstat(fd, &st) && st.st_blocks * 512L > most_kept)
		most_kept = st.st_blocks * 512L;
	if (until - given < GIVE_BACK)
		return;
	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, given, until - given))
		given = until;
}

static bool writer_has_ended(int wait_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, wait_ms) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* Returns the length of the file. */
static off_t follow(int fd)
{
	static char buffer[BUFFER];
	size_t used = 0, done;
	off_t at = 0;
	bool ended = false;
	ssize_t n;

	for (;;) {
		n = pread(fd, buffer + used, BUFFER - used, at);
		if (n < 0 || (!n && ended) || used == BUFFER)
			break;
		if (!n) {
			ended = writer_has_ended(PAUSE_MS);
			continue;
		}
		used += (size_t)n;
		at += n;
		done = judge_lines(buffer, used);
		used -= done;
		memmove(buffer, buffer + done, used);
		give_back(fd, at);
	}
	if (used) {
		wrong++;
		fprintf(stderr, "follow: the last line does not end\n");
	}
	return at;
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	off_t bytes;

	if (fd < 0) {
		fprintf(stderr, "follow: %s: %s\n", argc == 3 ? argv[1] : "FILE PID",
			strerror(errno));
		return 1;
	}
	snprintf(of_process, sizeof(of_process), "\"pid\":%s,", argv[2]);
	bytes = follow(fd);
	printf("{\"type\":\"followed\",\"lines\":%ld,\"events\":%ld,\"wrong\":%ld,\"bytes\":%lld,"
	       "\"most_kept\":%ld,\"calls\":{",
	       lines, events, wrong, (long long)bytes, most_kept);
	for (const struct tally *t = calls; t < calls + MAX_CALLS && t->count; t++)
		printf("%s\"%s\":%ld", t == calls ? "" : ",", t->name, t->count);
	puts("}}");
	return fflush(stdout) ? 1 : 0;
}
