// SPDX-License-Identifier: MIT
/* What is a record and what is none. An event is what core/event.c makes of the wire: no stricter
 * than there, and no laxer. */
#include "recording/check.h"

#include <string.h>

static bool start_is_good(const struct record_start *s)
{
	return s->version && s->kernel && s->command && s->only_pool &&
	       s->target_count <= RECORD_MAX_TARGETS;
}

/* Rows never change and never go. */
static bool functions_are_good(const struct check *c, const struct record_functions *f)
{
	if (f->count > EVENT_MAX_FUNCTIONS || f->count < c->functions || (f->count && !f->at))
		return false;
	for (uint32_t i = 0; i < f->count; i++)
		if (!f->at[i].name)
			return false;
	return true;
}

static bool module_is_good(const struct check *c, const struct record_module *m)
{
	return m->path && m->build_id_size <= RECORD_MAX_BUILD_ID && c->modules < UINT32_MAX;
}

static bool space_is_good(const struct check *c, const struct record_space *s)
{
	if (s->count > RECORD_MAX_MAPPINGS || (s->count && !s->mappings))
		return false;
	for (uint32_t i = 0; i < s->count; i++)
		if (s->mappings[i].start >= s->mappings[i].end ||
		    s->mappings[i].module >= c->modules)
			return false;
	return true;
}

static bool code_is_good(const struct record_code *code)
{
	return code->size <= RECORD_MAX_CODE && (!code->size || code->bytes);
}

static bool names_are_good(const struct check *c, const struct record_names *n)
{
	return n->module < c->modules && n->count <= RECORD_MAX_FRAMES && (!n->count || n->frames);
}

static bool books_are_good(const struct record_books *b)
{
	return b->pool_count <= RECORD_MAX_POOLS && (!b->pool_count || b->pools);
}

static bool is_creation(const struct event *e)
{
	return e->kind == EVENT_POOL_CREATE;
}

/* What a pool's creation has, and no other event; and the other way around. */
static bool is_of_its_kind(const struct event *e)
{
	if (!is_creation(e))
		return !e->base && !e->chunk_size && !e->chunk_count && !e->name[0];
	return !e->align && !e->addr && !e->old_addr && !e->weighted_bytes && !e->stack_id &&
	       !e->layout && e->grade == EVENT_CALL_SITE && e->why == EVENT_WHY_NONE &&
	       e->frames <= 1 && (!e->frames || e->stack[0]);
}

static bool event_is_good(const struct check *c, const struct event *e)
{
	if (e->level != EVENT_WHOLE || e->frames > EVENT_MAX_FRAMES)
		return false;
	if ((unsigned int)e->grade >= EVENT_NR_GRADES || (unsigned int)e->why >= EVENT_NR_WHYS)
		return false;
	if (!memchr(e->comm, '\0', sizeof(e->comm)) || !memchr(e->name, '\0', sizeof(e->name)))
		return false;
	if (event_is_pool(e) ? !e->pool || !~e->pool : e->pool != 0)
		return false;
	if (e->function >= EVENT_MAX_FUNCTIONS ||
	    (e->kind <= EVENT_REALLOC && e->function >= c->functions))
		return false;
	return is_of_its_kind(e);
}

static bool call_is_good(const struct check *c, const struct event *e)
{
	return e && e->kind >= EVENT_ALLOC && e->kind <= EVENT_POOL_DESTROY && event_is_good(c, e);
}

static bool stack_is_good(const struct check *c, const struct event *e)
{
	return e && e->kind == EVENT_STACK && e->stack_id && e->frames && event_is_good(c, e);
}

static bool is_good(const struct check *c, const struct record *r)
{
	switch (r->kind) {
	case RECORD_START:
		return start_is_good(&r->start);
	case RECORD_FUNCTIONS:
		return functions_are_good(c, &r->functions);
	case RECORD_MODULE:
		return module_is_good(c, &r->module);
	case RECORD_SPACE:
		return space_is_good(c, &r->space);
	case RECORD_CODE:
		return code_is_good(&r->code);
	case RECORD_LIFE:
		return (unsigned int)r->life.what <= RECORD_END;
	case RECORD_NAMES:
		return names_are_good(c, &r->names);
	case RECORD_STACK:
		return stack_is_good(c, r->event);
	case RECORD_EVENT:
		return call_is_good(c, r->event);
	case RECORD_PRESSURE:
		return (unsigned int)r->pressure.level < EVENT_NR_LEVELS;
	case RECORD_ANSWER:
		return r->ns <= 1;
	case RECORD_LATE:
	case RECORD_SETTLE:
	case RECORD_DOUBT:
	case RECORD_SHARED:
	case RECORD_MISSED:
	case RECORD_MEMORY:
		return true;
	case RECORD_BOOKS:
		return books_are_good(&r->books);
	case RECORD_NR_KINDS:
		break;
	}
	return false;
}

bool check_record(struct check *c, const struct record *r)
{
	if ((r->kind == RECORD_START) == c->started || !is_good(c, r))
		return false;
	c->started = true;
	if (r->kind == RECORD_FUNCTIONS)
		c->functions = r->functions.count;
	if (r->kind == RECORD_MODULE)
		c->modules++;
	return true;
}
