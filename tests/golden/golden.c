// SPDX-License-Identifier: MIT
/*
 * Fixed runs through every sink: golden CASE writes what alloctrace would have written, with
 * nothing in it that depends on the machine. run.sh compares. golden --json-schema is that of
 * alloctrace.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "core/heap.h"
#include "core/unsent.h"
#include "heap.h"
#include "lanes.h"
#include "out/schema.h"

#define START   1000000000000ULL /* ns since boot when the gate opened */
#define POOL    0x55d0c0a90000
#define NO_NAME 0x55d0c0aa0000
#define HOSTILE 0x55d0c0ab0000
#define OTEL    1 /* of the kernel side: stands for no address */

static const char *const function_names[FUNCTIONS] = {
	"malloc", "calloc", "realloc", "free", "posix_memalign", "valloc",
};

/* ---- the runs ---- */

/* What happens to processes, and the interim report, before an event. */
enum { TICK, FORK, EXEC, END };

struct step {
	size_t before;
	unsigned int what;
	uint32_t pid;
};

struct run {
	struct event *events;
	size_t count;
	const struct step *steps;         /* the last one is beyond all events */
	const struct event_totals *calls; /* NULL: as the events have them */
	const struct given *lanes;        /* NULL: none */
	uint64_t sample_bytes;
	bool checks;                                 /* of pools … */
	const uint8_t *families;                     /* … and of blocks; NULL: not of these */
	const struct event_totals *unsent;           /* by function; NULL: none */
	const struct event_pool_totals *unsent_pool; /* of POOL; NULL: none */
	struct report interim, final;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NEVER                 \
	{                     \
		1000, TICK, 0 \
	}

/*
 * Every kind of call, and losses of every cause. Times are microseconds since the start, until
 * complete_events. What is not told: by `demo`, called from main.
 */
static struct event events[] = {
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 213, .latency_ns = 1633, .size = 160,
	 .addr = 0x55d0c0a812a0},
	{EVENT_ALLOC, CALLOC, .measured = true, .ts_ns = 240, .latency_ns = 2100, .size = 4096,
	 .addr = 0x55d0c0a81350, .frames = 3, .stack = {INLINED, IN_MAIN, LIBC}},
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 300, .latency_ns = 905, .size = 200,
	 .old_addr = 0x55d0c0a812a0, .addr = 0x55d0c0a812a0},
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 320, .latency_ns = 31000,
	 .size = 1048576, .old_addr = 0x55d0c0a81350, .addr = 0x7f12a4b00010, .stack = {NO_LINE}},
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 400, .latency_ns = 777,
	 .size = 1ULL << 62, .old_addr = 0x7f12a4b00010, .failed = true},
	{EVENT_FREE, FREE, .ts_ns = 500, .addr = 0x55d0c0a812a0},
	{EVENT_FREE, FREE, .ts_ns = 510},
	{EVENT_ALLOC, POSIX_MEMALIGN, .measured = true, .ts_ns = 600, .latency_ns = 2600,
	 .size = 1000, .align = 4096, .addr = 0x55d0c0a8f000, .stack = {UNKNOWN}},
	{EVENT_ALLOC, CALLOC, .measured = true, .ts_ns = 610, .latency_ns = 480, .size = UINT64_MAX,
	 .failed = true},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 650, .latency_ns = 1700, .size = 65536,
	 .addr = 0x55d0c0a91000},
	{EVENT_POOL_CREATE, 0, .ts_ns = 700, .pool = POOL, .size = 65536, .base = 0x55d0c0a91000,
	 .chunk_size = 160, .chunk_count = 409, .name = "protocol"},
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 710, .latency_ns = 48, .pool = POOL,
	 .size = 160, .align = 16, .addr = 0x55d0c0a91000, .stack = {INLINED}},
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 711, .latency_ns = 52, .pool = POOL,
	 .size = 144, .addr = 0x55d0c0a910a0},
	{EVENT_POOL_FREE, 0, .measured = true, .ts_ns = 720, .latency_ns = 31, .pool = POOL,
	 .addr = 0x55d0c0a91000},
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 730, .latency_ns = 20, .pool = POOL,
	 .size = 160, .failed = true},
	{EVENT_POOL_FREE, 0, .ts_ns = 740, .pool = POOL, .addr = 0x55d0c0a99999},
	{EVENT_POOL_DESTROY, 0, .ts_ns = 800, .pool = POOL},
	{EVENT_FREE, FREE, .ts_ns = 810, .addr = 0x55d0c0a91000},
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 820, .latency_ns = 61, .pool = NO_NAME,
	 .size = 32, .addr = 0x55d0c0aa0100},
	{EVENT_POOL_CREATE, 0, .ts_ns = 830, .pool = HOSTILE, .size = 4096, .base = 0x55d0c0ab0100,
	 .chunk_size = 64, .chunk_count = 64, .name = "p\x1b]0;owned\x07\n\xff\\"},
	/* after the interim report */
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 1900000, .latency_ns = 70, .pool = HOSTILE,
	 .size = 64, .addr = 0x55d0c0ab0100, .stack = {EVIL}},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 2000000, .latency_ns = 999600,
	 .pid = OTHER, .tid = 4301, .size = 24, .addr = 0x55d0c0a812a0, .comm = "\x1b[2J\ne\xffil",
	 .stack = {EVIL, NO_COLUMN}, .frames = 2},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 2100000, .latency_ns = 1650, .pid = OTHER,
	 .tid = 4194304, .size = 1, .addr = 0x55d0c0a813a0,
	 .comm = "gr\xc3\xbc\xc3\x9f"
		 "e"},
	{EVENT_FREE, FREE, .ts_ns = 2150000, .addr = 0xdeadbeef, .frames = 1},
	{EVENT_FREE, FREE, .ts_ns = 2160000, .pid = OTHER, .tid = OTHER, .addr = 0x55d0c0a813a0,
	 .frames = 3, .stack = {NO_LINE, UNKNOWN, NO_COLUMN}},
	{EVENT_FREE, REALLOC, .measured = true, .by_realloc = true, .ts_ns = 2200000,
	 .latency_ns = 640, .addr = 0x7f12a4b00010},
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 2250000, .latency_ns = 1200, .size = 64,
	 .old_addr = 0x55d0c0a80000, .addr = 0x55d0c0a80100},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 2300000, .latency_ns = 1500, .size = 48,
	 .addr = 0x55d0c0a80100},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 12345678, .latency_ns = 2500000000,
	 .size = 3, .addr = 0x10, .comm = "0123456789abcde"},
};

static const struct step steps[] = {{20, TICK, 0}, NEVER};

static const struct run all_calls = {
	.events = events,
	.count = COUNT(events),
	.steps = steps,
	.interim = {.elapsed_ns = 1000000000, .counters = {[EVENT_ENTERED] = 22}, .in_flight = 2},
	.final = {.elapsed_ns = 14845678901,
		  .counters = {[EVENT_ENTERED] = COUNT(events) + 1234 + 3 + 2 + 1 + 1,
			       [EVENT_LOST_RING_FULL] = 1234,
			       [EVENT_LOST_MAP_FULL] = 3,
			       [EVENT_LOST_UNPAIRED] = 2,
			       [EVENT_UNREADABLE_STACK] = 1},
		  .malformed = 1,
		  .in_flight = 1,
		  .fate = "killed by SIGSEGV (core dumped)"},
};

#include "sampled.h"

#include "family.h"

static const struct step no_steps[] = {NEVER};

#include "wrongs.h"
#include "frees.h"
#include "filling.h"
#include "stacks.h"

static const struct run wrongs_run = {
	.events = wrongs,
	.count = COUNT(wrongs),
	.steps = no_steps,
	.checks = true,
	.final = {.elapsed_ns = 2000000000, .counters = {[EVENT_ENTERED] = COUNT(wrongs)}},
};

/* With `latency` calls are added up and are no events: the books have them from the kernel side. */
static const struct event_totals latency_calls[FUNCTIONS] = {
	[MALLOC] = {.count = 1055, .bytes = 65772, .failed = 3},
	[CALLOC] = {.count = 3, .bytes = 4096},
	[REALLOC] = {.count = 1, .failed = 1},
	[POSIX_MEMALIGN] = {.count = 7, .bytes = 7000},
	[FREE] = {.count = 990, .null = 5},
};

#define LATENCY_CALLS 2056 /* all of these */

static const struct step latency_steps[] = {{0, TICK, 0}, NEVER};

#define LATENCY_RUN(given)                                                                        \
	{                                                                                         \
		.steps = latency_steps, .calls = latency_calls, .lanes = &(given),                \
		.interim = {.elapsed_ns = 1000000000,                                             \
			    .counters = {[EVENT_ENTERED] = LATENCY_CALLS + 2},                    \
			    .in_flight = 2},                                                      \
		.final = {                                                                        \
			.elapsed_ns = 14845678901,                                                \
			.counters =                                                               \
				{[EVENT_ENTERED] = LATENCY_CALLS + 5, [EVENT_LOST_UNPAIRED] = 5}, \
			.fate = "exited with 0"},                                                 \
	}

static const struct run latency_run = LATENCY_RUN(calibrated_lanes);
static const struct run raw_run = LATENCY_RUN(raw_lanes);
static const struct run sized_run = LATENCY_RUN(sized_lanes);
static const struct run site_run = LATENCY_RUN(site_lanes);
static const struct run why_run = LATENCY_RUN(why_lanes);

static void complete_events(const struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct event *e = &run->events[i];

		e->ts_ns = START + 1000 * e->ts_ns;
		e->pid = e->pid ? e->pid : PID;
		e->tid = e->tid ? e->tid : e->pid;
		if (!e->comm[0])
			strcpy(e->comm, "demo");
		if (e->kind == EVENT_STACK || e->stack_id)
			continue;
		e->grade = e->frames > 1 ? EVENT_GUESSED : EVENT_COMPLETE;
		if (e->frames || e->kind == EVENT_POOL_CREATE || e->kind == EVENT_POOL_DESTROY)
			continue;
		e->frames = 1;
		e->stack[0] = e->stack[0] ? e->stack[0] : IN_MAIN;
	}
}

static const pid_t targets[] = {PID, OTHER};

static struct run_info info = {
	.version = "0.0.0",
	.kernel = "6.1.0-test",
	.targets = targets,
	.target_count = 2,
	.functions = function_names,
	.function_count = FUNCTIONS,
	.traced = (1 << FUNCTIONS) - 1 - (1 << UNUSED),
	.frees = 1 << FREE,
	.start_ns = START,
	.live_known = true,
};

static struct lanes lanes;
static const struct given no_lanes;
static struct unsent unsent;
static struct pressure pressure;
static struct stacks stacks;
static struct event_totals all[EVENT_MAX_FUNCTIONS];

/* The books of what was no event, as the kernel side has them. */
static const struct event_totals *count_unsent(const struct run *run, const struct heap *h)
{
	const struct event_pool pool = {PID, 0, POOL, run->events[0].ts_ns};

	unsent_clear(&unsent);
	unsent_add(&unsent, &pool, run->unsent_pool);
	memcpy(all, h->calls, sizeof(all));
	for (size_t i = 0; i < FUNCTIONS; i++)
		event_totals_add(&all[i], &run->unsent[i]);
	return all;
}

/* What lies behind the report lives until the next one. */
static struct report report_of(const struct run *run, const struct heap *h, bool final)
{
	struct report report = final ? run->final : run->interim;
	const struct given *given = run->lanes ? run->lanes : &no_lanes;

	report.heap = h;
	report.calls = run->calls ? run->calls : h->calls;
	if (run->unsent)
		report.calls = count_unsent(run, h);
	report.pressure = &pressure;
	report.stacks = info.stacks ? &stacks : NULL;
	report.events = h->events + h->ignored;
	report.final = final;
	lanes_clear(&lanes);
	give_lanes(&lanes, given, final);
	report.lanes = &lanes;
	report.calibration = &given->calibration;
	return report;
}

static void take_step(struct sink *s, struct heap *h, const struct run *run,
		      const struct step *step)
{
	struct report report = report_of(run, h, false);

	if (step->what == FORK)
		heap_fork_process(h, step->pid);
	else if (step->what == EXEC)
		heap_forget_process(h, step->pid);
	else if (step->what == END)
		heap_end_process(h, step->pid);
	else if (s->ops->tick)
		s->ops->tick(s, &report);
}

static void tell(void *sink, const struct finding *f)
{
	struct sink *s = sink;

	s->ops->finding(s, f);
}

/* Of a mark, size is the number of calls that were only counted until then. */
static void take_event(struct sink *s, struct heap *h, struct event *e)
{
	struct pressure_change change;
	struct heap_note note;

	if (e->kind == EVENT_PRESSURE) {
		if (pressure_apply(&pressure, e, e->size, &change) && s->ops->pressure)
			s->ops->pressure(s, &change);
		return;
	}
	if (e->kind == EVENT_STACK) {
		stacks_add(&stacks, e);
		return;
	}
	stacks_resolve(&stacks, e);
	if (!heap_apply(h, e, &note))
		return;
	stacks_count(&stacks, e);
	if (e->kind == EVENT_POOL_CREATE)
		unsent_learn(&unsent, e, note.row);
	if (s->ops->event)
		s->ops->event(s, e, &note);
}

static void play(struct sink *s, struct heap *h, const struct run *run)
{
	const struct step *step = run->steps;
	struct report report;

	unsent_init(&unsent, h);
	stacks_init(&stacks);
	h->sample_bytes = run->sample_bytes;
	h->findings.on_finding = run->checks && s->ops->finding ? tell : NULL;
	h->findings.context = s;
	h->findings.whole_life = run->families;
	if (run->families)
		memcpy(h->findings.families, run->families, sizeof(h->findings.families));
	if (s->ops->start)
		s->ops->start(s);
	for (size_t i = 0; i <= run->count; i++) {
		while (step->before == i)
			take_step(s, h, run, step++);
		if (i < run->count)
			take_event(s, h, &run->events[i]);
	}
	heap_settle_findings(h, UINT64_MAX);
	report = report_of(run, h, true);
	if (s->ops->finish)
		s->ops->finish(s, &report);
	unsent_fini(&unsent);
	stacks_fini(&stacks);
}

/* A run that was to see one pool, and met another. */
static void play_little(struct sink *s, struct heap *h)
{
	struct report report = {.heap = h,
				.calls = h->calls,
				.lanes = &lanes,
				.calibration = &no_lanes.calibration,
				.final = true};
	struct heap_note note;

	info.live_known = false;
	info.target_count = 0;
	strcpy(h->only_pool, "wanted");
	if (s->ops->start)
		s->ops->start(s);
	for (size_t i = 10; i < 16; i++) {
		report.counters[EVENT_ENTERED]++;
		if (heap_apply(h, &events[i], &note) && s->ops->event)
			s->ops->event(s, &events[i], &note);
	}
	report.events = h->events + h->ignored;
	if (s->ops->finish)
		s->ops->finish(s, &report);
}

static const struct {
	const char *name;
	const struct sink_ops *ops;
	const struct run *run; /* NULL: the little one */
	bool stacks;
} cases[] = {
	{"trace.text", &text_trace_sink, &all_calls, false},
	{"trace-stacks.text", &text_trace_sink, &all_calls, true},
	{"trace.json", &json_trace_sink, &all_calls, true},
	{"trace.csv", &csv_trace_sink, &all_calls, false},
	{"trace.chrome", &chrome_trace_sink, &all_calls, true},
	{"latency.text", &text_latency_sink, &latency_run, false},
	{"latency.json", &json_latency_sink, &latency_run, false},
	{"latency-raw.text", &text_latency_sink, &raw_run, false},
	{"latency-raw.json", &json_latency_sink, &raw_run, false},
	{"latency-by-size.text", &text_latency_sink, &sized_run, false},
	{"latency-by-size.json", &json_latency_sink, &sized_run, false},
	{"latency-by-site.text", &text_latency_sink, &site_run, false},
	{"latency-by-site.json", &json_latency_sink, &site_run, false},
	{"latency-why.text", &text_latency_sink, &why_run, false},
	{"latency-why.json", &json_latency_sink, &why_run, false},
	{"sampled.text", &text_trace_sink, &sampled_run, false},
	{"sampled.json", &json_trace_sink, &sampled_run, false},
	{"family.text", &text_trace_sink, &family_run, false},
	{"family.json", &json_trace_sink, &family_run, false},
	{"findings.text", &text_trace_sink, &wrongs_run, false},
	{"findings.json", &json_trace_sink, &wrongs_run, true},
	{"findings.chrome", &chrome_trace_sink, &wrongs_run, false},
	{"frees.text", &text_trace_sink, &frees_run, false},
	{"frees.json", &json_trace_sink, &frees_run, true},
	{"filling.text", &text_trace_sink, &filling_run, false},
	{"filling.json", &json_trace_sink, &filling_run, false},
	{"filling.chrome", &chrome_trace_sink, &filling_run, false},
	{"stacks.text", &text_trace_sink, &stacks_run, true},
	{"stacks.json", &json_trace_sink, &stacks_run, true},
	{"stacks.chrome", &chrome_trace_sink, &stacks_run, true},
	{"little.text", &text_latency_sink, NULL, false},
	{"little.json", &json_trace_sink, NULL, false},
	{"little.csv", &csv_trace_sink, NULL, false},
	{"little.chrome", &chrome_trace_sink, NULL, false},
};

static void set_latency(struct heap *h, const struct run *run)
{
	info.by = run->lanes->by;
	info.why = run->lanes->why;
	info.adds_up = true;
	info.top = run->lanes->top;
	info.live_known = false;
	h->events = LATENCY_CALLS;
}

static int run_case(size_t i)
{
	const struct run *run = cases[i].run;
	struct heap heap;
	struct sink sink;

	lanes_init(&lanes);
	info.heap = &heap;
	if (heap_init(&heap) || sink_init(&sink, cases[i].ops, &info, stdout))
		return 1;
	complete_events(run ? run : &all_calls);
	info.stacks = cases[i].stacks;
	info.sample_bytes = run ? run->sample_bytes : 0;
	if (run && run->lanes)
		set_latency(&heap, run);
	if (run)
		play(&sink, &heap, run);
	else
		play_little(&sink, &heap);
	sink_fini(&sink);
	heap_fini(&heap);
	lanes_fini(&lanes);
	return fflush(stdout) || ferror(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--json-schema")) {
		schema_print(stdout);
		return fflush(stdout) || ferror(stdout);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc < 2)
			puts(cases[i].name);
		else if (!strcmp(argv[1], cases[i].name))
			return run_case(i);
	}
	if (argc < 2)
		return compare_case(NULL) || heap_case(NULL);
	return strncmp(argv[1], "heap-", 5) ? compare_case(argv[1]) : heap_case(argv[1]);
}
