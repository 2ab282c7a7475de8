// SPDX-License-Identifier: MIT
/*
 * Doubts, from what the run knows: records that were lost or not sent, filters that let only a part
 * be seen, memory that others write to as well.
 */
#include "cmd/checks.h"

#include "sym/proc.h"

static void on_finding(void *context, const struct finding *f)
{
	struct run *r = context;

	if (r->sink.ops->finding)
		r->sink.ops->finding(&r->sink, f);
}

/* All that says that something was not seen one by one. It never shrinks. */
static uint64_t count_missed(struct run *r)
{
	struct report report = {.malformed = session_malformed(r->session)};

	session_counters(r->session, report.counters);
	return report_lost(&report) + report.counters[EVENT_COUNTED_ONLY] +
	       report.counters[EVENT_MAIN_LEFT] + report.counters[EVENT_UNFOLLOWED] +
	       r->timeline.lost;
}

/* The counters first and the clock then: the answer is younger than every loss it knows of. */
static uint64_t known_since(void *context)
{
	struct run *r = context;
	uint64_t missed = count_missed(r);

	if (missed > r->missed)
		r->missed_ns = timeline_now();
	r->missed = missed;
	recorder_doubt(&r->recorder, r->missed_ns);
	return r->missed_ns;
}

/* Calls that were left by longjmp, and main threads that left, lack no release of a block. */
static bool releases_are_missing(struct run *r)
{
	uint64_t counters[EVENT_NR_COUNTERS] = {0};

	session_counters(r->session, counters);
	return counters[EVENT_LOST_RING_FULL] || counters[EVENT_LOST_MAP_FULL] ||
	       counters[EVENT_COUNTED_ONLY] || session_malformed(r->session) || r->timeline.lost;
}

void checks_note_losses(struct run *r)
{
	if (r->heap.expects_losses || !releases_are_missing(r))
		return;
	heap_expect_losses(&r->heap);
	recorder_ns(&r->recorder, RECORD_MISSED, 0);
}

struct search {
	uint64_t addr;
	bool found, shared;
};

static int visit_mapping(const struct proc_mapping *m, void *context)
{
	struct search *s = context;

	if (s->addr < m->start || s->addr >= m->end)
		return 0;
	s->found = true;
	s->shared = m->shared;
	return 1;
}

/* A process that is gone cannot be asked, and is believed to have had its memory for itself: what
 * shared memory can make look wrong shows while a process lives. */
static bool is_shared(void *context, uint32_t pid, uint64_t addr)
{
	struct search search = {.addr = addr};
	struct run *r = context;
	struct record record = {.kind = RECORD_SHARED, .shared = {.pid = pid, .addr = addr}};

	proc_each_mapping((pid_t)pid, visit_mapping, &search);
	record.shared.shared = search.found && search.shared;
	recorder_put(&r->recorder, &record);
	return record.shared.shared;
}

void checks_init(struct run *r)
{
	struct findings *f = &r->heap.findings;
	const struct options *o = r->options;

	/* A recording has the answers that a replay will ask for. */
	if ((!r->sink.ops->finding && !r->recorder.output.file) || !o->functions.pools)
		return;
	f->context = r;
	f->known_since = known_since;
	f->is_shared = is_shared;
	f->partial = o->min_size || o->max_size != UINT64_MAX || o->sample_bytes ||
		     o->own_functions.count;
	f->partial_threads = o->comm || o->by_uid || o->cgroup || !r->timeline.watch;
	f->on_finding = on_finding;
}
