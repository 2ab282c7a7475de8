// SPDX-License-Identifier: MIT
/* Records that are no calls, as they are written: field by field, in the order of record.h, into
 * column REST. body_get.c reads them. */
#include "recording/out.h"

static void put_text(struct bytes *rest, const char *text)
{
	bytes_text(rest, text, RECORD_MAX_TEXT);
}

static void put_start(struct bytes *rest, const struct record_start *s)
{
	const bool flags[] = {s->stacks,          s->live_known, s->checks, s->partial,
			      s->partial_threads, s->whole_life, s->names};

	put_text(rest, s->version);
	put_text(rest, s->kernel);
	put_text(rest, s->command);
	bytes_number(rest, s->start_ns);
	bytes_number(rest, s->wall_ns);
	bytes_number(rest, s->target_count);
	for (uint32_t i = 0; i < s->target_count; i++)
		bytes_number(rest, s->targets[i]);
	bytes_number(rest, s->sample_bytes);
	put_text(rest, s->only_pool);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		bytes_number(rest, flags[i]);
}

static void put_functions(struct bytes *rest, const struct record_functions *f)
{
	bytes_number(rest, f->count);
	for (uint32_t i = 0; i < f->count; i++) {
		put_text(rest, f->at[i].name);
		bytes_number(rest, f->at[i].family);
		bytes_number(rest, f->at[i].traced);
		bytes_number(rest, f->at[i].frees);
		bytes_number(rest, f->at[i].own);
	}
}

static void put_module(struct bytes *rest, const struct record_module *m)
{
	put_text(rest, m->path);
	bytes_number(rest, m->build_id_size);
	bytes_raw(rest, m->build_id, m->build_id_size);
	bytes_number(rest, m->size);
}

static void put_space(struct bytes *rest, const struct record_space *s)
{
	uint64_t end = 0;

	bytes_number(rest, s->pid);
	bytes_number(rest, s->fresh);
	bytes_number(rest, s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct record_mapping *m = &s->mappings[i];

		bytes_signed(rest, (int64_t)(m->start - end));
		bytes_number(rest, m->end - m->start);
		bytes_number(rest, m->offset);
		bytes_number(rest, m->module);
		end = m->end;
	}
}

static void put_code(struct bytes *rest, const struct record_code *c)
{
	bytes_number(rest, c->pid);
	bytes_number(rest, c->anew);
	bytes_number(rest, c->size);
	bytes_raw(rest, c->bytes, c->size);
}

static void put_life(struct bytes *rest, const struct record_life *l)
{
	bytes_number(rest, l->what);
	bytes_number(rest, l->pid);
	bytes_number(rest, l->parent);
	bytes_number(rest, l->ts_ns);
}

static void put_names(struct bytes *rest, const struct record_names *n)
{
	bytes_number(rest, n->module);
	bytes_number(rest, n->address);
	bytes_number(rest, n->is_return);
	bytes_number(rest, n->count);
	for (uint32_t i = 0; i < n->count; i++) {
		const struct record_frame *f = &n->frames[i];

		put_text(rest, f->function);
		put_text(rest, f->file);
		bytes_signed(rest, f->line);
		bytes_signed(rest, f->column);
		bytes_number(rest, f->offset);
		bytes_number(rest, f->module_offset);
		bytes_number(rest, f->inlined);
	}
}

static void put_memory(struct bytes *rest, const struct record_memory *m)
{
	bytes_number(rest, m->pid);
	bytes_number(rest, m->ts_ns);
	bytes_number(rest, m->mapped);
	bytes_number(rest, m->resident);
	bytes_number(rest, m->rss);
}

static void put_totals(struct bytes *rest, const struct event_totals *t)
{
	bytes_number(rest, t->count);
	bytes_number(rest, t->bytes);
	bytes_number(rest, t->failed);
	bytes_number(rest, t->null);
	bytes_number(rest, t->freed);
}

static void put_pool(struct bytes *rest, const struct record_pool_totals *p)
{
	bytes_number(rest, p->pool.pid);
	bytes_number(rest, p->pool.addr);
	bytes_number(rest, p->pool.birth_ns);
	put_totals(rest, &p->totals.alloc);
	put_totals(rest, &p->totals.free);
	bytes_number(rest, p->totals.weighted_bytes);
	bytes_number(rest, p->totals.weighted_thousandths);
}

static void put_books(struct bytes *rest, const struct record_books *b)
{
	const uint64_t rest_of_it[] = {b->malformed, b->in_flight,      b->late,
				       b->late_ns,   b->stacks_unknown, b->stacks_refused};

	bytes_number(rest, b->final);
	bytes_number(rest, b->elapsed_ns);
	for (size_t i = 0; i < EVENT_NR_COUNTERS; i++)
		bytes_number(rest, b->counters[i]);
	for (size_t i = 0; i < EVENT_MAX_FUNCTIONS; i++)
		put_totals(rest, &b->unsent[i]);
	bytes_number(rest, b->pool_count);
	for (uint32_t i = 0; i < b->pool_count; i++)
		put_pool(rest, &b->pools[i]);
	for (size_t i = 0; i < sizeof(rest_of_it) / sizeof(rest_of_it[0]); i++)
		bytes_number(rest, rest_of_it[i]);
	put_text(rest, b->fate);
}

static void put_small(struct bytes *rest, const struct record *r)
{
	switch (r->kind) {
	case RECORD_PRESSURE:
		bytes_number(rest, r->pressure.level);
		bytes_number(rest, r->pressure.ts_ns);
		bytes_number(rest, r->pressure.counted);
		break;
	case RECORD_SETTLE:
	case RECORD_DOUBT:
	case RECORD_ANSWER:
	case RECORD_LATE:
		bytes_number(rest, r->ns);
		break;
	case RECORD_SHARED:
		bytes_number(rest, r->shared.pid);
		bytes_number(rest, r->shared.addr);
		bytes_number(rest, r->shared.shared);
		break;
	default: /* RECORD_MISSED has nothing to say */
		break;
	}
}

void out_other(struct out *o, const struct record *r)
{
	struct bytes *rest = &o->columns[COLUMN_REST];

	o->others = true;
	bytes_number(&o->columns[COLUMN_SHAPES], 0);
	bytes_number(rest, r->kind);
	switch (r->kind) {
	case RECORD_START:
		put_start(rest, &r->start);
		break;
	case RECORD_FUNCTIONS:
		put_functions(rest, &r->functions);
		break;
	case RECORD_MODULE:
		put_module(rest, &r->module);
		break;
	case RECORD_SPACE:
		put_space(rest, &r->space);
		break;
	case RECORD_CODE:
		put_code(rest, &r->code);
		break;
	case RECORD_LIFE:
		put_life(rest, &r->life);
		break;
	case RECORD_NAMES:
		put_names(rest, &r->names);
		break;
	case RECORD_MEMORY:
		put_memory(rest, &r->memory);
		break;
	case RECORD_BOOKS:
		put_books(rest, &r->books);
		break;
	default:
		put_small(rest, r);
		break;
	}
}
