// SPDX-License-Identifier: MIT
/*
 * Allocates as three threads in turns, at random, and keeps its own books of each line: what
 * `hot`, `temporary`, `peak` and `sizes` tell, told by the program itself.
 *
 *	ledger [--wait] WITHIN [SEED]
 *
 * The threads are there before "ready PID", and one calls at a time: what is live at a moment, and
 * which call of its thread is the next one, is no question. Blocks are freed and resized by
 * whoever comes by. Prints, with LINE "all" for the sums, and fields as in struct row,
 *
 *	site LINE ALLOCATIONS … LARGEST
 *	life LINE FREED LOW HIGH LONGEST_LOW LONGEST_HIGH     ns; between these the true ones lie
 *	size MIN MAX ALLOCATIONS BYTES LIVE BYTES FREED TEMPORARY
 */
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "tally.h"

#define THREADS 3
#define ROUNDS  150
#define PLACES  40
#define LINES   32
#define CLASSES 66

/* What one line has come to; those of a block's end are counted where it came from. */
struct row {
	int line;
	long allocations, bytes, failed;
	long freed, elsewhere;
	long temporary; /* freed by the thread that had got it within WITHIN of its next calls */
	long reallocs, moved, moved_bytes, chain;
	long live, live_bytes;
	long at_peak, at_peak_bytes;
	long smallest, largest;
	uint64_t low, high, longest_low, longest_high;
};

struct class_sums {
	long allocations, bytes, live, live_bytes, freed, temporary;
};

struct piece {
	void *ptr;
	size_t size;
	struct row *row;
	int thread;
	long call, chain;
	uint64_t before_ns, after_ns; /* it was handed out in between */
};

static struct row rows[LINES], all;
static struct class_sums classes[CLASSES];
static struct piece places[PLACES];
static long within, calls[THREADS];
static int thread; /* whose turn it is */
static uint64_t before_ns;
static pthread_barrier_t barrier;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* To stand before a call, on its line. */
static void calling(void)
{
	before_ns = now_ns();
}

static struct row *row_of(int line)
{
	struct row *r = rows;

	while (r->line && r->line != line) {
		if (++r == rows + LINES)
			abort();
	}
	r->line = line;
	return r;
}

static struct class_sums *class_of(size_t size)
{
	int i = size ? 1 : 0;

	while (i > 0 && (size_t)1 << (i - 1) < size)
		i++;
	return &classes[i];
}

static void add(struct row *r, size_t size)
{
	long bytes = (long)size;

	r->smallest = !r->allocations || bytes < r->smallest ? bytes : r->smallest;
	r->largest = bytes > r->largest ? bytes : r->largest;
	r->allocations++;
	r->bytes += bytes;
	r->live++;
	r->live_bytes += bytes;
}

static void look_for_peak(void)
{
	if (all.live_bytes <= all.at_peak_bytes)
		return;
	all.at_peak = all.live;
	all.at_peak_bytes = all.live_bytes;
	for (struct row *r = rows; r < rows + LINES && r->line; r++) {
		r->at_peak = r->live;
		r->at_peak_bytes = r->live_bytes;
	}
}

/* A block as it is handed out. */
static void handed_out(struct piece *p, int line, size_t size, void *ptr)
{
	struct class_sums *c = class_of(size);

	*p = (struct piece){ptr, size, row_of(line), thread, calls[thread], 0, before_ns, now_ns()};
	if (!ptr)
		abort();
	add(p->row, size);
	add(&all, size);
	c->allocations++;
	c->bytes += (long)size;
	c->live++;
	c->live_bytes += (long)size;
	look_for_peak();
}

static void take(struct piece *p, int line, size_t size, void *ptr)
{
	calls[thread]++;
	handed_out(p, line, size, ptr);
}

static void end(struct row *r, const struct piece *p, bool temporary)
{
	uint64_t low = before_ns > p->after_ns ? before_ns - p->after_ns : 0;
	uint64_t high = now_ns() - p->before_ns;

	r->live--;
	r->live_bytes -= (long)p->size;
	r->freed++;
	r->elsewhere += p->thread != thread;
	r->temporary += temporary;
	r->low += low;
	r->high += high;
	r->longest_low = low > r->longest_low ? low : r->longest_low;
	r->longest_high = high > r->longest_high ? high : r->longest_high;
}

/* A block as it goes. */
static void went(struct piece *p)
{
	bool temporary = ++calls[thread] - p->call <= within && p->thread == thread;
	struct class_sums *c = class_of(p->size);

	end(p->row, p, temporary);
	end(&all, p, temporary);
	c->live--;
	c->live_bytes -= (long)p->size;
	c->freed++;
	c->temporary += temporary;
	p->ptr = NULL;
}

static void count_resized(struct row *r, bool moved, long copied, long chain)
{
	r->reallocs++;
	r->moved += moved;
	r->moved_bytes += moved ? copied : 0;
	r->chain = chain > r->chain ? chain : r->chain;
}

/* As realloc has returned it; its old block was at `old`. The call is one and not two. */
static void changed(struct piece *p, int line, size_t size, void *ptr, uintptr_t old)
{
	long copied = (long)(p->size < size ? p->size : size);
	bool moved = (uintptr_t)ptr != old;
	long chain = p->chain + moved;

	went(p);
	handed_out(p, line, size, ptr);
	p->chain = chain;
	count_resized(p->row, moved, copied, chain);
	count_resized(&all, moved, copied, chain);
}

static void failed(int line, const void *ptr)
{
	if (ptr)
		abort();
	row_of(line)->failed++;
	all.failed++;
}

/* ---- what a thread does at a turn ---- */

static TRACED void fill(struct piece *p)
{
	size_t n = next_size();
	void *q = NULL;

	switch (next_random() % 6) {
	case 0:
		calling(), q = malloc(n), take(p, __LINE__, n, q);
		break;
	case 1:
		calling(), q = calloc(2, n), take(p, __LINE__, 2 * n, q);
		break;
	case 2:
		calling(), q = realloc(NULL, n), take(p, __LINE__, n, q);
		break;
	case 3:
		calling(), q = aligned_alloc(64, n), take(p, __LINE__, n, q);
		break;
	case 4:
		calling(), q = malloc(zero), take(p, __LINE__, 0, q);
		break;
	default:
		n = 16 + n % 16; /* to grow */
		calling(), q = malloc(n), take(p, __LINE__, n, q);
	}
}

static TRACED void resize(struct piece *p)
{
	uintptr_t old = (uintptr_t)p->ptr;
	size_t n = p->size > 200000 ? 24 : p->size * 2 + 40;
	void *q;

	if (next_random() % 8 == 0) {
		q = realloc(p->ptr, impossible), failed(__LINE__, q);
	} else if (next_random() % 8 == 0) {
		n = p->size / 2 + 1;
		calling(), q = realloc(p->ptr, n), changed(p, __LINE__, n, q, old);
	} else {
		calling(), q = realloc(p->ptr, n), changed(p, __LINE__, n, q, old);
	}
}

static TRACED void visit(struct piece *p)
{
	uint64_t what = next_random() % 8;

	if (!p->ptr) {
		fill(p);
	} else if (what < 5) {
		resize(p);
	} else if (what == 5 && p->size) {
		calling(), free(NULL), p->ptr = realloc(p->ptr, zero), went(p);
	} else {
		calling(), free(p->ptr), went(p);
	}
}

/* With calls in between that are none. */
static TRACED void brief(void)
{
	struct piece p;
	void *q;

	calling(), q = malloc(77), take(&p, __LINE__, 77, q);
	free(NULL);
	q = malloc(impossible), failed(__LINE__, q);
	calling(), free(p.ptr), went(&p);
}

/* The outer one goes with the third call after its own. */
static TRACED void nested(void)
{
	struct piece outer, inner;
	void *q;

	calling(), q = malloc(88), take(&outer, __LINE__, 88, q);
	calling(), q = calloc(1, 99), take(&inner, __LINE__, 99, q);
	calling(), free(inner.ptr), went(&inner);
	calling(), free(outer.ptr), went(&outer);
}

static void turn(void)
{
	for (int i = 0; i < 6; i++)
		visit(&places[next_random() % PLACES]);
	if (next_random() % 2)
		brief();
	else
		nested();
}

static void take_turns(int own)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (i % THREADS == own) {
			thread = own;
			turn();
		}
		pthread_barrier_wait(&barrier);
	}
}

/* It does not end: the C library would free something. */
static void *other_thread(void *own)
{
	pthread_barrier_wait(&barrier);
	take_turns((int)(intptr_t)own);
	for (;;)
		pause();
	return NULL;
}

static void print_row(const char *name, const struct row *r)
{
	printf("site %s %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld\n", name,
	       r->allocations, r->bytes, r->failed, r->freed, r->elsewhere, r->temporary,
	       r->reallocs, r->moved, r->moved_bytes, r->chain, r->live, r->live_bytes, r->at_peak,
	       r->at_peak_bytes, r->smallest, r->largest);
	if (r->freed)
		printf("life %s %ld %llu %llu %llu %llu\n", name, r->freed,
		       (unsigned long long)r->low, (unsigned long long)r->high,
		       (unsigned long long)r->longest_low, (unsigned long long)r->longest_high);
}

static void print(void)
{
	char name[16];

	print_row("all", &all);
	for (const struct row *r = rows; r < rows + LINES && r->line; r++) {
		snprintf(name, sizeof(name), "%d", r->line);
		print_row(name, r);
	}
	for (int i = 0; i < CLASSES; i++) {
		const struct class_sums *c = &classes[i];

		if (c->allocations)
			printf("size %lu %lu %ld %ld %ld %ld %ld %ld\n",
			       i < 2 ? (unsigned long)i : (1UL << (i - 2)) + 1,
			       i ? 1UL << (i - 1) : 0, c->allocations, c->bytes, c->live,
			       c->live_bytes, c->freed, c->temporary);
	}
}

int main(int argc, char **argv)
{
	pthread_t other;

	buffer_output();
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (intptr_t i = 1; i < THREADS; i++) {
		if (pthread_create(&other, NULL, other_thread, (void *)i))
			return 1;
	}
	wait_if_asked(&argc, &argv);
	within = argc > 1 ? atol(argv[1]) : 1;
	tally_random += argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	pthread_barrier_wait(&barrier);
	take_turns(0);
	print();
	return fflush(stdout) ? 1 : 0;
}
