// SPDX-License-Identifier: MIT
/*
 * Hides how the records of a recording become a run again. A recording may come from anywhere: what
 * it holds was checked by its reader, and names nothing that is opened but files, which are read by
 * a process without rights (sym/reader.h).
 */
#include "cmd/replay_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/apply.h"
#include "cmd/describe.h"
#include "cmd/rights.h"
#include "core/log.h"
#include "recording/reader.h"
#include "sym/restore.h"

#define MAX_SHARED (1u << 20)

/* A copy that lives as long as the run. */
static const char *keep(struct replay *p, const char *text)
{
	char **list = reallocarray(p->run->kept, p->kept + 2, sizeof(*list));

	if (list)
		p->run->kept = list;
	if (!list || !(list[p->kept] = strdup(text))) {
		p->err = -ENOMEM;
		return "";
	}
	list[++p->kept] = NULL;
	return list[p->kept - 1];
}

/* ---- answers that the live run got from the machine ---- */

struct place {
	uint64_t pid, addr;
};

static void on_finding(void *context, const struct finding *f)
{
	struct run *r = ((struct replay *)context)->run;

	if (r->sink.ops->finding)
		r->sink.ops->finding(&r->sink, f);
}

static uint64_t known_since(void *context)
{
	return ((struct replay *)context)->doubt_ns;
}

/* The questions come in the order in which they were asked. */
static bool may_tell(void *context, const struct finding *f, uint64_t since_ns)
{
	struct replay *p = context;

	(void)f;
	(void)since_ns;
	return p->answer_count && p->answers & 1ULL << --p->answer_count;
}

static bool is_shared(void *context, uint32_t pid, uint64_t addr)
{
	struct place key = {pid, addr};
	const uint64_t *shared = table_find(&((struct replay *)context)->shared, &key);

	return shared && *shared;
}

/* ---- records ---- */

/* The seconds that are asked for are those of the run, which has told by now when it began. */
static void seek_window(struct replay *p)
{
	const struct options *o = p->run->options;
	uint64_t start = p->run->info.start_ns;

	p->from_ns = start + (uint64_t)(o->from * 1e9);
	p->until_ns = o->until > 0 ? start + (uint64_t)(o->until * 1e9) : UINT64_MAX;
	recording_seek(p->recording, p->from_ns, p->until_ns);
}

static void take_start(struct replay *p, const struct record *record)
{
	const struct record_start *start = &record->start;
	struct run *r = p->run;
	struct findings *f = &r->heap.findings;

	r->info.version = keep(p, start->version);
	r->info.kernel = keep(p, start->kernel);
	r->info.start_ns = start->start_ns;
	r->info.wall_ns = start->wall_ns;
	r->info.sample_bytes = r->heap.sample_bytes = start->sample_bytes;
	r->info.live_known = start->live_known && !r->info.adds_up;
	r->info.stacks &= start->stacks;
	r->info.target_count = start->target_count;
	for (uint32_t i = 0; i < start->target_count; i++)
		r->pids[i] = (pid_t)start->targets[i];
	snprintf(r->heap.only_pool, sizeof(r->heap.only_pool), "%s", start->only_pool);
	p->named = start->names;
	if (p->windowed)
		seek_window(p);
	if (!start->checks || p->windowed)
		return;
	*f = (struct findings){
		.on_finding = on_finding,
		.known_since = known_since,
		.is_shared = is_shared,
		.may_tell = may_tell,
		.whole_life = start->whole_life,
		.context = p,
		.partial = start->partial,
		.partial_threads = start->partial_threads,
		.due_ns = UINT64_MAX,
	};
}

static void take_functions(struct replay *p, const struct record *record)
{
	struct run *r = p->run;

	for (uint32_t i = 0; i < record->functions.count; i++) {
		const struct record_function *f = &record->functions.at[i];

		if (!r->names[i] || strcmp(r->names[i], f->name))
			r->names[i] = keep(p, f->name);
		r->info.traced |= (uint64_t)f->traced << i;
		r->info.frees |= (uint64_t)f->frees << i;
		r->heap.own_functions |= (uint64_t)f->own << i;
		r->heap.findings.families[i] = (uint8_t)f->family;
	}
	r->info.function_count = record->functions.count;
	if (!p->begun && r->sink.ops->start)
		r->sink.ops->start(&r->sink);
	p->begun = true;
}

static void take_life(struct replay *p, const struct record *record)
{
	symbolizer_advance(p->run->symbolizer);
	apply_life(p->run, &record->life);
}

static void take_stack(struct replay *p, const struct record *record)
{
	apply_stack(p->run, record->event);
}

/* Without -k a call is shown with its caller alone, as it would have been live. */
static void take_event(struct replay *p, const struct record *record)
{
	struct event e = *record->event;
	struct run *r = p->run;

	if (p->windowed && (e.ts_ns < p->from_ns || e.ts_ns > p->until_ns))
		return;
	p->last_ns = e.ts_ns > p->last_ns ? e.ts_ns : p->last_ns;
	if (r->info.stacks) {
		stacks_resolve(&r->stacks, &e);
	} else {
		e.stack_id = e.layout = 0;
		e.frames = e.frames ? 1 : 0;
		e.grade = EVENT_CALL_SITE;
		e.why = EVENT_WHY_NONE;
	}
	apply_call(r, &e);
}

static void take_pressure(struct replay *p, const struct record *record)
{
	struct event e;

	event_make_pressure(&e, record->pressure.level, record->pressure.ts_ns);
	apply_pressure(p->run, &e, record->pressure.counted);
}

static void take_settle(struct replay *p, const struct record *record)
{
	heap_settle_findings(&p->run->heap, record->ns);
}

static void take_doubt(struct replay *p, const struct record *record)
{
	p->doubt_ns = record->ns;
}

static void take_shared(struct replay *p, const struct record *record)
{
	struct place key = {record->shared.pid, record->shared.addr};
	uint64_t *shared;
	bool fresh;

	shared = table_insert(&p->shared, &key, &fresh);
	if (shared)
		*shared = record->shared.shared;
}

/* The youngest in the lowest bit. */
static void take_answer(struct replay *p, const struct record *record)
{
	p->answers = p->answers << 1 | record->ns;
	p->answer_count += p->answer_count < 64;
}

static void take_late(struct replay *p, const struct record *record)
{
	p->run->heap.findings.whole_life = false;
	p->run->heap.findings.since_ns = record->ns;
}

static void take_missed(struct replay *p, const struct record *record)
{
	(void)record;
	heap_expect_losses(&p->run->heap);
}

static void take_memory(struct replay *p, const struct record *record)
{
	apply_memory(p->run, &record->memory);
}

static void report(struct replay *p, const struct record_books *books)
{
	struct run *r = p->run;
	struct report report;

	unsent_clear(&r->unsent);
	for (uint32_t i = 0; i < books->pool_count; i++)
		unsent_add(&r->unsent, &books->pools[i].pool, &books->pools[i].totals);
	apply_totals(r, books->unsent);
	r->stacks.unknown = books->stacks_unknown;
	r->stacks.refused = books->stacks_refused;
	report = apply_report(r, books->final);
	report.elapsed_ns = books->elapsed_ns;
	memcpy(report.counters, books->counters, sizeof(report.counters));
	report.malformed = books->malformed;
	report.in_flight = books->in_flight;
	report.late = books->late;
	report.late_ns = books->late_ns;
	report.fate = books->fate;
	if (!books->final && r->sink.ops->tick)
		r->sink.ops->tick(&r->sink, &report);
	if (books->final && r->sink.ops->finish)
		r->sink.ops->finish(&r->sink, &report);
	p->finished = books->final;
}

static void take_books(struct replay *p, const struct record *record)
{
	if (!p->windowed)
		report(p, &record->books);
	p->ended |= record->books.final;
}

typedef void (*take_fn)(struct replay *p, const struct record *record);

static const take_fn takers[RECORD_NR_KINDS] = {
	[RECORD_START] = take_start,     [RECORD_FUNCTIONS] = take_functions,
	[RECORD_MODULE] = replay_module, [RECORD_SPACE] = replay_space,
	[RECORD_CODE] = replay_code,     [RECORD_LIFE] = take_life,
	[RECORD_NAMES] = replay_names,   [RECORD_STACK] = take_stack,
	[RECORD_EVENT] = take_event,     [RECORD_PRESSURE] = take_pressure,
	[RECORD_SETTLE] = take_settle,   [RECORD_DOUBT] = take_doubt,
	[RECORD_SHARED] = take_shared,   [RECORD_MISSED] = take_missed,
	[RECORD_ANSWER] = take_answer,   [RECORD_LATE] = take_late,
	[RECORD_MEMORY] = take_memory,   [RECORD_BOOKS] = take_books,
};

/* ---- the whole ---- */

/* The run did not get to its books, or they are not about what was asked for: they are what the
 * events come to. */
static void finish_short(struct replay *p)
{
	struct run *r = p->run;
	struct record_books books = {.final = true};

	heap_settle_findings(&r->heap, p->last_ns);
	books.counters[EVENT_ENTERED] = r->heap.events + r->heap.ignored;
	if (p->last_ns > r->info.start_ns)
		books.elapsed_ns = p->last_ns - r->info.start_ns;
	report(p, &books);
}

/* How far the file could be read, when that is not to its end. */
static void say_end(const struct replay *p)
{
	bool damaged = recording_end(p->recording) == READER_DAMAGED;

	log_warn("'%s' %s at byte %" PRIu64 ": %" PRIu64 " calls before that were read%s", p->name,
		 damaged ? "is damaged" : "ends", recording_offset(p->recording),
		 recording_events(p->recording),
		 p->ended ? "" : "; the run's own books are missing");
}

int replay_read(struct replay *p, struct replay_end *end)
{
	struct run *r = p->run;
	struct record record;
	int more;

	*end = (struct replay_end){0};
	while ((more = recording_next(p->recording, &record)) > 0 && !p->err &&
	       !ferror(r->output.file))
		takers[record.kind](p, &record);
	if (more < 0)
		p->err = more;
	if (p->err)
		log_error("cannot read '%s': %s", p->name, strerror(-p->err));
	if (p->err || ferror(r->output.file))
		return p->err;
	end->begun = p->begun;
	end->partly = recording_end(p->recording) != READER_WHOLE || !p->ended;
	if (p->begun && !p->finished)
		finish_short(p);
	if (end->partly)
		say_end(p);
	if (p->missing && !p->named)
		log_warn("%" PRIu64
			 " of the files that were mapped are not here any more, or are others "
			 "now: what lies in them has no names (-v lists them; see --embed-symbols)",
			 p->missing);
	return 0;
}

static int open_recording(struct replay *p, const char *path)
{
	char why[128];
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	p->file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!p->file) {
		err = -errno;
		log_error("cannot open '%s': %s", p->name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	p->recording = recording_open(p->file, &err, why, sizeof(why));
	if (p->recording)
		return 0;
	log_error("'%s' %s", p->name, why);
	return err;
}

static int make_run(struct run *r, struct options *o)
{
	int err;

	r->options = o;
	r->signals.fd = -1;
	r->kept_rules = -1;
	r->replayed = true;
	unsent_init(&r->unsent, &r->heap);
	stacks_init(&r->stacks);
	lanes_init(&r->measure.lanes);
	err = heap_init(&r->heap);
	if (!err)
		err = rights_symbolizer(r);
	if (err) {
		log_error("cannot start the processes that read the files of programs: %s",
			  strerror(-err));
		return err;
	}
	describe_report(r);
	return sink_init(&r->sink, sink_find(o->report, o->format), &r->info, r->output.file);
}

struct replay *replay_open(struct run *r, struct options *o, const char *path)
{
	struct replay *p = calloc(1, sizeof(*p));

	if (!p) {
		log_error("out of memory");
		return NULL;
	}
	p->run = r;
	p->windowed = o->from > 0 || o->until > 0;
	log_quote(p->name, sizeof(p->name), path);
	table_init(&p->shared, sizeof(struct place), sizeof(uint64_t), MAX_SHARED);
	if (!open_recording(p, path) && !make_run(r, o))
		return p;
	replay_close(p);
	return NULL;
}

static void free_run(struct run *r)
{
	sink_fini(&r->sink);
	lanes_fini(&r->measure.lanes);
	unsent_fini(&r->unsent);
	stacks_fini(&r->stacks);
	memory_fini(&r->memory);
	heap_fini(&r->heap);
	symbolizer_free(r->symbolizer);
	for (char **text = r->kept; text && *text; text++)
		free(*text);
	free(r->kept);
	r->kept = NULL;
}

void replay_close(struct replay *p)
{
	if (!p)
		return;
	free_run(p->run);
	recording_close(p->recording);
	if (p->file)
		fclose(p->file);
	table_fini(&p->shared);
	free(p);
}
