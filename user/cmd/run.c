// SPDX-License-Identifier: MIT
/* One live run, once its probes are in place: the loop, the reports, the end. */
#include "cmd/run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/account.h"
#include "cmd/apply.h"
#include "cmd/checks.h"
#include "cmd/footprint.h"
#include "cmd/state.h"
#include "core/log.h"
#include "out/json.h"
#include "out/svg.h"

#define TICK_MS        10          /* how often the ring is emptied: nobody wakes us */
#define LAST_CALLS_NS  50000000ULL /* that calls get to return after the gate has closed */
#define INTERRUPTED_MS 200         /* Ctrl-C reaches the command, too: it may end with us */
#define SILENCE_NS     2000000000ULL
#define PROGRESS_NS    1000000000ULL
#define SWEEP_NS       10000000000ULL
#define MAX_WAIT       (OPTIONS_MAX_PIDS + 4)

/* The ring is filling, or is not any more: said at the very place. */
static void on_pressure(struct run *r, const struct event *e)
{
	uint64_t counters[EVENT_NR_COUNTERS] = {0};
	struct record record = {.kind = RECORD_PRESSURE,
				.pressure = {.level = e->level, .ts_ns = e->ts_ns}};

	session_counters(r->session, counters);
	record.pressure.counted = counters[EVENT_COUNTED_ONLY];
	apply_pressure(r, e, record.pressure.counted);
	recorder_put(&r->recorder, &record);
}

/* The stack of a call is at hand from here on. What has become of it since it was walked is judged
 * here and nowhere else: stack_cut. */
static void find_stack(struct run *r, struct event *e)
{
	stacks_resolve(&r->stacks, e);
	unwinder_judge(&r->unwinder, e);
}

static void on_event(void *context, struct event *e)
{
	struct run *r = context;

	timeline_advance(&r->timeline, e->ts_ns);
	if (e->kind == EVENT_PRESSURE) {
		on_pressure(r, e);
		return;
	}
	if (!r->pid_count || !r->timeline.watch)
		symbolizer_add_process(r->symbolizer, (pid_t)e->pid);
	if (e->kind != EVENT_STACK)
		find_stack(r, e);
	recorder_prepare(&r->recorder, e);
	if (e->kind == EVENT_STACK)
		apply_stack(r, e);
	else
		apply_call(r, e);
	recorder_event(&r->recorder, e->kind == EVENT_STACK ? RECORD_STACK : RECORD_EVENT, e);
}

/* Findings that waited may be told: nothing from before `until_ns` is still to come. */
static void settle_findings(struct run *r, uint64_t until_ns)
{
	bool due = r->heap.findings.due_ns <= until_ns;

	heap_settle_findings(&r->heap, until_ns);
	if (due)
		recorder_ns(&r->recorder, RECORD_SETTLE, until_ns);
}

/*
 * As session_drain. What happened before the ring was emptied can be applied when it is empty, no
 * sooner: an event from before may still be in it.
 */
static int drain(struct run *r)
{
	uint64_t before = timeline_now();
	int more;

	checks_note_losses(r);
	more = session_drain(r->session, on_event, r);
	if (!more) {
		timeline_advance(&r->timeline, before);
		timeline_settle(&r->timeline);
		settle_findings(r, before);
	}
	unwinder_update(&r->unwinder, before, more > 0);
	return more;
}

static void interim_report(struct run *r)
{
	struct record_books books;
	struct report report;

	account_fill(r, &report, false, &books);
	if (r->sink.ops->tick)
		r->sink.ops->tick(&r->sink, &report);
	account_record(r, &report, &books);
	account_free(&books);
	if (r->unread)
		log_warn("cannot read all that has been added up: %s", strerror(-r->unread));
}

static bool may_show_progress(const struct run *r)
{
	return log_get_level() >= LOG_NORMAL && isatty(STDERR_FILENO) &&
	       !(r->output.file == stdout && isatty(STDOUT_FILENO));
}

static void show_progress(struct run *r, uint64_t now)
{
	if (now < r->next_progress_ns || !may_show_progress(r))
		return;
	r->next_progress_ns = now + PROGRESS_NS;
	r->progress_shown = true;
	fprintf(stderr, "\ralloctrace: %.0f s, %" PRIu64 " events, %" PRIu64 " blocks live ",
		(double)(now - r->info.start_ns) / 1e9, r->heap.events, r->heap.live.blocks);
}

static void clear_progress(struct run *r)
{
	if (r->progress_shown)
		fputs("\r\033[K", stderr);
	r->progress_shown = false;
}

/* See symbolizer_on_wait. Of the path the last part, without what could move a terminal. */
static void show_reading(void *context, const char *path)
{
	const char *name = path ? strrchr(path, '/') : NULL;
	struct run *r = context;

	clear_progress(r);
	if (!path || !may_show_progress(r))
		return;
	fputs("\ralloctrace: reading symbols of ", stderr);
	for (name = name ? name + 1 : path; *name; name++)
		fputc(*name < ' ' || *name > '~' ? '?' : *name, stderr);
	fputs(" … ", stderr);
	r->progress_shown = true;
}

/* Looks which targets have ended; false when all have. */
static bool targets_live(struct run *r, const struct pollfd *fds)
{
	bool live = false;

	for (size_t i = 0; i < r->pid_count; i++) {
		if (r->pidfds[i] >= 0 && fds[i].revents) {
			close(r->pidfds[i]);
			r->pidfds[i] = -1;
		}
		live |= r->pidfds[i] >= 0;
	}
	return live || !r->pid_count || (r->options->follow && timeline_family_lives(&r->timeline));
}

/* Sleeps until the tick is over or something happens; false when the run is over. */
static bool wait_tick(struct run *r, int ms)
{
	struct pollfd fds[MAX_WAIT];
	size_t n = r->pid_count;

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = r->pidfds[i], .events = POLLIN};
	fds[n] = (struct pollfd){.fd = r->signals.fd, .events = POLLIN};
	fds[n + 2] = (struct pollfd){.fd = timeline_fd(&r->timeline), .events = POLLIN};
	fds[n + 3] = (struct pollfd){.fd = unwinder_fd(&r->unwinder), .events = POLLIN};
	/* No events asked for: a pipe whose reader has gone answers POLLERR all the same. */
	fds[n + 1] = (struct pollfd){.fd = fileno(r->output.file)};
	poll(fds, n + 4, ms);
	if (fds[n].revents)
		signals_read(&r->signals);
	if (fds[n + 1].revents & POLLERR && !r->output.error)
		r->output.error = EPIPE;
	return targets_live(r, fds) && !r->signals.stop && !r->output.error;
}

static bool has_added(struct run *r)
{
	struct report report;

	if (!options_add_up(r->options))
		return false;
	account_report(r, &report, false);
	return r->measure.lanes.count || r->unread;
}

/* Nothing for two seconds may be right, or not what was meant. */
static void warn_silence(struct run *r, uint64_t now)
{
	if (r->silence_judged || r->options->sample_bytes || now < r->info.start_ns + SILENCE_NS)
		return;
	r->silence_judged = true;
	if (r->heap.events || r->heap.ignored || has_added(r))
		return;
	log_warn("no event in two seconds: the target may be idle, a filter may keep all out, or "
		 "it may use an allocator that was "
		 "not found (-v shows what was probed)");
}

static bool has_ended(pid_t pid)
{
	return !proc_live_thread(pid);
}

/* What belongs to processes and files that are gone is let go of; a while later will do. */
static void sweep(struct run *r, uint64_t now)
{
	if (now < r->next_sweep_ns)
		return;
	r->next_sweep_ns = now + SWEEP_NS;
	session_forget(r->session, has_ended);
	if (!r->pid_count || r->options->follow)
		target_let_go(&r->attacher);
}

static void do_due(struct run *r, uint64_t now)
{
	if (options_add_up(r->options))
		measure_tick(&r->measure, now);
	warn_silence(r, now);
	sweep(r, now);
	if (r->signals.report || (r->next_report_ns && now >= r->next_report_ns)) {
		if (!r->signals.report)
			r->next_report_ns += (uint64_t)(r->options->interval * 1e9);
		r->signals.report = false;
		clear_progress(r);
		interim_report(r);
	}
	footprint_tick(r, now);
	recorder_tick(&r->recorder, now);
	show_progress(r, now);
}

/* Until the targets end, the time is over, somebody asks, or the output cannot take any more. */
static int follow(struct run *r)
{
	uint64_t end = r->info.start_ns + (uint64_t)(r->options->duration * 1e9);
	int more = 0;

	r->next_progress_ns = r->info.start_ns + 2 * PROGRESS_NS;
	r->next_sweep_ns = r->info.start_ns + SWEEP_NS;
	if (r->options->interval > 0)
		r->next_report_ns = r->info.start_ns + (uint64_t)(r->options->interval * 1e9);
	symbolizer_on_wait(r->symbolizer, show_reading, r);
	while (wait_tick(r, more ? 0 : TICK_MS)) {
		uint64_t now;

		more = drain(r);
		if (more < 0) {
			log_error("cannot read the ring buffer: %s", strerror(-more));
			return more;
		}
		checks_look(r);
		now = timeline_now();
		do_due(r, now);
		output_flush(&r->output);
		if (r->options->duration > 0 && now >= end)
			break;
	}
	clear_progress(r);
	return 0;
}

/* Somebody does not want to wait for what is left to be read; who ended the run is not asked again.
 */
static bool is_interrupted(struct run *r)
{
	bool before = r->signals.stop;

	signals_read(&r->signals);
	return r->signals.stop && !before;
}

/*
 * Empties the ring for the last time, and gives calls that are under way a moment to return. The
 * clock says when that is over: to read all that has been added up may take seconds each time.
 */
static void settle(struct run *r, struct report *report)
{
	uint64_t end = timeline_now() + LAST_CALLS_NS, begun;

	session_close_gate(r->session);
	log_debug("the run is over; the last calls are read");
	do {
		begun = timeline_now();
		while (!r->cut && drain(r) > 0)
			r->cut = is_interrupted(r);
		account_report(r, report, true);
		if (report->in_flight)
			poll(NULL, 0, 1);
	} while (report->in_flight && begun < end && !r->cut);
	if (r->cut)
		log_warn("interrupted while the last calls were read: those that are left are "
			 "counted as not yet returned");
}

static int exit_code(const struct run *r, const struct report *report)
{
	const struct output *const outputs[] = {&r->output, &r->svg, &r->recorder.output};
	char shown[160];

	for (size_t i = 0; i < 3; i++) {
		if (!outputs[i]->error)
			continue;
		log_error("cannot write to %s: %s",
			  log_quote(shown, sizeof(shown), outputs[i]->name),
			  strerror(outputs[i]->error));
		return EXIT_CANNOT;
	}
	if (r->unread) {
		log_error("cannot read all that has been added up: %s", strerror(-r->unread));
		return EXIT_CANNOT;
	}
	if (report_lost(report)) {
		log_warn("%" PRIu64 " of %" PRIu64 " calls were lost", report_lost(report),
			 report->counters[EVENT_ENTERED]);
	}
	if (report->counters[EVENT_COUNTED_ONLY])
		log_warn("%" PRIu64 " of %" PRIu64 " calls were only counted and not shown: the "
			 "ring buffer was filling (try a larger --ring-size)",
			 report->counters[EVENT_COUNTED_ONLY], report->counters[EVENT_ENTERED]);
	if (report_is_blind(report))
		log_warn("threads or children went on that could not be followed: what these "
			 "called was not seen");
	if (r->options->strict && (report_lost(report) || report->counters[EVENT_COUNTED_ONLY] ||
				   report_is_blind(report)))
		return EXIT_LOST;
	return r->options->exit_status ? child_exit_code(&r->child) : EXIT_DONE;
}

/* Names that could not be kept: the events are there, their locations may not be. */
static void warn_nameless(const struct run *r)
{
	struct symbolizer_losses lost;

	symbolizer_losses(r->symbolizer, &lost);
	if (lost.processes || lost.mappings || lost.files || lost.addresses)
		log_warn("names are missing: %" PRIu64 " processes, %" PRIu64 " mappings, %" PRIu64
			 " files and %" PRIu64 " addresses were beyond what is kept",
			 lost.processes, lost.mappings, lost.files, lost.addresses);
	if (r->unwinder.refused)
		log_warn("stacks may be cut or guessed: %" PRIu64
			 " times files or mappings were more "
			 "than the kernel side keeps",
			 r->unwinder.refused);
	if (lost.deaths)
		log_warn("names or lines are missing: %" PRIu64 " times the process that reads "
			 "symbols died of a file, or a file took too long",
			 lost.deaths);
	if (lost.unanswered)
		log_warn("lines may be missing: the servers of DEBUGINFOD_URLS have left %" PRIu64
			 " questions without an answer (after two in a row they are asked no more)",
			 lost.unanswered);
	if (lost.reader)
		log_warn("names are missing: the process that reads symbols is there no more");
}

static void tell_kept(const struct run *r)
{
	uint64_t kept = symbolizer_kept(r->symbolizer);

	if (kept)
		log_debug("the names of %" PRIu64 " addresses were kept from earlier runs", kept);
}

/* The picture of compare, beside the report. */
static void draw(struct run *r, const struct report *report)
{
	output_begin(&r->svg);
	if (compare_svg_write(r->svg.file, report) && !r->svg.error)
		r->svg.error = ENOMEM;
	output_flush(&r->svg);
}

/* The recording is whole, or says in `output.error` that it is not. */
static void end_recording(struct run *r)
{
	struct recorder *rec = &r->recorder;
	char shown[160];
	uint64_t events;

	if (!recorder_is_on(rec))
		return;
	if (!recorder_finish(rec)) {
		rec->output.error = rec->output.error ? rec->output.error : ENOMEM;
		return;
	}
	events = writer_events(rec->writer);
	log_info("recorded %" PRIu64 " calls in '%s': %.1f MB, %.1f bytes a call", events,
		 log_quote(shown, sizeof(shown), rec->output.name),
		 (double)writer_bytes(rec->writer) / 1e6,
		 events ? (double)writer_bytes(rec->writer) / (double)events : 0);
}

static int finish(struct run *r)
{
	struct record_books books;
	struct report report;
	char fate[128];

	footprint_last(r);
	settle(r, &report);
	settle_findings(r, timeline_now());
	r->over_ns = r->info.start_ns + report.elapsed_ns;
	if (options_add_up(r->options))
		measure_finish(&r->measure);
	account_fill(r, &report, true, &books);
	child_poll(&r->child, r->signals.stop ? INTERRUPTED_MS : TICK_MS);
	report.fate = child_fate(&r->child, fate, sizeof(fate));
	if (r->sink.ops->finish && !r->output.error)
		r->sink.ops->finish(&r->sink, &report);
	output_flush(&r->output);
	account_record(r, &report, &books);
	account_free(&books);
	end_recording(r);
	if (json_ran_short() && !r->output.error)
		r->output.error = ENOMEM;
	if (r->svg.file)
		draw(r, &report);
	warn_nameless(r);
	tell_kept(r);
	return exit_code(r, &report);
}

int run_live(struct options *o)
{
	int code = EXIT_CANNOT;
	static struct run r;

	if (!setup_run(&r, o) && !follow(&r))
		code = finish(&r);
	setup_undo(&r);
	return code;
}
