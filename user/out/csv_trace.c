// SPDX-License-Identifier: MIT
/*
 * The trace as comma-separated values: a row a call, and nothing else but the header. A field that
 * says nothing of a call is empty; the place is that of the call in the source, inlined or not.
 */
#include <inttypes.h>

#include "out/csv.h"
#include "out/rendered.h"

struct state {
	struct rendered rendered;
};

static void start(struct sink *s)
{
	struct state *state = s->state;

	rendered_init(&state->rendered, RENDERED_MOST_BYTES);
	fputs("time_ns,pid,tid,comm,call,kind,size,align,addr,old_addr,old_size,latency_ns,failed,"
	      "pool,function,file,line,column,module" CSV_END,
	      s->out);
}

static void fini(struct sink *s)
{
	struct state *state = s->state;

	rendered_fini(&state->rendered);
}

static void write_count(FILE *out, uint64_t n, bool known)
{
	fputc(',', out);
	if (known)
		fprintf(out, "%" PRIu64, n);
}

static void write_address(FILE *out, uint64_t address, bool known)
{
	fputc(',', out);
	if (known)
		fprintf(out, "0x%" PRIx64, address);
}

static void write_text(FILE *out, const char *text)
{
	fputc(',', out);
	csv_text(out, text);
}

/* A size that overflowed is none. */
static void write_block(FILE *out, const struct event *e, const struct heap_note *note)
{
	bool frees = e->kind == EVENT_FREE || e->kind == EVENT_POOL_FREE;
	uint64_t addr = e->kind == EVENT_POOL_CREATE ? e->base : e->addr;

	write_count(out, e->size, !frees && e->kind != EVENT_POOL_DESTROY && e->size != UINT64_MAX);
	write_count(out, e->align, e->align);
	write_address(out, addr, addr || frees);
	write_address(out, e->old_addr, e->old_addr);
	write_count(out, note->old_size, note->old_known);
	write_count(out, e->latency_ns, e->measured);
	write_count(out, e->failed, true);
}

static void write_place(const struct sink *s, FILE *out, const struct event *e)
{
	const struct sym_frame *f = sink_frames_at(s, e->pid, e->stack, e->frames, 0).frames;

	write_text(out, f->function ? f->function : "");
	write_text(out, f->file ? f->file : "");
	write_count(out, (uint64_t)f->line, f->file && f->line);
	write_count(out, (uint64_t)f->column, f->file && f->column);
	write_text(out, f->module);
}

static void write_origin(struct sink *s, const struct event *e)
{
	struct state *state = s->state;
	const struct rendered_text *text;

	if (!e->frames || !e->stack[0]) {
		fputs(",,,,,", s->out);
		return;
	}
	text = rendered_get(&state->rendered, s, e, write_place);
	if (text)
		fwrite(text->bytes, 1, text->length, s->out);
	else
		write_place(s, s->out, e);
}

static void event(struct sink *s, const struct event *e, const struct heap_note *note)
{
	char name[80];

	fprintf(s->out, "%" PRId64 ",%u,%u", (int64_t)(e->ts_ns - s->info->start_ns), e->pid,
		e->tid);
	write_text(s->out, e->comm);
	write_text(s->out, sink_call_name(s, e, note, name, sizeof(name)));
	write_text(s->out, sink_kind_name(e));
	write_block(s->out, e, note);
	write_text(s->out, note->pool ? note->pool->name : "");
	write_origin(s, e);
	fputs(CSV_END, s->out);
}

const struct sink_ops csv_trace_sink = {
	.command = "trace",
	.format = "csv",
	.state_size = sizeof(struct state),
	.start = start,
	.event = event,
	.fini = fini,
};
