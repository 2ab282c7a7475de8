// SPDX-License-Identifier: MIT
/*
 * The latencies as JSON lines: a line for each class of probe that was calibrated, one for each
 * row, with --why one for each call site, then the books.
 *
 * Plain values are as measured, those of "corrected" less "cost_ns". They are given as they come
 * out, also below "floor_ns": there they say no more than that they lie below it. All are
 * nanoseconds; where operations were timed in groups, a value is one operation's, in fractions.
 */
#include "out/latency_json.h"

#include <math.h>

#include "core/log.h"
#include "out/why.h"

#define SUB_BITS  3 /* 8 buckets to an octave: fine enough to see two modes */
#define MAX_SHOWN 512

static const char *const value_names[LATENCY_NR_VALUES] = {
	[LATENCY_P50] = "p50",   [LATENCY_P90] = "p90", [LATENCY_P99] = "p99",
	[LATENCY_P999] = "p999", [LATENCY_MAX] = "max", [LATENCY_MEAN] = "mean",
};

json_t *latency_json_number(const struct latency_figures *f, double ns)
{
	double rounded = latency_round(f, ns);

	return f->fine ? json_real(rounded) : json_count((uint64_t)rounded);
}

void latency_json_set_row(json_t *o, const struct sink *s, const struct latency_row *row)
{
	json_t *stack = NULL;
	char call[LATENCY_CALL];

	json_object_set_new(o, "call", json_text(latency_call(row, call, sizeof(call))));
	json_object_set_new(o, "class", json_string(calibration_name(row->key.class)));
	if (row->key.pid)
		json_object_set_new(o, "pid", json_integer(row->key.pid));
	if (!row->key.site)
		return;
	stack = json_array();
	json_append_frames(stack, sink_frames(s, row->key.pid, row->key.site));
	json_object_set_new(o, "stack", stack);
}

void latency_json_set_floor(json_t *o, const struct latency_figures *f)
{
	if (!f->calibrated)
		return;
	json_object_set_new(o, "cost_ns", latency_json_number(f, f->cost));
	json_object_set_new(o, "floor_ns", latency_json_number(f, f->floor));
}

void latency_json_left_out(struct sink *s, const struct report *r, const struct latency_rows *rows,
			   size_t shown, const char *type)
{
	double all = latency_rows_ns(rows, 0), left = latency_rows_ns(rows, shown);
	json_t *o;

	if (shown == rows->count)
		return;
	o = json_object();
	json_object_set_new(o, "type", json_string("left_out"));
	json_object_set_new(o, "of", json_string(type));
	json_object_set_new(o, "rows", json_count(rows->count - shown));
	json_object_set_new(o, "count", json_count(latency_rows_calls(rows, shown, LATENCY_TIMED)));
	json_object_set_new(o, "share", json_real(all > 0 ? round(1e6 * left / all) / 1e6 : 0));
	json_object_set_new(o, "final", json_boolean(r->final));
	json_line(s->out, o);
}

static json_t *buckets(const struct latency_figures *f, const struct hist *h)
{
	struct hist_bucket all[MAX_SHOWN];
	size_t n = hist_coarse(h, SUB_BITS, all, MAX_SHOWN);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "lo", latency_json_number(f, (double)all[i].lo * f->unit));
		json_object_set_new(o, "hi", latency_json_number(f, (double)all[i].hi * f->unit));
		json_object_set_new(o, "count", json_count(all[i].count));
		json_array_append_new(list, o);
	}
	return list;
}

static void set_values(json_t *o, const struct latency_figures *f, const double *values)
{
	for (int i = 0; i < LATENCY_NR_VALUES; i++)
		json_object_set_new(o, value_names[i], latency_json_number(f, values[i]));
}

static void set_figures(json_t *o, const struct latency_figures *f, const struct hist *h)
{
	json_t *corrected;

	json_object_set_new(o, "buckets", buckets(f, h));
	set_values(o, f, f->raw);
	if (!f->calibrated)
		return;
	corrected = json_object();
	set_values(corrected, f, f->corrected);
	json_object_set_new(o, "corrected", corrected);
	latency_json_set_floor(o, f);
}

/* Inclusive, as --min-size and --max-size are. */
static void set_sizes(json_t *o, unsigned int class)
{
	if (class == LANE_ALL_SIZES)
		return;
	json_object_set_new(o, "size_min", json_count(class ? (1ULL << (class - 1)) + 1 : 0));
	json_object_set_new(o, "size_max", json_count(class < 64 ? 1ULL << class : UINT64_MAX));
}

/* What the histogram does not hold. */
static void set_apart(json_t *o, const struct sink *s, const struct latency_row *row)
{
	struct hist h = {0};
	json_t *disturbed;

	if (row->count[LATENCY_FAILED])
		json_object_set_new(o, "failed", json_count(row->count[LATENCY_FAILED]));
	if (!row->count[LATENCY_DISTURBED])
		return;
	disturbed = json_object();
	json_object_set_new(disturbed, "count", json_count(row->count[LATENCY_DISTURBED]));
	/* A pool's calls that had begun before tracing did have no latency. */
	if (!latency_row_is_pool(row) &&
	    !latency_row_hist(row, LATENCY_DISTURBED, s->info->why, &h)) {
		json_object_set_new(disturbed, "p50",
				    json_count((uint64_t)(hist_quantile_between(&h, 0.5) + 0.5)));
		json_object_set_new(disturbed, "max", json_count(h.max));
	}
	json_object_set_new(o, "disturbed", disturbed);
	hist_fini(&h);
}

static void write_row(struct sink *s, const struct report *r, const struct latency_row *row)
{
	struct latency_figures f;
	struct hist h = {0};
	json_t *o;

	if (latency_row_hist(row, LATENCY_TIMED, s->info->why, &h)) {
		log_error("no memory for the latencies of a row");
		hist_fini(&h);
		return;
	}
	latency_figures(&f, row, r, &h);
	o = json_object();
	json_object_set_new(o, "type", json_string("histogram"));
	latency_json_set_row(o, s, row);
	set_sizes(o, row->key.size_class);
	json_object_set_new(o, "unit", json_string("ns"));
	if (row->key.group)
		json_object_set_new(o, "group", json_integer(row->key.group));
	json_object_set_new(o, "count", json_count(h.count));
	if (!f.measurable)
		json_object_set_new(o, "measurable", json_false());
	else if (h.count)
		set_figures(o, &f, &h);
	set_apart(o, s, row);
	json_object_set_new(o, "measured",
			    json_string(latency_row_is_pool(row) ? "in-process" : "probe"));
	json_object_set_new(o, "final", json_boolean(r->final));
	json_line(s->out, o);
	hist_fini(&h);
}

static void write_rows(struct sink *s, const struct report *r)
{
	struct latency_rows rows;
	size_t shown;

	if (latency_rows_init(&rows, s, r, s->info->by)) {
		log_error("no memory for the rows of the report");
		return;
	}
	shown = rows.count;
	if (s->info->by == LANE_BY_SITE) {
		latency_rows_sort(&rows);
		shown = latency_rows_shown(&rows, s->info);
	}
	for (size_t i = 0; i < shown; i++)
		write_row(s, r, &rows.all[i]);
	latency_json_left_out(s, r, &rows, shown, "histogram");
	latency_rows_fini(&rows);
}

static void report(struct sink *s, const struct report *r)
{
	json_calibration(s, r);
	write_rows(s, r);
	if (s->info->why)
		why_json(s, r);
	json_books(s, r);
}

const struct sink_ops json_latency_sink = {
	.command = "latency",
	.format = "json",
	.start = json_start,
	.tick = report,
	.finish = report,
};
