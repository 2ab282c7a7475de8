// SPDX-License-Identifier: MIT
/*
 * Many allocations of few sizes, for statistics: the truth about all of them, and about what is
 * leaked on purpose.
 *
 *	sampled [--wait] mix COUNT     four threads, COUNT allocations each, of 16 to 100000 bytes
 *by several functions; freed by whoever comes next; then failing and empty calls, and leaks: many
 *small ones, one of 10 MiB sampled [--wait] chain COUNT   four threads, COUNT blocks each that grow
 *by realloc from 16 to some 200000 bytes, and are freed
 *
 *	ready PID                         with --wait: goes on at a line or the end of stdin
 *	call NAME COUNT BYTES FAILED      per function
 *	truth calls=N                     of all functions
 *	truth null=N                      free(NULL)
 *	thread TID SIZE COUNT             allocations that did not fail, realloc included
 *	leak ADDR SIZE LINE               never freed
 *
 * The threads are there before "ready", and end only with the program. Blocks from before are freed
 * after it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS     4
#define MAX_SIZES   64
#define SHELF       256 /* blocks that live at a time */
#define OLD_BLOCKS  300
#define SMALL_LEAKS 400
#define LEAK_SIZE   3000
#define LARGE_LEAK  (10 << 20)

enum call { MALLOC, CALLOC, REALLOC, POSIX_MEMALIGN, FREE, NR_CALLS };

static const char *const names[NR_CALLS] = {"malloc", "calloc", "realloc", "posix_memalign",
					    "free"};

struct leak {
	void *ptr;
	size_t size;
	int line;
};

/* What one thread did; the last one is main. */
struct worker {
	pid_t tid;
	uint64_t random;
	long null;
	struct {
		long count, bytes, failed;
	} calls[NR_CALLS];
	struct {
		size_t size;
		long count;
	} sizes[MAX_SIZES];
};

static struct worker workers[THREADS + 1];
static struct leak leaks[SMALL_LEAKS + 1];
static void *old_blocks[OLD_BLOCKS];
static _Atomic(void *) shelf[SHELF];
static pthread_barrier_t start, done;
static bool chains;
static long count = 1000;

/* Volatile: the compiler must not know how the calls will end. */
static volatile size_t impossible = (size_t)1 << 62;
static volatile size_t overflowing = SIZE_MAX / 2;
static volatile size_t zero;

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random >> 11;
}

/* Returns ptr. */
static void *made(struct worker *w, enum call call, size_t size, void *ptr)
{
	int i = 0;

	w->calls[call].count++;
	if (!ptr) {
		w->calls[call].failed++;
		return NULL;
	}
	w->calls[call].bytes += (long)size;
	while (w->sizes[i].count && w->sizes[i].size != size) {
		if (++i == MAX_SIZES)
			abort();
	}
	w->sizes[i].size = size;
	w->sizes[i].count++;
	return ptr;
}

static void give(struct worker *w, void *ptr)
{
	free(ptr);
	w->calls[FREE].count++;
	w->null += !ptr;
}

static size_t pick_size(struct worker *w)
{
	static const struct {
		unsigned int below;
		size_t size;
	} classes[] = {{200, 16}, {300, 100}, {360, 1000}, {390, 10000}, {400, 100000}};
	uint64_t r = next_random(w) % 400;
	int i = 0;

	while (r >= classes[i].below)
		i++;
	return classes[i].size;
}

static void *take(struct worker *w, size_t n)
{
	void *p = NULL;

	switch (next_random(w) % 8) {
	case 0:
		return made(w, CALLOC, n, calloc(n / 4, 4));
	case 1:
		return made(w, REALLOC, n, realloc(NULL, n));
	case 2:
		if (posix_memalign(&p, 64, n))
			p = NULL;
		return made(w, POSIX_MEMALIGN, n, p);
	default:
		return made(w, MALLOC, n, malloc(n));
	}
}

/* What it takes off the shelf may be another thread's. */
static void mix(struct worker *w)
{
	for (long i = 0; i < count; i++) {
		void *block = take(w, pick_size(w));

		block = atomic_exchange(&shelf[next_random(w) % SHELF], block);
		if (block)
			give(w, block);
	}
}

static void chain(struct worker *w)
{
	for (long i = 0; i < count; i++) {
		size_t n = 16;
		void *p = made(w, MALLOC, n, malloc(n));

		while (n < 200000) {
			n += n / 2;
			p = made(w, REALLOC, n, realloc(p, n));
		}
		give(w, p);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = gettid();
	pthread_barrier_wait(&start);
	(chains ? chain : mix)(w);
	pthread_barrier_wait(&done);
	for (;;)
		pause();
	return NULL;
}

static void odd_calls(struct worker *w)
{
	for (int i = 0; i < 10; i++) {
		void *p = made(w, MALLOC, 500, malloc(500));

		made(w, MALLOC, 0, malloc(impossible));
		made(w, CALLOC, 0, calloc(overflowing, 3));
		made(w, REALLOC, 0, realloc(p, impossible));
		give(w, p);
		give(w, NULL);
		give(w, made(w, MALLOC, 0, malloc(zero)));
	}
}

static void leave_leaks(struct worker *w)
{
	struct leak *l = leaks;

	for (; l < leaks + SMALL_LEAKS; l++) {
		l->ptr = made(w, MALLOC, LEAK_SIZE, malloc(LEAK_SIZE)), l->line = __LINE__;
		l->size = LEAK_SIZE;
	}
	l->ptr = made(w, MALLOC, LARGE_LEAK, malloc(LARGE_LEAK)), l->line = __LINE__;
	l->size = LARGE_LEAK;
}

static void finish_mix(struct worker *w)
{
	for (int i = 0; i < SHELF; i++) {
		if (shelf[i])
			give(w, shelf[i]);
	}
	odd_calls(w);
	leave_leaks(w);
}

static void print_truth(void)
{
	long all = 0, null = 0;

	for (int c = 0; c < NR_CALLS; c++) {
		long calls = 0, bytes = 0, failed = 0;

		for (struct worker *w = workers; w <= workers + THREADS; w++) {
			calls += w->calls[c].count;
			bytes += w->calls[c].bytes;
			failed += w->calls[c].failed;
		}
		all += calls;
		printf("call %s %ld %ld %ld\n", names[c], calls, bytes, failed);
	}
	for (struct worker *w = workers; w <= workers + THREADS; w++) {
		null += w->null;
		for (int i = 0; i < MAX_SIZES && w->sizes[i].count; i++)
			printf("thread %d %zu %ld\n", w->tid, w->sizes[i].size, w->sizes[i].count);
	}
	for (struct leak *l = leaks; l <= leaks + SMALL_LEAKS && l->ptr; l++)
		printf("leak %p %zu %d\n", l->ptr, l->size, l->line);
	printf("truth calls=%ld\ntruth null=%ld\n", all, null);
}

static void wait_for_line(void)
{
	char byte = 0;

	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

static bool make_threads(void)
{
	for (int i = 0; i <= THREADS; i++)
		workers[i].random = 0x9e3779b97f4a7c15u * (unsigned)(i + 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, &workers[i]))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static char output[1 << 16];
	struct worker *own = &workers[THREADS];
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	chains = argc > 1 + wait && !strcmp(argv[1 + wait], "chain");
	if (argc > 2 + wait)
		count = atol(argv[2 + wait]);
	pthread_barrier_init(&start, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	if (!make_threads())
		return 1;
	for (int i = 0; i < OLD_BLOCKS; i++)
		old_blocks[i] = malloc(100 + (size_t)i * 10);
	if (wait)
		wait_for_line();
	own->tid = gettid();
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&done);
	for (int i = 0; i < OLD_BLOCKS; i++)
		give(own, old_blocks[i]);
	if (!chains)
		finish_mix(own);
	print_truth();
	return fflush(stdout) ? 1 : 0;
}
