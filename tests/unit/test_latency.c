// SPDX-License-Identifier: MIT
/*
 * What the latency reports compute, against the values themselves: rows against a count by hand,
 * figures, bars and the split of the tail against sorted arrays.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hist_values.h"
#include "out/latency.h"
#include "out/why.h"

#define VALUES 4000

/* No location is asked for. */
struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	(void)s, (void)pid, (void)address, (void)is_return;
	abort();
}

uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	(void)s, (void)pid;
	abort();
}

static struct run_info info;
static struct calibration calibration;
static struct lanes lanes;
static const struct sink sink = {.info = &info};
static const struct report report = {.lanes = &lanes, .calibration = &calibration};

static int reset(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	memset(&calibration, 0, sizeof(calibration));
	lanes_clear(&lanes);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	lanes_fini(&lanes);
	return 0;
}

static void calibrate(enum calibration_class class, double cost, double floor)
{
	calibration.windows[class] = (struct calibration_window){
		.hits = 1, .p5 = cost - floor / 2, .p50 = cost, .p95 = cost + floor / 2};
}

static void add(const struct lane_key *key, const char *name, uint64_t value)
{
	struct lane *lane = lanes_get(&lanes, key);

	assert_non_null(lane);
	lane->name = name;
	assert_int_equal(hist_add(&lane->hist, value), 0);
}

static double corrected(uint64_t value, double cost)
{
	return fmax(0, (double)value - cost);
}

/* ---- rows */

static const char *const names[] = {"malloc", "calloc", "realloc", "free"};

static struct lane_key any_key(uint64_t *seed)
{
	struct lane_key key = {
		.op = (uint8_t)(next_random(seed) % 4),
		.class = (uint8_t)(CALIBRATION_PUSH + next_random(seed) % 2),
		.size_class = (uint8_t)(next_random(seed) % 5),
		.cause = (uint8_t)(next_random(seed) % LANE_NR_CAUSES),
		.disturbed = next_random(seed) % 4 == 0,
		.failed = next_random(seed) % 4 == 0,
		.slice = (uint8_t)(next_random(seed) % 3),
		.pid = 4211 + (uint32_t)(next_random(seed) % 2),
		.site = 0x401000 + next_random(seed) % 3,
	};

	if (key.op == LANE_CALL)
		key.function = (uint8_t)(next_random(seed) % 4);
	return key;
}

static bool belongs(const struct lane *lane, const struct latency_row *row, enum lane_by by)
{
	const struct lane_key *a = &lane->key, *b = &row->key;
	bool same_site = a->pid == b->pid && a->site == b->site;

	return a->op == b->op && a->class == b->class && a->function == b->function &&
	       (by != LANE_BY_SIZE || a->size_class == b->size_class) &&
	       (by != LANE_BY_SITE || a->op != LANE_CALL || same_site) &&
	       !strcmp(lane->name, row->lanes[0]->name);
}

/* By hand: every lane belongs to one row, and a row holds what belongs to it. */
static void check_rows(const struct latency_rows *rows, enum lane_by by)
{
	uint64_t total = 0;

	for (size_t i = 0; i < rows->count; i++) {
		const struct latency_row *row = &rows->all[i];
		uint64_t count[LATENCY_NR_PARTS] = {0};

		for (size_t k = 0; k < lanes.count; k++) {
			const struct lane *lane = &lanes.all[k];
			enum latency_part part =
				lane->key.failed ? LATENCY_FAILED
				: lane->key.disturbed && !(info.why && !lane->key.op)
					? LATENCY_DISTURBED
					: LATENCY_TIMED;

			if (belongs(lane, row, by))
				count[part] += lane->hist.count;
		}
		assert_memory_equal(row->count, count, sizeof(count));
		total += count[0] + count[1] + count[2];
	}
	assert_int_equal(total, VALUES);
}

static void test_rows(void **state)
{
	uint64_t seed = 29;

	(void)state;
	for (size_t i = 0; i < VALUES; i++) {
		struct lane_key key = any_key(&seed);

		add(&key, key.op ? "pool" : names[key.function], 1600 + next_random(&seed) % 99);
	}
	calibrate(CALIBRATION_PUSH, 1000, 10);
	for (enum lane_by by = LANE_BY_FUNCTION; by <= LANE_BY_SITE; by++) {
		for (int why = 0; why < 2; why++) {
			struct latency_rows rows;

			info.why = why;
			assert_int_equal(latency_rows_init(&rows, &sink, &report, by), 0);
			check_rows(&rows, by);
			latency_rows_sort(&rows);
			for (size_t i = 1; i < rows.count; i++)
				assert_true(rows.all[i - 1].ns >= rows.all[i].ns);
			latency_rows_fini(&rows);
		}
	}
}

/* Of two classes one is calibrated; groups weigh as much as they have operations. */
static void test_time_of_rows(void **state)
{
	const struct lane_key one = {.class = CALIBRATION_PUSH}, other = {.class = CALIBRATION_NOP};
	const struct lane_key group = {
		.op = LANE_POOL_PAIR, .class = CALIBRATION_CLOCK, .group = 64};
	struct latency_rows rows;

	(void)state;
	calibrate(CALIBRATION_PUSH, 1600, 40);
	calibrate(CALIBRATION_CLOCK, 32, 20);
	for (int i = 0; i < 10; i++) {
		add(&one, "malloc", 1700);
		add(&other, "malloc", 1700);
		add(&group, "pool", 4500);
	}
	assert_int_equal(latency_rows_init(&rows, &sink, &report, LANE_BY_FUNCTION), 0);
	assert_int_equal(rows.count, 3);
	assert_true(fabs(rows.all[0].ns - 1000) < 1e-6);
	assert_true(fabs(rows.all[1].ns - 17000) < 1e-6);
	assert_true(fabs(rows.all[2].ns - (4.5 * 64 - 32) * 10) < 1e-6);
	assert_true(rows.all[0].class_named && rows.all[1].class_named && !rows.all[2].class_named);
	latency_rows_fini(&rows);
}

/* ---- figures and bars */

/* The one row of values that are sorted. */
static void one_row(struct latency_rows *rows, const uint64_t *sorted, size_t n)
{
	const struct lane_key key = {.class = CALIBRATION_PUSH, .size_class = LANE_ALL_SIZES};

	lanes_clear(&lanes);
	for (size_t i = 0; i < n; i++)
		add(&key, "malloc", sorted[i]);
	assert_int_equal(latency_rows_init(rows, &sink, &report, LANE_BY_FUNCTION), 0);
	assert_int_equal(rows->count, 1);
}

static void check_figures(const struct latency_figures *f, const uint64_t *sorted, size_t n)
{
	static const double at[] = {0.5, 0.9, 0.99, 0.999, 1};
	double sum = 0;

	for (size_t i = 0; i < 5; i++) {
		size_t rank = (size_t)(at[i] * (double)n); /* and the one behind it */
		uint64_t low = sorted[rank ? rank - 1 : 0], high = sorted[rank < n ? rank : n - 1];
		double wrong = (double)high / 64 + 1;

		assert_true(f->corrected[i] >= corrected(low, f->cost) - wrong);
		assert_true(f->corrected[i] <= corrected(high, f->cost) + wrong);
	}
	for (size_t i = 0; i < n; i++)
		sum += (double)sorted[i];
	assert_true(fabs(f->corrected[LATENCY_MEAN] - fmax(0, sum / (double)n - f->cost)) < 1e-3);
	assert_true(f->corrected[LATENCY_MAX] == corrected(sorted[n - 1], f->cost));
}

/* How many values lie at or under the floor, give or take the width of a bucket. */
static size_t count_under(const uint64_t *sorted, size_t n, const struct latency_figures *f,
			  double slack)
{
	size_t under = 0;

	while (under < n && corrected(sorted[under], f->cost) <=
				    f->floor + slack * ((double)sorted[under] / 64 + 1))
		under++;
	return under;
}

static void check_bars(const struct latency_figures *f, const struct hist *h,
		       const uint64_t *sorted, size_t n)
{
	char *text = NULL, *save = NULL;
	uint64_t sum = 0, under = 0;
	size_t size, lines = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	latency_bars_write(out, f, h);
	fclose(out);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *bar = strchr(line, '|');
		uint64_t count;

		assert_non_null(bar);
		*bar = '\0';
		count = strtoull(bar - 13, NULL, 10);
		assert_true(count > 0);
		sum += count;
		if (strstr(line, "≤"))
			under += count;
		lines++;
	}
	free(text);
	assert_int_equal(sum, n);
	assert_true(under >= count_under(sorted, n, f, -1));
	assert_true(under <= count_under(sorted, n, f, 1));
	assert_true(lines <= 64 + 2);
}

static void check_one(const uint64_t *sorted, size_t n, double cost, double floor)
{
	struct latency_figures f;
	struct latency_rows rows;
	struct hist h = {0};

	calibrate(CALIBRATION_PUSH, cost, floor);
	one_row(&rows, sorted, n);
	assert_int_equal(latency_row_hist(&rows.all[0], LATENCY_TIMED, false, &h), 0);
	latency_figures(&f, &rows.all[0], &report, &h);
	assert_true(f.measurable && f.calibrated && f.cost == cost);
	check_figures(&f, sorted, n);
	check_bars(&f, &h, sorted, n);
	hist_fini(&h);
	latency_rows_fini(&rows);
}

static void test_figures_and_bars(void **state)
{
	static uint64_t values[VALUES];
	uint64_t seed = 31;

	(void)state;
	for (unsigned int bits = 1; bits <= 40; bits += 3) {
		fill_sorted(values, VALUES, bits, &seed);
		check_one(values, VALUES, 0, 0);
		check_one(values, VALUES, 30, 20);
		check_one(values, VALUES, 1620, 50.4);
		check_one(values, VALUES, (double)values[VALUES / 2], 64);
		check_one(values, VALUES, (double)values[VALUES - 1] / 2, 1000);
	}
	for (size_t n = 1; n < 30; n++)
		check_one(values, fill_sorted(values, n, 12, &seed), 1620, 48);
}

/* ---- causes */

static size_t count_above(const uint64_t *sorted, size_t n, double value)
{
	size_t above = 0;

	for (size_t i = 0; i < n; i++)
		above += (double)sorted[i] > value;
	return above;
}

/* Three causes of known lengths: the split has them all, and the tail is the slowest of them. */
static void test_why(void **state)
{
	static uint64_t values[3][VALUES], all[3 * VALUES];
	static const enum lane_cause causes[] = {LANE_OWN_CODE, LANE_FUTEX, LANE_PAGE_FAULTS};
	static const size_t counts[] = {VALUES, VALUES / 80, VALUES / 100};
	uint64_t seed = 37;
	struct latency_rows rows;
	struct why w;
	size_t n = 0, i = 0;
	double p99;

	(void)state;
	info.why = true;
	for (size_t c = 0; c < 3; c++) {
		for (size_t k = 0; k < counts[c]; k++) {
			const struct lane_key key = {.class = CALIBRATION_PUSH,
						     .cause = causes[c],
						     .disturbed = causes[c] == LANE_FUTEX};

			values[c][k] = 1600 + (c ? any_magnitude(&seed, 20) : 0);
			all[n++] = values[c][k];
			add(&key, "malloc", values[c][k]);
		}
	}
	qsort(all, n, sizeof(*all), compare_values);
	p99 = (double)all[n * 99 / 100];
	assert_int_equal(why_rows_init(&rows, &sink, &report, LANE_BY_FUNCTION), 0);
	assert_int_equal(rows.count, 1);
	assert_int_equal(why_init(&w, &rows.all[0], &report), 0);
	assert_int_equal(w.count, n);
	assert_int_equal(w.causes[0].cause, LANE_OWN_CODE);
	assert_true(w.causes[1].ns >= w.causes[2].ns);
	for (; i < 3; i++) {
		size_t c = 0;

		while (causes[c] != w.causes[i].cause)
			c++;
		assert_int_equal(w.causes[i].hist.count, counts[c]);
		assert_true(w.causes[i].tail <=
			    count_above(values[c], counts[c], p99 * (1 - 2.0 / 64)) + 1);
		assert_true(w.causes[i].tail + 1 >=
			    count_above(values[c], counts[c], p99 * (1 + 2.0 / 64)));
	}
	for (; i < LANE_NR_CAUSES; i++)
		assert_int_equal(w.causes[i].hist.count, 0);
	assert_true(fabs((double)w.tail - (double)n / 100) <= 3);
	why_fini(&w);
	latency_rows_fini(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, reset, finish),
		cmocka_unit_test_setup_teardown(test_time_of_rows, reset, finish),
		cmocka_unit_test_setup_teardown(test_figures_and_bars, reset, finish),
		cmocka_unit_test_setup_teardown(test_why, reset, finish),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
