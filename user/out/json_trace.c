// SPDX-License-Identifier: MIT
/* The trace as JSON lines: one object a call, its stack resolved. */
#include "core/stack.h"
#include "out/json.h"
#include "out/rendered.h"

struct state {
	struct rendered rendered;
};

static void start(struct sink *s)
{
	struct state *state = s->state;

	rendered_init(&state->rendered, RENDERED_MOST_BYTES);
	json_start(s);
}

static void fini(struct sink *s)
{
	struct state *state = s->state;

	rendered_fini(&state->rendered);
}

static void set_block(json_t *o, const struct event *e, const struct heap_note *note)
{
	bool frees = e->kind == EVENT_FREE || e->kind == EVENT_POOL_FREE;

	if (e->size == UINT64_MAX) /* count * size is more than a size can be */
		json_object_set_new(o, "overflow", json_true());
	else if (!frees && e->kind != EVENT_POOL_DESTROY)
		json_object_set_new(o, "size", json_count(e->size));
	if (e->align)
		json_object_set_new(o, "align", json_count(e->align));
	if (e->addr || frees)
		json_object_set_new(o, "addr", json_address(e->addr));
	if (e->old_addr)
		json_object_set_new(o, "old_addr", json_address(e->old_addr));
	if (note->old_known)
		json_object_set_new(o, "old_size", json_count(note->old_size));
	if (e->failed)
		json_object_set_new(o, "failed", json_true());
	if (e->measured)
		json_object_set_new(o, "latency_ns", json_count(e->latency_ns));
	else if (e->latency_ns) /* single-stepped: when it returned is known, how long it took not
				 */
		json_object_set_new(o, "returned_ns", json_count(event_end_ns(e)));
}

static void set_pool(json_t *o, const struct event *e, const struct heap_note *note)
{
	json_object_set_new(o, "pool", json_text(note->pool->name));
	if (!e->otel)
		json_object_set_new(o, "pool_addr", json_address(e->pool));
	if (e->kind != EVENT_POOL_CREATE)
		return;
	json_object_set_new(o, "base", json_address(e->base));
	json_object_set_new(o, "chunk_size", json_count(e->chunk_size));
	json_object_set_new(o, "chunk_count", json_count(e->chunk_count));
}

/* The members of an event that its stack makes; where a pool was made is none that has a grade. */
static void write_stack(const struct sink *s, FILE *out, const struct event *e)
{
	struct sink_extent extent = sink_extent(s, e);
	const char *why = stack_why_text(extent.why);
	json_t *o = json_object();

	json_object_set_new(o, "stack", json_stack(s, e->pid, e->stack, extent.depth));
	if (s->info->stacks && e->kind != EVENT_POOL_CREATE) {
		json_object_set_new(o, "stack_grade", json_string(stack_grade_name(e->grade)));
		if (why)
			json_object_set_new(o, "stack_why", json_string(why));
	}
	json_members(out, o);
}

/* The line, of what is the event's own and of what all have that came along its stack. */
static void write_line(struct sink *s, const struct event *e, json_t *own)
{
	struct state *state = s->state;
	const struct rendered_text *text;

	if (!own || !e->frames || !e->stack[0]) {
		json_line(s->out, own);
		return;
	}
	text = rendered_get(&state->rendered, s, e, write_stack);
	fputc('{', s->out);
	json_members(s->out, own);
	fputc(',', s->out);
	if (text)
		fwrite(text->bytes, 1, text->length, s->out);
	else
		write_stack(s, s->out, e);
	fputs("}\n", s->out);
}

static void event(struct sink *s, const struct event *e, const struct heap_note *note)
{
	uint64_t weight = sink_weight(s, e);
	json_t *o = json_object();
	char name[80];

	json_object_set_new(o, "type", json_string("event"));
	json_object_set_new(o, "call", json_text(sink_call_name(s, e, note, name, sizeof(name))));
	json_object_set_new(o, "kind", json_string(sink_kind_name(e)));
	json_object_set_new(o, "ts_ns", json_count(e->ts_ns));
	json_object_set_new(o, "pid", json_integer(e->pid));
	json_object_set_new(o, "tid", json_integer(e->tid));
	if (e->ns_pid) {
		json_object_set_new(o, "ns_pid", json_integer(e->ns_pid));
		json_object_set_new(o, "ns_tid", json_integer(e->ns_tid));
	}
	json_object_set_new(o, "comm", json_text(e->comm));
	set_block(o, e, note);
	if (weight)
		json_object_set_new(o, "weighted_bytes", json_count(weight));
	if (note->pool)
		set_pool(o, e, note);
	write_line(s, e, o);
}

/* From this place on. */
static void pressure(struct sink *s, const struct pressure_change *c)
{
	static const char *const levels[] = {
		[EVENT_WHOLE] = "whole", [EVENT_SAMPLED] = "sampled", [EVENT_COUNTS] = "counts"};
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string("pressure"));
	json_object_set_new(o, "level", json_string(levels[c->level]));
	json_object_set_new(o, "ts_ns", json_count(c->ts_ns));
	if (c->level == EVENT_SAMPLED)
		json_object_set_new(o, "one_in", json_integer(EVENT_ONE_IN));
	if (c->level == EVENT_WHOLE) {
		json_object_set_new(o, "counted_only", json_count(c->counted));
		json_object_set_new(o, "lasted_ns", json_count(c->lasted_ns));
	}
	json_line(s->out, o);
}

const struct sink_ops json_trace_sink = {
	.command = "trace",
	.format = "json",
	.state_size = sizeof(struct state),
	.start = start,
	.event = event,
	.finding = json_finding,
	.pressure = pressure,
	.tick = json_books,
	.finish = json_books,
	.fini = fini,
};
