// SPDX-License-Identifier: MIT
/*
 * The edges are log-linear as those of other histograms, 2^bits to an octave, the octaves of ns and
 * its parts. As fine as it fits; where next to nothing lies, one row an octave will do.
 */
#include "out/compare_rows.h"

#include <math.h>

#define MAX_BITS 4
#define FAINT    0.01
#define ALL      1e18 /* ns; nothing takes so long */

struct drawing {
	const struct verdict_lane *first, *second;
	struct compare_row *rows;
	size_t count; /* may exceed COMPARE_MAX_ROWS: then they are not all there */
};

/* Half a call of the lane is none. */
static bool is_empty(const struct verdict_lane *lane, double part)
{
	return part * (double)lane->count < 0.5;
}

static bool is_faint(const struct compare_row *row)
{
	return row->first < FAINT && row->second < FAINT;
}

/* Whether the row was taken into the one before. */
static bool fold(struct drawing *d, const struct compare_row *row)
{
	struct compare_row *last = &d->rows[d->count - 1];

	if (!d->count || d->count > COMPARE_MAX_ROWS || !is_faint(last) || !is_faint(row) ||
	    last->low <= 0 || floor(log2(last->low)) < floor(log2(row->low)))
		return false;
	last->high = row->high;
	last->first += row->first;
	last->second += row->second;
	return true;
}

static void add_row(struct drawing *d, double low, double high)
{
	struct compare_row row = {
		.low = low,
		.high = high,
		.first = verdict_lane_below(d->first, high) - verdict_lane_below(d->first, low),
		.second = verdict_lane_below(d->second, high) - verdict_lane_below(d->second, low),
	};

	if (is_empty(d->first, row.first) && is_empty(d->second, row.second))
		return;
	if (fold(d, &row))
		return;
	if (d->count < COMPARE_MAX_ROWS)
		d->rows[d->count] = row;
	d->count++;
}

/* The edge above `ns`. */
static double next_edge(double ns, unsigned int bits)
{
	int octave = (int)floor(log2(ns));
	double step = exp2(octave - (int)bits);

	return (floor(ns / step) + 1) * step;
}

static void draw(struct drawing *d, double resolution, unsigned int bits)
{
	double most = fmax(d->first->max, d->second->max) * 1.02; /* a bucket is 1.6 % wide */
	double least =
		fmin(verdict_lane_quantile(d->first, 0), verdict_lane_quantile(d->second, 0));
	double step, at = fmax(resolution, 1e-3);

	d->count = 0;
	add_row(d, 0, at);
	/* The row that holds the least begins at an edge. */
	step = exp2(floor(log2(fmax(least, at))) - (int)bits);
	at = fmax(at, floor(least / step) * step);
	while (at <= most && at < ALL) {
		double high = next_edge(at, bits);

		add_row(d, at, high);
		at = high;
	}
}

size_t compare_rows(const struct comparison *pair, struct compare_row rows[COMPARE_MAX_ROWS])
{
	struct drawing d = {
		.first = &pair->pool->seen, .second = &pair->against->seen, .rows = rows};
	double resolution = fmax(d.first->floor, d.second->floor);

	for (unsigned int bits = MAX_BITS;; bits--) {
		draw(&d, resolution, bits);
		if (d.count <= COMPARE_MAX_ROWS || bits == 0)
			break;
	}
	return d.count < COMPARE_MAX_ROWS ? d.count : COMPARE_MAX_ROWS;
}
