// SPDX-License-Identifier: MIT
/*
 * Doubts, from what the run knows: records that were lost or not sent, filters that let only a part
 * be seen, memory that others write to as well, allocators of which not every hand-out is seen.
 */
#include "cmd/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
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

/* ---- malloc's kin ---- */

static void read_nested(const struct run *r, uint64_t nested[EVENT_MAX_FUNCTIONS])
{
	for (unsigned int i = 0; i < EVENT_MAX_FUNCTIONS; i++)
		nested[i] = seen_nested(&r->seen, i);
}

static bool is_closed(const struct run *r, unsigned int function)
{
	uint64_t nested[EVENT_MAX_FUNCTIONS];

	read_nested(r, nested);
	return !*r->seen.untraced &&
	       company_is_closed(&r->attacher.company, &r->options->functions, function, nested);
}

/* Neither side has its blocks from the other one; what malloc hands out is all seen. */
static bool are_apart(const struct run *r, unsigned int function, unsigned int other)
{
	const struct functions *f = &r->options->functions;
	uint64_t nested[EVENT_MAX_FUNCTIONS];
	unsigned int both[] = {function, other};

	read_nested(r, nested);
	for (size_t i = 0; i < 2; i++) {
		if (!company_is_independent(f, both[i], nested) ||
		    (!f->rows[both[i]].prefix && !is_closed(r, both[i])))
			return false;
	}
	return true;
}

/* In the allocator's own code, or nobody knows where. */
static bool is_inside(struct run *r, const struct finding *f)
{
	struct sym_stack stack;

	if (!f->frames || !f->stack[0])
		return true;
	stack = symbolizer_resolve(r->symbolizer, (pid_t)f->pid, event_word_address(f->stack[0]),
				   event_word_is_return(f->stack[0]));
	return company_is_inside(&r->attacher.company, stack.frames[0].module);
}

static bool nothing_explains(struct run *r, const struct finding *f, uint64_t since_ns)
{
	uint64_t alone_ns = seen_alone_since(&r->seen, (pid_t)f->pid);

	if (since_ns ? alone_ns >= since_ns : alone_ns > 0)
		return false;
	if (is_inside(r, f))
		return false;
	if (f->check == FINDING_MISMATCHED && !f->other_pool)
		return are_apart(r, f->function, f->other_function);
	return is_closed(r, f->function);
}

static bool may_tell(void *context, const struct finding *f, uint64_t since_ns)
{
	struct run *r = context;
	bool answer = nothing_explains(r, f, since_ns);

	recorder_ns(&r->recorder, RECORD_ANSWER, answer);
	return answer;
}

/* Whether all functions of all files are looked at. */
static bool sees_all_functions(const struct options *o)
{
	return !o->events.count && !o->objects.count && !o->own_functions.count;
}

void checks_learn(struct run *r)
{
	if (sees_all_functions(r->options))
		company_families(&r->attacher.company, &r->options->functions,
				 r->heap.findings.families);
}

void checks_begin(struct run *r)
{
	r->heap.findings.since_ns = r->options->argv ? 0 : timeline_now();
}

void checks_came_late(struct run *r)
{
	r->heap.findings.whole_life = false;
	r->heap.findings.since_ns = timeline_now();
	recorder_ns(&r->recorder, RECORD_LATE, r->heap.findings.since_ns);
}

/* ---- --stop-on-error ---- */

void checks_watch(struct run *r, pid_t pid)
{
	if (r->options->stop_on_error)
		seen_watch(&r->seen, pid);
}

/* A static program: its own calls cannot be told from those of its allocator. */
static bool is_static(const struct run *r)
{
	char link[64], path[sizeof(r->attacher.company.path)];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", r->child.pid);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return n <= 0 || !strcmp(path, r->attacher.company.path);
}

void checks_disarm(struct run *r)
{
	if (r->options->stop_on_error)
		seen_arm(&r->seen, 0, 0, false);
}

void checks_arm(struct run *r)
{
	bool closed;

	if (!r->options->stop_on_error)
		return;
	closed = r->heap.findings.whole_life && is_closed(r, 0) && !is_static(r);
	seen_arm(&r->seen, r->attacher.company.begin, r->attacher.company.end, closed);
	if (!closed && !r->unarmed_said)
		log_warn("--stop-on-error: the command will not be stopped, because not every "
			 "block that its allocator hands out is seen");
	r->unarmed_said |= !closed;
}

/* Where a debugger will find it; of a function with a return probe it does not see the caller. */
static void say_stopped(const struct run *r, const struct seen_stop *stop)
{
	const struct functions *f = &r->options->functions;
	struct sym_stack stack =
		symbolizer_resolve(r->symbolizer, (pid_t)stop->pid, stop->caller, true);
	const struct sym_frame *frame = &stack.frames[0];
	char where[300], function[200];

	snprintf(where, sizeof(where), "%s", frame->function ? frame->function : frame->module);
	log_warn("process %" PRIu32 " is stopped at a call of '%s' by '%s' that frees 0x%" PRIx64
		 ", which is not in use: gdb -p %" PRIu32 ", then kill -CONT %" PRIu32,
		 stop->pid, stop->function < f->count ? f->rows[stop->function].name : "?",
		 log_quote(function, sizeof(function), where), stop->addr, stop->pid, stop->pid);
}

void checks_look(struct run *r)
{
	struct seen_stop stop;

	if (!r->options->stop_on_error)
		return;
	if (seen_stopped(&r->seen, &stop))
		say_stopped(r, &stop);
	if (!seen_judges(&r->seen) && !r->unarmed_said) {
		r->unarmed_said = true;
		log_warn("--stop-on-error: from now on the command is not stopped: it has become "
			 "another program, or a block may have been handed out unseen");
	}
}

/* ---- all of them ---- */

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
	f->may_tell = may_tell;
	f->whole_life = o->argv;
	f->partial = o->min_size || o->max_size != UINT64_MAX || o->sample_bytes ||
		     o->own_functions.count;
	f->partial_threads = o->comm || o->by_uid || o->cgroup || !r->timeline.watch;
	f->on_finding = on_finding;
}
