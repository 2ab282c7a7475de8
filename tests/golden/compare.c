// SPDX-License-Identifier: MIT
/*
 * `compare` of lanes as the kernel side would have added them up: whole numbers from a generator of
 * their own, so that every machine makes the same.
 */
#include "compare.h"

#include <stdio.h>
#include <string.h>

#include "core/calibration.h"
#include "core/heap.h"
#include "core/lane.h"
#include "out/sink.h"
#include "out/svg.h"

#define POOL    0x55d0c0a90000
#define HOSTILE "p\x1b]0;owned\x07<&\">\n\xff\\"

/* A lane as it was measured: `calls` in each of `slices`, most of them `low` .. `low + spread` in
 * steps of the clock, 1 of 50 up to ten times and 1 of 1000 a hundred times as long. In ns, of a
 * whole group. */
struct made {
	const char *name;
	struct lane_key key;
	unsigned int slices, calls, low, spread, step;
};

struct scene {
	const char *name;
	const struct made *lanes; /* the last one has no name */
	const struct calibration *calibration;
	const char *pool; /* in the books; NULL: none */
	bool svg;         /* a picture is kept as well */
};

static uint64_t seed;

static unsigned int next_random(unsigned int below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned int)((seed >> 33) % below);
}

static uint64_t duration(const struct made *m)
{
	uint64_t ns = m->low + next_random(m->spread + 1);

	if (next_random(1000) == 0)
		ns *= 100;
	else if (next_random(50) == 0)
		ns += next_random(10 * (unsigned int)ns);
	ns -= ns % m->step;
	return m->key.group ? ns * 1000 / m->key.group : ns;
}

static int fill(struct lanes *lanes, const struct made *m)
{
	for (unsigned int slice = 0; slice < m->slices; slice++) {
		struct lane_key key = m->key;
		struct lane *lane;

		key.slice = (uint8_t)slice;
		key.size_class = LANE_ALL_SIZES;
		lane = lanes_get(lanes, &key);
		if (!lane)
			return 1;
		lane->name = m->name;
		for (unsigned int i = 0; i < m->calls; i++) {
			if (hist_add(&lane->hist, duration(m)))
				return 1;
		}
	}
	return 0;
}

/* ---- scenes ---- */

#define INSIDE(operation, of_group)                                                \
	{                                                                          \
		.op = (operation), .class = CALIBRATION_CLOCK, .group = (of_group) \
	}
#define PROBE(row, on)                                            \
	{                                                         \
		.op = LANE_CALL, .function = (row), .class = (on) \
	}

static const struct calibration quiet = {
	.windows = {[CALIBRATION_CLOCK] = {20000, 16, 18, 26, 41, 18.7},
		    [CALIBRATION_NOP] = {20000, 1590, 1612, 1638, 2210, 1650.5}},
};
static const struct calibration none;

/* malloc as a pool, by the same clock: one is faster, one slower, one about the same. What did not
 * fill a group stands apart. Function 7 keeps malloc's lanes from the pool's. */
#define AS_POOL(operation, of_group)                                                              \
	{                                                                                         \
		.op = (operation), .class = CALIBRATION_CLOCK, .group = (of_group), .function = 7 \
	}

static const struct made alike[] = {
	{"protocol", INSIDE(LANE_POOL_ALLOC, 64), 32, 60, 250, 60, 10},
	{"protocol", INSIDE(LANE_POOL_FREE, 64), 32, 60, 500, 90, 10},
	{"protocol", INSIDE(LANE_POOL_PAIR, 64), 32, 60, 810, 90, 10},
	{"protocol", INSIDE(LANE_POOL_ALLOC, 17), 1, 4, 80, 10, 10},
	{"malloc", AS_POOL(LANE_POOL_ALLOC, 64), 32, 60, 700, 150, 10},
	{"malloc", AS_POOL(LANE_POOL_FREE, 64), 32, 60, 330, 90, 10},
	{"malloc", AS_POOL(LANE_POOL_PAIR, 64), 32, 60, 810, 90, 10},
	{0},
};

/* malloc by probes alone, and free not at all. */
static const struct made unlike[] = {
	{"protocol", INSIDE(LANE_POOL_ALLOC, 0), 32, 40, 25, 10, 1},
	{"protocol", INSIDE(LANE_POOL_FREE, 0), 32, 40, 25, 10, 1},
	{"malloc", PROBE(0, CALIBRATION_NOP), 32, 40, 1640, 20, 1},
	{"malloc", {.op = LANE_CALL, .class = CALIBRATION_NOP, .disturbed = 1}, 3, 5, 9000, 10, 1},
	{"malloc", {.op = LANE_CALL, .class = CALIBRATION_NOP, .failed = 1}, 1, 2, 2000, 10, 1},
	{0},
};

/* Differences that chance may have made, times at the floor beside two lanes of malloc of which one
 * was timed alike, and who was seen too little. */
static const struct made doubtful[] = {
	{"even", INSIDE(LANE_POOL_ALLOC, 4096), 32, 8, 40000, 60000, 10},
	{"malloc", AS_POOL(LANE_POOL_ALLOC, 4096), 32, 8, 41000, 60000, 10},
	{"idle", INSIDE(LANE_POOL_FREE, 0), 32, 40, 20, 4, 1},
	{"malloc", AS_POOL(LANE_POOL_FREE, 64), 32, 4, 9000, 50, 10},
	{"malloc", AS_POOL(LANE_POOL_FREE, 0), 32, 40, 400, 50, 1},
	{"brief", INSIDE(LANE_POOL_PAIR, 8), 3, 19, 400, 50, 1},
	{"malloc", AS_POOL(LANE_POOL_PAIR, 8), 32, 40, 400, 50, 1},
	{HOSTILE,
	 {.op = LANE_POOL_PAIR, .class = CALIBRATION_CLOCK, .group = 8, .function = 9},
	 32,
	 40,
	 200,
	 50,
	 1},
	{0},
};

static const struct made hidden[] = {
	{"protocol", INSIDE(LANE_POOL_ALLOC, 0), 32, 40, 25, 10, 1},
	{"malloc", PROBE(0, CALIBRATION_STEPPED), 32, 40, 5640, 20, 1},
	{"protocol", INSIDE(LANE_POOL_FREE, 0), 32, 40, 25, 10, 1},
	{"free", PROBE(3, CALIBRATION_JCC), 32, 40, 1640, 20, 1},
	{"protocol", INSIDE(LANE_POOL_PAIR, 0), 32, 40, 25, 10, 1},
	{0},
};

static const struct made no_pool[] = {
	{"malloc", PROBE(0, CALIBRATION_NOP), 32, 40, 1700, 90, 1},
	{0},
};

static const struct made nobody[] = {{0}};

static const struct scene scenes[] = {
	{"compare-alike", alike, &quiet, "protocol", true},
	{"compare-unlike", unlike, &quiet, "protocol", true},
	{"compare-doubtful", doubtful, &quiet, HOSTILE, true},
	{"compare-hidden", hidden, &quiet, NULL, false},
	{"compare-uncalibrated", alike, &none, NULL, false},
	{"compare-no-pool", no_pool, &quiet, NULL, true},
	{"compare-nobody", nobody, NULL, NULL, false},
};

/* ---- playing them ---- */

static const char *const functions[] = {"malloc", "calloc", "realloc", "free"};

static const struct run_info info = {
	.version = "0.0.0",
	.kernel = "6.1.0-test",
	.functions = functions,
	.function_count = 4,
	.traced = 1 << 0 | 1 << 3,
	.frees = 1 << 3,
	.start_ns = 1000000000000,
};

/* The books know that pool. */
static void know_pool(struct heap *heap, const char *name)
{
	struct event e = {EVENT_POOL_CREATE, .pool = POOL, .pid = 1};
	struct heap_note note;

	strcpy(e.name, name);
	heap_apply(heap, &e, &note);
	e = (struct event){EVENT_POOL_ALLOC, .pool = POOL, .pid = 1, .addr = 64, .size = 160};
	heap_apply(heap, &e, &note);
}

static int write_format(const char *format, const struct report *r)
{
	const struct sink_ops *ops = sink_find("compare", format);
	struct sink sink;

	if (!strcmp(format, "svg"))
		return compare_svg_write(stdout, r) != 0;
	if (!ops || sink_init(&sink, ops, &info, stdout))
		return 1;
	if (ops->start)
		ops->start(&sink);
	ops->finish(&sink, r);
	sink_fini(&sink);
	return 0;
}

static int play(const struct scene *scene, const char *format)
{
	struct report r = {.calibration = scene->calibration,
			   .elapsed_ns = 1234567890,
			   .fate = "exited with 0",
			   .final = true};
	struct lanes lanes;
	struct heap heap;
	int failed = 0;

	seed = 1;
	lanes_init(&lanes);
	if (heap_init(&heap))
		return 1;
	for (const struct made *m = scene->lanes; m->name && !failed; m++)
		failed = fill(&lanes, m);
	if (scene->pool)
		know_pool(&heap, scene->pool);
	r.heap = &heap;
	r.calls = heap.calls;
	r.lanes = &lanes;
	r.counters[EVENT_ENTERED] = heap.events;
	r.events = heap.events;
	if (!failed)
		failed = write_format(format, &r);
	lanes_fini(&lanes);
	heap_fini(&heap);
	return failed || fflush(stdout) || ferror(stdout);
}

int compare_case(const char *name)
{
	static const char *const formats[] = {"text", "json", "svg"};
	char made[64];

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		for (size_t k = 0; k < (scenes[i].svg ? 3 : 2); k++) {
			snprintf(made, sizeof(made), "%s.%s", scenes[i].name, formats[k]);
			if (!name)
				puts(made);
			else if (!strcmp(name, made))
				return play(&scenes[i], formats[k]);
		}
	}
	return name ? 2 : 0;
}
