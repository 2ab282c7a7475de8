// SPDX-License-Identifier: MIT
/*
 * From lanes to rows. Lanes are sorted by what a report tells apart, so that a row is a stretch of
 * the sorted array: nothing is copied, and the histograms are added up when a row is shown, one at
 * a time.
 *
 * With --why the calls that were switched off the CPU inside are a part of the row: waiting for a
 * lock is the answer that was asked for.
 */
#include "out/latency.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the report does not tell apart becomes the same. */
static struct lane_key row_key(const struct lane *lane, enum lane_by by)
{
	struct lane_key key = lane->key;

	key.cause = key.disturbed = key.slice = key.failed = 0;
	key.pool = 0;
	if (key.op != LANE_CALL)
		key.function = 0;
	if (key.op != LANE_CALL || by != LANE_BY_SITE) {
		key.site = 0;
		key.pid = 0;
	}
	if (by != LANE_BY_SIZE)
		key.size_class = LANE_ALL_SIZES;
	return key;
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

/* The first that is not 0. */
static int first_of(const int *orders, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (orders[i])
			return orders[i];
	}
	return 0;
}

static int compare_lanes(const void *a, const void *b, void *by)
{
	const struct lane *x = *(const struct lane *const *)a, *y = *(const struct lane *const *)b;
	struct lane_key k = row_key(x, *(enum lane_by *)by), l = row_key(y, *(enum lane_by *)by);
	const int orders[] = {
		ORDER(k.op != LANE_CALL, l.op != LANE_CALL),
		ORDER(k.function, l.function),
		strcmp(x->name, y->name),
		ORDER(k.op, l.op),
		ORDER(k.class, l.class),
		ORDER(k.group, l.group),
		ORDER(k.size_class, l.size_class),
		ORDER(k.pid, l.pid),
		ORDER(k.site, l.site),
	};

	return first_of(orders, sizeof(orders) / sizeof(orders[0]));
}

enum latency_part latency_part_of(const struct lane *lane, bool why)
{
	if (lane->key.failed)
		return LATENCY_FAILED;
	if (lane->key.disturbed && !(why && lane->key.op == LANE_CALL))
		return LATENCY_DISTURBED;
	return LATENCY_TIMED;
}

static double corrected_ns(const struct lane *lane, const struct calibration *c)
{
	const struct lane_key *key = &lane->key;
	double group = key->group ? key->group : 1;
	double ns = (double)lane->hist.sum * lane_unit(lane) * group;

	if (key->class == CALIBRATION_STEPPED)
		return 0;
	if (c->windows[key->class].hits)
		ns -= (double)lane->hist.count * calibration_cost(c, key->class, 0);
	return ns;
}

static void add_lane(struct latency_row *row, const struct lane *lane, const struct sink *s,
		     const struct report *r)
{
	enum latency_part part = latency_part_of(lane, s->info->why);

	row->lane_count++;
	row->count[part] += lane->hist.count;
	if (part == LATENCY_TIMED)
		row->ns += corrected_ns(lane, r->calibration);
}

static void make_rows(struct latency_rows *rows, size_t lane_count, const struct sink *s,
		      const struct report *r, enum lane_by by)
{
	for (size_t i = 0; i < lane_count; i++) {
		if (!i || compare_lanes(&rows->lanes[i - 1], &rows->lanes[i], &by))
			rows->all[rows->count++] = (struct latency_row){
				.lanes = &rows->lanes[i], .key = row_key(rows->lanes[i], by)};
		add_lane(&rows->all[rows->count - 1], rows->lanes[i], s, r);
	}
}

/* What is said only where it tells rows apart. */
static void mark_rows(struct latency_rows *rows, enum lane_by by)
{
	uint32_t pid = 0;
	uint16_t classes[UINT8_MAX + 1] = {0};

	for (size_t i = 0; i < rows->count; i++) {
		const struct lane_key *key = &rows->all[i].key;

		rows->all[i].ns = rows->all[i].ns > 0 ? rows->all[i].ns : 0;
		if (key->op != LANE_CALL)
			continue;
		classes[key->function] |= (uint16_t)(1 << key->class);
		rows->many_pids |= by == LANE_BY_SITE && pid && key->pid != pid;
		pid = key->pid;
	}
	for (size_t i = 0; i < rows->count; i++) {
		const struct lane_key *key = &rows->all[i].key;

		rows->all[i].class_named =
			key->op == LANE_CALL && __builtin_popcount(classes[key->function]) > 1;
	}
}

int latency_rows_init(struct latency_rows *rows, const struct sink *s, const struct report *r,
		      enum lane_by by)
{
	size_t count = r->lanes->count;

	*rows = (struct latency_rows){0};
	if (!count)
		return 0;
	rows->lanes = calloc(count, sizeof(struct lane *));
	rows->all = calloc(count, sizeof(*rows->all));
	if (!rows->lanes || !rows->all) {
		latency_rows_fini(rows);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		rows->lanes[i] = &r->lanes->all[i];
	qsort_r(rows->lanes, count, sizeof(struct lane *), compare_lanes, &by);
	make_rows(rows, count, s, r, by);
	mark_rows(rows, by);
	return 0;
}

void latency_rows_fini(struct latency_rows *rows)
{
	free(rows->lanes);
	free(rows->all);
	*rows = (struct latency_rows){0};
}

/* Rows of the same time stay in their order, so that a report is the same always. */
static int compare_times(const void *a, const void *b)
{
	const struct latency_row *x = a, *y = b;
	int order = ORDER(y->ns, x->ns);

	return order ? order : ORDER(x->lanes, y->lanes);
}

void latency_rows_sort(struct latency_rows *rows)
{
	if (rows->count)
		qsort(rows->all, rows->count, sizeof(*rows->all), compare_times);
}

size_t latency_rows_shown(const struct latency_rows *rows, const struct run_info *info)
{
	return info->top && info->top < rows->count ? info->top : rows->count;
}

double latency_rows_ns(const struct latency_rows *rows, size_t first)
{
	double ns = 0;

	for (size_t i = first; i < rows->count; i++)
		ns += rows->all[i].ns;
	return ns;
}

uint64_t latency_rows_calls(const struct latency_rows *rows, size_t first, enum latency_part part)
{
	uint64_t calls = 0;

	for (size_t i = first; i < rows->count; i++)
		calls += rows->all[i].count[part];
	return calls;
}

int latency_row_hist(const struct latency_row *row, enum latency_part part, bool why,
		     struct hist *h)
{
	int err = 0;

	for (size_t i = 0; i < row->lane_count && !err; i++) {
		if (latency_part_of(row->lanes[i], why) == part)
			err = hist_merge(h, &row->lanes[i]->hist);
	}
	return err;
}

const char *latency_call(const struct latency_row *row, char *buf, size_t len)
{
	static const char *const verbs[] = {
		[LANE_POOL_ALLOC] = "alloc",
		[LANE_POOL_FREE] = "free",
		[LANE_POOL_PAIR] = "pair",
	};
	const char *name = row->lanes[0]->name;

	if (row->key.op == LANE_CALL)
		return name;
	snprintf(buf, len, "%s:%s", name, verbs[row->key.op]);
	return buf;
}
