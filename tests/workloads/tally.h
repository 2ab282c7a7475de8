/* SPDX-License-Identifier: MIT */
/*
 * The books of a workload: what it called, at which line, and what it has not given back. A call is
 * counted on the line that makes it, or on the next one, which says so:
 *
 *	p = malloc(n), keep(made("malloc", __LINE__, n, p));
 *
 * Printed by tally_print, for one source file:
 *
 *	truth malloc.count=120              per call: count, bytes, failed, freed, null
 *	truth calls=500                     all of them
 *	truth live.blocks=17                and live.bytes: what is leaked on purpose
 *	line malloc arena.c 123 40 5120     CALL FILE LINE COUNT BYTES, made there or freed
 *	align memalign 64 9                 CALL ALIGN COUNT, of calls that ask for an alignment
 *
 * Nothing here allocates. Programs give stdout a static buffer, so that printf does not either.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TALLY_MAX  32
#define SITE_MAX   96
#define SLOTS      31 /* blocks that live at the same time */
#define LEAK_EVERY 32

/* The compiler must neither see through a function that is to be traced nor change its arguments.
 */
#define TRACED __attribute__((noipa))
#define UNUSED __attribute__((unused))

struct tally {
	const char *name;
	long count, bytes, failed;
	long freed; /* reallocations to nothing that freed */
	long null;  /* frees of NULL */
};

/* Also the rows of alignments: there line is the alignment. */
struct tally_row {
	const char *call;
	long key;
	long count, bytes;
};

struct block {
	void *ptr;
	size_t size;
};

static struct tally tallies[TALLY_MAX];
static struct tally_row tally_lines[SITE_MAX], tally_aligns[SITE_MAX];
static long tally_live_blocks, tally_live_bytes, tally_kept;
static uint64_t tally_random = 0x9e3779b97f4a7c15u;

/* Volatile: the compiler must not know how the calls will end. */
static volatile size_t impossible UNUSED = (size_t)1 << 62;
static volatile size_t overflowing UNUSED = SIZE_MAX / 2;
static volatile size_t zero UNUSED;

static void tally_row(struct tally_row *rows, const char *call, long key, long bytes)
{
	struct tally_row *row = rows;

	while (row->call && (row->key != key || strcmp(row->call, call))) {
		if (++row == rows + SITE_MAX)
			abort();
	}
	row->call = call;
	row->key = key;
	row->count++;
	row->bytes += bytes;
}

static struct tally *called(const char *call, int line, size_t size)
{
	struct tally *t = tallies;

	tally_row(tally_lines, call, line, (long)size);
	while (t->name && strcmp(t->name, call)) {
		if (++t == tallies + TALLY_MAX)
			abort();
	}
	t->name = call;
	t->count++;
	return t;
}

/* A block of that size; a call that returned NULL has failed. */
static UNUSED struct block made(const char *call, int line, size_t size, void *ptr)
{
	struct tally *t = called(call, line, ptr ? size : 0);

	if (!ptr) {
		t->failed++;
		return (struct block){NULL, 0};
	}
	t->bytes += (long)size;
	tally_live_blocks++;
	tally_live_bytes += (long)size;
	memset(ptr, 0x5a, size);
	return (struct block){ptr, size};
}

static UNUSED void gone(const char *call, int line, struct block b)
{
	struct tally *t = called(call, line, b.size);

	if (!b.ptr) {
		t->null++;
		return;
	}
	tally_live_blocks--;
	tally_live_bytes -= (long)b.size;
}

/* The block as it is after a reallocation that returned ptr. */
static UNUSED struct block resized(const char *call, int line, struct block b, size_t size,
				   void *ptr)
{
	struct tally *t = called(call, line, ptr ? size : 0);

	if (ptr) {
		t->bytes += (long)size;
		tally_live_bytes += (long)size - (long)b.size;
		return (struct block){ptr, size};
	}
	if (size) {
		t->failed++;
		return b;
	}
	t->freed++;
	tally_live_blocks--;
	tally_live_bytes -= (long)b.size;
	return (struct block){NULL, 0};
}

/* Within the arguments of a call: this alignment is asked for. */
static UNUSED size_t asking(const char *call, size_t align)
{
	tally_row(tally_aligns, call, (long)align, 0);
	return align;
}

static UNUSED uint64_t next_random(void)
{
	tally_random ^= tally_random << 13;
	tally_random ^= tally_random >> 7;
	tally_random ^= tally_random << 17;
	return tally_random;
}

static UNUSED size_t next_size(void)
{
	uint64_t r = next_random();

	return r % 8 == 0 ? 1100 + r / 64 % 20000 : 1 + r / 64 % 600;
}

/* Where the block is to be kept, whose former block is to be freed; NULL: for good, or no block. */
static UNUSED struct block *slot_for(struct block *slots, struct block b)
{
	if (!b.ptr || tally_kept++ % LEAK_EVERY == LEAK_EVERY - 1)
		return NULL;
	return &slots[next_random() % SLOTS];
}

static UNUSED void tally_print(const char *file)
{
	const char *base = strrchr(file, '/');
	long all = 0;

	base = base ? base + 1 : file;
	for (const struct tally *t = tallies; t < tallies + TALLY_MAX && t->name; t++) {
		all += t->count;
		printf("truth %s.count=%ld\ntruth %s.bytes=%ld\ntruth %s.failed=%ld\n", t->name,
		       t->count, t->name, t->bytes, t->name, t->failed);
		printf("truth %s.freed=%ld\ntruth %s.null=%ld\n", t->name, t->freed, t->name,
		       t->null);
	}
	for (const struct tally_row *r = tally_lines; r < tally_lines + SITE_MAX && r->call; r++)
		printf("line %s %s %ld %ld %ld\n", r->call, base, r->key, r->count, r->bytes);
	for (const struct tally_row *r = tally_aligns; r < tally_aligns + SITE_MAX && r->call; r++)
		printf("align %s %ld %ld\n", r->call, r->key, r->count);
	printf("truth calls=%ld\ntruth live.blocks=%ld\ntruth live.bytes=%ld\n", all,
	       tally_live_blocks, tally_live_bytes);
}

/* Says "WORD DETAIL" and goes on at a line or the end of standard input. */
static UNUSED void wait_for_line(const char *word, const char *detail)
{
	char byte = 0;

	printf("%s %s\n", word, detail);
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

/* Takes the switch from the front of the arguments, if it is there. */
static UNUSED int take_switch(int *argc, char ***argv, const char *name)
{
	if (*argc < 2 || strcmp((*argv)[1], name) != 0)
		return 0;
	--*argc, ++*argv;
	return 1;
}

/* With --wait in front: "ready PID". */
static UNUSED void wait_if_asked(int *argc, char ***argv)
{
	char pid[24];

	if (!take_switch(argc, argv, "--wait"))
		return;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	wait_for_line("ready", pid);
}

static UNUSED void buffer_output(void)
{
	static char output[1 << 14];

	setvbuf(stdout, output, _IOFBF, sizeof(output));
}

#endif
