// SPDX-License-Identifier: MIT
/* Splits a row by cause. */
#include "out/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool can_be_split(const struct latency_row *row)
{
	return row->key.op == LANE_CALL && row->key.class != CALIBRATION_STEPPED &&
	       row->count[LATENCY_TIMED];
}

int why_rows_init(struct latency_rows *rows, const struct sink *s, const struct report *r,
		  enum lane_by by)
{
	int err = latency_rows_init(rows, s, r, by);
	size_t kept = 0;

	if (err)
		return err;
	for (size_t i = 0; i < rows->count; i++) {
		if (can_be_split(&rows->all[i]))
			rows->all[kept++] = rows->all[i];
	}
	rows->count = kept;
	latency_rows_sort(rows);
	return 0;
}

static int add_lane(struct why_cause *c, const struct lane *lane)
{
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		c->times[i] += lane->times[i];
		c->inside_ns[i] += lane->ns[i];
	}
	return hist_merge(&c->hist, &lane->hist);
}

static int add_lanes(struct why *w, const struct latency_row *row)
{
	for (size_t i = 0; i < row->lane_count; i++) {
		const struct lane *lane = row->lanes[i];

		if (latency_part_of(lane, true) == LATENCY_TIMED &&
		    add_lane(&w->causes[lane->key.cause], lane))
			return -ENOMEM;
	}
	return 0;
}

static double together(const struct why_cause *c)
{
	double ns = (double)c->hist.sum - (double)c->hist.count * c->values.cost;

	return ns > 0 ? ns : 0;
}

static int compare_causes(const void *a, const void *b)
{
	const struct why_cause *x = a, *y = b;

	if ((x->cause == LANE_OWN_CODE) != (y->cause == LANE_OWN_CODE))
		return x->cause == LANE_OWN_CODE ? -1 : 1;
	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return (int)x->cause - (int)y->cause;
}

/* What no single histogram knows: all calls together, and what is beyond their p99. */
static int compute(struct why *w, const struct latency_row *row, const struct report *r)
{
	struct hist all = {0};

	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		if (hist_merge(&all, &w->causes[i].hist)) {
			hist_fini(&all);
			return -ENOMEM;
		}
	}
	latency_figures(&w->values, row, r, &all);
	w->count = all.count;
	hist_fini(&all);
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		struct why_cause *c = &w->causes[i];

		latency_figures(&c->values, row, r, &c->hist);
		c->ns = together(c);
		c->tail = hist_above(&c->hist, w->values.raw[LATENCY_P99]);
		w->ns += c->ns;
		w->tail += c->tail;
	}
	qsort(w->causes, LANE_NR_CAUSES, sizeof(w->causes[0]), compare_causes);
	return 0;
}

int why_init(struct why *w, const struct latency_row *row, const struct report *r)
{
	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < LANE_NR_CAUSES; i++)
		w->causes[i].cause = i;
	return add_lanes(w, row) || compute(w, row, r) ? -ENOMEM : 0;
}

void why_fini(struct why *w)
{
	for (size_t i = 0; i < LANE_NR_CAUSES; i++)
		hist_fini(&w->causes[i].hist);
}
