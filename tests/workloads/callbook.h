/* SPDX-License-Identifier: MIT */
/*
 * What a process knows of its own calls: of each line that calls, how often and how many bytes.
 * Told by write(2), so that telling is no call itself, and in one piece, so that children may share
 * the output:
 *
 *	truth PID CALLS BYTES            all calls; the bytes that they asked for
 *	call PID NAME LINE COUNT BYTES   of one line; free: the bytes that it gave back
 */
#ifndef TESTS_WORKLOADS_CALLBOOK_H
#define TESTS_WORKLOADS_CALLBOOK_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BOOK_ROWS 24

enum book_call { BOOK_MALLOC, BOOK_CALLOC, BOOK_REALLOC, BOOK_FREE };

struct book {
	long calls, bytes;
	struct book_row {
		int call, line;
		long count, bytes;
	} rows[BOOK_ROWS];
};

static inline void book_add(struct book *b, int call, int line, long count, long bytes)
{
	struct book_row *r = b->rows;

	while (r->count && (r->line != line || r->call != call)) {
		if (++r == b->rows + BOOK_ROWS)
			abort();
	}
	r->call = call;
	r->line = line;
	r->count += count;
	r->bytes += bytes;
	b->calls += count;
	if (call != BOOK_FREE)
		b->bytes += bytes;
}

/* One call, made in the statement that counts it. */
static inline void counted(struct book *b, enum book_call call, int line, size_t bytes)
{
	book_add(b, (int)call, line, 1, (long)bytes);
}

static inline void book_merge(struct book *to, const struct book *from)
{
	for (const struct book_row *r = from->rows; r < from->rows + BOOK_ROWS && r->count; r++)
		book_add(to, r->call, r->line, r->count, r->bytes);
}

static inline int book_write(const char *text, int length)
{
	return write(STDOUT_FILENO, text, (size_t)length) == length ? 0 : -1;
}

static inline int book_tell(const struct book *b, long pid)
{
	static const char *const names[] = {"malloc", "calloc", "realloc", "free"};
	char text[4096];
	int used = snprintf(text, sizeof(text), "truth %ld %ld %ld\n", pid, b->calls, b->bytes);

	for (const struct book_row *r = b->rows; r < b->rows + BOOK_ROWS && r->count; r++)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "call %ld %s %d %ld %ld\n", pid, names[r->call], r->line, r->count,
				 r->bytes);
	return book_write(text, used);
}

#endif
