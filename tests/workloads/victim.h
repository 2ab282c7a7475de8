/* SPDX-License-Identifier: MIT */
/*
 * What the workloads of the harmless suite share: allocations of which they know the number and the
 * contents, and a look at the allocator's own machine code, in memory and on disk. Nothing here
 * allocates behind one's back: stdio is not used.
 */
#ifndef TESTS_WORKLOADS_VICTIM_H
#define TESTS_WORKLOADS_VICTIM_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define SLOTS      16
#define PATIENCE_S 60 /* until the kernel has cleaned up after a tracer that was killed */

struct slot {
	unsigned char *block;
	size_t size;
	unsigned char fill;
};

/* One thread's work: the true number of calls, and of bytes that were not what had been written. */
struct work {
	uint64_t mallocs, callocs, reallocs, frees, wrong, round;
	struct slot slots[SLOTS];
};

__attribute__((noinline, noclone)) static void *take_block(struct work *w, size_t size)
{
	void *block = malloc(size);

	w->mallocs++;
	return block;
}

__attribute__((noinline, noclone)) static void *take_clear_block(struct work *w, size_t size)
{
	void *block = calloc(1, size);

	w->callocs++;
	return block;
}

__attribute__((noinline, noclone)) static void *resize_block(struct work *w, void *old, size_t size)
{
	void *block = realloc(old, size);

	w->reallocs++;
	return block;
}

__attribute__((noinline, noclone)) static void give_block(struct work *w, void *block)
{
	free(block);
	w->frees++;
}

static inline void check_bytes(struct work *w, const unsigned char *p, size_t n, unsigned char want)
{
	for (size_t i = 0; i < n; i++)
		w->wrong += p[i] != want;
}

static inline void fill_slot(struct work *w, struct slot *s)
{
	size_t size = 1 + (w->round * 37) % 700;

	if (w->round % 3) {
		s->block = take_block(w, size);
	} else {
		s->block = take_clear_block(w, size);
		check_bytes(w, s->block, size, 0);
	}
	s->size = size;
	s->fill = (unsigned char)(w->round * 7 + 1);
	memset(s->block, s->fill, size);
}

static inline void resize_slot(struct work *w, struct slot *s)
{
	size_t size = 1 + (w->round * 53) % 900;

	s->block = resize_block(w, s->block, size);
	check_bytes(w, s->block, size < s->size ? size : s->size, s->fill);
	s->size = size;
	memset(s->block, s->fill, size);
}

static inline void empty_slot(struct work *w, struct slot *s)
{
	check_bytes(w, s->block, s->size, s->fill);
	give_block(w, s->block);
	s->block = NULL;
}

static inline void work_round(struct work *w)
{
	struct slot *s = &w->slots[w->round % SLOTS];

	if (!s->block)
		fill_slot(w, s);
	else if (w->round % 5 == 0)
		resize_slot(w, s);
	else
		empty_slot(w, s);
	w->round++;
}

static inline void work_rounds(struct work *w, uint64_t rounds)
{
	while (rounds--)
		work_round(w);
}

static inline void work_end(struct work *w)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (w->slots[i].block)
			empty_slot(w, &w->slots[i]);
	}
}

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(99);
}

static inline void say_truth(const struct work *w)
{
	say("truth malloc=%" PRIu64 "\ntruth calloc=%" PRIu64 "\ntruth realloc=%" PRIu64 "\n",
	    w->mallocs, w->callocs, w->reallocs);
	say("truth free=%" PRIu64 "\ntruth wrong=%" PRIu64 "\n", w->frees, w->wrong);
}

/* Whether standard input has come to its end. */
static inline bool at_eof(int timeout_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, timeout_ms) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static inline void await_eof(void)
{
	while (!at_eof(-1))
		;
}

static inline void pause_us(long us)
{
	struct timespec ts = {.tv_nsec = us * 1000};

	nanosleep(&ts, NULL);
}

/* The kernel takes breakpoints away some time after a tracer has died: waits for it. */
static inline void say_text_intact(void)
{
	for (int tries = 0; tries < PATIENCE_S * 100 && !text_intact(); tries++)
		pause_us(10000);
	say("truth bytes-intact=%d\n", text_intact());
}

#endif
