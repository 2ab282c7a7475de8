// SPDX-License-Identifier: MIT
/*
 * Calls, and the stacks they refer to, as they are written.
 *
 * The tables find again what has been: where one has no room any more, what it would have told is
 * told once more, which costs bytes and nothing else.
 */
#include "recording/out.h"

#include <string.h>

#include "core/stack.h"
#include "recording/frame.h"

/* Of a shape; the words of a stack without a number by their sum. */
struct key {
	uint64_t head; /* kind, function, flags, fields, grade, why, frames */
	uint64_t align, pool, stack_id, layout, caller, sum;
};

/* What is known of a shape. */
struct past {
	uint64_t number;
	uint64_t size, addr; /* of its last call */
	uint64_t words_at;   /* of its stack, in REST */
};

struct known_stack {
	uint64_t number, caller, layout;
};

static void init_tables(struct out *o)
{
	table_init(&o->shapes, sizeof(struct key), sizeof(struct past), FORMAT_MAX_SHAPES);
	table_init(&o->threads, sizeof(struct out_thread), sizeof(uint64_t), FORMAT_MAX_THREADS);
	table_init(&o->places, sizeof(uint64_t), sizeof(uint64_t), FORMAT_MAX_PLACES);
}

void out_init(struct out *o)
{
	*o = (struct out){0};
	table_init(&o->stacks, sizeof(uint64_t), sizeof(struct known_stack), STACK_MAX);
	init_tables(o);
}

static void fini_tables(struct out *o)
{
	table_fini(&o->shapes);
	table_fini(&o->threads);
	table_fini(&o->places);
}

void out_fini(struct out *o)
{
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		bytes_fini(&o->columns[i]);
	table_fini(&o->stacks);
	fini_tables(o);
}

void out_restart(struct out *o)
{
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		o->columns[i].used = 0;
	fini_tables(o);
	init_tables(o);
	o->shape_count = o->thread_count = o->place_count = 0;
	o->thread_number = 0;
	o->end_ns = 0;
	o->calls = o->first_ns = o->last_ns = 0;
	o->others = false;
}

size_t out_size(const struct out *o)
{
	size_t size = 0;

	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		size += o->columns[i].used;
	return size ? size + FORMAT_LENGTHS : 0;
}

bool out_is_full(const struct out *o)
{
	return o->calls >= FORMAT_MAX_CALLS || o->shape_count >= FORMAT_MAX_SHAPES ||
	       o->thread_count >= FORMAT_MAX_THREADS || out_size(o) >= FORMAT_FULL;
}

bool out_has_failed(const struct out *o)
{
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		if (o->columns[i].failed)
			return true;
	return false;
}

static void put_words(struct bytes *rest, const struct event *e, unsigned int frames)
{
	for (unsigned int i = 0; i < frames; i++)
		bytes_word(rest, e->stack[i]);
}

/* ---- threads */

static bool is_last_thread(const struct out *o, const struct event *e)
{
	return o->thread_number && e->tid == o->thread.tid && e->pid == o->thread.pid &&
	       e->ns_pid == o->thread.ns_pid && e->ns_tid == o->thread.ns_tid &&
	       !strcmp(e->comm, o->thread.comm);
}

static void tell_thread(struct bytes *rest, const struct out_thread *t)
{
	bytes_number(rest, t->pid);
	bytes_number(rest, t->tid);
	bytes_number(rest, t->ns_pid);
	bytes_number(rest, t->ns_tid);
	bytes_text(rest, t->comm, sizeof(t->comm));
}

static void put_thread(struct out *o, const struct event *e)
{
	struct bytes *column = &o->columns[COLUMN_THREADS];
	bool fresh = true;
	uint64_t *number;

	if (is_last_thread(o, e)) {
		bytes_number(column, o->thread_number);
		return;
	}
	o->thread = (struct out_thread){e->pid, e->tid, e->ns_pid, e->ns_tid, {0}};
	memcpy(o->thread.comm, e->comm, strlen(e->comm));
	number = table_insert(&o->threads, &o->thread, &fresh);
	if (number && !fresh) {
		o->thread_number = *number;
		bytes_number(column, *number);
		return;
	}
	o->thread_number = ++o->thread_count;
	if (number)
		*number = o->thread_number;
	bytes_number(column, 0);
	tell_thread(&o->columns[COLUMN_REST], &o->thread);
}

/* ---- shapes */

static unsigned int flags_of(const struct event *e)
{
	return (e->failed ? FLAG_FAILED : 0) | (e->by_realloc ? FLAG_BY_REALLOC : 0) |
	       (e->measured ? FLAG_MEASURED : 0) | (e->otel ? FLAG_OTEL : 0) |
	       (e->old_unsampled ? FLAG_OLD_UNSAMPLED : 0) |
	       (e->new_unsampled ? FLAG_NEW_UNSAMPLED : 0);
}

static unsigned int fields_of(const struct event *e)
{
	return (e->latency_ns ? FIELD_LATENCY : 0) | (e->size ? FIELD_SIZE : 0) |
	       (e->addr ? FIELD_ADDR : 0) | (e->old_addr ? FIELD_OLD_ADDR : 0) |
	       (e->weighted_bytes ? FIELD_WEIGHT : 0);
}

/* The words that are the event's own: of a stack with a number the caller alone. */
static unsigned int frames_of(const struct event *e)
{
	return e->stack_id && e->frames > 1 ? 1 : e->frames;
}

static struct key key_of(const struct event *e)
{
	unsigned int frames = frames_of(e);
	struct key key = {
		.align = e->align,
		.pool = e->pool,
		.stack_id = e->stack_id,
		.layout = e->layout,
		.caller = frames ? e->stack[0] : 0,
		.sum = frames > 1 ? frame_sum(e->stack, frames * sizeof(e->stack[0])) : 0,
	};

	key.head = (uint64_t)e->kind | (uint64_t)e->function << 8 | (uint64_t)flags_of(e) << 16 |
		   (uint64_t)fields_of(e) << 24 | (uint64_t)frames << 48;
	if (!e->stack_id)
		key.head |= (uint64_t)e->grade << 32 | (uint64_t)e->why << 40;
	return key;
}

static void tell_words(struct bytes *rest, const struct event *e)
{
	bytes_number(rest, e->grade);
	bytes_number(rest, e->why);
	bytes_number(rest, e->layout);
	bytes_number(rest, e->frames);
	put_words(rest, e, e->frames);
}

static void tell_stack(struct out *o, const struct event *e)
{
	const struct known_stack *known = table_find(&o->stacks, &e->stack_id);
	struct bytes *rest = &o->columns[COLUMN_REST];
	unsigned int frames = frames_of(e);

	if (!e->stack_id) {
		bytes_number(rest, STACK_WORDS);
		tell_words(rest, e);
	} else if (known && frames && e->stack[0] == known->caller &&
		   (!e->layout || e->layout == known->layout)) {
		bytes_number(rest, STACK_NUMBER);
		bytes_number(rest, known->number);
	} else {
		bytes_number(rest, STACK_ID);
		bytes_number(rest, e->layout);
		bytes_number(rest, frames);
		put_words(rest, e, frames);
		bytes_word(rest, e->stack_id);
	}
}

static void tell_shape(struct out *o, const struct event *e)
{
	struct bytes *rest = &o->columns[COLUMN_REST];

	bytes_number(&o->columns[COLUMN_SHAPES], 1);
	bytes_number(rest, e->kind);
	bytes_number(rest, e->function);
	bytes_number(rest, flags_of(e));
	bytes_number(rest, fields_of(e));
	bytes_number(rest, e->align);
	bytes_number(rest, e->pool);
	tell_stack(o, e);
}

/* Sums may be equal where words are not. */
static bool same_words(const struct out *o, const struct past *past, const struct event *e)
{
	const unsigned char *at = o->columns[COLUMN_REST].at + past->words_at;

	if (e->stack_id || e->frames < 2)
		return true;
	for (unsigned int i = 0; i < e->frames; i++)
		if (bytes_get_word(at + i * sizeof(uint64_t)) != e->stack[i])
			return false;
	return true;
}

/* `stray` is taken where a shape cannot be kept. */
static struct past *put_shape(struct out *o, const struct event *e, struct past *stray)
{
	struct key key = key_of(e);
	bool fresh = true;
	struct past *past = table_insert(&o->shapes, &key, &fresh);

	if (past && !fresh && same_words(o, past, e)) {
		bytes_number(&o->columns[COLUMN_SHAPES], past->number);
		return past;
	}
	if (!past || !fresh)
		past = stray;
	past->number = 2 + o->shape_count++;
	past->size = past->addr = 0;
	tell_shape(o, e);
	past->words_at = o->columns[COLUMN_REST].used - 8ULL * e->frames;
	return past;
}

/* ---- what differs from call to call */

static void put_time(struct out *o, const struct event *e)
{
	bytes_split(&o->columns[COLUMN_GAPS], &o->columns[COLUMN_GAPS_MORE],
		    bytes_fold((int64_t)(event_begin_ns(e) - o->end_ns)));
	if (e->latency_ns)
		bytes_split(&o->columns[COLUMN_LATENCIES], &o->columns[COLUMN_LATENCIES_MORE],
			    e->latency_ns);
	o->end_ns = event_end_ns(e);
	o->first_ns = o->calls && o->first_ns < e->ts_ns ? o->first_ns : e->ts_ns;
	o->last_ns = o->last_ns > e->ts_ns ? o->last_ns : e->ts_ns;
}

static void put_address(struct out *o, uint64_t addr, struct past *past)
{
	struct bytes *places = &o->columns[COLUMN_PLACES];
	uint64_t off = addr - past->addr;
	bool fresh = true;
	uint64_t *last = table_insert(&o->places, &addr, &fresh);

	if (last && !fresh) {
		bytes_number(places, o->place_count - *last + 1);
	} else if (off % 16) {
		bytes_number(places, 1);
		bytes_signed(&o->columns[COLUMN_FRESH], (int64_t)off);
	} else {
		bytes_number(places, 0);
		bytes_signed(&o->columns[COLUMN_FRESH], (int64_t)off / 16);
	}
	if (last)
		*last = o->place_count;
	o->place_count++;
	past->addr = addr;
}

static void put_creation(struct bytes *rest, const struct event *e)
{
	bytes_number(rest, e->base);
	bytes_number(rest, e->chunk_size);
	bytes_number(rest, e->chunk_count);
	bytes_text(rest, e->name, sizeof(e->name));
}

void out_call(struct out *o, const struct event *e)
{
	struct past stray, *past = put_shape(o, e, &stray);

	put_thread(o, e);
	put_time(o, e);
	if (e->size) {
		bytes_signed(&o->columns[COLUMN_SIZES], (int64_t)(e->size - past->size));
		past->size = e->size;
	}
	if (e->old_addr)
		put_address(o, e->old_addr, past);
	if (e->addr)
		put_address(o, e->addr, past);
	if (e->weighted_bytes)
		bytes_number(&o->columns[COLUMN_REST], e->weighted_bytes);
	if (e->kind == EVENT_POOL_CREATE)
		put_creation(&o->columns[COLUMN_REST], e);
	o->calls++;
}

/* ---- stacks */

/* Whether later calls can refer to it by a number, which it gets then. */
static bool number_stack(struct out *o, const struct event *e)
{
	struct known_stack *known;
	bool fresh;

	known = table_insert(&o->stacks, &e->stack_id, &fresh);
	if (!known || !fresh)
		return false;
	*known = (struct known_stack){o->stacks.count - 1, e->stack[0], e->layout};
	return true;
}

void out_stack(struct out *o, const struct event *e)
{
	struct bytes *rest = &o->columns[COLUMN_REST];

	o->others = true;
	bytes_number(&o->columns[COLUMN_SHAPES], 0);
	bytes_number(rest, RECORD_STACK);
	bytes_number(rest, number_stack(o, e));
	put_thread(o, e);
	bytes_word(rest, e->stack_id);
	bytes_number(rest, e->function);
	bytes_number(rest, flags_of(e));
	bytes_signed(rest, (int64_t)(e->ts_ns - o->end_ns));
	bytes_number(rest, e->latency_ns);
	bytes_number(rest, e->size);
	bytes_number(rest, e->align);
	bytes_number(rest, e->addr);
	bytes_number(rest, e->old_addr);
	bytes_number(rest, e->weighted_bytes);
	tell_words(rest, e);
}
