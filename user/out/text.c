// SPDX-License-Identifier: MIT
/*
 * The trace for eyes: one line a call, the books at the end. What comes from a traced process is
 * escaped. A process in a PID namespace of its own has its number there behind the first one.
 *
 *	TIME(s)   PID/TID      COMM  CALL    SIZE  ALIGN ADDRESS     LATENCY* LOCATION
 *	0.000213  4211/4211    demo  malloc   160      - 0x55d0c…     1.63us  main at demo.c:12:9
 *	0.000220  4300(1)/4300 demo  malloc   160      - 0x55d0c…     1.63us  main at demo.c:12:9
 */
#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "core/stack.h"
#include "out/books.h"
#include "out/rendered.h"
#include "out/location.h"
#include "out/text.h"

#define INDENT "\n                  "

struct state {
	struct rendered rendered;
};

static void start(struct sink *s)
{
	struct state *state = s->state;

	rendered_init(&state->rendered, RENDERED_MOST_BYTES);
	fprintf(s->out, "%12s %15s %-15s %-26s %15s %6s %-14s %9s  %s\n", "TIME(s)", "PID/TID",
		"COMM", "CALL", "SIZE", "ALIGN", "ADDRESS", "LATENCY*", "LOCATION");
	fputs("  * includes the probe's own cost; a pool's is measured inside the process\n",
	      s->out);
}

/* The innermost frame: the line that called, also when the compiler inlined it into another
 * function. */
static void write_location(const struct sink *s, FILE *out, const struct event *e)
{
	struct sym_stack stack = sink_frames_at(s, e->pid, e->stack, e->frames, 0);

	location_write(out, &stack.frames[0], s->info->stacks);
}

/* How far the stack is to be believed, unless it is whole. */
static void write_end(const struct sink *s, FILE *out, const struct event *e,
		      struct sink_extent extent)
{
	struct sym_stack last;

	if (e->kind == EVENT_POOL_CREATE)
		return;
	last = sink_frames_at(s, e->pid, e->stack, e->frames, extent.depth - 1);
	location_end_write(out, INDENT, e->grade, extent.why, last.frames[last.count - 1].module);
}

/* What is above the location, one line a frame. */
static void write_stack(const struct sink *s, FILE *out, const struct event *e)
{
	struct sink_extent extent = sink_extent(s, e);

	for (unsigned int i = 0; i < extent.depth; i++) {
		struct sym_stack stack = sink_frames_at(s, e->pid, e->stack, e->frames, i);

		if (sink_is_interrupted(e->stack, i))
			fputs(INDENT "<signal handler called>", out);
		for (size_t k = 0; k < stack.count; k++) {
			if (i == 0 && k == 0)
				continue;
			fputs(INDENT, out);
			location_write(out, &stack.frames[k], true);
		}
	}
	write_end(s, out, e, extent);
}

/* Location, a zero, which no name has in it, and the stack. */
static void write_both(const struct sink *s, FILE *out, const struct event *e)
{
	write_location(s, out, e);
	fputc('\0', out);
	if (s->info->stacks)
		write_stack(s, out, e);
}

static void write_size(struct sink *s, const struct event *e, const struct heap_note *note)
{
	char text[48] = "-", old[24] = "?";
	bool frees = e->kind == EVENT_FREE || e->kind == EVENT_POOL_FREE;

	if (note->old_known)
		snprintf(old, sizeof(old), "%" PRIu64, note->old_size);
	if (e->size == UINT64_MAX)
		snprintf(text, sizeof(text), "overflow");
	else if (e->kind == EVENT_REALLOC || e->by_realloc)
		snprintf(text, sizeof(text), "%s->%" PRIu64, old, e->size);
	else if (!frees && e->kind != EVENT_POOL_DESTROY)
		snprintf(text, sizeof(text), "%" PRIu64, e->size);
	else if (note->old_known)
		snprintf(text, sizeof(text), "%s", old);
	fprintf(s->out, " %15s", text);
	if (e->align)
		fprintf(s->out, " %6" PRIu64, e->align);
	else
		fprintf(s->out, " %6s", "-");
}

static void write_address(struct sink *s, const struct event *e)
{
	uint64_t addr = e->kind == EVENT_POOL_CREATE ? e->base : e->addr;
	char text[64];

	if (e->failed)
		snprintf(text, sizeof(text), "failed");
	else if (e->kind == EVENT_POOL_DESTROY)
		snprintf(text, sizeof(text), "-");
	else if (!addr)
		snprintf(text, sizeof(text), "NULL");
	else
		snprintf(text, sizeof(text), "0x%" PRIx64, addr);
	fprintf(s->out, " %-14s", text);
}

/* What the columns cannot say. */
static void write_remarks(struct sink *s, const struct event *e, const struct heap_note *note)
{
	bool frees = e->kind == EVENT_FREE || e->kind == EVENT_POOL_FREE;
	uint64_t weight = sink_weight(s, e);

	if (weight)
		fprintf(s->out, " (stands for %" PRIu64 " bytes)", weight);
	if (e->kind == EVENT_REALLOC && e->old_addr != e->addr)
		fprintf(s->out, " (%s 0x%" PRIx64 ")", e->failed ? "kept" : "moved from",
			e->old_addr);
	if (e->by_realloc)
		fputs(" (freed)", s->out);
	else if (frees && e->addr && !note->old_known)
		fputs(" (not seen allocated)", s->out);
}

static void write_latency(struct sink *s, const struct event *e)
{
	char text[16];

	fprintf(s->out, " %9s", e->measured ? books_duration(text, e->latency_ns) : "-");
}

static void write_kept(struct sink *s, const struct event *e, const struct heap_note *note,
		       const struct rendered_text *text)
{
	size_t location = strlen(text->bytes);

	fwrite(text->bytes, 1, location, s->out);
	write_remarks(s, e, note);
	fwrite(text->bytes + location + 1, 1, text->length - location - 1, s->out);
}

/* Where the call came from, and what else is to be said of it. */
static void write_origin(struct sink *s, const struct event *e, const struct heap_note *note)
{
	bool of_pool = e->kind == EVENT_POOL_CREATE || e->kind == EVENT_POOL_DESTROY;
	struct state *state = s->state;
	const struct rendered_text *text;

	if (!e->frames || !e->stack[0]) {
		fputs(of_pool ? "-" : "(unreadable stack)", s->out);
		write_remarks(s, e, note);
		return;
	}
	text = rendered_get(&state->rendered, s, e, write_both);
	if (text) {
		write_kept(s, e, note, text);
		return;
	}
	write_location(s, s->out, e);
	write_remarks(s, e, note);
	if (s->info->stacks)
		write_stack(s, s->out, e);
}

static void event(struct sink *s, const struct event *e, const struct heap_note *note)
{
	int64_t since = (int64_t)(e->ts_ns - s->info->start_ns);
	char ids[48], comm[80], name[80], call[352];

	if (e->ns_pid)
		snprintf(ids, sizeof(ids), "%u(%u)/%u", e->pid, e->ns_pid, e->tid);
	else
		snprintf(ids, sizeof(ids), "%u/%u", e->pid, e->tid);
	fprintf(s->out, "%12.6f %15s %-15s %-26s", (double)since / 1e9, ids,
		log_quote(comm, sizeof(comm), e->comm),
		log_quote(call, sizeof(call), sink_call_name(s, e, note, name, sizeof(name))));
	write_size(s, e, note);
	write_address(s, e);
	write_latency(s, e);
	fputs("  ", s->out);
	write_origin(s, e, note);
	fputc('\n', s->out);
}

static void fini(struct sink *s)
{
	struct state *state = s->state;

	rendered_fini(&state->rendered);
}

/* Marks the place: 0.412345 -- the ring is filling: … */
static void pressure(struct sink *s, const struct pressure_change *c)
{
	char lasted[BOOKS_DURATION];

	fprintf(s->out, "%12.6f -- ", (double)(int64_t)(c->ts_ns - s->info->start_ns) / 1e9);
	if (c->level == EVENT_SAMPLED)
		fprintf(s->out,
			"the ring is filling: from here one call in %d is shown, all are counted\n",
			EVENT_ONE_IN);
	else if (c->level == EVENT_COUNTS)
		fputs("the ring is nearly full: from here no call is shown, all are counted\n",
		      s->out);
	else
		fprintf(s->out,
			"every call is shown again (%" PRIu64 " calls were only counted, %s)\n",
			c->counted, books_duration(lasted, c->lasted_ns));
}

const struct sink_ops text_trace_sink = {
	.command = "trace",
	.format = "text",
	.state_size = sizeof(struct state),
	.start = start,
	.event = event,
	.finding = text_finding,
	.pressure = pressure,
	.tick = books_write,
	.finish = books_write,
	.fini = fini,
};
