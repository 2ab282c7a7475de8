// SPDX-License-Identifier: MIT
/*
 * Calls, and the stacks they refer to, as they are read. Here the bytes of a stranger become
 * numbers: each one that is an index or a size is held against its bounds where it is read, and
 * what the record says as a whole is left to check.c.
 */
#include "recording/in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/stack.h"

struct in_shape {
	uint8_t kind, function, flags, fields;
	uint8_t grade, why;
	uint16_t frames;
	uint64_t align, pool, stack_id, layout, caller;
	uint64_t size, addr;        /* of its last call */
	const unsigned char *words; /* of the stack, all of them; one word: only `caller` */
};

struct in_thread {
	uint32_t pid, tid, ns_pid, ns_tid;
	char comm[17];
};

struct in_stack {
	uint64_t id, caller;
};

int in_init(struct in *in)
{
	*in = (struct in){0};
	in->places = malloc(FORMAT_MAX_PLACES * sizeof(in->places[0]));
	return in->places ? 0 : -ENOMEM;
}

void in_fini(struct in *in)
{
	free(in->stacks);
	free(in->shapes);
	free(in->threads);
	free(in->places);
	free(in->array);
	*in = (struct in){0};
}

int in_begin(struct in *in, const unsigned char *raw, size_t size)
{
	struct cursor lengths = cursor_over(raw, size), rest = lengths;

	cursor_take(&rest, FORMAT_LENGTHS);
	for (size_t i = 0; i < FORMAT_NR_COLUMNS && !rest.failed; i++) {
		uint32_t length = bytes_get_half(cursor_take(&lengths, 4));

		in->columns[i] = cursor_over(rest.at, length);
		cursor_take(&rest, length);
	}
	if (rest.failed || rest.at != rest.end ||
	    in->columns[COLUMN_SHAPES].at == in->columns[COLUMN_SHAPES].end)
		return -EBADMSG;
	in->shape_count = in->thread_count = in->place_count = 0;
	in->calls = in->end_ns = 0;
	return 0;
}

/* `all` with room for one more than `count` things of that size; NULL: too many, or no memory. */
static void *room_for(struct in *in, void *all, size_t count, size_t *room, size_t size,
		      size_t most)
{
	size_t bigger = *room ? *room * 2 : 64;

	if (count >= most) {
		in->columns[COLUMN_REST].failed = true;
		return NULL;
	}
	if (count < *room)
		return all;
	all = realloc(all, bigger * size);
	if (all)
		*room = bigger;
	else
		in->no_memory = true;
	return all;
}

void *in_array(struct in *in, size_t count, size_t size)
{
	void *bigger;

	if (!count)
		return NULL;
	if (count * size > in->array_size) {
		bigger = realloc(in->array, count * size);
		if (!bigger) {
			in->no_memory = true;
			return NULL;
		}
		in->array = bigger;
		in->array_size = count * size;
	}
	return memset(in->array, 0, count * size);
}

/* ---- threads */

static const struct in_thread *get_new_thread(struct in *in, struct cursor *rest)
{
	struct in_thread *t = room_for(in, in->threads, in->thread_count, &in->thread_room,
				       sizeof(*t), FORMAT_MAX_THREADS);
	const char *comm;

	if (!t)
		return NULL;
	in->threads = t;
	t += in->thread_count++;
	t->pid = (uint32_t)cursor_up_to(rest, UINT32_MAX);
	t->tid = (uint32_t)cursor_up_to(rest, UINT32_MAX);
	t->ns_pid = (uint32_t)cursor_up_to(rest, UINT32_MAX);
	t->ns_tid = (uint32_t)cursor_up_to(rest, UINT32_MAX);
	memset(t->comm, 0, sizeof(t->comm));
	comm = cursor_text(rest, sizeof(t->comm));
	if (!comm) {
		rest->failed = true;
		return NULL;
	}
	memcpy(t->comm, comm, strlen(comm));
	return t;
}

/* False: there is none. */
static bool get_thread(struct in *in, struct event *e)
{
	struct cursor *column = &in->columns[COLUMN_THREADS];
	uint64_t number = cursor_up_to(column, in->thread_count);
	const struct in_thread *t;

	if (column->failed)
		return false;
	t = number ? &in->threads[number - 1] : get_new_thread(in, &in->columns[COLUMN_REST]);
	if (!t)
		return false;
	e->pid = t->pid;
	e->tid = t->tid;
	e->ns_pid = t->ns_pid;
	e->ns_tid = t->ns_tid;
	memcpy(e->comm, t->comm, sizeof(e->comm));
	return true;
}

/* ---- shapes */

static void get_words(struct cursor *rest, struct in_shape *s, uint64_t most)
{
	s->frames = (uint16_t)cursor_up_to(rest, most);
	s->words = cursor_take(rest, s->frames * sizeof(uint64_t));
	s->caller = s->words && s->frames ? bytes_get_word(s->words) : 0;
}

static void get_stack_words(struct cursor *rest, struct in_shape *s)
{
	s->grade = (uint8_t)cursor_up_to(rest, EVENT_NR_GRADES - 1);
	s->why = (uint8_t)cursor_up_to(rest, EVENT_NR_WHYS - 1);
	s->layout = cursor_number(rest);
	get_words(rest, s, EVENT_MAX_FRAMES);
}

static void get_numbered(struct in *in, struct cursor *rest, struct in_shape *s)
{
	uint64_t number = cursor_number(rest);

	if (number >= in->stack_count) {
		rest->failed = true;
		return;
	}
	s->stack_id = in->stacks[number].id;
	s->caller = in->stacks[number].caller;
	s->frames = 1;
}

static void get_stack(struct in *in, struct cursor *rest, struct in_shape *s)
{
	switch (cursor_up_to(rest, FORMAT_NR_STACKS - 1)) {
	case STACK_WORDS:
		get_stack_words(rest, s);
		break;
	case STACK_NUMBER:
		get_numbered(in, rest, s);
		break;
	default:
		s->layout = cursor_number(rest);
		get_words(rest, s, 1);
		s->stack_id = cursor_word(rest);
		break;
	}
}

static struct in_shape *get_new_shape(struct in *in, struct cursor *rest)
{
	struct in_shape *s = room_for(in, in->shapes, in->shape_count, &in->shape_room, sizeof(*s),
				      FORMAT_MAX_SHAPES);

	if (!s)
		return NULL;
	in->shapes = s;
	s += in->shape_count++;
	*s = (struct in_shape){.kind = (uint8_t)cursor_up_to(rest, EVENT_POOL_DESTROY)};
	s->function = (uint8_t)cursor_up_to(rest, EVENT_MAX_FUNCTIONS - 1);
	s->flags = (uint8_t)cursor_up_to(rest, FLAG_ALL);
	s->fields = (uint8_t)cursor_up_to(rest, FIELD_ALL);
	s->align = cursor_number(rest);
	s->pool = cursor_number(rest);
	get_stack(in, rest, s);
	return rest->failed ? NULL : s;
}

static void set_flags(struct event *e, unsigned int flags)
{
	e->failed = flags & FLAG_FAILED;
	e->by_realloc = flags & FLAG_BY_REALLOC;
	e->measured = flags & FLAG_MEASURED;
	e->otel = flags & FLAG_OTEL;
	e->old_unsampled = flags & FLAG_OLD_UNSAMPLED;
	e->new_unsampled = flags & FLAG_NEW_UNSAMPLED;
}

static void set_stack(struct event *e, const struct in_shape *s)
{
	e->grade = (enum event_grade)s->grade;
	e->why = (enum event_why)s->why;
	e->stack_id = s->stack_id;
	e->layout = s->layout;
	e->frames = s->frames;
	e->stack[0] = s->caller;
	for (unsigned int i = 1; i < s->frames; i++)
		e->stack[i] = bytes_get_word(s->words + i * sizeof(uint64_t));
}

static void set_shape(struct event *e, const struct in_shape *s)
{
	e->kind = (enum event_kind)s->kind;
	e->function = s->function;
	e->level = EVENT_WHOLE;
	set_flags(e, s->flags);
	e->align = s->align;
	e->pool = s->pool;
	set_stack(e, s);
}

/* ---- what differs from call to call */

static void get_time(struct in *in, struct event *e, unsigned int fields)
{
	uint64_t begin =
		in->end_ns + (uint64_t)bytes_unfold(cursor_split(&in->columns[COLUMN_GAPS],
								 &in->columns[COLUMN_GAPS_MORE]));

	e->latency_ns = 0;
	if (fields & FIELD_LATENCY)
		e->latency_ns = cursor_split(&in->columns[COLUMN_LATENCIES],
					     &in->columns[COLUMN_LATENCIES_MORE]);
	in->end_ns = begin + e->latency_ns;
	e->ts_ns = event_is_pool(e) ? in->end_ns : begin;
}

static uint64_t get_address(struct in *in, struct in_shape *s)
{
	struct cursor *places = &in->columns[COLUMN_PLACES], *fresh = &in->columns[COLUMN_FRESH];
	uint64_t place = cursor_up_to(places, in->place_count + 1), addr;

	if (place > 1)
		addr = in->places[in->place_count + 1 - place];
	else if (place)
		addr = s->addr + (uint64_t)cursor_signed(fresh);
	else
		addr = s->addr + (uint64_t)cursor_signed(fresh) * 16;
	in->places[in->place_count++] = addr;
	s->addr = addr;
	return addr;
}

static void get_sizes(struct in *in, struct event *e, struct in_shape *s)
{
	e->size = e->old_addr = e->addr = 0;
	if (s->fields & FIELD_SIZE)
		e->size = s->size += (uint64_t)cursor_signed(&in->columns[COLUMN_SIZES]);
	if (s->fields & FIELD_OLD_ADDR)
		e->old_addr = get_address(in, s);
	if (s->fields & FIELD_ADDR)
		e->addr = get_address(in, s);
}

static void get_creation(struct cursor *rest, struct event *e)
{
	const char *name;

	e->base = cursor_number(rest);
	e->chunk_size = cursor_number(rest);
	e->chunk_count = cursor_number(rest);
	name = cursor_text(rest, sizeof(e->name));
	if (name)
		memcpy(e->name, name, strlen(name) + 1);
	else
		rest->failed = true;
}

static bool get_call(struct in *in, struct in_shape *s)
{
	struct cursor *rest = &in->columns[COLUMN_REST];
	struct event *e = &in->event;

	if (in->calls++ >= FORMAT_MAX_CALLS || !get_thread(in, e))
		return false;
	set_shape(e, s);
	get_time(in, e, s->fields);
	get_sizes(in, e, s);
	e->weighted_bytes = s->fields & FIELD_WEIGHT ? cursor_number(rest) : 0;
	e->base = e->chunk_size = e->chunk_count = 0;
	e->name[0] = '\0';
	if (e->kind == EVENT_POOL_CREATE)
		get_creation(rest, e);
	return true;
}

/* ---- stacks */

static bool number_stack(struct in *in, const struct event *e)
{
	struct in_stack *stacks = room_for(in, in->stacks, in->stack_count, &in->stack_room,
					   sizeof(*stacks), STACK_MAX);

	if (!stacks)
		return false;
	in->stacks = stacks;
	stacks[in->stack_count++] = (struct in_stack){e->stack_id, e->stack[0]};
	return true;
}

static bool get_told_stack(struct in *in, struct cursor *rest)
{
	struct in_shape s = {.kind = EVENT_STACK};
	struct event *e = &in->event;
	bool numbered = cursor_up_to(rest, 1);

	if (!get_thread(in, e))
		return false;
	s.stack_id = cursor_word(rest);
	s.function = (uint8_t)cursor_up_to(rest, EVENT_MAX_FUNCTIONS - 1);
	s.flags = (uint8_t)cursor_up_to(rest, FLAG_ALL);
	e->ts_ns = in->end_ns + (uint64_t)cursor_signed(rest);
	e->latency_ns = cursor_number(rest);
	e->size = cursor_number(rest);
	s.align = cursor_number(rest);
	e->addr = cursor_number(rest);
	e->old_addr = cursor_number(rest);
	e->weighted_bytes = cursor_number(rest);
	e->base = e->chunk_size = e->chunk_count = 0;
	e->name[0] = '\0';
	get_stack_words(rest, &s);
	if (rest->failed)
		return false;
	set_shape(e, &s);
	return !numbered || number_stack(in, e);
}

/* ---- records */

static bool get_no_call(struct in *in, struct record *r)
{
	struct cursor *rest = &in->columns[COLUMN_REST];

	r->kind = (enum record_kind)cursor_up_to(rest, RECORD_NR_KINDS - 1);
	if (r->kind == RECORD_EVENT)
		return false;
	if (r->kind != RECORD_STACK) {
		in_other(in, rest, r);
		return !rest->failed;
	}
	r->event = &in->event;
	return get_told_stack(in, rest);
}

static bool get_record(struct in *in, struct record *r)
{
	uint64_t shape = cursor_up_to(&in->columns[COLUMN_SHAPES], in->shape_count + 1);
	struct in_shape *s;

	if (!shape)
		return get_no_call(in, r);
	s = shape > 1 ? &in->shapes[shape - 2] : get_new_shape(in, &in->columns[COLUMN_REST]);
	r->kind = RECORD_EVENT;
	r->event = &in->event;
	return s && get_call(in, s);
}

static bool has_failed(const struct in *in)
{
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		if (in->columns[i].failed)
			return true;
	return false;
}

/* With the last record the last byte of every column is taken. */
static bool is_all_taken(const struct in *in)
{
	for (size_t i = 0; i < FORMAT_NR_COLUMNS; i++)
		if (in->columns[i].at != in->columns[i].end)
			return false;
	return true;
}

int in_next(struct in *in, struct record *r)
{
	const struct cursor *shapes = &in->columns[COLUMN_SHAPES];

	if (shapes->at == shapes->end)
		return is_all_taken(in) ? 0 : -EBADMSG;
	in->no_memory = false;
	if (!get_record(in, r) || has_failed(in))
		return in->no_memory ? -ENOMEM : -EBADMSG;
	return check_record(&in->check, r) ? 1 : -EBADMSG;
}
