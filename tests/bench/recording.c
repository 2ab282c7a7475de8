// SPDX-License-Identifier: MIT
/*
 * What a recording costs: bytes an event on disk, and time an event to write and to read.
 *
 *	recording [EVENTS [THREADS]]
 *
 * The events are made up after what programs do: loops of some calls of malloc and free from a few
 * hundred stacks, whose sizes mostly depend on the stack alone; blocks that are soon freed and come
 * again by size, last out first in; gaps and latencies that scatter over two powers of ten. One
 *line on standard output: "events N stacks N threads N bytes_per_event B write_ns NS read_ns NS",
 *the times of the fastest of five rounds, in processor time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recording/reader.h"
#include "recording/writer.h"

#define ROUNDS  5
#define STACKS  400
#define CLASSES 64 /* of 16 bytes */
#define LIVE    4096
#define LOOP    40 /* calls, at most */

struct block {
	uint64_t addr;
	unsigned int class;
};

struct program {
	uint64_t state, now, top;
	struct block live[LIVE]; /* the last ones are freed first, mostly */
	unsigned int live_count;
	uint64_t freed[CLASSES][64];
	unsigned int freed_count[CLASSES];
	unsigned int loop[LOOP], loop_length, at, turns;
	unsigned int threads;
	bool told[STACKS];
	struct event event;
};

static uint64_t random_below(struct program *p, uint64_t n)
{
	p->state ^= p->state << 13;
	p->state ^= p->state >> 7;
	p->state ^= p->state << 17;
	return (p->state >> 20) % n;
}

/* Few are large. */
static uint64_t scattered(struct program *p, uint64_t least)
{
	uint64_t n = least + random_below(p, least);

	while (!random_below(p, 5))
		n += random_below(p, n);
	return n;
}

static uint64_t take(struct program *p, unsigned int class)
{
	if (p->freed_count[class])
		return p->freed[class][--p->freed_count[class]];
	p->top += 16ULL * (class + 1);
	return p->top;
}

static void give(struct program *p, struct block b)
{
	if (p->freed_count[b.class] < 64)
		p->freed[b.class][p->freed_count[b.class]++] = b.addr;
}

static void new_loop(struct program *p)
{
	p->loop_length = 4 + (unsigned int)random_below(p, LOOP - 4);
	p->turns = 20 + (unsigned int)random_below(p, 300);
	for (unsigned int i = 0; i < p->loop_length; i++)
		p->loop[i] = (unsigned int)random_below(p, STACKS);
	p->at = 0;
}

static unsigned int next_stack(struct program *p)
{
	if (p->at == p->loop_length) {
		p->at = 0;
		if (!p->turns--)
			new_loop(p);
	}
	if (!random_below(p, 30))
		return (unsigned int)random_below(p, STACKS);
	return p->loop[p->at++];
}

static void set_stack(struct event *e, unsigned int stack)
{
	e->stack_id = (stack + 1) * 0x9e3779b97f4a7c15ULL;
	e->frames = 4 + stack % 20;
	e->grade = EVENT_COMPLETE;
	for (unsigned int i = 0; i < e->frames; i++)
		e->stack[i] = 0x7f2a10000000 + 4096ULL * (stack >> (i < 5 ? i : 5)) + 77ULL * i;
}

/* The stacks with odd numbers free. */
static void set_block(struct program *p, struct event *e, unsigned int stack)
{
	struct block *last, b;
	unsigned int back;

	e->kind = stack % 2 && p->live_count ? EVENT_FREE : EVENT_ALLOC;
	e->function = e->kind == EVENT_FREE;
	if (e->kind == EVENT_ALLOC && p->live_count < LIVE) {
		e->size = stack % 3 ? 16 + stack % 700 : 16 + random_below(p, 600);
		b.class = (unsigned int)((e->size + 15) / 16 - 1);
		b.addr = e->addr = take(p, b.class);
		p->live[p->live_count++] = b;
		e->latency_ns = scattered(p, 150);
		e->measured = true;
		return;
	}
	e->kind = EVENT_FREE;
	e->function = 1;
	back = (unsigned int)random_below(p, random_below(p, 10) ? 4 : LIVE);
	last = &p->live[p->live_count - 1 - back % p->live_count];
	e->addr = last->addr;
	give(p, *last);
	*last = p->live[--p->live_count];
}

static void put(struct writer *w, enum record_kind kind, const struct event *e)
{
	struct record r = {.kind = kind, .event = e};

	if (w && writer_put(w, &r))
		abort();
}

static void put_next(struct program *p, struct writer *w)
{
	unsigned int stack = next_stack(p);
	struct event *e = &p->event;

	*e = (struct event){.pid = 4211, .comm = "server"};
	e->tid = e->pid + (unsigned int)random_below(p, p->threads);
	p->now += scattered(p, 300);
	e->ts_ns = p->now;
	set_stack(e, stack);
	if (!p->told[stack]) {
		p->told[stack] = true;
		e->kind = EVENT_STACK;
		put(w, RECORD_STACK, e);
	}
	set_block(p, e, stack);
	put(w, RECORD_EVENT, e);
}

static void put_beginning(struct writer *w)
{
	static const struct record_function rows[] = {{.name = "malloc", .traced = true},
						      {.name = "free", .traced = true}};
	struct record r = {.kind = RECORD_START,
			   .start = {.version = "", .kernel = "", .command = "", .only_pool = ""}};

	if (writer_put(w, &r))
		abort();
	r = (struct record){.kind = RECORD_FUNCTIONS, .functions = {rows, 2}};
	if (writer_put(w, &r))
		abort();
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What making `events` of them takes, and handing them to `w`, which may be NULL. */
static double make(uint64_t events, unsigned int threads, struct writer *w)
{
	struct program *p = calloc(1, sizeof(*p));
	double from;

	if (!p)
		abort();
	p->state = 88172645463325252ULL;
	p->threads = threads;
	p->top = 0x55d0c0a80000;
	new_loop(p);
	from = cpu_ns();
	for (uint64_t i = 0; i < events; i++)
		put_next(p, w);
	if (w && writer_finish(w))
		abort();
	from = cpu_ns() - from;
	free(p);
	return from;
}

static double write_all(FILE *file, uint64_t events, unsigned int threads, uint64_t *bytes)
{
	struct writer *w = writer_new(file);
	double ns;

	if (!w)
		abort();
	put_beginning(w);
	ns = make(events, threads, w);
	*bytes = writer_bytes(w);
	writer_free(w);
	return ns;
}

static double read_all(FILE *file, uint64_t events)
{
	char why[128];
	double from = cpu_ns();
	struct recording *r;
	struct record record;
	uint64_t sum = 0;
	int err;

	rewind(file);
	r = recording_open(file, &err, why, sizeof(why));
	if (!r)
		abort();
	while (recording_next(r, &record) == 1)
		sum += record.kind == RECORD_EVENT ? record.event->size : 0;
	if (recording_end(r) != READER_WHOLE || recording_events(r) != events || !sum)
		abort();
	recording_close(r);
	return cpu_ns() - from;
}

static double least(double a, double b)
{
	return a && a < b ? a : b;
}

int main(int argc, char **argv)
{
	uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000, bytes = 0;
	unsigned int threads = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 4;
	double made = 0, written = 0, read = 0;

	if (!events || !threads)
		return 2;
	for (int i = 0; i < ROUNDS; i++) {
		FILE *file = tmpfile();

		if (!file)
			abort();
		made = least(made, make(events, threads, NULL));
		written = least(written, write_all(file, events, threads, &bytes));
		read = least(read, read_all(file, events));
		fclose(file);
	}
	printf("events %" PRIu64 " stacks %d threads %u bytes_per_event %.2f write_ns %.1f "
	       "read_ns %.1f\n",
	       events, STACKS, threads, (double)bytes / (double)events, written / (double)events,
	       read / (double)events);
	return 0;
}
