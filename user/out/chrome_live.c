// SPDX-License-Identifier: MIT
/*
 * A value that has changed is told at once when the last was told a step ago, else when that step
 * is over: then with what it was at that time, not with what the event brings that shows that it is
 * over. So what a viewer draws is the truth at each step, whatever happened between.
 *
 * Chunks of pools lie in blocks that are counted; they are not. What a process leaves behind stays
 * as it was, as in the books, unless its number comes again.
 */
#include "out/chrome_live.h"

struct counted {
	struct chrome_live_value value;
	struct chrome_live_value gone; /* of it, by the call at hand or since the last */
	uint64_t told_ns;              /* 0: never */
	uint32_t untold;               /* whether it has changed since */
	uint32_t ended;                /* the process has; this is what it had then */
};

static void add(const struct chrome_live *l, struct chrome_live_value *to, uint64_t size, int sign)
{
	uint64_t sample_bytes = l->sink->info->sample_bytes;
	double bytes = sample_bytes ? heap_weighted_bytes(size, sample_bytes) : (double)size;

	to->blocks += sign * (sample_bytes && size ? bytes / (double)size : 1);
	to->bytes += sign * bytes;
}

static struct counted *counted_of(struct chrome_live *l, uint32_t pid)
{
	uint64_t key = pid;
	bool fresh;

	return table_insert(&l->processes, &key, &fresh);
}

static void on_gone(void *context, const struct heap_gone *gone)
{
	struct chrome_live *l = context;
	struct counted *p = gone->of_pool ? NULL : counted_of(l, gone->pid);

	if (!p)
		return;
	if (gone->end == HEAP_ENDED)
		p->ended = true;
	else
		add(l, &p->gone, gone->size, 1);
}

void chrome_live_init(struct chrome_live *l, struct sink *s, chrome_live_fn tell)
{
	*l = (struct chrome_live){.sink = s, .heap = s->info->heap, .tell = tell};
	table_init(&l->processes, sizeof(uint64_t), sizeof(struct counted), CHROME_LIVE_MAX);
	if (!l->heap)
		return;
	l->heap->on_gone = on_gone;
	l->heap->gone_context = l;
}

void chrome_live_fini(struct chrome_live *l)
{
	if (l->heap)
		l->heap->on_gone = NULL;
	table_fini(&l->processes);
	*l = (struct chrome_live){0};
}

static void tell(struct chrome_live *l, uint32_t pid, struct counted *p, uint64_t ts_ns)
{
	l->tell(l->sink, pid, ts_ns, p->value);
	p->told_ns = ts_ns;
	p->untold = false;
}

static bool is_due(const struct counted *p, uint64_t now_ns)
{
	return !p->told_ns || now_ns >= p->told_ns + CHROME_LIVE_STEP_NS;
}

/* What is gone was there until now. */
static void take_gone(struct counted *p)
{
	if (p->gone.blocks == 0)
		return;
	p->value.blocks -= p->gone.blocks;
	p->value.bytes -= p->gone.bytes;
	p->gone = (struct chrome_live_value){0};
	p->untold = true;
}

/* Its number is that of another process now. */
static void begin_anew(struct counted *p)
{
	p->value = p->gone = (struct chrome_live_value){0};
	p->ended = false;
	p->untold = true;
}

void chrome_live_apply(struct chrome_live *l, const struct event *e, const struct heap_note *note)
{
	struct counted *p = l->heap ? counted_of(l, e->pid) : NULL;
	uint64_t now_ns = event_end_ns(e);

	if (!p)
		return;
	if (p->untold && is_due(p, now_ns))
		tell(l, e->pid, p, p->told_ns + CHROME_LIVE_STEP_NS);
	if (p->ended)
		begin_anew(p);
	take_gone(p);
	if (note->mark && !note->pool) {
		add(l, &p->value, e->size, 1);
		p->untold = true;
	}
	if (p->untold && is_due(p, now_ns))
		tell(l, e->pid, p, now_ns);
}

static bool finish(const void *key, void *value, void *context)
{
	struct counted *p = value;

	take_gone(p);
	if (p->untold)
		tell(context, (uint32_t) * (const uint64_t *)key, p,
		     p->told_ns + CHROME_LIVE_STEP_NS);
	return false;
}

void chrome_live_finish(struct chrome_live *l)
{
	table_sweep(&l->processes, finish, l);
}
