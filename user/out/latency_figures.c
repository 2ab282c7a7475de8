// SPDX-License-Identifier: MIT
/*
 * The figures of a row. Percentiles lie between the bounds of their bucket, the values of a bucket
 * taken as spread evenly: a bucket is 1/64 of a value wide, which at the 1.6 us of a probe is more
 * than a malloc takes.
 */
#include "out/latency.h"

#include <math.h>

static const double fractions[] = {
	[LATENCY_P50] = 0.5,
	[LATENCY_P90] = 0.9,
	[LATENCY_P99] = 0.99,
	[LATENCY_P999] = 0.999,
};

static double raw_units(const struct hist *h, enum latency_value value)
{
	if (value == LATENCY_MAX)
		return (double)h->max;
	if (value == LATENCY_MEAN)
		return h->count ? (double)h->sum / (double)h->count : 0;
	return hist_quantile_between(h, fractions[value]);
}

void latency_figures(struct latency_figures *f, const struct latency_row *row,
		     const struct report *r, const struct hist *h)
{
	enum calibration_class class = row->key.class;

	*f = (struct latency_figures){
		.measurable = class != CALIBRATION_STEPPED,
		.calibrated = class != CALIBRATION_STEPPED && r->calibration->windows[class].hits,
		.fine = row->key.group,
		.unit = lane_unit(row->lanes[0]),
	};
	if (f->calibrated) {
		f->cost = calibration_cost(r->calibration, class, row->key.group);
		f->floor = calibration_floor(r->calibration, class, row->key.group);
	}
	for (int i = 0; i < LATENCY_NR_VALUES; i++) {
		f->raw[i] = raw_units(h, i) * f->unit;
		f->corrected[i] = latency_correct(f, f->raw[i]);
	}
}

double latency_correct(const struct latency_figures *f, double raw_ns)
{
	return fmax(0, raw_ns - f->cost);
}

double latency_round(const struct latency_figures *f, double ns)
{
	return f->fine ? round(ns * 1000) / 1000 : round(ns);
}

const char *latency_text(char *buf, const struct latency_figures *f, double ns)
{
	return f->fine ? books_fine_duration(buf, ns) : books_duration(buf, (uint64_t)(ns + 0.5));
}

const char *latency_corrected_text(char *buf, const struct latency_figures *f, double ns)
{
	char floor[BOOKS_DURATION];

	if (ns > f->floor)
		return latency_text(buf, f, ns);
	snprintf(buf, LATENCY_TEXT, "≤ %s", latency_text(floor, f, f->floor));
	return buf;
}
