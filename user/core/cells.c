// SPDX-License-Identifier: MIT
/*
 * From buckets to cells:
 *
 *	buckets that are not empty	 |   :      |     |:       |
 *	anchors: those that count	 ^          ^     ^        ^
 *	cells, a step wide		[--+--][----+--][-+---][---+--]
 *
 * What lies between, rare as it is (the clock's rate was adjusted), joins the anchor within half a
 * step, or is a cell of its own.
 */
#include "core/cells.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RARE       20  /* an anchor has at least this part of what the largest has */
#define ADJACENT   1.5 /* steps; neighbours that are further apart have an empty one between */
#define NOT_JOINED SIZE_MAX

/* While cells are made. */
struct spots {
	struct hist_bucket *buckets;
	bool *anchors;
	size_t count;
	uint64_t most;
	double step;
};

/* A bucket of whole numbers reaches half a unit to either side of them. */
static double low_edge(const struct hist_bucket *b)
{
	return (double)b->lo - 0.5;
}

static double high_edge(const struct hist_bucket *b)
{
	return (double)b->hi - 0.5;
}

static double middle(const struct hist_bucket *b)
{
	return (low_edge(b) + high_edge(b)) / 2;
}

/* The distance from the anchor before to each anchor, to whoever asks. */
static double next_distance(const struct spots *s, size_t *i, size_t *before)
{
	while (++*i < s->count) {
		if (!s->anchors[*i])
			continue;
		if (*before != SIZE_MAX) {
			double distance = middle(&s->buckets[*i]) - middle(&s->buckets[*before]);

			*before = *i;
			return distance;
		}
		*before = *i;
	}
	return -1;
}

/* The smallest distance, and as buckets blur it, the mean of those that are one step. */
static double find_step(const struct spots *s)
{
	double distance, smallest = INFINITY, sum = 0;
	size_t i = SIZE_MAX, before = SIZE_MAX, adjacent = 0;

	while ((distance = next_distance(s, &i, &before)) > 0)
		smallest = fmin(smallest, distance);
	i = before = SIZE_MAX;
	while ((distance = next_distance(s, &i, &before)) > 0) {
		if (distance <= ADJACENT * smallest) {
			sum += distance;
			adjacent++;
		}
	}
	return adjacent ? sum / (double)adjacent : 0;
}

static int spots_init(struct spots *s, const struct hist *all)
{
	s->count = hist_coarse(all, HIST_SUB_BITS, NULL, 0);
	s->buckets = calloc(s->count + 1, sizeof(*s->buckets));
	s->anchors = calloc(s->count + 1, sizeof(*s->anchors));
	if (!s->buckets || !s->anchors)
		return -ENOMEM;
	hist_coarse(all, HIST_SUB_BITS, s->buckets, s->count);
	for (size_t i = 0; i < s->count; i++)
		s->most = s->buckets[i].count > s->most ? s->buckets[i].count : s->most;
	for (size_t i = 0; i < s->count; i++)
		s->anchors[i] = s->buckets[i].count * RARE >= s->most;
	s->step = find_step(s);
	return 0;
}

static void spots_fini(struct spots *s)
{
	free(s->buckets);
	free(s->anchors);
}

/* The anchor within half a step of bucket i, the nearer one of two. */
static size_t anchor_near(const struct spots *s, size_t i)
{
	double at = middle(&s->buckets[i]), nearest = s->step / 2;
	size_t found = NOT_JOINED, before = i, after = i;

	while (before > 0 && !s->anchors[before])
		before--;
	while (after + 1 < s->count && !s->anchors[after])
		after++;
	if (s->anchors[before] && at - middle(&s->buckets[before]) <= nearest) {
		found = before;
		nearest = at - middle(&s->buckets[before]);
	}
	if (s->anchors[after] && middle(&s->buckets[after]) - at < nearest)
		found = after;
	return found;
}

static struct cell cell_around(const struct spots *s, size_t owner)
{
	const struct hist_bucket *b = &s->buckets[owner];
	double half = s->anchors[owner] ? s->step / 2 : 0;

	return (struct cell){.lo = fmin(low_edge(b), middle(b) - half),
			     .hi = fmax(high_edge(b), middle(b) + half)};
}

/* Cells must not overlap, nor leave a gap between neighbours on the grid. */
static void join(struct cell *left, struct cell *right, double step)
{
	double gap = right->lo - left->hi;

	if (gap < 0 || gap < (ADJACENT - 1) * step)
		left->hi = right->lo = (left->hi + right->lo) / 2;
}

static void add_bucket(struct cell *cell, const struct hist slices[LANE_SLICES], uint64_t value)
{
	size_t bucket = hist_bucket(value);

	for (size_t k = 0; k < LANE_SLICES; k++)
		cell->upto[k] += hist_in_bucket(&slices[k], bucket);
}

static void add_up(struct cells *c)
{
	for (size_t i = 1; i < c->count; i++) {
		for (size_t k = 0; k < LANE_SLICES; k++)
			c->all[i].upto[k] += c->all[i - 1].upto[k];
	}
}

static int make_cells(struct cells *c, const struct spots *s, const struct hist slices[LANE_SLICES])
{
	size_t last_owner = NOT_JOINED;

	c->step = s->step;
	c->all = calloc(s->count + 1, sizeof(*c->all));
	if (!c->all)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++) {
		size_t owner = s->anchors[i] ? i : anchor_near(s, i);

		owner = owner == NOT_JOINED ? i : owner;
		if (owner != last_owner) {
			c->all[c->count++] = cell_around(s, owner);
			if (c->count > 1)
				join(&c->all[c->count - 2], &c->all[c->count - 1], s->step);
		}
		last_owner = owner;
		add_bucket(&c->all[c->count - 1], slices, s->buckets[i].lo);
	}
	add_up(c);
	return 0;
}

int cells_init(struct cells *c, const struct hist slices[LANE_SLICES])
{
	struct hist all = {0};
	struct spots spots = {0};
	int err = 0;

	*c = (struct cells){0};
	for (size_t k = 0; k < LANE_SLICES && !err; k++)
		err = hist_merge(&all, &slices[k]);
	if (!err)
		err = spots_init(&spots, &all);
	if (!err)
		err = make_cells(c, &spots, slices);
	spots_fini(&spots);
	hist_fini(&all);
	return err;
}

void cells_fini(struct cells *c)
{
	free(c->all);
	*c = (struct cells){0};
}

/* Values, weighted, in the first `n` cells. */
static uint64_t weighed(const struct cells *c, const cells_weights weights, size_t n)
{
	uint64_t sum = 0;

	for (size_t k = 0; n && k < LANE_SLICES; k++)
		sum += weights[k] * c->all[n - 1].upto[k];
	return sum;
}

uint64_t cells_total(const struct cells *c, const cells_weights weights)
{
	return weighed(c, weights, c->count);
}

double cells_quantile(const struct cells *c, const cells_weights weights, double fraction)
{
	double rank = fraction * (double)cells_total(c, weights);
	size_t low = 0, high = c->count - 1; /* the cell we look for is one of low..high */
	uint64_t below, here;

	while (low < high) {
		size_t mid = (low + high) / 2;
		uint64_t upto = weighed(c, weights, mid + 1);

		if (upto && (double)upto >= rank)
			high = mid;
		else
			low = mid + 1;
	}
	below = weighed(c, weights, low);
	here = weighed(c, weights, low + 1) - below;
	return c->all[low].lo +
	       (c->all[low].hi - c->all[low].lo) * (rank - (double)below) / (double)here;
}

double cells_below(const struct cells *c, double value)
{
	cells_weights once;
	double total, below = 0;

	for (size_t k = 0; k < LANE_SLICES; k++)
		once[k] = 1;
	total = (double)cells_total(c, once);
	for (size_t i = 0; i < c->count && value > c->all[i].lo; i++) {
		const struct cell *cell = &c->all[i];
		double before = (double)weighed(c, once, i);
		double here = (double)weighed(c, once, i + 1) - before;

		below = before + here * fmin(1, (value - cell->lo) / (cell->hi - cell->lo));
	}
	return total > 0 ? below / total : 0;
}

static uint64_t count_here(const struct cells *c, size_t i)
{
	uint64_t here = 0;

	for (size_t k = 0; k < LANE_SLICES; k++)
		here += c->all[i].upto[k] - (i ? c->all[i - 1].upto[k] : 0);
	return here;
}

double cells_low_mean(const struct cells *c, double fraction)
{
	double room = 0, sum = 0, taken = 0;

	for (size_t i = 0; i < c->count; i++)
		room += (double)count_here(c, i);
	room *= fraction;
	for (size_t i = 0; i < c->count && taken < room; i++) {
		double here = fmin((double)count_here(c, i), room - taken);

		sum += here * (c->all[i].lo + c->all[i].hi) / 2;
		taken += here;
	}
	return taken > 0 ? sum / taken : 0;
}
