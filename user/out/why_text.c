// SPDX-License-Identifier: MIT
/*
 * Why calls were slow, for eyes: each function, and below it each of its call sites.
 *
 *	======== why calls were slow
 *
 *	realloc, from grow at arena.c:77:3: 24000 calls, 1.21s, 61.2% of the time
 *	    CALLS   TIME      p50      max  MOST OF IT WAS
 *	    23176   3.1%   ≤ 48ns   9.10us  its own code
 *	      812  83.0%   31.0us   1.20ms  page faults, 4.2 a call
 *	       12  13.9%   2.10ms   9.20ms  waiting for a lock, 1.1 a call; page faults, 0.2 a call
 *	    the slowest 1% (240 calls above 29.1us): 95% page faults, 5% waiting for a lock
 */
#include <inttypes.h>

#include "core/log.h"
#include "out/why.h"

struct why_report {
	struct sink *sink;
	const struct report *report;
	struct latency_rows functions, sites; /* those that took most time first */
	size_t shown;                         /* sites */
	double ns;                            /* all calls together */
};

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

/* "page faults, 4.2 a call": the cause itself, then what else happened to these calls. */
static void write_times(FILE *out, const struct why_cause *c)
{
	double calls = (double)c->hist.count;

	fprintf(out, "  %s", lane_cause_text(c->cause));
	if (c->times[c->cause])
		fprintf(out, ", %.1f a call", (double)c->times[c->cause] / calls);
	for (int i = 0; i < LANE_NR_CAUSES; i++) {
		double times = (double)c->times[i] / calls;

		if (i != (int)c->cause && times >= 0.05)
			fprintf(out, "; %s, %.1f a call", lane_cause_text(i), times);
	}
	fputc('\n', out);
}

static void write_value(FILE *out, const struct latency_figures *f, enum latency_value value)
{
	char text[LATENCY_TEXT];

	latency_cell_write(out, 9,
			   f->calibrated ? latency_corrected_text(text, f, f->corrected[value])
					 : latency_text(text, f, f->raw[value]));
}

static void write_cause(FILE *out, const struct why *w, const struct why_cause *c)
{
	fprintf(out, "%9" PRIu64 " %5.1f%%", c->hist.count, percent(c->ns, w->ns));
	write_value(out, &c->values, LATENCY_P50);
	write_value(out, &c->values, LATENCY_MAX);
	write_times(out, c);
}

/* Of those that have not been told yet, the cause that most of the tail has; NULL: none is left. */
static const struct why_cause *next_of_tail(const struct why *w, bool *told)
{
	size_t most = LANE_NR_CAUSES;

	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		if (!told[i] && w->causes[i].tail &&
		    (most == LANE_NR_CAUSES || w->causes[i].tail > w->causes[most].tail))
			most = i;
	}
	if (most == LANE_NR_CAUSES)
		return NULL;
	told[most] = true;
	return &w->causes[most];
}

/* A tail that begins under the floor is none: nobody knows which of these calls were slow. */
static void write_tail(FILE *out, const struct why *w, const char *indent)
{
	const struct latency_figures *f = &w->values;
	double from = latency_correct(f, f->raw[LATENCY_P99]);
	bool told[LANE_NR_CAUSES] = {0};
	const struct why_cause *c;
	const char *comma = ":";
	char text[LATENCY_TEXT];

	if (!w->tail || from <= f->floor)
		return;
	fprintf(out, "%s    the slowest 1%% (%" PRIu64 " call%s above %s)", indent, w->tail,
		w->tail == 1 ? "" : "s", latency_text(text, f, from));
	while ((c = next_of_tail(w, told))) {
		fprintf(out, "%s %.0f%% %s", comma, percent((double)c->tail, (double)w->tail),
			lane_cause_text(c->cause));
		comma = ",";
	}
	fputc('\n', out);
}

static void write_split(struct why_report *y, const struct why *w, const char *indent)
{
	FILE *out = y->sink->out;
	char text[LATENCY_TEXT];

	fprintf(out, ": %" PRIu64 " call%s, %s, %.1f%% of the time%s\n", w->count,
		w->count == 1 ? "" : "s", latency_text(text, &w->values, w->ns),
		percent(w->ns, y->ns),
		w->values.calibrated ? "" : "; includes the probe's own cost");
	fprintf(out, "%s    CALLS   TIME      p50      max  MOST OF IT WAS\n", indent);
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		if (!w->causes[i].hist.count)
			continue;
		fputs(indent, out);
		write_cause(out, w, &w->causes[i]);
	}
	write_tail(out, w, indent);
}

static bool same_function(const struct latency_row *a, const struct latency_row *b)
{
	return a->key.op == b->key.op && a->key.function == b->key.function &&
	       a->key.class == b->key.class;
}

/* `function` or `site` (or both) is what the row is called. */
static void write_row(struct why_report *y, const struct latency_row *row,
		      const struct latency_row *function, const struct latency_row *site)
{
	const char *indent = function ? "" : "    ";
	FILE *out = y->sink->out;
	char title[LATENCY_TITLE];
	struct why w;

	if (why_init(&w, row, y->report)) {
		log_error("no memory for the causes of a row");
		why_fini(&w);
		return;
	}
	fprintf(out, "\n%s", indent);
	if (function)
		fputs(latency_title(title, function), out);
	if (site) {
		fputs(function ? ", from " : "from ", out);
		latency_site_write(y->sink, site, y->sites.many_pids);
	}
	write_split(y, &w, indent);
	why_fini(&w);
}

/* A function with one call site is one paragraph. */
static void write_function(struct why_report *y, const struct latency_row *function)
{
	const struct latency_row *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < y->sites.count; i++) {
		if (same_function(&y->sites.all[i], function) && !count++)
			first = &y->sites.all[i];
	}
	write_row(y, function, function, count == 1 ? first : NULL);
	for (size_t i = 0; count > 1 && i < y->shown; i++) {
		if (same_function(&y->sites.all[i], function))
			write_row(y, &y->sites.all[i], NULL, &y->sites.all[i]);
	}
}

static void write_section(struct why_report *y)
{
	FILE *out = y->sink->out;
	size_t left_out = y->sites.count - y->shown;

	fputs("\n======== why calls were slow\n", out);
	for (size_t i = 0; i < y->functions.count; i++)
		write_function(y, &y->functions.all[i]);
	if (left_out)
		fprintf(out, "\nand %zu more call site%s: %" PRIu64 " calls, %.1f%% of the time\n",
			left_out, left_out == 1 ? "" : "s",
			latency_rows_calls(&y->sites, y->shown, LATENCY_TIMED),
			percent(latency_rows_ns(&y->sites, y->shown), y->ns));
}

void why_write(struct sink *s, const struct report *r)
{
	struct why_report y = {.sink = s, .report = r};

	if (why_rows_init(&y.functions, s, r, LANE_BY_FUNCTION) ||
	    why_rows_init(&y.sites, s, r, LANE_BY_SITE)) {
		log_error("no memory for the rows of the report");
	} else {
		y.shown = latency_rows_shown(&y.sites, s->info);
		y.ns = latency_rows_ns(&y.functions, 0);
		write_section(&y);
	}
	latency_rows_fini(&y.functions);
	latency_rows_fini(&y.sites);
}
