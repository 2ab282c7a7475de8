// SPDX-License-Identifier: MIT
/*
 * Records as the ring hands them out, and what the books make of them. An input is a line of
 * settings and then steps: a record of the wire with its length before it, an entry of the map of
 * lanes, or what happens to a process. Whatever the records say, the books must add up.
 */
#include "fuzz.h"

#include "core/event.h"
#include "core/heap.h"
#include "core/lane.h"
#include "core/stack.h"

enum { STEP_LANE = 0xf0, STEP_FORK, STEP_END, STEP_EXEC, STEP_SETTLE };

struct run {
	struct heap heap;
	struct lanes lanes;
	struct stacks stacks;
	uint64_t lost_ns, found, applied, ignored;
	uint64_t lane_calls;
	bool shared;
};

static void on_finding(void *context, const struct finding *f)
{
	struct run *run = context;

	run->found++;
	fuzz_check(f->check < FINDING_NR_CHECKS && finding_name(f->check), "a finding has a name");
	fuzz_check(f->pool ? memchr(f->pool, 0, 65) != NULL : f->function < EVENT_MAX_FUNCTIONS,
		   "it has a pool with a name, or a function");
	fuzz_check(memchr(f->comm, 0, sizeof(f->comm)), "a command's name ends");
	fuzz_check(f->frames <= EVENT_MAX_FRAMES && (!f->frames || f->stack),
		   "a finding's stack is there");
}

static uint64_t known_since(void *context)
{
	return ((struct run *)context)->lost_ns;
}

static bool is_shared(void *context, uint32_t pid, uint64_t addr)
{
	(void)pid;
	(void)addr;
	return ((struct run *)context)->shared;
}

static void set_up(struct run *run, struct fuzz_input *in)
{
	struct heap *h = &run->heap;
	uint8_t settings = fuzz_byte(in);

	if (heap_init(h))
		abort();
	lanes_init(&run->lanes);
	stacks_init(&run->stacks);
	run->lost_ns = settings & 1 ? fuzz_word(in) : 0;
	run->shared = settings & 2;
	h->findings.on_finding = settings & 4 ? NULL : on_finding;
	h->findings.known_since = settings & 1 ? known_since : NULL;
	h->findings.is_shared = run->shared ? is_shared : NULL;
	h->findings.context = run;
	h->findings.whole_life = !(settings & 2);
	for (size_t i = 0; i < EVENT_MAX_FUNCTIONS; i++)
		h->findings.families[i] = (uint8_t)(i % 3);
	h->findings.partial = settings & 8;
	h->findings.partial_threads = settings & 16;
	h->sample_bytes = settings & 32 ? 1 + fuzz_byte(in) * 64ULL : 0;
	h->own_functions = settings & 64 ? fuzz_word(in) : 0;
	if (settings & 128)
		strcpy(h->only_pool, "wanted");
}

static void check_view(const struct event *e)
{
	fuzz_check(e->kind >= EVENT_ALLOC && e->kind <= EVENT_STACK, "a kind that is known");
	fuzz_check(e->grade < EVENT_NR_GRADES && stack_grade_name(e->grade), "a grade has a name");
	fuzz_check(e->why < EVENT_NR_WHYS && !stack_why_text(e->why) == !e->why,
		   "a reason has one");
	fuzz_check(e->function < EVENT_MAX_FUNCTIONS, "a row of the table");
	fuzz_check(e->frames <= EVENT_MAX_FRAMES, "the stack fits");
	fuzz_check(memchr(e->comm, 0, sizeof(e->comm)), "the command's name ends");
	fuzz_check(memchr(e->name, 0, sizeof(e->name)), "the pool's name ends");
}

/* Whatever becomes of its stack, an event keeps its caller. */
static void resolve(struct run *run, struct event *e)
{
	bool has_caller = e->frames;
	uint64_t caller = e->stack[0];

	stacks_resolve(&run->stacks, e);
	fuzz_check(!has_caller || (e->frames && e->stack[0] == caller), "the caller stays");
	stack_cut(e, e->size % (EVENT_MAX_FRAMES + 2));
	fuzz_check(!has_caller || (e->frames && e->stack[0] == caller), "the caller is not cut");
	stacks_count(&run->stacks, e);
	check_view(e);
}

static void take_call(struct run *run, struct event *e)
{
	struct heap_note note;
	bool applied;

	resolve(run, e);
	applied = heap_apply(&run->heap, e, &note);
	run->applied += applied;
	run->ignored += !applied;
	fuzz_check(!note.pool || note.row < run->heap.pool_count, "a pool's row exists");
	fuzz_check(event_is_pool(e) == (note.pool != NULL), "pools' events have a pool");
}

static void take_record(struct run *run, struct fuzz_input *in, uint8_t first)
{
	size_t length = first | (size_t)fuzz_byte(in) << 8;
	uint8_t *record = fuzz_block(in, &length);
	struct event e;

	if (!event_decode(&e, record, length)) {
		check_view(&e);
		if (e.kind == EVENT_STACK)
			stacks_add(&run->stacks, &e);
		else if (e.kind != EVENT_PRESSURE)
			take_call(run, &e);
	}
	free(record);
}

static void take_lane(struct run *run, struct fuzz_input *in)
{
	uint8_t key[EVENT_LANE_KEY], values[2 * EVENT_LANE_VALUE];
	struct lane_part part;

	fuzz_take(in, key, sizeof(key));
	fuzz_take(in, values, sizeof(values));
	if (event_decode_lane(&part, key, values, 2))
		return;
	fuzz_check(part.key.function < EVENT_MAX_FUNCTIONS, "a lane's row of the table");
	fuzz_check(part.key.class < CALIBRATION_NR, "a lane's class");
	if (!lanes_add(&run->lanes, &part))
		run->lane_calls += part.count;
}

static void take_step(struct run *run, struct fuzz_input *in)
{
	uint8_t first = fuzz_byte(in);

	switch (first) {
	case STEP_LANE:
		take_lane(run, in);
		break;
	case STEP_FORK:
		heap_fork_process(&run->heap, fuzz_byte(in));
		break;
	case STEP_END:
		heap_end_process(&run->heap, fuzz_byte(in));
		break;
	case STEP_EXEC:
		heap_forget_process(&run->heap, fuzz_byte(in));
		break;
	case STEP_SETTLE:
		heap_settle_findings(&run->heap, fuzz_word(in));
		break;
	default:
		take_record(run, in, first);
	}
}

/* The calls of functions and pools are all events that were applied, each once. */
static void check_books(const struct run *run)
{
	const struct heap *h = &run->heap;
	uint64_t calls = 0, told = 0, stacks = 0;

	for (size_t i = 0; i < HEAP_MAX_CALLS; i++)
		calls += h->calls[i].count;
	for (size_t i = 0; i < h->pool_count; i++) {
		const struct heap_pool *p = &h->pool_rows[i];

		calls += p->alloc.count + p->free.count + p->created + p->destroyed;
		fuzz_check(p->live.blocks <= p->alloc.count, "no more chunks live than came");
		fuzz_check(p->unmatched <= p->free.count, "no more frees unmatched than came");
	}
	for (size_t i = 0; i < FINDING_NR_CHECKS; i++) {
		told += h->findings.told[i];
		fuzz_check(h->findings.told[i] <= h->findings.seen[i], "what is told was seen");
	}
	fuzz_check(h->events == run->applied && h->ignored == run->ignored, "every event counts");
	fuzz_check(calls == h->events, "calls are events");
	for (size_t i = 0; i < EVENT_NR_GRADES; i++)
		stacks += run->stacks.seen[i];
	fuzz_check(stacks <= run->applied + run->ignored, "no more stacks than events");
	fuzz_check(told == run->found, "every finding is told once");
	fuzz_check(h->live.blocks <= calls, "no more blocks live than came");
	fuzz_check(h->ended.blocks <= h->live.blocks, "what ended is part of what lives");
	fuzz_check(h->superseded <= calls, "no more superseded than came");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run run;
	struct fuzz_input in = {data, size};

	run = (struct run){0};
	set_up(&run, &in);
	while (in.left)
		take_step(&run, &in);
	heap_settle_findings(&run.heap, UINT64_MAX);
	check_books(&run);
	heap_fini(&run.heap);
	lanes_fini(&run.lanes);
	stacks_fini(&run.stacks);
	return 0;
}
