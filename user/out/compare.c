// SPDX-License-Identifier: MIT
/*
 * `compare` for eyes: one table, then for each pair the two histograms side by side and what they
 * come to in one sentence.
 *
 *	LANE            HOW TIMED         COUNT    MEAN        P50 [95 %]     P90     P99 …
 *	protocol:alloc  inside, by 64     15625   4.3ns  4.1ns [3.9, 4.3]   5.2ns   9.0ns …
 *	malloc:alloc    inside, by 64     15625  12.1ns  11.8ns [11.5, …]
 *
 *	         protocol:alloc        LATENCY          malloc:alloc
 *	  62.1% |        @@@@@@@@|  4.00ns .. 4.50ns |@                 | 1.0%
 *
 *	protocol:alloc is 2.9× faster than malloc at p50: 4.1 ns [3.9, 4.3] against …
 */
#include "out/compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "out/books.h"
#include "out/compare_rows.h"

#define BAR_WIDTH  26
#define NAME_WIDTH 22

/* ---- columns: printf would count the bytes of "≤", not what is seen of them ---- */

static int seen_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void write_left(FILE *out, const char *text, int width)
{
	fprintf(out, "%s%*s", text, width > seen_width(text) ? width - seen_width(text) : 0, "");
}

static void write_right(FILE *out, const char *text, int width)
{
	fprintf(out, "%*s%s", width > seen_width(text) ? width - seen_width(text) : 0, "", text);
}

/* ---- the table ---- */

static void write_header(FILE *out)
{
	fprintf(out, "%-*s %-14s %10s %9s %24s %9s %9s %9s %9s %9s\n", NAME_WIDTH, "LANE",
		"HOW TIMED", "COUNT", "MEAN", "P50 [95 %]", "P90", "P99", "P99.9", "MAX", "FLOOR");
}

/* Nothing finer than the floor. */
static void write_duration(FILE *out, const struct verdict_lane *lane, double ns)
{
	char text[24], shown[28];

	snprintf(shown, sizeof(shown), "%s%s", ns <= lane->floor ? "≤" : "",
		 compare_quantity(text, fmax(ns, lane->floor), ""));
	fputc(' ', out);
	write_right(out, shown, 9);
}

static void write_p50(FILE *out, const struct verdict_lane *lane)
{
	char text[64];

	if (!lane->enough || lane->p50 <= lane->floor) {
		fprintf(out, "%15s", "");
		write_duration(out, lane, lane->p50);
		return;
	}
	fprintf(out, " %24s", compare_with_interval(text, lane->p50, &lane->p50_in, ""));
}

static void write_lane(FILE *out, const struct compare_lane *lane)
{
	const struct verdict_lane *seen = &lane->seen;
	char label[COMPARE_LABEL], how[24], floor_text[24];

	write_left(out, compare_label(label, lane), NAME_WIDTH);
	fprintf(out, " %-14s %10" PRIu64, compare_how(how, lane), lane->all.count);
	if (!lane->all.count || !lane->known) {
		fputs(!lane->all.count ? "\n"
		      : lane->class == CALIBRATION_STEPPED
			      ? "  not measurable\n"
			      : "  what measuring costs is not known\n",
		      out);
		return;
	}
	write_duration(out, seen, seen->mean);
	write_p50(out, seen);
	write_duration(out, seen, seen->p90);
	write_duration(out, seen, seen->p99);
	write_duration(out, seen, seen->p999);
	write_duration(out, seen, seen->max);
	fprintf(out, " %9s\n", compare_quantity(floor_text, seen->floor, ""));
}

static void write_table(FILE *out, const struct comparisons *c)
{
	if (!c->lane_count)
		return;
	fputc('\n', out);
	write_header(out);
	for (size_t i = 0; i < c->lane_count; i++)
		write_lane(out, &c->lanes[i]);
}

/* ---- the picture ---- */

static const char *percent(char *buf, double part)
{
	double hundred = 100 * part;

	if (hundred <= 0)
		return strcpy(buf, "");
	snprintf(buf, 16, "%.*f%%", hundred < 0.0995 ? 3 : hundred < 0.995 ? 2 : 1, hundred);
	return buf;
}

static void write_bar(FILE *out, double part, double most, bool to_the_left)
{
	char bar[BAR_WIDTH + 1];
	size_t full = (size_t)(part / most * BAR_WIDTH + 0.5);

	memset(bar, ' ', BAR_WIDTH);
	memset(to_the_left ? bar + BAR_WIDTH - full : bar, '@', full);
	bar[BAR_WIDTH] = '\0';
	fprintf(out, "|%s|", bar);
}

static void write_range(FILE *out, const struct compare_row *row)
{
	char low[24], high[24], text[64];

	if (row->low > 0)
		snprintf(text, sizeof(text), "%9s .. %-9s", compare_quantity(low, row->low, ""),
			 compare_quantity(high, row->high, ""));
	else
		snprintf(text, sizeof(text), "≤ floor, %s", compare_quantity(high, row->high, ""));
	fputc(' ', out);
	write_left(out, text, 2 * 9 + 4);
	fputc(' ', out);
}

static void write_picture(FILE *out, const struct comparison *pair)
{
	struct compare_row rows[COMPARE_MAX_ROWS];
	size_t n = compare_rows(pair, rows);
	char label[COMPARE_LABEL], text[16];
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fmax(rows[i].first, rows[i].second));
	fputs("\n         ", out);
	write_right(out, compare_label(label, pair->pool), BAR_WIDTH + 1);
	write_right(out, "LATENCY", 16);
	fprintf(out, "%10s%s\n", "", compare_label(label, pair->against));
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%8s ", percent(text, rows[i].first));
		write_bar(out, rows[i].first, most, true);
		write_range(out, &rows[i]);
		write_bar(out, rows[i].second, most, false);
		fprintf(out, "%s%s\n", rows[i].second > 0 ? " " : "",
			percent(text, rows[i].second));
	}
}

static void write_pair(FILE *out, const struct comparison *pair)
{
	char text[COMPARE_SENTENCE];

	if (!pair->obstacle)
		write_picture(out, pair);
	fputc('\n', out);
	if (compare_caution(text, pair))
		fprintf(out, "%s\n", text);
	fprintf(out, "%s\n", compare_sentence(text, pair));
}

/* ---- how it came about ---- */

static bool is_used(const struct comparisons *c, enum calibration_class class)
{
	for (size_t i = 0; i < c->lane_count; i++) {
		if (c->lanes[i].class == class && c->lanes[i].known && c->lanes[i].all.count)
			return true;
	}
	return false;
}

static void write_window(FILE *out, enum calibration_class class,
			 const struct calibration_window *w)
{
	char name[24], p5[24], p50[24], p95[24], p99[24];

	snprintf(name, sizeof(name), "%s%s", class == CALIBRATION_CLOCK ? "" : "probe on ",
		 calibration_name(class));
	fprintf(out,
		"  %-14s p5 %s, p50 %s, p95 %s, p99 %s, measured %" PRIu64 " times in this run\n",
		name, compare_quantity(p5, w->p5, ""), compare_quantity(p50, w->p50, ""),
		compare_quantity(p95, w->p95, ""), compare_quantity(p99, w->p99, ""), w->hits);
}

static void write_calibration(FILE *out, const struct comparisons *c, const struct calibration *cal)
{
	bool said = false;

	for (enum calibration_class class = 0; class < CALIBRATION_NR; class ++) {
		if (!is_used(c, class))
			continue;
		if (!said)
			fputs("\nmeasuring itself takes (p50 is taken out above, the floor is p95 "
			      "- p5; operations timed together share both):\n",
			      out);
		write_window(out, class, &cal->windows[class]);
		said = true;
	}
	if (said)
		fprintf(out, "intervals: 95 %%, %s, %d resamples\n", compare_method(),
			VERDICT_RESAMPLES);
}

static void write_apart(FILE *out, const struct comparisons *c)
{
	char label[COMPARE_LABEL];

	for (size_t i = 0; i < c->lane_count; i++) {
		const struct compare_lane *lane = &c->lanes[i];

		if (lane->disturbed)
			fprintf(out,
				"%s: %" PRIu64 " more moved to another CPU or lost theirs on the "
				"way, and are not in these numbers\n",
				compare_label(label, lane), lane->disturbed);
		if (lane->failed)
			fprintf(out, "%s: %" PRIu64 " more failed, and are not in these numbers\n",
				compare_label(label, lane), lane->failed);
	}
}

static void report(struct sink *s, const struct report *r)
{
	struct comparisons c;

	fprintf(s->out, "======== compare %s%.3f s\n", r->final ? "over " : "so far, after ",
		(double)r->elapsed_ns / 1e9);
	if (compare_init(&c, r)) {
		fputs("cannot compare: no memory\n", s->out);
	} else {
		write_table(s->out, &c);
		for (size_t i = 0; i < c.pair_count; i++)
			write_pair(s->out, &c.pairs[i]);
		if (!c.pair_count)
			fprintf(s->out, "\n%s\n", compare_nothing());
		write_calibration(s->out, &c, r->calibration);
		write_apart(s->out, &c);
	}
	compare_fini(&c);
	fputc('\n', s->out);
	books_write(s, r);
}

const struct sink_ops text_compare_sink = {
	.command = "compare",
	.format = "text",
	.tick = report,
	.finish = report,
};
