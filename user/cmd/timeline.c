// SPDX-License-Identifier: MIT
/* The merge of events and address-space records. */
#include "cmd/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "sym/proc.h"

#define MAX_FAMILY (1 << 20)

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
	table_init(&t->family, sizeof(uint64_t), sizeof(uint64_t), MAX_FAMILY);
	table_init(&t->exiting, sizeof(uint64_t), 0, MAX_FAMILY);
	t->watch = watch_new(&err);
	if (!t->watch)
		log_debug("cannot watch mappings as they come (%s); /proc is read instead",
			  strerror(-err));
}

void timeline_fini(struct timeline *t)
{
	watch_free(t->watch);
	t->watch = NULL;
	table_fini(&t->family);
	table_fini(&t->exiting);
}

int timeline_fd(const struct timeline *t)
{
	return t->watch ? watch_fd(t->watch) : -1;
}

static void tell_life(struct timeline *t, enum record_life_kind what, pid_t pid, pid_t parent,
		      uint64_t ts_ns)
{
	struct record_life life = {what, (uint32_t)pid, (uint32_t)parent, ts_ns};

	if (t->on_life)
		t->on_life(t->context, &life);
}

static int add(struct timeline *t, pid_t pid, uint64_t since_ns)
{
	uint64_t key = (uint64_t)pid, *since;
	bool fresh;

	t->has_family = true;
	since = table_insert(&t->family, &key, &fresh);
	if (!since)
		return -ENOMEM;
	*since = since_ns;
	return 0;
}

int timeline_add(struct timeline *t, pid_t pid)
{
	return add(t, pid, timeline_now());
}

bool timeline_family_lives(const struct timeline *t)
{
	return t->watch && t->family.count;
}

static bool matters(const struct timeline *t, pid_t pid)
{
	uint64_t key = (uint64_t)pid;

	return !t->has_family || table_find(&t->family, &key);
}

static bool refresh(const void *key, void *value, void *context)
{
	struct timeline *t = context;
	pid_t pid = (pid_t) * (const uint64_t *)key;

	(void)value;
	symbolizer_refresh(t->symbolizer, pid);
	return t->follow && !proc_exists(pid);
}

static void refresh_all(struct timeline *t, uint64_t lost)
{
	log_warn("%" PRIu64 " records of mappings were lost; /proc is read again", lost);
	t->lost += lost;
	table_sweep(&t->family, refresh, t);
	if (!t->has_family)
		symbolizer_refresh_all(t->symbolizer);
}

/*
 * Who is made with the number of one of the family is another process, whoever made it: the one of
 * the family has ended. A command is added after it was made, and that is told later.
 */
static void disown(struct timeline *t, const struct watch_record *r)
{
	uint64_t key = (uint64_t)r->pid;
	const uint64_t *since = table_find(&t->family, &key);

	if (!since || *since >= r->ts_ns)
		return;
	table_remove(&t->family, &key);
	table_remove(&t->exiting, &key);
	symbolizer_exit(t->symbolizer, r->pid);
	heap_end_process(t->heap, (uint32_t)r->pid);
	tell_life(t, RECORD_END, r->pid, 0, r->ts_ns);
}

static void apply_fork(struct timeline *t, const struct watch_record *r)
{
	uint64_t key = (uint64_t)r->pid;

	if (t->follow && add(t, r->pid, r->ts_ns))
		log_warn("process %d is a child beyond what can be followed", r->pid);
	table_remove(&t->exiting, &key); /* it was another one's number */
	symbolizer_fork(t->symbolizer, r->parent, r->pid);
	if (matters(t, r->pid)) {
		heap_fork_process(t->heap, (uint32_t)r->pid);
		tell_life(t, RECORD_FORK, r->pid, r->parent, r->ts_ns);
	}
}

/* The record comes when the thread begins to end; whether it was the last one shows later. */
static void apply_exit(struct timeline *t, const struct watch_record *r)
{
	uint64_t key = (uint64_t)r->pid;
	bool fresh;

	if (t->on_exit)
		t->on_exit(t->context, r->pid);
	if (!proc_live_thread(r->pid))
		symbolizer_exit(t->symbolizer, r->pid);
	table_insert(&t->exiting, &key, &fresh);
}

static bool end_if_gone(const void *key, void *value, void *context)
{
	uint64_t pid = *(const uint64_t *)key;
	struct timeline *t = context;

	(void)value;
	if (proc_live_thread((pid_t)pid))
		return false;
	symbolizer_exit(t->symbolizer, (pid_t)pid);
	heap_end_process(t->heap, (uint32_t)pid);
	tell_life(t, RECORD_END, (pid_t)pid, 0, 0);
	if (t->follow)
		table_remove(&t->family, &pid);
	return true;
}

static void apply(struct timeline *t, const struct watch_record *r)
{
	if (r->kind == WATCH_FORK)
		disown(t, r);
	if (r->kind == WATCH_LOST)
		refresh_all(t, r->lost);
	else if (r->kind == WATCH_FORK ? !matters(t, r->parent) : !matters(t, r->pid))
		return;
	switch (r->kind) {
	case WATCH_MAP:
		symbolizer_map(t->symbolizer, r->pid, &r->mapping);
		if (t->on_map)
			t->on_map(t->context, r->pid, &r->mapping, r->ts_ns);
		break;
	case WATCH_EXEC:
		symbolizer_exec(t->symbolizer, r->pid);
		heap_forget_process(t->heap, (uint32_t)r->pid);
		tell_life(t, RECORD_EXEC, r->pid, 0, r->ts_ns);
		break;
	case WATCH_FORK:
		apply_fork(t, r);
		break;
	case WATCH_EXIT:
		apply_exit(t, r);
		break;
	default:
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

static void read_pending(struct timeline *t)
{
	ssize_t n = t->watch ? watch_read(t->watch, &t->pending) : 0;

	t->pending_count = n > 0 ? (size_t)n : 0;
}

/*
 * A record made before an event is in its ring when the event is in its own. So it is enough to
 * read the records again when an event is younger than the last reading; all that was pending from
 * that reading is older.
 */
void timeline_advance(struct timeline *t, uint64_t ts_ns)
{
	if (ts_ns > t->horizon_ns) {
		apply_until(t, UINT64_MAX);
		t->horizon_ns = timeline_now();
		symbolizer_advance(t->symbolizer);
		read_pending(t);
	}
	apply_until(t, ts_ns);
}

void timeline_settle(struct timeline *t)
{
	if (t->exiting.count)
		table_sweep(&t->exiting, end_if_gone, t);
}
