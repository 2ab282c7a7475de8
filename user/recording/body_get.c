// SPDX-License-Identifier: MIT
/* Records that are no calls, as they are read: what body_put.c has written, out of column REST. */
#include <string.h>

#include "recording/in.h"

/* No array is made for more than the bytes that are left can tell. */
static uint32_t get_count(struct cursor *rest, uint32_t most)
{
	uint64_t left = (uint64_t)(rest->end - rest->at);

	return (uint32_t)cursor_up_to(rest, left < most ? left : most);
}

static uint32_t get_u32(struct cursor *rest)
{
	return (uint32_t)cursor_up_to(rest, UINT32_MAX);
}

static int32_t get_i32(struct cursor *rest)
{
	int64_t n = cursor_signed(rest);

	if (n >= INT32_MIN && n <= INT32_MAX)
		return (int32_t)n;
	rest->failed = true;
	return 0;
}

static bool get_flag(struct cursor *rest)
{
	return cursor_up_to(rest, 1);
}

static const char *get_text(struct cursor *rest)
{
	return cursor_text(rest, RECORD_MAX_TEXT);
}

static void get_start(struct cursor *rest, struct record_start *s)
{
	bool *const flags[] = {&s->stacks,          &s->live_known, &s->checks, &s->partial,
			       &s->partial_threads, &s->whole_life, &s->names};

	s->version = get_text(rest);
	s->kernel = get_text(rest);
	s->command = get_text(rest);
	s->start_ns = cursor_number(rest);
	s->wall_ns = cursor_number(rest);
	s->target_count = get_count(rest, RECORD_MAX_TARGETS);
	memset(s->targets, 0, sizeof(s->targets));
	for (uint32_t i = 0; i < s->target_count; i++)
		s->targets[i] = get_u32(rest);
	s->sample_bytes = cursor_number(rest);
	s->only_pool = get_text(rest);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		*flags[i] = get_flag(rest);
}

static void get_functions(struct in *in, struct cursor *rest, struct record_functions *f)
{
	struct record_function *at;

	f->count = get_count(rest, EVENT_MAX_FUNCTIONS);
	f->at = at = in_array(in, f->count, sizeof(*at));
	for (uint32_t i = 0; at && i < f->count; i++) {
		at[i].name = get_text(rest);
		at[i].family = get_u32(rest);
		at[i].traced = get_flag(rest);
		at[i].frees = get_flag(rest);
		at[i].own = get_flag(rest);
	}
}

static void get_module(struct cursor *rest, struct record_module *m)
{
	const unsigned char *id;

	memset(m->build_id, 0, sizeof(m->build_id));
	m->path = get_text(rest);
	m->build_id_size = (uint32_t)cursor_up_to(rest, RECORD_MAX_BUILD_ID);
	id = cursor_take(rest, m->build_id_size);
	if (id)
		memcpy(m->build_id, id, m->build_id_size);
	m->size = cursor_number(rest);
}

static void get_space(struct in *in, struct cursor *rest, struct record_space *s)
{
	struct record_mapping *at;
	uint64_t end = 0;

	s->pid = get_u32(rest);
	s->fresh = get_flag(rest);
	s->count = get_count(rest, RECORD_MAX_MAPPINGS);
	s->mappings = at = in_array(in, s->count, sizeof(*at));
	for (uint32_t i = 0; at && i < s->count; i++) {
		at[i].start = end + (uint64_t)cursor_signed(rest);
		end = at[i].end = at[i].start + cursor_number(rest);
		at[i].offset = cursor_number(rest);
		at[i].module = get_u32(rest);
	}
}

static void get_code(struct cursor *rest, struct record_code *c)
{
	c->pid = get_u32(rest);
	c->anew = get_flag(rest);
	c->size = (uint32_t)cursor_up_to(rest, RECORD_MAX_CODE);
	c->bytes = (const char *)cursor_take(rest, c->size);
}

static void get_life(struct cursor *rest, struct record_life *l)
{
	l->what = (enum record_life_kind)cursor_up_to(rest, RECORD_END);
	l->pid = get_u32(rest);
	l->parent = get_u32(rest);
	l->ts_ns = cursor_number(rest);
}

static void get_names(struct in *in, struct cursor *rest, struct record_names *n)
{
	struct record_frame *at;

	n->module = get_u32(rest);
	n->address = cursor_number(rest);
	n->is_return = get_flag(rest);
	n->count = get_count(rest, RECORD_MAX_FRAMES);
	n->frames = at = in_array(in, n->count, sizeof(*at));
	for (uint32_t i = 0; at && i < n->count; i++) {
		at[i].function = get_text(rest);
		at[i].file = get_text(rest);
		at[i].line = get_i32(rest);
		at[i].column = get_i32(rest);
		at[i].offset = cursor_number(rest);
		at[i].module_offset = cursor_number(rest);
		at[i].inlined = get_flag(rest);
	}
}

static void get_memory(struct cursor *rest, struct record_memory *m)
{
	m->pid = get_u32(rest);
	m->ts_ns = cursor_number(rest);
	m->mapped = cursor_number(rest);
	m->resident = cursor_number(rest);
	m->rss = cursor_number(rest);
}

static void get_totals(struct cursor *rest, struct event_totals *t)
{
	t->count = cursor_number(rest);
	t->bytes = cursor_number(rest);
	t->failed = cursor_number(rest);
	t->null = cursor_number(rest);
	t->freed = cursor_number(rest);
}

static void get_pool(struct cursor *rest, struct record_pool_totals *p)
{
	p->pool.pid = get_u32(rest);
	p->pool.addr = cursor_number(rest);
	p->pool.birth_ns = cursor_number(rest);
	get_totals(rest, &p->totals.alloc);
	get_totals(rest, &p->totals.free);
	p->totals.weighted_bytes = cursor_number(rest);
	p->totals.weighted_thousandths = cursor_number(rest);
}

static void get_books(struct in *in, struct cursor *rest, struct record_books *b)
{
	struct record_pool_totals *pools;

	b->final = get_flag(rest);
	b->elapsed_ns = cursor_number(rest);
	for (size_t i = 0; i < EVENT_NR_COUNTERS; i++)
		b->counters[i] = cursor_number(rest);
	for (size_t i = 0; i < EVENT_MAX_FUNCTIONS; i++)
		get_totals(rest, &b->unsent[i]);
	b->pool_count = get_count(rest, RECORD_MAX_POOLS);
	b->pools = pools = in_array(in, b->pool_count, sizeof(*pools));
	for (uint32_t i = 0; pools && i < b->pool_count; i++)
		get_pool(rest, &pools[i]);
	b->malformed = cursor_number(rest);
	b->in_flight = cursor_number(rest);
	b->late = cursor_number(rest);
	b->late_ns = cursor_number(rest);
	b->stacks_unknown = cursor_number(rest);
	b->stacks_refused = cursor_number(rest);
	b->fate = get_text(rest);
}

static void get_small(struct cursor *rest, struct record *r)
{
	switch (r->kind) {
	case RECORD_PRESSURE:
		r->pressure.level = (enum event_level)cursor_up_to(rest, EVENT_NR_LEVELS - 1);
		r->pressure.ts_ns = cursor_number(rest);
		r->pressure.counted = cursor_number(rest);
		break;
	case RECORD_SETTLE:
	case RECORD_DOUBT:
	case RECORD_ANSWER:
	case RECORD_LATE:
		r->ns = cursor_number(rest);
		break;
	case RECORD_SHARED:
		r->shared.pid = get_u32(rest);
		r->shared.addr = cursor_number(rest);
		r->shared.shared = get_flag(rest);
		break;
	default: /* RECORD_MISSED has nothing to say, and what is no kind is refused later */
		break;
	}
}

void in_other(struct in *in, struct cursor *rest, struct record *r)
{
	switch (r->kind) {
	case RECORD_START:
		get_start(rest, &r->start);
		break;
	case RECORD_FUNCTIONS:
		get_functions(in, rest, &r->functions);
		break;
	case RECORD_MODULE:
		get_module(rest, &r->module);
		break;
	case RECORD_SPACE:
		get_space(in, rest, &r->space);
		break;
	case RECORD_CODE:
		get_code(rest, &r->code);
		break;
	case RECORD_LIFE:
		get_life(rest, &r->life);
		break;
	case RECORD_NAMES:
		get_names(in, rest, &r->names);
		break;
	case RECORD_MEMORY:
		get_memory(rest, &r->memory);
		break;
	case RECORD_BOOKS:
		get_books(in, rest, &r->books);
		break;
	default:
		get_small(rest, r);
		break;
	}
}
