// SPDX-License-Identifier: MIT
/*
 * The trace in the Trace Event Format, which ui.perfetto.dev, chrome://tracing and speedscope read:
 *
 *	{"displayTimeUnit":"ns","otherData":{"version":"0.1.0",...},"traceEvents":[
 *	{"ph":"M","name":"process_name","pid":4211,"tid":4211,"args":{"name":"demo"}},
 *	{"ph":"X","name":"malloc","cat":"alloc","pid":4211,"tid":4211,"ts":213,"dur":1.633,"args":{…}},
 *	{"ph":"C","name":"live bytes","pid":4211,"ts":214.633,"args":{"bytes":160}}
 *	]}
 *
 * One call is one complete event on its thread; times are microseconds since the start. How long it
 * took is not known of every call (free, for one): such a one has no length. What is written is
 * forgotten, so that a trace may be as long as the disk is large.
 */
#include <stdlib.h>
#include <string.h>

#include "core/stack.h"
#include "out/chrome_live.h"
#include "out/json.h"
#include "out/location.h"
#include "out/rendered.h"

#define NAMED_MAX (1U << 16) /* when it is full, all are forgotten, and named again */

struct thread {
	uint32_t pid, tid;
};

/* As long as a comm is, in words. */
struct comm {
	char text[24];
};

struct state {
	struct rendered rendered;
	struct chrome_live live;
	struct table named; /* struct thread; tid 0: the process -> struct comm */
	bool separate;      /* an event stands before the next */
};

/* Begins an event with two objects, whose references it takes; "args" is left open. False: for lack
 * of memory there is nothing, and end_event is not to be called. */
static bool begin_event(struct sink *s, json_t *o, json_t *args)
{
	struct state *state = s->state;

	if (!o || !args) {
		json_decref(o);
		json_decref(args);
		return false;
	}
	fputs(state->separate ? ",\n{" : "\n{", s->out);
	state->separate = true;
	json_members(s->out, o);
	fputs(",\"args\":{", s->out);
	json_members(s->out, args);
	return true;
}

static void end_event(struct sink *s)
{
	fputs("}}", s->out);
}

static void write_event(struct sink *s, json_t *o, json_t *args)
{
	if (begin_event(s, o, args))
		end_event(s);
}

static json_t *new_event(const char *phase, const char *name, uint32_t pid)
{
	json_t *o = json_object();

	json_object_set_new(o, "ph", json_string(phase));
	json_object_set_new(o, "name", json_text(name));
	json_object_set_new(o, "pid", json_count(pid));
	return o;
}

/* In microseconds since the start; nanoseconds are kept for eleven days. */
static void set_time(json_t *o, const struct sink *s, uint64_t ts_ns)
{
	json_object_set_new(o, "ts",
			    json_decimal((double)(int64_t)(ts_ns - s->info->start_ns) / 1000));
}

/* ---- who it is ---- */

static void write_name(struct sink *s, const char *what, uint32_t pid, uint32_t tid,
		       const char *name)
{
	json_t *o = new_event("M", what, pid), *args = json_object();

	json_object_set_new(o, "tid", json_count(tid));
	json_object_set_new(args, "name", json_text(name));
	write_event(s, o, args);
}

/* NULL: no memory. */
static struct comm *find_comm(struct state *state, const struct thread *thread, bool *fresh)
{
	struct comm *comm = table_insert(&state->named, thread, fresh);

	if (comm || state->named.count < NAMED_MAX)
		return comm;
	table_fini(&state->named);
	table_init(&state->named, sizeof(struct thread), sizeof(struct comm), NAMED_MAX);
	return table_insert(&state->named, thread, fresh);
}

/* A process is called as its main thread is, if that is seen. */
static void name_once(struct sink *s, const struct event *e, bool process)
{
	struct thread thread = {e->pid, process ? 0 : e->tid};
	struct comm *comm;
	bool fresh;

	comm = find_comm(s->state, &thread, &fresh);
	if (!comm || !strcmp(comm->text, e->comm) || (process && !fresh && e->tid != e->pid))
		return;
	snprintf(comm->text, sizeof(comm->text), "%s", e->comm);
	write_name(s, process ? "process_name" : "thread_name", e->pid, e->tid, e->comm);
}

/* ---- calls ---- */

static json_t *place(const struct sym_frame *f, bool say_inlined)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	json_t *json = NULL;

	if (!out)
		return NULL;
	location_write(out, f, say_inlined);
	if (!(ferror(out) | fclose(out)))
		json = json_text(text);
	free(text);
	return json;
}

static json_t *stack(const struct sink *s, const struct event *e, unsigned int depth)
{
	json_t *all = json_array();

	for (unsigned int i = 0; i < depth; i++) {
		struct sym_stack frames = sink_frames_at(s, e->pid, e->stack, e->frames, i);

		if (sink_is_interrupted(e->stack, i))
			json_array_append_new(all, json_string("<signal handler called>"));
		for (size_t k = 0; k < frames.count; k++)
			json_array_append_new(all, place(&frames.frames[k], true));
	}
	return all;
}

/* What all events have that came along that stack. */
static void write_origin(const struct sink *s, FILE *out, const struct event *e)
{
	struct sink_extent extent = sink_extent(s, e);
	json_t *o = json_object();

	json_object_set_new(
		o, "location",
		place(sink_frames_at(s, e->pid, e->stack, e->frames, 0).frames, s->info->stacks));
	if (s->info->stacks) {
		json_object_set_new(o, "stack", stack(s, e, extent.depth));
		if (e->kind != EVENT_POOL_CREATE)
			json_object_set_new(o, "stack_grade",
					    json_string(stack_grade_name(e->grade)));
	}
	json_members(out, o);
}

static void write_place(struct sink *s, const struct event *e)
{
	struct state *state = s->state;
	const struct rendered_text *text;

	if (!e->frames || !e->stack[0])
		return;
	fputc(',', s->out);
	text = rendered_get(&state->rendered, s, e, write_origin);
	if (text)
		fwrite(text->bytes, 1, text->length, s->out);
	else
		write_origin(s, s->out, e);
}

/* At least one is there of every call. */
static json_t *block(const struct sink *s, const struct event *e, const struct heap_note *note)
{
	bool frees = e->kind == EVENT_FREE || e->kind == EVENT_POOL_FREE;
	uint64_t addr = e->kind == EVENT_POOL_CREATE ? e->base : e->addr;
	uint64_t weight = sink_weight(s, e);
	json_t *o = json_object();

	if (e->size == UINT64_MAX)
		json_object_set_new(o, "overflow", json_true());
	else if (!frees && e->kind != EVENT_POOL_DESTROY)
		json_object_set_new(o, "size", json_count(e->size));
	if (e->align)
		json_object_set_new(o, "align", json_count(e->align));
	if (addr || frees)
		json_object_set_new(o, "addr", json_address(addr));
	if (e->old_addr)
		json_object_set_new(o, "old_addr", json_address(e->old_addr));
	if (note->old_known)
		json_object_set_new(o, "old_size", json_count(note->old_size));
	if (e->failed)
		json_object_set_new(o, "failed", json_true());
	if (weight)
		json_object_set_new(o, "weighted_bytes", json_count(weight));
	if (note->pool)
		json_object_set_new(o, "pool", json_text(note->pool->name));
	return o;
}

static void event(struct sink *s, const struct event *e, const struct heap_note *note)
{
	struct state *state = s->state;
	char name[80];
	json_t *o = new_event("X", sink_call_name(s, e, note, name, sizeof(name)), e->pid);

	name_once(s, e, true);
	name_once(s, e, false);
	json_object_set_new(o, "cat", json_string(sink_kind_name(e)));
	json_object_set_new(o, "tid", json_count(e->tid));
	set_time(o, s, event_begin_ns(e));
	json_object_set_new(o, "dur", json_decimal(e->measured ? (double)e->latency_ns / 1000 : 0));
	if (begin_event(s, o, block(s, e, note))) {
		write_place(s, e);
		end_event(s);
	}
	chrome_live_apply(&state->live, e, note);
}

/* ---- what is no call ---- */

static void write_counter(struct sink *s, uint32_t pid, uint64_t ts_ns, const char *name,
			  const char *unit, double value)
{
	json_t *o = new_event("C", name, pid), *args = json_object();

	set_time(o, s, ts_ns);
	json_object_set_new(args, unit, json_count(value > 0.5 ? (uint64_t)(value + 0.5) : 0));
	write_event(s, o, args);
}

static void write_live(struct sink *s, uint32_t pid, uint64_t ts_ns, struct chrome_live_value value)
{
	write_counter(s, pid, ts_ns, "live bytes", "bytes", value.bytes);
	write_counter(s, pid, ts_ns, "live blocks", "blocks", value.blocks);
}

/* Marks the time in all processes. */
static void pressure(struct sink *s, const struct pressure_change *c)
{
	static const char *const names[] = {[EVENT_WHOLE] = "all calls are shown",
					    [EVENT_SAMPLED] = "calls are sampled",
					    [EVENT_COUNTS] = "no calls are shown"};
	json_t *o = new_event("i", names[c->level], 0), *args = json_object();

	json_object_set_new(o, "s", json_string("g"));
	json_object_set_new(o, "tid", json_count(0));
	set_time(o, s, c->ts_ns);
	if (c->level == EVENT_SAMPLED)
		json_object_set_new(args, "one_in", json_integer(EVENT_ONE_IN));
	if (c->level == EVENT_WHOLE)
		json_object_set_new(args, "counted_only", json_count(c->counted));
	write_event(s, o, args);
}

static void finding(struct sink *s, const struct finding *f)
{
	json_t *o = new_event("i", finding_name(f->check), f->pid);

	json_object_set_new(o, "s", json_string("t"));
	json_object_set_new(o, "cat", json_string("finding"));
	json_object_set_new(o, "tid", json_count(f->tid));
	set_time(o, s, f->ts_ns);
	write_event(s, o, json_of_finding(s, f));
}

/* ---- the run ---- */

static void start(struct sink *s)
{
	struct state *state = s->state;
	json_t *about;

	json_begin();
	rendered_init(&state->rendered, RENDERED_MOST_BYTES);
	if (s->info->live_known)
		chrome_live_init(&state->live, s, write_live);
	table_init(&state->named, sizeof(struct thread), sizeof(struct comm), NAMED_MAX);
	about = json_pack("{s:s,s:o,s:o,s:o}", "clock", "monotonic", "version",
			  json_text(s->info->version), "kernel", json_text(s->info->kernel),
			  "start_ns", json_count(s->info->start_ns));
	fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{", s->out);
	json_members(s->out, about);
	fputs("},\"traceEvents\":[", s->out);
}

static void finish(struct sink *s, const struct report *r)
{
	struct state *state = s->state;

	(void)r;
	chrome_live_finish(&state->live);
	fputs("\n]}\n", s->out);
}

static void fini(struct sink *s)
{
	struct state *state = s->state;

	rendered_fini(&state->rendered);
	chrome_live_fini(&state->live);
	table_fini(&state->named);
}

const struct sink_ops chrome_trace_sink = {
	.command = "trace",
	.format = "chrome",
	.state_size = sizeof(struct state),
	.start = start,
	.event = event,
	.finding = finding,
	.pressure = pressure,
	.finish = finish,
	.fini = fini,
};
