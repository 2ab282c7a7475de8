// SPDX-License-Identifier: MIT
/*
 * The reports on the heap, of one run in which everything happens that they tell apart: blocks that
 * stay, go at once, grow, are freed elsewhere, outlive their process; two pools; calls that fail.
 * Each scene asks something else of it.
 */
#include "heap.h"

#include <stdio.h>
#include <string.h>

#include "core/heap.h"
#include "core/stack.h"
#include "lanes.h"
#include "out/diff.h"
#include "out/sink.h"

#define START   1000000000000ULL /* ns since boot when the gate opened */
#define US      1000ULL
#define POOL    0x55d0c0a90000
#define HOSTILE 0x55d0c0ab0000

struct scene {
	const char *name, *command;
	const char *formats; /* divided by spaces */
	bool callers;        /* no whole stacks */
	bool nothing;        /* no event at all */
	bool lossy;          /* calls are missing; diff: of the second run */
	uint64_t older_ns, sample_bytes;
	unsigned int within, columns;
	size_t top;
};

static const struct scene scenes[] = {
	{"heap-leaks", "leaks", "text json csv folded pprof", .within = 1},
	{"heap-hot", "hot", "text json csv folded pprof", .within = 1},
	{"heap-temporary", "temporary", "text json csv folded pprof", .within = 1},
	{"heap-peak", "peak", "text json csv folded pprof", .within = 1},
	{"heap-sizes", "sizes", "text json csv", .within = 1},
	/* what one asks for first: no stacks, few rows, a terminal */
	{"heap-leaks-callers", "leaks", "text json folded pprof", .callers = true, .columns = 100,
	 .top = 3},
	{"heap-leaks-older", "leaks", "text json pprof", .older_ns = 900000 * US, .columns = 80,
	 .top = 2},
	{"heap-hot-narrow", "hot", "text", .columns = 60, .top = 4},
	{"heap-temporary-within", "temporary", "text", .callers = true, .within = 4},
	{"heap-leaks-lossy", "leaks", "text json pprof", .callers = true, .lossy = true,
	 .sample_bytes = 4096},
	{"heap-diff", "diff", "text json", .within = 1, .columns = 120},
	{"heap-diff-callers", "diff", "text", .callers = true, .lossy = true, .top = 2},
	{"heap-diff-nothing", "diff", "text json", .nothing = true},
	{"heap-leaks-nothing", "leaks", "text json csv folded pprof", .nothing = true},
	{"heap-hot-nothing", "hot", "text", .nothing = true},
	{"heap-temporary-nothing", "temporary", "text", .nothing = true, .within = 1},
	{"heap-peak-nothing", "peak", "text", .nothing = true},
	{"heap-sizes-nothing", "sizes", "text csv", .nothing = true},
};

/* ---- call stacks ---- */

struct path {
	uint64_t words[4]; /* up to the first zero */
	enum event_grade grade;
	enum event_why why;
};

enum { MESSAGE, QUEUE, GROWING, LIBRARY, HANDLER, WRONG, STRAY, PATHS };

/* Their numbers are one more. */
static const struct path paths[PATHS] = {
	[MESSAGE] = {{INLINED, IN_MAIN, LIBC}, EVENT_COMPLETE, EVENT_WHY_NONE},
	[QUEUE] = {{IN_MAIN, LIBC}, EVENT_COMPLETE, EVENT_WHY_NONE},
	[GROWING] = {{NO_LINE, NO_COLUMN}, EVENT_GUESSED, EVENT_WHY_NO_INFO},
	[LIBRARY] = {{NO_LINE, IN_MAIN, LIBC}, EVENT_COMPLETE, EVENT_WHY_NONE},
	[HANDLER] = {{IN_MAIN, RESTORER, EVENT_EXACT | INTERRUPTED, LIBC},
		     EVENT_COMPLETE,
		     EVENT_WHY_NONE},
	[WRONG] = {{IN_MAIN, EVIL}, EVENT_TRUNCATED, EVENT_WHY_NO_RULE},
	[STRAY] = {{UNKNOWN, IN_MAIN}, EVENT_GUESSED, EVENT_WHY_NONE},
};

#define NOWHERE (-1) /* the stack could not be read */

/* ---- the run ---- */

struct play {
	struct sink sink;
	struct heap heap;
	struct stacks stacks;
	struct run_info info;
	const struct scene *scene;
	uint64_t now_us; /* each call takes one */
	bool again;      /* the second run of a diff: some of it is otherwise */
};

static void take(struct play *p, struct event *e, int path)
{
	struct heap_note note;

	e->ts_ns = START + p->now_us++ * US;
	e->pid = e->pid ? e->pid : PID;
	e->tid = e->tid ? e->tid : e->pid;
	strcpy(e->comm, "demo");
	e->frames = 1;
	if (path >= 0) {
		const struct path *from = &paths[path];

		e->stack_id = p->scene->callers ? 0 : (uint64_t)path + 1;
		e->grade = p->scene->callers ? EVENT_CALL_SITE : from->grade;
		e->why = p->scene->callers ? EVENT_WHY_NONE : from->why;
		memcpy(e->stack, from->words, sizeof(from->words));
		while (!p->scene->callers && e->frames < 4 && e->stack[e->frames])
			e->frames++;
	}
	if (!heap_apply(&p->heap, e, &note))
		return;
	stacks_count(&p->stacks, e);
	p->sink.ops->event(&p->sink, e, &note);
}

static void get(struct play *p, int path, uint64_t addr, uint64_t size)
{
	struct event e = {EVENT_ALLOC,      MALLOC,
			  .measured = true, .latency_ns = 300 + size % 100,
			  .addr = addr,     .size = size};

	take(p, &e, path);
}

static void put(struct play *p, uint32_t tid, uint64_t addr)
{
	struct event e = {EVENT_FREE, FREE, .tid = tid, .addr = addr};

	take(p, &e, QUEUE);
}

static void grow(struct play *p, uint64_t from, uint64_t to, uint64_t size)
{
	struct event e = {EVENT_REALLOC, REALLOC, .old_addr = from, .addr = to, .size = size};

	take(p, &e, GROWING);
}

static void get_other(struct play *p, int path, uint64_t addr, uint64_t size)
{
	struct event e = {EVENT_ALLOC, MALLOC, .pid = OTHER, .addr = addr, .size = size};

	take(p, &e, path);
}

static void fail(struct play *p, int path, uint64_t size)
{
	struct event e = {EVENT_ALLOC, CALLOC, .size = size, .failed = true};

	take(p, &e, path);
}

static void make_pool(struct play *p, uint64_t pool, const char *name)
{
	struct event e = {EVENT_POOL_CREATE, .pool = pool,      .base = pool + 0x1000,
			  .size = 65536,     .chunk_size = 160, .chunk_count = 409};

	strcpy(e.name, name);
	take(p, &e, NOWHERE);
}

static void get_chunk(struct play *p, int path, uint64_t pool, uint64_t addr, uint64_t size)
{
	struct event e = {EVENT_POOL_ALLOC, .measured = true, .latency_ns = 48, .pool = pool,
			  .addr = addr,     .size = size,     .failed = !addr};

	take(p, &e, path);
}

static void put_chunk(struct play *p, uint64_t pool, uint64_t addr)
{
	struct event e = {EVENT_POOL_FREE, .pool = pool, .addr = addr};

	take(p, &e, QUEUE);
}

/* The peak is in here: what is used for a while is not all used at once. */
static void work(struct play *p)
{
	for (uint64_t i = 0; i < 300; i++) /* 100 of them stay */
		get(p, MESSAGE, 0x100000 + i * 0x2000, 4096);
	for (uint64_t i = 0; i < (p->again ? 150 : 200); i++)
		put(p, i < 50 ? PID + 1 : PID, 0x100000 + i * 0x2000);
	for (uint64_t i = 0; i < (p->again ? 400 : 500); i++) {
		get(p, QUEUE, 0x800000, 40 + i % 30);
		put(p, PID, 0x800000);
	}
	for (uint64_t i = 0; i < 10; i++) { /* freed by the call after the next */
		get(p, p->again ? STRAY : LIBRARY, 0x810000, 24);
		get(p, HANDLER, 0x820000 + i * 64, 17);
		put(p, PID, 0x810000);
	}
	get(p, GROWING, 0x900000, 16);
	for (uint64_t i = 0; i < 8; i++)
		grow(p, 0x900000 + i * 0x10000, 0x900000 + (i + 1) * 0x10000, 32ULL << i);
	grow(p, 0x980000, 0x980000, 5000);
	put(p, PID, 0x980000);
	get(p, GROWING, 0x990000, 100);
	fail(p, QUEUE, UINT64_MAX);
	fail(p, WRONG, 1ULL << 40);
}

static void use_pools(struct play *p)
{
	make_pool(p, POOL, "protocol");
	make_pool(p, HOSTILE, "p\x1b]0;owned\x07;\n\xff\\");
	for (uint64_t i = 0; i < 20; i++)
		get_chunk(p, MESSAGE, POOL, POOL + 0x1000 + i * 160, 160);
	for (uint64_t i = 0; i < (p->again ? 20 : 15); i++)
		put_chunk(p, POOL, POOL + 0x1000 + i * 160);
	get_chunk(p, QUEUE, POOL, POOL + 0x1000, 100);
	put_chunk(p, POOL, POOL + 0x1000);
	get_chunk(p, QUEUE, POOL, 0, 100);
	get_chunk(p, WRONG, HOSTILE, HOSTILE + 0x1000, 64);
}

/* Two processes; what is equal in bytes and blocks goes by names. */
static void leave(struct play *p)
{
	get_other(p, WRONG, 0x100000, 3000);
	get_other(p, WRONG, 0x110000, 3000);
	get_other(p, MESSAGE, 0x120000, 100000);
	heap_end_process(&p->heap, OTHER);
	if (!p->again)
		get(p, LIBRARY, 0xa00000, 77);
	get(p, STRAY, 0xa10000, 77);
	get(p, NOWHERE, 0xa20000, 77);
	get(p, NOWHERE, 0xa30000, 0);
}

/* ---- reports ---- */

static struct report report_of(struct play *p, bool final)
{
	struct report r = {
		.heap = &p->heap,
		.calls = p->heap.calls,
		.events = p->heap.events,
		.elapsed_ns = final ? 2500000000 : 1000000000,
		.stacks = p->info.stacks ? &p->stacks : NULL,
		.fate = final ? "exited with 0" : NULL,
		.final = final,
	};

	r.counters[EVENT_ENTERED] = r.events;
	if (p->scene->lossy && (p->again || strcmp(p->scene->command, "diff"))) {
		r.counters[EVENT_LOST_RING_FULL] = 7;
		r.counters[EVENT_ENTERED] += 7;
	}
	return r;
}

static void tick(struct play *p)
{
	struct report r = report_of(p, false);

	if (p->sink.ops->tick)
		p->sink.ops->tick(&p->sink, &r);
}

static void play(struct play *p)
{
	struct report r;

	if (p->sink.ops->start)
		p->sink.ops->start(&p->sink);
	if (!p->scene->nothing) {
		p->now_us = 500;
		work(p);
		tick(p);
		p->now_us = 1500000;
		use_pools(p);
		leave(p);
	}
	r = report_of(p, true);
	p->sink.ops->finish(&p->sink, &r);
}

static const char *const functions[FUNCTIONS] = {
	"malloc", "calloc", "realloc", "free", "posix_memalign", "valloc",
};

static void set_info(struct play *p)
{
	const struct scene *scene = p->scene;

	p->info = (struct run_info){
		.version = "0.0.0",
		.kernel = "6.1.0-test",
		.functions = functions,
		.function_count = FUNCTIONS,
		.traced = (1 << FUNCTIONS) - 1,
		.frees = 1 << FREE,
		.start_ns = START,
		.wall_ns = 1700000000000000000,
		.live_known = true,
		.stacks = !scene->callers,
		.sample_bytes = scene->sample_bytes,
		.top = scene->top,
		.heap = &p->heap,
		.older_ns = scene->older_ns,
		.within = scene->within,
		.columns = scene->columns,
	};
}

/* One run; `before` and `side`: of a diff, which the second run writes. */
static int run_once(const struct scene *scene, const char *format, const struct diff_side *before,
		    struct diff_side *side)
{
	const struct sink_ops *ops = sink_find(scene->command, format);
	static struct play p;
	int err = 0;

	p.scene = scene;
	p.again = before != NULL;
	set_info(&p);
	if (!ops || heap_init(&p.heap))
		return 1;
	p.heap.sample_bytes = scene->sample_bytes;
	if (sink_init(&p.sink, ops, &p.info, stdout))
		return 1;
	stacks_init(&p.stacks);
	play(&p);
	if (side)
		err = diff_take(&p.sink, side);
	if (before && !err)
		err = diff_write(&p.sink, before, side);
	stacks_fini(&p.stacks);
	sink_fini(&p.sink);
	heap_fini(&p.heap);
	return err || fflush(stdout) || ferror(stdout);
}

static int run_scene(const struct scene *scene, const char *format)
{
	struct diff_side before, after = {0};
	int failed;

	if (strcmp(scene->command, "diff"))
		return run_once(scene, format, NULL, NULL);
	failed = run_once(scene, format, NULL, &before) || run_once(scene, format, &before, &after);
	diff_side_fini(&before);
	diff_side_fini(&after);
	return failed;
}

int heap_case(const char *name)
{
	static const char *const formats[] = {"text", "json", "csv", "folded", "pprof"};
	char made[64];

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		for (size_t k = 0; k < sizeof(formats) / sizeof(formats[0]); k++) {
			if (!strstr(scenes[i].formats, formats[k]))
				continue;
			snprintf(made, sizeof(made), "%s.%s", scenes[i].name, formats[k]);
			if (!name)
				puts(made);
			else if (!strcmp(name, made))
				return run_scene(&scenes[i], formats[k]);
		}
	}
	return name ? 2 : 0;
}
