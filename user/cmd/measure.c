// SPDX-License-Identifier: MIT
/*
 * Measuring beside the run. Bursts are short, so that the target is hardly disturbed, and come more
 * often until there are enough of them; they go to the CPUs on which calls have begun since the
 * last one.
 */
#include "cmd/measure.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define FIRST_HITS   4000  /* before the run */
#define BURST_HITS   200   /* a millisecond or two of each class */
#define TOP_UP_HITS  1000  /* when nobody is disturbed */
#define ENOUGH_HITS  20000 /* of each class in use */
#define EARLY_GAP_NS 20000000ULL
#define LATE_GAP_NS  200000000ULL
#define LONGEST_MS   2000 /* that we wait for a burst */
#define MAX_POOLS    (1 << 16)

struct pool_key {
	uint64_t pid, pool;
};

void measure_init(struct measure *m)
{
	int err = 0;

	memset(m, 0, sizeof(*m));
	lanes_init(&m->lanes);
	table_init(&m->pools, sizeof(struct pool_key), sizeof(uint64_t), MAX_POOLS);
	m->cpu = -1;
	m->calibrator = calibrator_new(&err);
	if (!m->calibrator)
		log_debug("the probes' own cost cannot be measured here: %s", strerror(-err));
}

void measure_fini(struct measure *m)
{
	calibrator_free(m->calibrator);
	m->calibrator = NULL;
	lanes_fini(&m->lanes);
	table_fini(&m->pools);
}

pid_t measure_calibrator(const struct measure *m)
{
	return m->calibrator ? calibrator_pid(m->calibrator) : 0;
}

static uint32_t classes_in_use(const struct measure *m)
{
	return session_classes(m->session) | 1U << CALIBRATION_CLOCK;
}

/* The next CPU on which calls have begun since the last burst, else the next one that we may use.
 */
static int next_cpu(struct measure *m)
{
	uint64_t now[MEASURE_MAX_CPUS] = {0};
	int busy = -1, any = -1;
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	session_cpus(m->session, now, MEASURE_MAX_CPUS);
	for (int i = 1; i <= MEASURE_MAX_CPUS; i++) {
		int cpu = (m->cpu + i) % MEASURE_MAX_CPUS;

		if (!CPU_ISSET(cpu, &allowed))
			continue;
		any = any < 0 ? cpu : any;
		if (now[cpu] > m->entered[cpu] && busy < 0)
			busy = cpu;
	}
	memcpy(m->entered, now, sizeof(now));
	m->cpu = busy >= 0 ? busy : any;
	return m->cpu;
}

static void burst(struct measure *m, unsigned int hits)
{
	uint32_t classes = classes_in_use(m);

	if (!calibrator_burst(m->calibrator, classes, next_cpu(m), hits))
		return;
	for (int class = 0; class < CALIBRATION_NR; class ++)
		m->hits[class] += classes >> class & 1 ? hits : 0;
}

/* Of the class in use that has the fewest. */
static uint64_t fewest_hits(const struct measure *m)
{
	uint32_t classes = classes_in_use(m) & ~(1U << CALIBRATION_STEPPED);
	uint64_t fewest = UINT64_MAX;

	for (int class = 0; class < CALIBRATION_NR; class ++) {
		if (classes >> class & 1 && m->hits[class] < fewest)
			fewest = m->hits[class];
	}
	return fewest;
}

/* What is missing for that many hits, and waits for it. */
static void catch_up(struct measure *m, uint64_t enough)
{
	while (fewest_hits(m) < enough) {
		uint64_t before = fewest_hits(m);

		calibrator_wait(m->calibrator, LONGEST_MS);
		burst(m, TOP_UP_HITS);
		if (fewest_hits(m) == before)
			break;
	}
	calibrator_wait(m->calibrator, LONGEST_MS);
}

/* Lanes of everybody but the helper; its calls become the calibration. */
static int read_lanes(struct measure *m)
{
	int err;

	lanes_clear(&m->lanes);
	err = session_lanes(m->session, &m->lanes);
	if (!err && m->calibrator)
		calibrator_read(m->calibrator, &m->lanes, &m->calibration);
	return err;
}

void measure_begin(struct measure *m, struct session *s)
{
	int err;

	m->session = s;
	if (!m->calibrator)
		return;
	err = calibrator_attach(m->calibrator, s);
	if (err) {
		log_debug("the probes' own cost cannot be measured: %s", strerror(-err));
		calibrator_free(m->calibrator);
		m->calibrator = NULL;
		return;
	}
	session_set_phase(s, CALIBRATOR_BEFORE);
	catch_up(m, FIRST_HITS);
	session_set_phase(s, CALIBRATOR_DURING);
	if (read_lanes(m))
		return;
	for (int class = 0; class < CALIBRATION_NR; class ++)
		session_set_probe_cost(s, class, (uint64_t)m->calibration.windows[class].p50);
}

void measure_tick(struct measure *m, uint64_t now_ns)
{
	if (!m->calibrator || now_ns < m->next_burst_ns)
		return;
	m->next_burst_ns = now_ns + (fewest_hits(m) < ENOUGH_HITS ? EARLY_GAP_NS : LATE_GAP_NS);
	burst(m, BURST_HITS);
}

void measure_name_pool(struct measure *m, const struct event *e, size_t row)
{
	const struct pool_key key = {.pid = e->pid, .pool = e->pool};
	bool fresh;
	uint64_t *known = table_insert(&m->pools, &key, &fresh);

	if (known)
		*known = row;
}

/* The row of the pool in the heap's books: by its name or, when it was made before, its address. */
static size_t row_of_pool(struct measure *m, struct heap *heap, const struct lane_key *key)
{
	const struct pool_key pool = {.pid = key->pid, .pool = key->pool};
	const uint64_t *known = table_find(&m->pools, &pool);
	char name[65];

	if (known)
		return *known;
	snprintf(name, sizeof(name), "pool@0x%llx", (unsigned long long)key->pool);
	return heap_row_of_pool(heap, name);
}

static void count_pool(struct heap_pool *row, const struct lane *lane)
{
	struct event_totals *t = lane->key.op == LANE_POOL_FREE ? &row->free : &row->alloc;

	if (lane->key.group)
		return; /* nobody has seen the operations one by one */
	t->count += lane->hist.count;
	if (lane->key.failed)
		t->failed += lane->hist.count;
	else
		t->bytes += lane->bytes;
}

static void clear_pools(struct heap *heap)
{
	for (size_t i = 0; i < heap->pool_count; i++) {
		heap->pool_rows[i].alloc = (struct event_totals){0};
		heap->pool_rows[i].free = (struct event_totals){0};
	}
}

/*
 * Turns of time make up slices of neighbours: a run of up to 256 turns is cut into LANE_SLICES
 * pieces one after the other, and what is longer goes round, piece by piece.
 */
static uint8_t slice_of(const struct measure *m, uint8_t turn)
{
	uint8_t since = (uint8_t)(turn - m->first_ns / LANE_TURN_NS);
	uint64_t turns = (m->last_ns / LANE_TURN_NS) - (m->first_ns / LANE_TURN_NS) + 1;

	if (turns > 256)
		turns = 256;
	if (since >= turns) /* begun before the first, or after the last moment */
		return 0;
	return (uint8_t)(since * LANE_SLICES / (turns < LANE_SLICES ? LANE_SLICES : turns));
}

/* A lane as reports have it: without the helper's, pools by name. */
static int name_lane(struct measure *m, struct lanes *named, struct heap *heap,
		     const char *const *functions, const struct lane *lane)
{
	struct lane_key key = lane->key;
	const char *name = functions[key.function];
	struct lane *to;
	size_t row = 0;

	if (key.op == LANE_CALL && key.pid && (pid_t)key.pid == measure_calibrator(m))
		return 0;
	m->added += key.group ? 0 : lane->hist.count;
	key.slice = slice_of(m, key.slice);
	if (key.op != LANE_CALL) {
		row = row_of_pool(m, heap, &key);
		if (heap->only_pool[0] && strcmp(heap->only_pool, heap->pool_rows[row].name))
			return 0;
		count_pool(&heap->pool_rows[row], lane);
		name = heap->pool_rows[row].name;
		key.pid = 0;
		key.pool = row + 1; /* for now: one key a name */
	}
	to = lanes_get(named, &key);
	if (!to)
		return -ENOMEM;
	to->name = name;
	return lane_merge(to, lane);
}

bool measure_finish(struct measure *m)
{
	if (!m->calibrator)
		return false;
	calibrator_wait(m->calibrator, LONGEST_MS);
	session_set_phase(m->session, CALIBRATOR_AFTER);
	catch_up(m, ENOUGH_HITS);
	return true;
}

int measure_read(struct measure *m, struct heap *heap, const char *const *functions,
		 uint64_t first_ns, uint64_t last_ns)
{
	struct lanes named;
	int err = read_lanes(m);

	m->first_ns = first_ns;
	m->last_ns = last_ns;

	lanes_init(&named);
	clear_pools(heap);
	m->added = 0;
	for (size_t i = 0; i < m->lanes.count && !err; i++)
		err = name_lane(m, &named, heap, functions, &m->lanes.all[i]);
	for (size_t i = 0; i < named.count; i++)
		named.all[i].key.pool = 0;
	lanes_fini(&m->lanes);
	m->lanes = named;
	return err;
}

static enum lane_op op_of(const struct event *e)
{
	if (!event_is_pool(e))
		return LANE_CALL;
	return e->kind == EVENT_POOL_FREE ? LANE_POOL_FREE : LANE_POOL_ALLOC;
}

/* As the kernel side has it: n for sizes above 2^(n-1) up to 2^n. */
static uint8_t class_of(uint64_t size)
{
	return size > 1 ? (uint8_t)(64 - __builtin_clzll(size - 1)) : 0;
}

void measure_add_call(struct measure *m, const struct event *e, const char *name, uint64_t row,
		      enum lane_by by)
{
	bool pool = event_is_pool(e);
	struct lane_part part = {
		.key = {.op = (uint8_t)op_of(e),
			.function = (uint8_t)e->function,
			.class = !e->measured ? CALIBRATION_STEPPED
				 : pool       ? CALIBRATION_CLOCK
					      : CALIBRATION_PUSH,
			.size_class = by == LANE_BY_SIZE ? class_of(e->size) : LANE_ALL_SIZES,
			.failed = e->failed,
			.pool = row},
		.bucket = e->measured ? hist_bucket(e->latency_ns) : 0,
		.count = 1,
		.sum = e->measured ? e->latency_ns : 0,
		.max = e->measured ? e->latency_ns : 0,
		.bytes = e->failed ? 0 : e->size,
	};
	struct lane *lane;

	if (e->kind == EVENT_POOL_CREATE || e->kind == EVENT_POOL_DESTROY ||
	    (e->kind == EVENT_FREE && !e->measured))
		return;
	if (by == LANE_BY_SITE && e->frames) {
		part.key.pid = e->pid;
		part.key.site = e->stack[0];
	}
	if (lanes_add(&m->lanes, &part))
		return;
	lane = lanes_get(&m->lanes, &part.key);
	if (!lane)
		return;
	lane->name = name;
	lane->key.pool = 0; /* as in all reports */
}
