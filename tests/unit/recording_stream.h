/* SPDX-License-Identifier: MIT */
/*
 * A row of calls and stacks out of a number: the same number, the same row. What a run may see is
 * in it, and what it hardly ever sees: all fields at their ends, threads and stacks that come and
 * go.
 */
#ifndef TESTS_UNIT_RECORDING_STREAM_H
#define TESTS_UNIT_RECORDING_STREAM_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "recording/record.h"

#define STREAM_STACKS    300
#define STREAM_ADDRESSES 500

struct stream {
	uint64_t state;
	unsigned int stacks; /* told so far */
	uint64_t now;
	uint64_t addresses[STREAM_ADDRESSES];
	struct event event;
	bool numbered; /* the event's stack has been told, as it has it */
};

static inline uint64_t stream_random(struct stream *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state * 0x2545f4914f6cdd1dULL;
}

static inline uint64_t stream_below(struct stream *s, uint64_t n)
{
	return (stream_random(s) >> 16) % n;
}

/* Mostly `usual`, now and then anything. */
static inline uint64_t stream_rarely(struct stream *s, uint64_t usual)
{
	static const uint64_t ends[] = {0, 1, 127, 128, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX};

	if (stream_below(s, 64))
		return usual;
	return stream_below(s, 2) ? ends[stream_below(s, 7)] : stream_random(s);
}

static inline uint64_t stream_stack_id(unsigned int n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ULL;
}

static inline uint64_t stream_word(unsigned int n, unsigned int i)
{
	return 0x7f0000000000 + 4096ULL * (n % 20) + 37ULL * i;
}

static inline unsigned int stream_frames(unsigned int n)
{
	return n % 50 ? 1 + n % 40 : EVENT_MAX_FRAMES;
}

static inline void stream_fill_stack(struct event *e, unsigned int n)
{
	e->stack_id = stream_stack_id(n);
	e->layout = n % 3 ? 1000 + n : 0;
	e->frames = stream_frames(n);
	e->grade = (enum event_grade)(n % EVENT_NR_GRADES);
	e->why = (enum event_why)(n % EVENT_NR_WHYS);
	for (unsigned int i = 0; i < e->frames; i++)
		e->stack[i] = stream_word(n, i);
}

static inline void stream_thread(struct stream *s, struct event *e)
{
	unsigned int n = (unsigned int)stream_below(s, stream_below(s, 8) ? 3 : 60);

	e->pid = 4000 + n / 10;
	e->tid = n == 50 ? UINT32_MAX : 4000 + n;
	e->ns_pid = n % 4 ? 0 : 7;
	e->ns_tid = n % 4 ? 0 : 7 + n;
	snprintf(e->comm, sizeof(e->comm), n % 7 ? "worker-%u" : "sixteen-bytes-%02u", n);
}

static inline uint64_t stream_address(struct stream *s)
{
	uint64_t *at = &s->addresses[stream_below(s, stream_below(s, 4) ? 20 : STREAM_ADDRESSES)];

	if (!*at || !stream_below(s, 8))
		*at = stream_rarely(s, 0x55d000000000 + 16 * stream_below(s, 100000));
	return *at;
}

/* Of a call: known by its number, as it is or otherwise; or its own words. */
static inline void stream_stack(struct stream *s, struct event *e)
{
	unsigned int what = (unsigned int)stream_below(s, 16);

	s->numbered = false;
	if (what > 3 && s->stacks) {
		stream_fill_stack(e, (unsigned int)stream_below(s, s->stacks));
		s->numbered = true;
		if (what == 4)
			e->frames = 1;
		if (what == 5)
			e->layout = 0;
		if (what == 6) {
			e->stack[0]++;
			s->numbered = false;
		}
		if (what == 7) {
			e->frames = 0;
			s->numbered = false;
		}
		return;
	}
	stream_fill_stack(e, (unsigned int)stream_below(s, STREAM_STACKS));
	e->stack_id = what == 3 ? stream_random(s) : 0;
	if (what == 1)
		e->frames = e->frames > 1;
	if (what == 0)
		e->stack[e->frames - 1] ^= stream_rarely(s, 0);
}

static inline void stream_numbers(struct stream *s, struct event *e)
{
	s->now += stream_rarely(s, stream_below(s, 5000));
	e->ts_ns = s->now;
	e->latency_ns = stream_below(s, 2) ? stream_rarely(s, 200 + stream_below(s, 300)) : 0;
	e->measured = e->latency_ns || stream_below(s, 2);
	e->size = stream_rarely(s, stream_below(s, 3) ? 64 : stream_below(s, 5000));
	e->align = stream_rarely(s, stream_below(s, 9) ? 0 : 64);
	e->addr = stream_below(s, 20) ? stream_address(s) : 0;
	e->old_addr = e->kind == EVENT_REALLOC && stream_below(s, 9) ? stream_address(s) : 0;
	e->weighted_bytes = stream_below(s, 30) ? 0 : stream_rarely(s, stream_below(s, 100000));
	e->failed = !stream_below(s, 40);
	e->by_realloc = e->kind == EVENT_FREE && !stream_below(s, 40);
	e->old_unsampled = !stream_below(s, 50);
	e->new_unsampled = !stream_below(s, 50);
}

static inline void stream_creation(struct stream *s, struct event *e)
{
	uint64_t site = stream_word((unsigned int)stream_below(s, STREAM_STACKS), 0);

	e->align = e->addr = e->old_addr = e->weighted_bytes = e->stack_id = e->layout = 0;
	e->grade = EVENT_CALL_SITE;
	e->why = EVENT_WHY_NONE;
	e->frames = stream_below(s, 4) ? 1 : 0;
	e->stack[0] = e->frames ? site : 0;
	e->base = stream_rarely(s, 0x7f0000001000);
	e->chunk_size = stream_rarely(s, 64);
	e->chunk_count = stream_rarely(s, 128);
	snprintf(e->name, sizeof(e->name), stream_below(s, 9) ? "pool %u" : "%064u",
		 (unsigned int)stream_below(s, 100));
	s->numbered = false;
}

/* Fills `e` with the next call, or the stack that is told before it. */
static inline void stream_next(struct stream *s, struct record *r)
{
	struct event *e = &s->event;

	*e = (struct event){0};
	r->event = e;
	r->kind = RECORD_EVENT;
	stream_thread(s, e);
	if (s->stacks < STREAM_STACKS && !stream_below(s, 20)) {
		r->kind = RECORD_STACK;
		e->kind = EVENT_STACK;
		stream_numbers(s, e);
		stream_fill_stack(e, s->stacks++);
		return;
	}
	e->kind = (enum event_kind)(
		1 + stream_below(s, stream_below(s, 4) ? EVENT_REALLOC : EVENT_POOL_DESTROY));
	e->function = e->kind <= EVENT_REALLOC ? (unsigned int)stream_below(s, 64) : 0;
	if (e->kind > EVENT_REALLOC) {
		e->otel = !stream_below(s, 9);
		e->pool = e->otel ? EVENT_OTEL_POOL : 0x7f0000001000 + 4096 * stream_below(s, 9);
	}
	stream_stack(s, e);
	stream_numbers(s, e);
	if (e->kind == EVENT_POOL_CREATE)
		stream_creation(s, e);
}

/* What a reader is to make of the event: with a number, the words are the stack's. */
static inline void stream_as_read(struct stream *s)
{
	struct event *e = &s->event;

	if (e->kind == EVENT_STACK || !e->stack_id)
		return;
	e->frames = e->frames ? 1 : 0;
	e->grade = EVENT_CALL_SITE;
	e->why = EVENT_WHY_NONE;
	if (s->numbered)
		e->layout = 0;
}

#endif
