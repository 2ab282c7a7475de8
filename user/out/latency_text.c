// SPDX-License-Identifier: MIT
/*
 * The latencies for eyes: what measuring costs, then a histogram for each function and pool, or a
 * table by size or call site, then why calls were slow, then the books.
 *
 *	======== latency over 14.846 s
 *	probe's own cost, measured in this run: push entry 1.62us [p5 1.60us .. p95 1.65us] of 24000
 *hits
 *
 *	malloc: 1000 calls, the probe's 1.62us taken out
 *	               p50      p90      p99    p99.9      max     mean    floor
 *	corrected   ≤ 48ns   ≤ 48ns    470ns   7.37us   29.4us     76ns     48ns
 *	raw         1.63us   1.69us   2.10us   9.00us   31.0us   1.70us
 *	     ≤ 48ns                       900 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
 *	       48ns .. 128ns              100 |@@@@                                    |
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "out/human.h"
#include "out/latency.h"
#include "out/location.h"
#include "out/why.h"

void latency_cell_write(FILE *out, int width, const char *text)
{
	int room = abs(width) - (int)human_width(text);

	room = room > 0 ? room : 0;
	fprintf(out, "%*s%s%*s", width > 0 ? room : 0, "", text, width > 0 ? 0 : room, "");
}

/* ---- what a row is called */

static const char *class_text(enum calibration_class class, char *buf, size_t len)
{
	snprintf(buf, len, "%s%s", calibration_name(class),
		 class == CALIBRATION_CLOCK ? "" : " entry");
	return buf;
}

const char *latency_title(char *buf, const struct latency_row *row)
{
	char call[LATENCY_CALL], class[32] = "", size[HUMAN_TEXT] = "";
	bool sized = row->key.size_class != LANE_ALL_SIZES;
	size_t used;

	log_quote(buf, LATENCY_TITLE - 64, latency_call(row, call, sizeof(call)));
	used = strlen(buf);
	if (row->class_named)
		class_text(row->key.class, class, sizeof(class));
	if (sized)
		human_class(size, row->key.size_class);
	snprintf(buf + used, LATENCY_TITLE - used, "%s%s%s%s%s", *class ? ", " : "", class,
		 sized ? " " : "", size, sized ? " bytes" : "");
	return buf;
}

void latency_site_write(struct sink *s, const struct latency_row *row, bool say_pid)
{
	struct sym_stack stack;

	if (!row->key.site) {
		fputs("(unreadable stack)", s->out);
	} else {
		stack = sink_frames(s, row->key.pid, row->key.site);
		location_write(s->out, &stack.frames[0], s->info->stacks);
	}
	if (say_pid)
		fprintf(s->out, ", PID %" PRIu32, row->key.pid);
}

/* ---- the calibration */

static uint32_t classes_in_use(const struct lanes *lanes)
{
	uint32_t classes = 0;

	for (size_t i = 0; i < lanes->count; i++)
		classes |= 1U << lanes->all[i].key.class;
	return classes;
}

static void write_calibration(struct sink *s, const struct report *r)
{
	static const char words[] = "probe's own cost, measured in this run:";
	const char *head = words;
	uint32_t used = classes_in_use(r->lanes);

	for (int i = 0; i < CALIBRATION_NR; i++) {
		const struct calibration_window *w = &r->calibration->windows[i];
		char class[32], p50[BOOKS_DURATION], p5[BOOKS_DURATION], p95[BOOKS_DURATION];

		if (!(used >> i & 1) || !w->hits)
			continue;
		fprintf(s->out, "%*s %-10s %6s [p5 %6s .. p95 %6s] of %" PRIu64 " hits\n",
			(int)sizeof(words) - 1, head, class_text(i, class, sizeof(class)),
			books_duration(p50, (uint64_t)(w->p50 + 0.5)),
			books_duration(p5, (uint64_t)(w->p5 + 0.5)),
			books_duration(p95, (uint64_t)(w->p95 + 0.5)), w->hits);
		head = "";
	}
}

/* ---- a row of its own */

static void write_count(FILE *out, const struct latency_row *row)
{
	uint64_t count = row->count[LATENCY_TIMED];

	if (row->key.group > 1)
		fprintf(out, ": %" PRIu64 " operations in groups of %" PRIu32,
			count * row->key.group, row->key.group);
	else
		fprintf(out, ": %" PRIu64 " call%s", count, count == 1 ? "" : "s");
}

/* How it was measured, and what of that has been taken out. */
static void write_method(FILE *out, const struct latency_row *row, const struct latency_figures *f)
{
	const char *whose = latency_row_is_pool(row) ? "clock" : "probe";
	char cost[LATENCY_TEXT];

	if (!f->measurable) {
		fputs(", not measurable: its entry is single-stepped, which lies inside the window",
		      out);
		return;
	}
	if (latency_row_is_pool(row))
		fputs(", measured inside the process", out);
	if (f->calibrated)
		fprintf(out, ", the %s's %s taken out", whose, latency_text(cost, f, f->cost));
	else
		fprintf(out, ", includes the %s's own cost", whose);
}

static void write_values(FILE *out, const char *name, const struct latency_figures *f,
			 const double *values, bool corrected)
{
	char text[LATENCY_TEXT];

	fprintf(out, "  %-9s", name);
	for (int i = 0; i < LATENCY_NR_VALUES; i++)
		latency_cell_write(out, 10,
				   corrected ? latency_corrected_text(text, f, values[i])
					     : latency_text(text, f, values[i]));
	if (corrected)
		fprintf(out, "%10s", latency_text(text, f, f->floor));
	fputc('\n', out);
}

static void write_figures(FILE *out, const struct latency_figures *f)
{
	fprintf(out, "  %-9s%10s%10s%10s%10s%10s%10s%s\n", "", "p50", "p90", "p99", "p99.9", "max",
		"mean", f->calibrated ? "     floor" : "");
	if (f->calibrated)
		write_values(out, "corrected", f, f->corrected, true);
	write_values(out, "raw", f, f->raw, false);
}

void latency_disturbed_write(FILE *out, const struct hist *h, bool of_pools)
{
	char p50[BOOKS_DURATION], max[BOOKS_DURATION];

	fprintf(out, "%" PRIu64 " call%s ", h->count, h->count == 1 ? "" : "s");
	if (of_pools) {
		fputs("had begun before tracing did, counted apart: no latency is known\n", out);
		return;
	}
	fprintf(out,
		"%s migrated or switched off the CPU inside, counted apart: p50 %s, max %s, raw\n",
		h->count == 1 ? "was" : "were",
		books_duration(p50, (uint64_t)(hist_quantile_between(h, 0.5) + 0.5)),
		books_duration(max, h->max));
}

static void write_apart(struct sink *s, const struct latency_row *row)
{
	struct hist disturbed = {0};

	if (row->count[LATENCY_DISTURBED] &&
	    !latency_row_hist(row, LATENCY_DISTURBED, s->info->why, &disturbed)) {
		fputs("  ", s->out);
		latency_disturbed_write(s->out, &disturbed, latency_row_is_pool(row));
	}
	if (row->count[LATENCY_FAILED])
		fprintf(s->out, "  %" PRIu64 " failed, not in the histogram\n",
			row->count[LATENCY_FAILED]);
	hist_fini(&disturbed);
}

static void write_row(struct sink *s, const struct report *r, const struct latency_row *row)
{
	char title[LATENCY_TITLE];
	struct latency_figures f;
	struct hist h = {0};

	if (latency_row_hist(row, LATENCY_TIMED, s->info->why, &h)) {
		log_error("no memory for the latencies of a row");
		hist_fini(&h);
		return;
	}
	latency_figures(&f, row, r, &h);
	fprintf(s->out, "\n%s", latency_title(title, row));
	write_count(s->out, row);
	if (h.count)
		write_method(s->out, row, &f);
	fputc('\n', s->out);
	if (h.count && f.measurable) {
		write_figures(s->out, &f);
		latency_bars_write(s->out, &f, &h);
	}
	write_apart(s, row);
	hist_fini(&h);
}

/* ---- the report */

static bool has_lane(const struct lanes *lanes, size_t function)
{
	for (size_t i = 0; i < lanes->count; i++) {
		if (lanes->all[i].key.op == LANE_CALL && lanes->all[i].key.function == function)
			return true;
	}
	return false;
}

/* What the books count and no row shows, so that the two can be compared. */
static void write_not_timed(struct sink *s, const struct report *r)
{
	char shown[256];

	for (size_t i = 0; i < s->info->function_count; i++) {
		if (s->info->frees >> i & 1 && r->calls[i].count && !has_lane(r->lanes, i))
			fprintf(s->out,
				"\n%s: %" PRIu64 " calls, not timed (seen at their entry alone)\n",
				log_quote(shown, sizeof(shown), s->info->functions[i]),
				r->calls[i].count);
	}
}

static void write_rows(struct sink *s, const struct report *r)
{
	struct latency_rows rows;

	if (latency_rows_init(&rows, s, r, s->info->by)) {
		log_error("no memory for the rows of the report");
		return;
	}
	if (s->info->by == LANE_BY_SITE)
		latency_rows_sort(&rows);
	if (s->info->by != LANE_BY_FUNCTION)
		latency_table_write(s, r, &rows);
	else
		for (size_t i = 0; i < rows.count; i++)
			write_row(s, r, &rows.all[i]);
	latency_rows_fini(&rows);
}

static void report(struct sink *s, const struct report *r)
{
	fprintf(s->out, "======== latency %s%.3f s\n", r->final ? "over " : "so far, after ",
		(double)r->elapsed_ns / 1e9);
	write_calibration(s, r);
	write_rows(s, r);
	write_not_timed(s, r);
	if (s->info->why)
		why_write(s, r);
	fputc('\n', s->out);
	books_write(s, r);
}

const struct sink_ops text_latency_sink = {
	.command = "latency",
	.format = "text",
	.tick = report,
	.finish = report,
};
