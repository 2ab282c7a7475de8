// SPDX-License-Identifier: MIT
/*
 * Truth about allocator calls: four threads, ten functions, every call at a line of its own.
 *
 *	threads [--wait] [ROUNDS]
 *
 *	ready PID                       with --wait: goes on at a line or the end of stdin
 *	truth malloc.count=120          per function: count, bytes, failed, freed, null
 *	truth live.blocks=17            what is leaked on purpose, by all functions together
 *	line malloc threads.c 123 40    CALL FILE LINE COUNT: calls made at that line
 *	thread TID CALLS                one row per thread
 *
 * A block is passed to the next thread and freed, or moved by realloc, there. Blocks are small,
 * large and so large that they are mapped, so that threads get at each other's addresses.
 *
 * Between "ready" and the end nothing is called but what is counted: the threads are there before,
 * they do not end, and stdout has a static buffer. A call is counted within the statement that
 * makes it, all on one line.
 */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS    4
#define MAX_SITES  64
#define SLOTS      64 /* of a mailbox */
#define LEAK_EVERY 32
#define MOVE_EVERY 4

enum call {
	MALLOC,
	CALLOC,
	REALLOC,
	REALLOCARRAY,
	FREE,
	POSIX_MEMALIGN,
	ALIGNED_ALLOC,
	MEMALIGN,
	VALLOC,
	PVALLOC,
	NR_CALLS,
};

static const char *const names[NR_CALLS] = {
	"malloc",         "calloc",        "realloc",  "reallocarray", "free",
	"posix_memalign", "aligned_alloc", "memalign", "valloc",       "pvalloc",
};

struct tally {
	long count, bytes, failed;
	long freed; /* realloc to size 0 */
	long null;  /* free(NULL) */
};

struct site {
	enum call call;
	int line;
	long count;
};

struct block {
	void *ptr;
	size_t size;
};

struct box {
	pthread_mutex_t lock;
	struct block slots[SLOTS];
	unsigned head, tail;
};

struct thread {
	pthread_t handle;
	pid_t tid;
	uint64_t random;
	unsigned passed, received;
	struct tally tallies[NR_CALLS];
	struct site sites[MAX_SITES];
	long live_blocks, live_bytes; /* of one thread alone: may be negative */
	long handed, foreign;         /* blocks passed on, blocks freed or moved for another */
	struct box box;
	struct thread *next;
};

static struct thread threads[THREADS];
static pthread_barrier_t start, done;
static atomic_int producing = THREADS;
static long rounds = 100;

/* Volatile: the compiler must neither warn about them nor know how the calls will end. */
static volatile size_t impossible = (size_t)1 << 62;
static volatile size_t half_impossible = (size_t)1 << 31;
static volatile size_t overflowing = SIZE_MAX / 2;
static volatile size_t no_alignment = 3;
static volatile size_t zero;

static struct tally *called(struct thread *t, enum call call, int line)
{
	struct site *s = t->sites;

	while (s->count && (s->line != line || s->call != call)) {
		if (++s == t->sites + MAX_SITES)
			abort();
	}
	s->call = call;
	s->line = line;
	s->count++;
	t->tallies[call].count++;
	return &t->tallies[call];
}

static void made(struct thread *t, enum call call, int line, size_t size, void *ptr)
{
	struct tally *tally = called(t, call, line);

	if (!ptr) {
		tally->failed++;
		return;
	}
	tally->bytes += (long)size;
	t->live_blocks++;
	t->live_bytes += (long)size;
}

/* free, and the realloc that frees. */
static void gone(struct thread *t, enum call call, int line, struct block b)
{
	struct tally *tally = called(t, call, line);

	if (call == REALLOC)
		tally->freed++;
	else if (!b.ptr)
		tally->null++;
	if (!b.ptr)
		return;
	t->live_blocks--;
	t->live_bytes -= (long)b.size;
}

/* The block as it is after a realloc that returned ptr. */
static struct block resized(struct thread *t, enum call call, int line, struct block b, size_t size,
			    void *ptr)
{
	struct tally *tally = called(t, call, line);

	if (!ptr) {
		tally->failed++;
		return b;
	}
	tally->bytes += (long)size;
	t->live_bytes += (long)size - (long)b.size;
	return (struct block){ptr, size};
}

static uint64_t next_random(struct thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

/* Most small, some beyond what a thread caches, a few beyond what a heap holds. */
static size_t next_size(struct thread *t)
{
	uint64_t r = next_random(t);

	if (r % 64 == 0)
		return 150000 + r / 64 % 100000;
	if (r % 4 == 0)
		return 1100 + r / 64 % 6000;
	return 1 + r / 64 % 600;
}

static bool post(struct box *box, struct block b)
{
	bool room;

	pthread_mutex_lock(&box->lock);
	room = box->tail - box->head < SLOTS;
	if (room)
		box->slots[box->tail++ % SLOTS] = b;
	pthread_mutex_unlock(&box->lock);
	return room;
}

static bool fetch(struct box *box, struct block *b)
{
	bool any;

	pthread_mutex_lock(&box->lock);
	any = box->tail != box->head;
	if (any)
		*b = box->slots[box->head++ % SLOTS];
	pthread_mutex_unlock(&box->lock);
	return any;
}

/* One block of the thread before: moved now and then, freed always. */
static bool receive(struct thread *t)
{
	struct block b;
	size_t n;
	void *p;

	if (!fetch(&t->box, &b))
		return false;
	if (t->received++ % MOVE_EVERY == 0) {
		n = 2 * b.size + 64;
		p = realloc(b.ptr, n), b = resized(t, REALLOC, __LINE__, b, n, p);
	}
	free(b.ptr), gone(t, FREE, __LINE__, b);
	t->foreign++;
	return true;
}

/* To the next thread, or to nobody: those are the leaks. */
static void pass_on(struct thread *t, void *ptr, size_t size)
{
	if (!ptr)
		return;
	memset(ptr, 0x5a, size);
	if (t->passed++ % LEAK_EVERY == LEAK_EVERY - 1)
		return;
	t->handed++;
	while (!post(&t->next->box, (struct block){ptr, size})) {
		if (!receive(t))
			sched_yield();
	}
}

static void plain_calls(struct thread *t)
{
	size_t n = next_size(t), m = 1 + n % 7;
	void *p;

	p = malloc(n), made(t, MALLOC, __LINE__, n, p);
	pass_on(t, p, n);
	n = next_size(t);
	p = calloc(m, n), made(t, CALLOC, __LINE__, m * n, p);
	pass_on(t, p, m * n);
	p = malloc(zero), made(t, MALLOC, __LINE__, 0, p);
	pass_on(t, p, 0);
	p = malloc(impossible), made(t, MALLOC, __LINE__, 0, p);
	p = calloc(half_impossible, half_impossible), made(t, CALLOC, __LINE__, 0, p);
	p = calloc(overflowing, 3), made(t, CALLOC, __LINE__, 0, p);
	free(NULL), gone(t, FREE, __LINE__, (struct block){NULL, 0});
}

static void resizing_calls(struct thread *t)
{
	struct block b = {NULL, 0};
	size_t n = next_size(t), m = 2 + n % 5;
	void *p;

	p = realloc(NULL, n), made(t, REALLOC, __LINE__, n, p);
	b = (struct block){p, n};
	n += next_size(t);
	p = realloc(b.ptr, n), b = resized(t, REALLOC, __LINE__, b, n, p);
	p = realloc(b.ptr, impossible), b = resized(t, REALLOC, __LINE__, b, 0, p);
	n = n / 2 + 1;
	p = realloc(b.ptr, n), b = resized(t, REALLOC, __LINE__, b, n, p);
	p = reallocarray(b.ptr, m, n), b = resized(t, REALLOCARRAY, __LINE__, b, m * n, p);
	p = reallocarray(b.ptr, overflowing, 3), b = resized(t, REALLOCARRAY, __LINE__, b, 0, p);
	p = reallocarray(b.ptr, half_impossible, half_impossible);
	b = resized(t, REALLOCARRAY, __LINE__ - 1, b, 0, p);
	pass_on(t, b.ptr, b.size);
	p = reallocarray(NULL, m, 24), made(t, REALLOCARRAY, __LINE__, m * 24, p);
	b = (struct block){p, m * 24};
	p = realloc(b.ptr, zero), gone(t, REALLOC, __LINE__, b);
	if (p)
		abort(); /* not glibc: all that follows would be wrong */
	p = realloc(NULL, zero), made(t, REALLOC, __LINE__, 0, p);
	pass_on(t, p, 0);
}

static void aligning_calls(struct thread *t)
{
	size_t n = next_size(t), align = (size_t)16 << n % 6;
	void *p = NULL;

	if (posix_memalign(&p, align, n)) /* two lines: the call's own is the first */
		p = NULL;
	made(t, POSIX_MEMALIGN, __LINE__ - 2, n, p);
	pass_on(t, p, n);
	p = NULL;
	if (!posix_memalign(&p, no_alignment, n))
		abort();
	made(t, POSIX_MEMALIGN, __LINE__ - 2, 0, NULL);
	n = align * (1 + n % 9);
	p = aligned_alloc(align, n), made(t, ALIGNED_ALLOC, __LINE__, n, p);
	pass_on(t, p, n);
	p = aligned_alloc(align, impossible), made(t, ALIGNED_ALLOC, __LINE__, 0, p);
	n = next_size(t);
	p = memalign(align, n), made(t, MEMALIGN, __LINE__, n, p);
	pass_on(t, p, n);
	p = memalign(align, impossible), made(t, MEMALIGN, __LINE__, 0, p);
	p = valloc(n), made(t, VALLOC, __LINE__, n, p);
	pass_on(t, p, n);
	p = valloc(impossible), made(t, VALLOC, __LINE__, 0, p);
	p = pvalloc(n), made(t, PVALLOC, __LINE__, n, p);
	pass_on(t, p, n);
	p = pvalloc(impossible), made(t, PVALLOC, __LINE__, 0, p);
}

static void *work(void *arg)
{
	struct thread *t = arg;

	t->tid = gettid();
	pthread_barrier_wait(&start); /* all are there, their numbers known */
	pthread_barrier_wait(&start); /* off */
	for (long i = 0; i < rounds; i++) {
		plain_calls(t);
		resizing_calls(t);
		aligning_calls(t);
		while (receive(t))
			;
	}
	producing--;
	/* A box may be full, and its filler waits: empty it until nobody fills any more. */
	while (receive(t) || producing)
		sched_yield();
	while (receive(t))
		;
	pthread_barrier_wait(&done);
	for (;;)
		pause(); /* the end of a thread may free: nobody ends before the program does */
	return NULL;
}

static void print_calls(void)
{
	long all = 0;

	for (int c = 0; c < NR_CALLS; c++) {
		struct tally sum = {0};

		for (int i = 0; i < THREADS; i++) {
			sum.count += threads[i].tallies[c].count;
			sum.bytes += threads[i].tallies[c].bytes;
			sum.failed += threads[i].tallies[c].failed;
			sum.freed += threads[i].tallies[c].freed;
			sum.null += threads[i].tallies[c].null;
		}
		all += sum.count;
		printf("truth %s.count=%ld\ntruth %s.bytes=%ld\n", names[c], sum.count, names[c],
		       sum.bytes);
		printf("truth %s.failed=%ld\n", names[c], sum.failed);
		printf("truth %s.freed=%ld\ntruth %s.null=%ld\n", names[c], sum.freed, names[c],
		       sum.null);
	}
	printf("truth calls=%ld\n", all);
}

static void print_lines(void)
{
	for (int i = 0; i < THREADS; i++) {
		for (struct site *s = threads[i].sites; s->count; s++)
			printf("line %s %s %d %ld\n", names[s->call],
			       strrchr("/" __FILE__, '/') + 1, s->line, s->count);
	}
}

static void print_truth(void)
{
	long blocks = 0, bytes = 0, foreign = 0;

	print_calls();
	print_lines();
	for (int i = 0; i < THREADS; i++) {
		long calls = 0;

		for (int c = 0; c < NR_CALLS; c++)
			calls += threads[i].tallies[c].count;
		printf("thread %d %ld\n", threads[i].tid, calls);
		blocks += threads[i].live_blocks;
		bytes += threads[i].live_bytes;
		foreign += threads[i].foreign;
	}
	printf("truth live.blocks=%ld\ntruth live.bytes=%ld\n", blocks, bytes);
	printf("truth foreign=%ld\n", foreign);
	/* Two names of one function look the same to whoever probes it. */
	printf("truth memalign_is_aligned_alloc=%d\n", (void *)memalign == (void *)aligned_alloc);
}

static void wait_for_line(void)
{
	char byte = 0;

	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

int main(int argc, char **argv)
{
	static char output[1 << 16];
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");

	if (argc > 1 + wait)
		rounds = atol(argv[1 + wait]);
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	pthread_barrier_init(&start, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		threads[i].random = 0x9e3779b97f4a7c15u * (unsigned)(i + 1);
		threads[i].next = &threads[(i + 1) % THREADS];
		pthread_mutex_init(&threads[i].box.lock, NULL);
	}
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i].handle, NULL, work, &threads[i]))
			return 1;
	}
	pthread_barrier_wait(&start);
	if (wait)
		wait_for_line();
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&done);
	print_truth();
	return fflush(stdout) ? 1 : 0;
}
