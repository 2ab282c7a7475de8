// SPDX-License-Identifier: MIT
/*
 * One panel a comparison, one below the other:
 *
 *	alloc: protocol against malloc
 *	[] protocol:alloc  inside, by 64, 1920 times   [] malloc:alloc  …
 *	      |   ##|                     |
 *	      |  ###|##        ++++       |
 *	 ###  | ####|####    ++++++++     |
 *	≤ 0.3 +---2-|---|---5---|---10----+ ns
 *	protocol:alloc is 2.9× faster than malloc at p50: …
 *
 * Decisions
 * - The axis is logarithmic and the bins are as wide everywhere on it, so that equal areas are
 *   equal shares of calls. It ends where 97 of 100 calls of the slower lane have ended; what lies
 *   beyond is told in words.
 * - What is under the resolution is a bar for itself: no shape is drawn where none is known.
 */
#include "out/svg.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/log.h"
#include "out/compare.h"

#define WIDTH         860
#define MARGIN        16
#define LEFT          96 /* of the axis; the bars of what is under the resolution stand before it */
#define RIGHT         (WIDTH - 2 * MARGIN)
#define TOP           92
#define BOTTOM        258
#define AXIS          66  /* what is below the plot, up to the caption */
#define TITLE         52  /* what is above the caption without a plot */
#define LINE          18  /* of text */
#define LINE_CHARS    116 /* of the caption */
#define MAX_BINS      120
#define BINS_A_DECADE 60
#define MIN_LABEL     46 /* between labels of ticks */

static const char *const colours[2] = {"#1f6f9f", "#d9692a"};

/* The axis of one panel: durations in ns. */
struct axis {
	double low, high;
	bool under; /* there is something under `low`, which is the resolution */
	size_t bins;
	double top; /* the largest part in one bin */
};

struct panel {
	FILE *out;
	double y; /* of its upper end */
	const struct compare_lane *lanes[2];
	struct axis axis;
};

/* ---- text ---- */

/* What XML knows is escaped, and what it forbids has no place in log_quote's output but for two
 * characters. */
static void write_escaped(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '&')
			fputs("&amp;", out);
		else if (text[i] == '<')
			fputs("&lt;", out);
		else if (text[i] == '>')
			fputs("&gt;", out);
		else if (!strncmp(text + i, "\xef\xbf\xbe", 3) ||
			 !strncmp(text + i, "\xef\xbf\xbf", 3))
			i += fputs("?", out) < 0 ? 0 : 2;
		else
			fputc(text[i], out);
	}
}

static void write_text(FILE *out, double x, double y, const char *attributes, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, attributes);
	write_escaped(out, text, strlen(text));
	fputs("</text>\n", out);
}

/* How many bytes of `text` make a line: up to the last space that fits, if any does. */
static size_t line_length(const char *text)
{
	size_t space = 0, chars = 0, i = 0;

	for (; text[i] && chars <= LINE_CHARS; i++) {
		if (text[i] == ' ')
			space = i;
		chars += (text[i + 1] & 0xc0) != 0x80;
	}
	return text[i] && space ? space : i;
}

/* Returns the y of the line below. */
static double write_lines(FILE *out, double y, const char *attributes, const char *text)
{
	while (*text) {
		size_t n = line_length(text);

		fprintf(out, "<text x=\"%d\" y=\"%.1f\"%s>", 2 * MARGIN, y, attributes);
		write_escaped(out, text, n);
		fputs("</text>\n", out);
		text += n + (text[n] == ' ');
		y += LINE;
	}
	return y;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; lines++) {
		size_t n = line_length(text);

		text += n + (text[n] == ' ');
	}
	return lines;
}

/* ---- the axis ---- */

static double larger(const struct panel *p, double fraction)
{
	return fmax(verdict_lane_quantile(&p->lanes[0]->seen, fraction),
		    verdict_lane_quantile(&p->lanes[1]->seen, fraction));
}

static double smaller(const struct panel *p, double fraction)
{
	return fmin(verdict_lane_quantile(&p->lanes[0]->seen, fraction),
		    verdict_lane_quantile(&p->lanes[1]->seen, fraction));
}

static double bin_edge(const struct axis *a, size_t i)
{
	return a->low * pow(a->high / a->low, (double)i / (double)a->bins);
}

static double part_of(const struct panel *p, size_t lane, size_t bin)
{
	const struct verdict_lane *seen = &p->lanes[lane]->seen;

	return verdict_lane_below(seen, bin_edge(&p->axis, bin + 1)) -
	       verdict_lane_below(seen, bin_edge(&p->axis, bin));
}

static void set_axis(struct panel *p)
{
	struct axis *a = &p->axis;
	double resolution = fmax(p->lanes[0]->seen.floor, p->lanes[1]->seen.floor);

	a->low = fmax(smaller(p, 0.001) / 1.15, 1e-3);
	a->under = a->low <= resolution;
	if (a->under)
		a->low = fmax(resolution, 1e-3);
	a->high = fmax(larger(p, 0.97), larger(p, 0.5) * 1.3) * 1.1;
	a->high = fmax(a->high, a->low * 4);
	a->bins = (size_t)(BINS_A_DECADE * log10(a->high / a->low)) + 1;
	a->bins = a->bins < MAX_BINS ? a->bins : MAX_BINS;
	for (size_t i = 0; i < a->bins; i++)
		a->top = fmax(a->top, fmax(part_of(p, 0, i), part_of(p, 1, i)));
}

static double x_of(const struct axis *a, double ns)
{
	double x = LEFT + (RIGHT - LEFT) * log(ns / a->low) / log(a->high / a->low);

	return fmin(fmax(x, LEFT), RIGHT);
}

static double y_of(const struct panel *p, double part, double top)
{
	return p->y + BOTTOM - (BOTTOM - TOP) * (top > 0 ? part / top : 0);
}

/* ---- ticks ---- */

static const char *tick_label(char *buf, double ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	size_t i = 0;

	while (i < 3 && ns >= 999.5) {
		ns /= 1000;
		i++;
	}
	snprintf(buf, 24, "%.3g %s", ns, units[i]);
	return buf;
}

static void write_tick(const struct panel *p, double ns, bool labelled, double *last_label)
{
	double x = x_of(&p->axis, ns);
	char text[24];

	fprintf(p->out,
		"<path d=\"M%.1f %.1fV%.1f\" stroke=\"#d8dee4\"/>"
		"<path d=\"M%.1f %.1fv5\" stroke=\"#57606a\"/>\n",
		x, p->y + TOP, p->y + BOTTOM, x, p->y + BOTTOM);
	if (!labelled || x - *last_label < MIN_LABEL)
		return; /* the one before is in the way */
	*last_label = x;
	write_text(p->out, x, p->y + BOTTOM + 18, " class=\"tick\" text-anchor=\"middle\"",
		   tick_label(text, ns));
}

/* 1, 2 and 5 of each decade, and all nine when there is less than one and a half of them. */
static void write_ticks(const struct panel *p)
{
	const struct axis *a = &p->axis;
	bool all = a->high / a->low < 30;
	double last_label = a->under ? LEFT - 10 : 0;

	for (int decade = (int)floor(log10(a->low)); decade <= (int)log10(a->high); decade++) {
		for (int digit = 1; digit < 10; digit++) {
			double ns = digit * pow(10, decade);

			if (ns < a->low || ns > a->high)
				continue;
			if (all || digit == 1 || digit == 2 || digit == 5)
				write_tick(p, ns, digit != 7 && digit != 9, &last_label);
		}
	}
	fprintf(p->out, "<path d=\"M%d %.1fH%d\" stroke=\"#57606a\"/>\n", LEFT, p->y + BOTTOM,
		RIGHT);
}

/* ---- the distributions ---- */

static void write_steps(const struct panel *p, size_t lane)
{
	const struct axis *a = &p->axis;

	fprintf(p->out,
		"<path fill=\"%s\" fill-opacity=\"0.4\" stroke=\"%s\" stroke-width=\"1.5\" "
		"stroke-linejoin=\"round\" d=\"M%d %.1f",
		colours[lane], colours[lane], LEFT, p->y + BOTTOM);
	for (size_t i = 0; i < a->bins; i++)
		fprintf(p->out, "V%.1fH%.1f", y_of(p, part_of(p, lane, i), a->top),
			x_of(a, bin_edge(a, i + 1)));
	fprintf(p->out, "V%.1fZ\"/>\n", p->y + BOTTOM);
}

/* On a scale of its own: the whole height is all calls. */
static void write_under(const struct panel *p)
{
	char text[40], quantity[24];

	if (!p->axis.under)
		return;
	for (size_t lane = 0; lane < 2; lane++) {
		double part = verdict_lane_below(&p->lanes[lane]->seen, p->axis.low);
		double x = 38 + 24 * (double)lane, y = y_of(p, part, 1);

		fprintf(p->out,
			"<rect x=\"%.1f\" y=\"%.1f\" width=\"20\" height=\"%.1f\" fill=\"%s\" "
			"fill-opacity=\"0.55\"/>\n",
			x, y, p->y + BOTTOM - y, colours[lane]);
		snprintf(text, sizeof(text), "%.0f%%", 100 * part);
		write_text(p->out, x + 10, y - 4, " class=\"tick\" text-anchor=\"middle\"", text);
	}
	fprintf(p->out, "<path d=\"M34 %.1fH86\" stroke=\"#57606a\"/>\n", p->y + BOTTOM);
	snprintf(text, sizeof(text), "≤ %s", compare_quantity(quantity, p->axis.low, " "));
	write_text(p->out, 60, p->y + BOTTOM + 18, " class=\"tick\" text-anchor=\"middle\"", text);
}

static void write_interval(const struct panel *p, size_t lane)
{
	const struct verdict_interval *in = &p->lanes[lane]->seen.p50_in;
	double low = x_of(&p->axis, in->low), high = x_of(&p->axis, in->high);

	fprintf(p->out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\" "
		"fill-opacity=\"0.35\"/>\n",
		low, p->y + TOP, fmax(high - low, 0.5), BOTTOM - TOP, colours[lane]);
}

static void write_median(const struct panel *p, size_t lane)
{
	const struct verdict_lane *seen = &p->lanes[lane]->seen;
	double x, y = p->y + TOP - 22 + 14 * (double)lane;
	char text[64], quantity[24], attributes[80];
	bool near_end;

	if (seen->p50 <= p->axis.low)
		return;
	x = x_of(&p->axis, seen->p50);
	near_end = x > RIGHT - 90;
	if (seen->enough)
		write_interval(p, lane);
	fprintf(p->out,
		"<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\" stroke-width=\"1.5\" "
		"stroke-dasharray=\"5 3\"/>\n",
		x, y - 8, p->y + BOTTOM, colours[lane]);
	snprintf(text, sizeof(text), "p50 %s", compare_quantity(quantity, seen->p50, " "));
	snprintf(attributes, sizeof(attributes), " class=\"value\" style=\"fill:%s\"%s",
		 colours[lane], near_end ? " text-anchor=\"end\"" : "");
	write_text(p->out, near_end ? x - 5 : x + 5, y, attributes, text);
}

/* ---- a panel ---- */

/* As much as fits, in whole characters. */
static const char *short_label(char *buf, size_t len, const struct compare_lane *lane)
{
	char raw[80];

	return log_quote(buf, len, compare_label_as_is(raw, sizeof(raw), lane));
}

static void write_legend(const struct panel *p, size_t lane)
{
	double x = 2 * MARGIN + (double)lane * (WIDTH / 2.0 - MARGIN);
	char label[28], how[24], text[128];

	fprintf(p->out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\" "
		"fill-opacity=\"0.55\" stroke=\"%s\"/>\n",
		x, p->y + 38, colours[lane], colours[lane]);
	snprintf(text, sizeof(text), "%s (%s; %" PRIu64 " times)",
		 short_label(label, sizeof(label), p->lanes[lane]),
		 compare_how(how, p->lanes[lane]), p->lanes[lane]->all.count);
	write_text(p->out, x + 18, p->y + 48, "", text);
}

static void write_beyond(const struct panel *p)
{
	char text[160], first[24], second[24];

	snprintf(text, sizeof(text),
		 "height: share of calls; time of an operation, log scale; beyond the right "
		 "end: %.2g%% (max %s) and %.2g%% (max %s)",
		 100 * (1 - verdict_lane_below(&p->lanes[0]->seen, p->axis.high)),
		 compare_quantity(first, p->lanes[0]->seen.max, " "),
		 100 * (1 - verdict_lane_below(&p->lanes[1]->seen, p->axis.high)),
		 compare_quantity(second, p->lanes[1]->seen.max, " "));
	write_text(p->out, RIGHT, p->y + BOTTOM + 36, " class=\"tick\" text-anchor=\"end\"", text);
}

static void write_plot(struct panel *p)
{
	set_axis(p);
	write_legend(p, 0);
	write_legend(p, 1);
	write_ticks(p);
	write_under(p);
	write_steps(p, 0);
	write_steps(p, 1);
	write_median(p, 0);
	write_median(p, 1);
	write_beyond(p);
}

static double caption_height(const struct comparison *pair)
{
	char text[COMPARE_SENTENCE];
	size_t lines = count_lines(compare_sentence(text, pair));

	if (compare_caution(text, pair))
		lines += count_lines(text);
	return (double)(lines * LINE);
}

static bool has_plot(const struct comparison *pair)
{
	return !pair->obstacle;
}

static double panel_height(const struct comparison *pair)
{
	return (has_plot(pair) ? BOTTOM + AXIS : TITLE) + caption_height(pair);
}

static void write_panel(FILE *out, double y, const struct comparison *pair)
{
	struct panel p = {.out = out, .y = y, .lanes = {pair->pool, pair->against}};
	char text[COMPARE_SENTENCE], label[64];

	snprintf(text, sizeof(text), "%s%s", short_label(label, sizeof(label), pair->pool),
		 pair->against ? " against malloc" : "");
	write_text(out, 2 * MARGIN, y + 24, " class=\"title\"", text);
	if (has_plot(pair))
		write_plot(&p);
	y += has_plot(pair) ? BOTTOM + AXIS : TITLE;
	y = write_lines(out, y, " class=\"verdict\"", compare_sentence(text, pair));
	if (compare_caution(text, pair))
		write_lines(out, y, "", text);
}

/* ---- the picture ---- */

static void write_begin(FILE *out, double height)
{
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
		"height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n",
		WIDTH, height, WIDTH, height);
	fputs("<style>text{font:13px 'DejaVu Sans',Verdana,Helvetica,Arial,sans-serif;"
	      "fill:#24292f}.title{font-size:16px;font-weight:bold}.verdict{font-weight:bold;"
	      "font-size:12px}"
	      ".tick{font-size:11px;fill:#57606a}.value{font-size:12px;font-weight:bold}"
	      "</style>\n",
	      out);
	fprintf(out,
		"<rect width=\"%d\" height=\"%.0f\" rx=\"6\" fill=\"#ffffff\" "
		"stroke=\"#d0d7de\"/>\n",
		WIDTH, height);
}

static void write_picture(FILE *out, const struct comparisons *c)
{
	double height = MARGIN + 8, y = 8;

	for (size_t i = 0; i < c->pair_count; i++)
		height += panel_height(&c->pairs[i]);
	if (!c->pair_count)
		height += 3 * LINE;
	write_begin(out, height);
	for (size_t i = 0; i < c->pair_count; i++) {
		write_panel(out, y, &c->pairs[i]);
		y += panel_height(&c->pairs[i]);
	}
	if (!c->pair_count)
		write_lines(out, 2 * LINE, "", compare_nothing());
	fputs("</svg>\n", out);
}

int compare_svg_write(FILE *out, const struct report *r)
{
	struct comparisons c;
	int err = compare_init(&c, r);

	if (!err)
		write_picture(out, &c);
	compare_fini(&c);
	return err;
}
