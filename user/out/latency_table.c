// SPDX-License-Identifier: MIT
/*
 * Many rows, one a line: by size, and by call site, where the one that took most time comes first.
 *
 *	                 -------- raw -------- -------- corrected --------
 *	    COUNT   TIME    p50    p99    max      p50      p99      max  FLOOR  CALL
 *	     1000  83.1% 1.63us 2.10us 31.0us   ≤ 48ns    470ns   29.4us   48ns  malloc 17..32 bytes
 */
#include <inttypes.h>

#include "core/log.h"
#include "out/latency.h"

static const enum latency_value shown[] = {LATENCY_P50, LATENCY_P99, LATENCY_MAX};

#define CALL_WIDTH 7 /* most are realloc at most */
#define SHOWN      (sizeof(shown) / sizeof(shown[0]))

/* What the table has come across, and explains below itself. */
struct remarks {
	bool uncalibrated, not_measurable;
};

static void write_head(FILE *out)
{
	fputs("\n                 -------- raw -------- -------- corrected --------\n"
	      "    COUNT   TIME    p50    p99    max      p50      p99      max  FLOOR  CALL\n",
	      out);
}

static void write_figures(FILE *out, const struct latency_figures *f)
{
	char text[LATENCY_TEXT];

	for (size_t i = 0; i < SHOWN; i++)
		latency_cell_write(out, 7,
				   f->measurable ? latency_text(text, f, f->raw[shown[i]]) : "-");
	for (size_t i = 0; i < SHOWN; i++)
		latency_cell_write(out, 9,
				   f->calibrated
					   ? latency_corrected_text(text, f, f->corrected[shown[i]])
					   : "-");
	latency_cell_write(out, 7, f->calibrated ? latency_text(text, f, f->floor) : "-");
}

static void write_share(FILE *out, const struct latency_figures *f, double ns, double total)
{
	if (f->measurable && total > 0)
		fprintf(out, " %5.1f%%", 100 * ns / total);
	else
		fprintf(out, "%7s", "-");
}

static void write_name(struct sink *s, const struct latency_row *row, bool say_pid)
{
	bool say_site = s->info->by == LANE_BY_SITE && !latency_row_is_pool(row);
	char title[LATENCY_TITLE];

	fputs("  ", s->out);
	latency_cell_write(s->out, say_site ? -CALL_WIDTH : 0, latency_title(title, row));
	if (row->key.group > 1)
		fprintf(s->out, ", in groups of %" PRIu32, row->key.group);
	if (say_site) {
		fputc(' ', s->out);
		latency_site_write(s, row, say_pid);
	}
	fputc('\n', s->out);
}

static void write_row(struct sink *s, const struct report *r, const struct latency_row *row,
		      const struct latency_rows *rows, double total)
{
	uint64_t group = row->key.group ? row->key.group : 1;
	struct latency_figures f;
	struct hist h = {0};

	if (latency_row_hist(row, LATENCY_TIMED, s->info->why, &h)) {
		log_error("no memory for the latencies of a row");
	} else if (h.count) {
		latency_figures(&f, row, r, &h);
		fprintf(s->out, "%9" PRIu64, h.count * group);
		write_share(s->out, &f, row->ns, total);
		write_figures(s->out, &f);
		write_name(s, row, rows->many_pids);
	}
	hist_fini(&h);
}

static struct remarks find_remarks(const struct latency_rows *rows, size_t count,
				   const struct calibration *c)
{
	struct remarks found = {0};

	for (size_t i = 0; i < count; i++) {
		enum calibration_class class = rows->all[i].key.class;

		if (class == CALIBRATION_STEPPED)
			found.not_measurable = true;
		else if (!c->windows[class].hits)
			found.uncalibrated = true;
	}
	return found;
}

static void write_remarks(FILE *out, struct remarks found)
{
	if (found.uncalibrated)
		fputs("Where corrected is '-', raw includes the probe's own cost.\n", out);
	if (found.not_measurable)
		fputs("Where raw is '-', it is not measurable: the function's entry is "
		      "single-stepped, which lies\ninside the window.\n",
		      out);
}

/* Rows of calls that failed and nothing else are none. */
static size_t count_timed(const struct latency_rows *rows, size_t first)
{
	size_t count = 0;

	for (size_t i = first; i < rows->count; i++)
		count += rows->all[i].count[LATENCY_TIMED] > 0;
	return count;
}

static void write_left_out(FILE *out, const struct latency_rows *rows, size_t first, double total)
{
	size_t count = count_timed(rows, first);

	if (!count)
		return;
	fprintf(out, "and %zu more call site%s: %" PRIu64 " calls, %.1f%% of the time\n", count,
		count == 1 ? "" : "s", latency_rows_calls(rows, first, LATENCY_TIMED),
		total > 0 ? 100 * latency_rows_ns(rows, first) / total : 0);
}

/* Of all rows together: the table has no room for it. */
static void write_disturbed(struct sink *s, const struct latency_rows *rows, bool of_pools)
{
	struct hist h = {0};

	for (size_t i = 0; i < rows->count; i++) {
		if (latency_row_is_pool(&rows->all[i]) == of_pools &&
		    latency_row_hist(&rows->all[i], LATENCY_DISTURBED, s->info->why, &h))
			break;
	}
	if (h.count)
		latency_disturbed_write(s->out, &h, of_pools);
	hist_fini(&h);
}

void latency_table_write(struct sink *s, const struct report *r, struct latency_rows *rows)
{
	double total = latency_rows_ns(rows, 0);
	uint64_t failed = latency_rows_calls(rows, 0, LATENCY_FAILED);
	size_t count = rows->count;

	if (s->info->by == LANE_BY_SITE)
		count = latency_rows_shown(rows, s->info);
	write_head(s->out);
	for (size_t i = 0; i < count; i++)
		write_row(s, r, &rows->all[i], rows, total);
	write_left_out(s->out, rows, count, total);
	write_remarks(s->out, find_remarks(rows, count, r->calibration));
	write_disturbed(s, rows, false);
	write_disturbed(s, rows, true);
	if (failed)
		fprintf(s->out, "%" PRIu64 " failed, in no row\n", failed);
}
