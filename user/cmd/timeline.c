// SPDX-License-Identifier: MIT
/* The merge of events and address-space records. */
#include "cmd/timeline.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/log.h"

uint64_t timeline_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void timeline_init(struct timeline *t, struct symbolizer *symbolizer, struct heap *heap)
{
	int err;

	*t = (struct timeline){.symbolizer = symbolizer, .heap = heap};
	t->watch = watch_new(&err);
	if (!t->watch)
		log_debug("cannot watch mappings as they come (%s); /proc is read instead",
			  strerror(-err));
}

void timeline_fini(struct timeline *t)
{
	watch_free(t->watch);
	t->watch = NULL;
}

static bool matters(const struct timeline *t, pid_t pid)
{
	for (size_t i = 0; i < t->pid_count; i++) {
		if (t->pids[i] == pid)
			return true;
	}
	return !t->pid_count;
}

static void refresh_all(struct timeline *t, uint64_t lost)
{
	log_warn("%" PRIu64 " records of mappings were lost; /proc is read again", lost);
	for (size_t i = 0; i < t->pid_count; i++)
		symbolizer_refresh(t->symbolizer, t->pids[i]);
}

static void apply(struct timeline *t, const struct watch_record *r)
{
	if (r->kind == WATCH_LOST) {
		refresh_all(t, r->lost);
		return;
	}
	if (!matters(t, r->pid))
		return;
	switch (r->kind) {
	case WATCH_MAP:
		symbolizer_map(t->symbolizer, r->pid, &r->mapping);
		if (t->on_map)
			t->on_map(t->context, r->pid, &r->mapping);
		break;
	case WATCH_EXEC:
		symbolizer_exec(t->symbolizer, r->pid);
		heap_forget_process(t->heap, (uint32_t)r->pid);
		break;
	case WATCH_FORK:
		symbolizer_fork(t->symbolizer, r->parent, r->pid);
		break;
	default:
		if (t->on_exit)
			t->on_exit(t->context, r->pid);
		symbolizer_exit(t->symbolizer, r->pid);
		break;
	}
}

static void apply_until(struct timeline *t, uint64_t ts_ns)
{
	while (t->pending_count && t->pending->ts_ns <= ts_ns) {
		apply(t, t->pending++);
		t->pending_count--;
	}
}

/*
 * A record made before an event is in its ring when the event is in its own. So it is enough to
 * read the records again when an event is younger than the last reading; all that was pending from
 * that reading is older.
 */
void timeline_advance(struct timeline *t, uint64_t ts_ns)
{
	if (!t->watch)
		return;
	if (ts_ns > t->horizon_ns) {
		ssize_t n;

		apply_until(t, UINT64_MAX);
		t->horizon_ns = timeline_now();
		n = watch_read(t->watch, &t->pending);
		t->pending_count = n > 0 ? (size_t)n : 0;
	}
	apply_until(t, ts_ns);
}
