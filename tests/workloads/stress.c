// SPDX-License-Identifier: MIT
/*
 * Work for hours: eight threads call seven functions as fast as they can, and look at every byte.
 *
 *	stress [--wait] ROUNDS [SEED]
 *
 *	ready PID               with --wait: goes on at a line of stdin
 *	truth malloc.count=120  per function
 *	truth calls=500         all of them, since "ready"
 *	truth rounds=100        blocks that have lived
 *	truth sum=1f2e3d4c      of all that was ever read back
 *	truth wrong=0           bytes, alignments and results that were not as they should be
 *	state probed=1          whether a function's code is not as it lies on disk
 *
 * ROUNDS 0: until the next line. Then it waits for the end of stdin, works a little more, and ends
 * with 0 if nothing was wrong:
 *
 *	truth after.sum=5a6b    and after.wrong
 *	truth bytes-intact=1    the code is as it lies on disk
 *
 * A round is the birth of a block: its number and the seed tell which function makes it, how large
 * it is, what lies in it, and how often it is resized before it is freed. Rounds are handed out to
 * the threads one by one; a block lies in a table until another, of any thread, wants its place,
 * and is then resized or freed by that thread. So at most SLOTS + THREADS blocks live, most are
 * freed by others, and all that is printed but "ready" and "state" depends on ROUNDS and SEED
 * alone, however the threads run.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define THREADS      8
#define SLOTS        4096
#define ENDLESS      (UINT64_C(1) << 62)
#define AFTER_ROUNDS 20000
#define PATIENCE_S   60 /* until the kernel has taken all breakpoints away */

enum call {
	MALLOC,
	CALLOC,
	REALLOC,
	REALLOCARRAY,
	FREE,
	POSIX_MEMALIGN,
	ALIGNED_ALLOC,
	NR_CALLS,
};

static const char *const names[NR_CALLS] = {
	"malloc", "calloc", "realloc", "reallocarray", "free", "posix_memalign", "aligned_alloc",
};

/* At the start of every block. */
struct block {
	uint64_t tag;
	uint32_t words; /* that follow */
	uint32_t step;  /* how often it was resized */
	uint64_t content[];
};

struct books {
	uint64_t calls[NR_CALLS];
	uint64_t sum, wrong;
};

static _Atomic(struct block *) slots[SLOTS];
static _Atomic uint64_t next_round;
static uint64_t end_round, seed = 1;
static pthread_barrier_t start, done;
static struct books books[THREADS + 1]; /* the last are the main thread's */

/* The compiler must not know how the calls will end. */
static volatile size_t impossible = (size_t)1 << 62;

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* What becomes of a block, in three numbers: of its kind, its size and its content. */
static uint64_t fate(uint64_t tag, uint64_t of)
{
	return mix(mix(tag + seed * UINT64_C(0x9e3779b97f4a7c15)) + of);
}

enum { FATE_KIND = 1, FATE_SIZE = 100, FATE_CONTENT = 200, FATE_PLACE = 300 };

static uint32_t words_of(uint64_t tag, uint32_t step)
{
	uint64_t r = fate(tag, FATE_SIZE + step);

	if (r % 512 == 0)
		return (uint32_t)(16000 + r / 512 % 8000); /* mapped by itself, at first */
	if (r % 16 == 0)
		return (uint32_t)(130 + r / 512 % 900);
	return (uint32_t)(1 + r / 512 % 70);
}

/* How often it will be resized. */
static uint32_t steps_of(uint64_t tag)
{
	static const uint32_t steps[] = {0, 0, 1, 3};

	return steps[fate(tag, FATE_KIND) >> 32 & 3];
}

static size_t size_of(uint32_t words)
{
	return sizeof(struct block) + words * sizeof(uint64_t);
}

static void *called(struct books *k, enum call call, void *ptr)
{
	k->calls[call]++;
	return ptr;
}

static void fill(struct block *b, uint64_t tag, uint32_t step)
{
	uint64_t x = fate(tag, FATE_CONTENT + step);

	b->tag = tag;
	b->step = step;
	b->words = words_of(tag, step);
	for (uint32_t i = 0; i < b->words; i++)
		b->content[i] = x += UINT64_C(0x9e3779b97f4a7c15);
}

/* The first words of a block that was filled, `words` of them; the sum of blocks has no order. */
static void verify(struct books *k, const struct block *b, uint64_t tag, uint32_t step,
		   uint32_t words)
{
	uint64_t x = fate(tag, FATE_CONTENT + step), sum = 0;

	for (uint32_t i = 0; i < words; i++) {
		x += UINT64_C(0x9e3779b97f4a7c15);
		k->wrong += b->content[i] != x;
		sum = sum * 31 + b->content[i];
	}
	k->sum += mix(sum + tag);
}

static void *born_clear(struct books *k, size_t size)
{
	unsigned char *p = called(k, CALLOC, calloc(size / 8, 8));

	for (size_t i = 0; p && i < size; i++)
		k->wrong += p[i] != 0;
	return p;
}

static void *born_aligned(struct books *k, size_t size, size_t align, bool posix)
{
	void *p = NULL;

	if (!posix) {
		p = called(k, ALIGNED_ALLOC, aligned_alloc(align, size));
	} else {
		k->wrong += posix_memalign(&p, align, size) != 0;
		called(k, POSIX_MEMALIGN, p);
	}
	k->wrong += (uintptr_t)p % align != 0;
	return p;
}

static void *born(struct books *k, uint64_t kind, size_t size)
{
	size_t align = (size_t)16 << (kind >> 8) % 6;

	switch (kind % 16) {
	case 0:
	case 1:
	case 2:
		return born_clear(k, size);
	case 3:
		return called(k, REALLOC, realloc(NULL, size));
	case 4:
		return called(k, REALLOCARRAY, reallocarray(NULL, size / 8, 8));
	case 5:
		return born_aligned(k, size, align, true);
	case 6:
		return born_aligned(k, (size + align - 1) / align * align, align, false);
	default:
		return called(k, MALLOC, malloc(size));
	}
}

static void stop_here(const char *why)
{
	fprintf(stderr, "stress: %s\n", why);
	abort();
}

/* Calls that must fail, or do nothing, and leave everything as it is. */
static void odd_calls(struct books *k, uint64_t kind, struct block *b)
{
	if (kind >> 16 & 63)
		return;
	free(NULL), called(k, FREE, NULL);
	k->wrong += called(k, MALLOC, malloc(impossible)) != NULL;
	k->wrong += called(k, REALLOC, realloc(b, impossible)) != NULL;
}

static struct block *resize(struct books *k, struct block *old)
{
	uint64_t tag = old->tag;
	uint32_t step = old->step, before = old->words, after = words_of(tag, step + 1);
	size_t size = size_of(after);
	struct block *b;

	if (fate(tag, FATE_KIND) >> 40 & 1)
		b = called(k, REALLOC, realloc(old, size));
	else
		b = called(k, REALLOCARRAY, reallocarray(old, size / 8, 8));
	if (!b)
		stop_here("realloc found no memory");
	verify(k, b, tag, step, before < after ? before : after);
	fill(b, tag, step + 1);
	return b;
}

/* One step further in its life; NULL: it was the last. */
static struct block *age(struct books *k, struct block *b)
{
	if (b->words != words_of(b->tag, b->step))
		stop_here("the head of a block is not what it was");
	if (b->step < steps_of(b->tag))
		return resize(k, b);
	verify(k, b, b->tag, b->step, b->words);
	free(b), called(k, FREE, NULL);
	return NULL;
}

/* A block is put where it belongs; what lay there ages and goes elsewhere, if it lives on. */
static void settle(struct books *k, struct block *b)
{
	while (b) {
		b = atomic_exchange(&slots[fate(b->tag, FATE_PLACE + b->step) % SLOTS], b);
		if (b)
			b = age(k, b);
	}
}

static void live(struct books *k, uint64_t tag)
{
	uint64_t kind = fate(tag, FATE_KIND);
	struct block *b = born(k, kind, size_of(words_of(tag, 0)));

	if (!b)
		stop_here("there is no memory");
	fill(b, tag, 0);
	odd_calls(k, kind, b);
	settle(k, b);
}

static void *work(void *arg)
{
	struct books *k = arg;
	uint64_t round;

	for (;;) { /* the end of a thread may free: nobody ends before the program does */
		pthread_barrier_wait(&start);
		while ((round = atomic_fetch_add(&next_round, 1)) < end_round)
			live(k, round);
		pthread_barrier_wait(&done);
	}
	return NULL;
}

static bool read_line(void)
{
	char byte = 0;

	while (byte != '\n') {
		if (read(STDIN_FILENO, &byte, 1) != 1)
			return false;
	}
	return true;
}

/* All the rounds from `from` on; `to` 0: until there is a line. Returns where it ended. */
static uint64_t run(uint64_t from, uint64_t to)
{
	atomic_store(&next_round, from);
	end_round = to ? to : ENDLESS;
	pthread_barrier_wait(&start);
	if (!to) {
		read_line();
		to = atomic_fetch_add(&next_round, ENDLESS); /* those before are somebody's */
	}
	pthread_barrier_wait(&done);
	for (size_t i = 0; i < SLOTS; i++) {
		struct block *b = atomic_exchange(&slots[i], NULL);

		while (b)
			b = age(&books[THREADS], b);
	}
	return to;
}

/* Adds up what was done since the last time. */
static struct books collect(void)
{
	struct books all = {0};

	for (size_t i = 0; i <= THREADS; i++) {
		for (size_t c = 0; c < NR_CALLS; c++)
			all.calls[c] += books[i].calls[c];
		all.sum += books[i].sum;
		all.wrong += books[i].wrong;
	}
	memset(books, 0, sizeof(books));
	return all;
}

static void await_text(void)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (int tries = 0; tries < PATIENCE_S * 100 && !text_intact(); tries++)
		nanosleep(&pause, NULL);
}

static void tell(const struct books *k, uint64_t rounds)
{
	uint64_t calls = 0;

	for (size_t c = 0; c < NR_CALLS; c++) {
		calls += k->calls[c];
		printf("truth %s.count=%" PRIu64 "\n", names[c], k->calls[c]);
	}
	printf("truth rounds=%" PRIu64 "\ntruth sum=%" PRIx64 "\ntruth wrong=%" PRIu64 "\n", rounds,
	       k->sum, k->wrong);
	printf("state probed=%d\ntruth calls=%" PRIu64 "\n", !text_intact(), calls);
	fflush(stdout);
}

static void begin_threads(void)
{
	pthread_t thread;

	pthread_barrier_init(&start, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++) {
		if (pthread_create(&thread, NULL, work, &books[i]))
			stop_here("a thread cannot be made");
	}
}

int main(int argc, char **argv)
{
	static char output[4096];
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	uint64_t rounds = argc > 1 + wait ? strtoull(argv[1 + wait], NULL, 10) : 100000;
	struct books during, after;

	if (argc > 2 + wait)
		seed = strtoull(argv[2 + wait], NULL, 10);
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	begin_threads();
	if (wait) {
		printf("ready %ld\n", (long)getpid());
		fflush(stdout);
		read_line();
	}
	rounds = run(0, rounds);
	during = collect();
	tell(&during, rounds);
	while (read_line())
		;
	await_text();
	run(rounds, rounds + AFTER_ROUNDS);
	after = collect();
	printf("truth after.sum=%" PRIx64 "\ntruth after.wrong=%" PRIu64 "\n", after.sum,
	       after.wrong);
	printf("truth bytes-intact=%d\n", text_intact());
	return fflush(stdout) || during.wrong || after.wrong;
}
