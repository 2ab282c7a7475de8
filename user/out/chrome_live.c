// SPDX-License-Identifier: MIT
/*
 * A value that has changed is told at once when the last was told a step ago, else when that step
 * is over: then with what it was at that time, not with what the event brings that shows that it is
 * over. So what a viewer draws is the truth at each step, whatever happened between.
 *
 * Chunks of pools lie in blocks that are counted; they are not.
 */
#include "out/chrome_live.h"

struct counted {
	struct chrome_live_value value;
	uint64_t told_ns; /* 0: never */
	uint64_t untold;  /* whether it has changed since */
};

void chrome_live_init(struct chrome_live *l, struct sink *s, chrome_live_fn tell)
{
	*l = (struct chrome_live){.sink = s, .tell = tell};
	table_init(&l->processes, sizeof(uint64_t), sizeof(struct counted), CHROME_LIVE_MAX);
}

void chrome_live_fini(struct chrome_live *l)
{
	table_fini(&l->processes);
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

static void add(struct chrome_live *l, struct counted *p, uint64_t size, int sign)
{
	uint64_t sample_bytes = l->sink->info->sample_bytes;
	double bytes = sample_bytes ? heap_weighted_bytes(size, sample_bytes) : (double)size;

	p->value.blocks += sign * (sample_bytes && size ? bytes / (double)size : 1);
	p->value.bytes += sign * bytes;
	p->untold = true;
}

static void change(struct chrome_live *l, struct counted *p, const struct event *e,
		   const struct heap_note *note)
{
	if (note->old_known && !e->failed)
		add(l, p, note->old_size, -1);
	if (e->kind != EVENT_FREE && e->addr && !e->failed && !e->new_unsampled)
		add(l, p, e->size, 1);
}

void chrome_live_apply(struct chrome_live *l, const struct event *e, const struct heap_note *note)
{
	uint64_t now_ns = event_end_ns(e), pid = e->pid;
	struct counted *p;
	bool fresh;

	if (event_is_pool(e))
		return;
	p = table_insert(&l->processes, &pid, &fresh);
	if (!p)
		return;
	if (p->untold && is_due(p, now_ns))
		tell(l, e->pid, p, p->told_ns + CHROME_LIVE_STEP_NS);
	change(l, p, e, note);
	if (p->untold && is_due(p, now_ns))
		tell(l, e->pid, p, now_ns);
}

static bool finish(const void *key, void *value, void *context)
{
	struct counted *p = value;

	if (p->untold)
		tell(context, (uint32_t) * (const uint64_t *)key, p,
		     p->told_ns + CHROME_LIVE_STEP_NS);
	return false;
}

void chrome_live_finish(struct chrome_live *l)
{
	table_sweep(&l->processes, finish, l);
}
