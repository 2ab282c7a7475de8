// SPDX-License-Identifier: MIT
#include "cmd/apply.h"

#include <string.h>

void apply_pressure(struct run *r, const struct event *e, uint64_t counted)
{
	struct pressure_change change;

	if (pressure_apply(&r->pressure, e, counted, &change) && r->sink.ops->pressure)
		r->sink.ops->pressure(&r->sink, &change);
}

/* Whoever shows each call asks for the names of its stack next: one by one they take longer. */
void apply_stack(struct run *r, const struct event *e)
{
	stacks_add(&r->stacks, e);
	if (r->sink.ops->event)
		symbolizer_prepare(r->symbolizer, (pid_t)e->pid, e->stack, e->frames);
}

/* What the kernel side would have added up, if it had been asked to. */
static void add_latency(struct run *r, const struct event *e, const struct heap_note *note)
{
	const char *name = note->pool ? note->pool->name : r->names[e->function];

	measure_add_call(&r->measure, e, name, note->pool ? note->row + 1 : 0, r->options->by);
}

void apply_call(struct run *r, const struct event *e)
{
	struct heap_note note;

	if (!heap_apply(&r->heap, e, &note))
		return;
	stacks_count(&r->stacks, e);
	if (e->kind == EVENT_POOL_CREATE && options_add_up(r->options))
		measure_name_pool(&r->measure, e, note.row);
	else if (e->kind == EVENT_POOL_CREATE)
		unsent_learn(&r->unsent, e, note.row);
	if (r->replayed && options_add_up(r->options))
		add_latency(r, e, &note);
	if (r->sink.ops->event)
		r->sink.ops->event(&r->sink, e, &note);
}

void apply_life(struct run *r, const struct record_life *life)
{
	switch (life->what) {
	case RECORD_FORK:
		symbolizer_fork(r->symbolizer, (pid_t)life->parent, (pid_t)life->pid);
		heap_fork_process(&r->heap, life->pid);
		break;
	case RECORD_EXEC:
		symbolizer_exec(r->symbolizer, (pid_t)life->pid);
		heap_forget_process(&r->heap, life->pid);
		break;
	default:
		symbolizer_exit(r->symbolizer, (pid_t)life->pid);
		heap_end_process(&r->heap, life->pid);
		break;
	}
}

void apply_memory(struct run *r, const struct record_memory *m)
{
	const struct memory_point point = {
		.ts_ns = m->ts_ns,
		.live = r->heap.live.bytes,
		.mapped = m->mapped,
		.resident = m->resident,
		.rss = m->rss,
	};

	memory_add(&r->memory, &point);
}

void apply_totals(struct run *r, const struct event_totals unsent[EVENT_MAX_FUNCTIONS])
{
	memcpy(r->totals, unsent, sizeof(r->totals));
	for (size_t i = 0; i < EVENT_MAX_FUNCTIONS && !r->info.sample_bytes; i++)
		event_totals_add(&r->totals[i], &r->heap.calls[i]);
}

struct report apply_report(const struct run *r, bool final)
{
	return (struct report){
		.heap = &r->heap,
		.lanes = &r->measure.lanes,
		.calibration = &r->measure.calibration,
		.calls = r->totals,
		.pressure = &r->pressure,
		.memory = &r->memory,
		.stacks = r->info.stacks && !r->info.adds_up ? &r->stacks : NULL,
		.events = r->heap.events + r->heap.ignored,
		.final = final,
	};
}
