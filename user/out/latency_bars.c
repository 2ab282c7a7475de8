// SPDX-License-Identifier: MIT
/*
 * A histogram as bars:
 *
 *	      ≤ 48ns                900 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
 *	        48ns .. 128ns        90 |@@@@                                    |
 *	       128ns .. 256ns        10 |                                        |
 *
 * Above the floor no bar is narrower than it: two that cannot be told apart are one.
 */
#include "out/latency.h"

#include <inttypes.h>
#include <string.h>

#define FINEST    3 /* 8 buckets to an octave: fine enough to see two modes */
#define MAX_SHOWN 512
#define MAX_ROWS  32 /* of a picture; a long tail is drawn coarser */
#define BAR_WIDTH 40

/* In units of the histogram. */
struct picture {
	const struct hist *hist;
	bool floored;
	uint64_t floor, under; /* how many values lie at or under the floor */
	struct hist_bucket bars[MAX_SHOWN];
	size_t count;
};

static bool same_octave(uint64_t a, uint64_t b)
{
	return __builtin_clzll(a | 1) == __builtin_clzll(b | 1);
}

/* Bars that became the same, and, where hardly anything lies, beyond `tail`, those of one octave.
 */
static void fold_bars(struct picture *p, uint64_t tail)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct hist_bucket *last = kept ? &p->bars[kept - 1] : NULL, *next = &p->bars[i];

		if (last && (last->lo == next->lo ||
			     (last->lo > tail && same_octave(last->lo, next->lo)))) {
			last->hi = next->hi;
			last->count += next->count;
			continue;
		}
		p->bars[kept++] = *next;
	}
	p->count = kept;
}

/* The power of two that is no less than the floor. */
static uint64_t narrowest(uint64_t floor)
{
	uint64_t width = 1;

	while (width < floor && width < 1ULL << 62)
		width *= 2;
	return width;
}

/* Bars are cells of that width at least; the first one goes on from the floor to the second. */
static void widen_bars(struct picture *p)
{
	uint64_t width = narrowest(p->floor);

	for (size_t i = 0; i < p->count; i++) {
		struct hist_bucket *bar = &p->bars[i];
		uint64_t cell = bar->lo < 2 * width ? width : bar->lo & ~(width - 1);

		if (bar->hi < cell + width)
			bar->hi = cell + width;
		bar->lo = cell == width ? p->floor : cell;
	}
}

/* Takes what lies at or under the floor out of the bars. */
static void cut_at_floor(struct picture *p)
{
	uint64_t left = p->hist->count - p->under;
	size_t kept = p->count;

	while (kept && p->bars[kept - 1].lo > p->floor)
		left -= p->bars[--kept].count;
	if (kept && left) {
		kept--;
		p->bars[kept].lo = p->floor;
		p->bars[kept].count = left;
	}
	p->count -= kept;
	memmove(p->bars, p->bars + kept, p->count * sizeof(p->bars[0]));
}

/* The finest picture that fits a screen. */
static void draw(struct picture *p)
{
	for (unsigned int bits = FINEST;; bits--) {
		p->count = hist_coarse(p->hist, bits, p->bars, MAX_SHOWN);
		if (p->floored) {
			cut_at_floor(p);
			widen_bars(p);
		}
		fold_bars(p, hist_quantile(p->hist, 0.999));
		if (p->count <= MAX_ROWS || bits == 0)
			return;
	}
}

static void write_bar(FILE *out, uint64_t count, uint64_t most)
{
	char bar[BAR_WIDTH + 1];
	size_t full = (size_t)((double)count / (double)most * BAR_WIDTH + 0.5);

	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '@', full);
	bar[BAR_WIDTH] = '\0';
	fprintf(out, " %12" PRIu64 " |%s|\n", count, bar);
}

static void write_picture(FILE *out, const struct latency_figures *f, const struct picture *p)
{
	uint64_t most = p->under > 1 ? p->under : 1;
	char text[LATENCY_TEXT];

	for (size_t i = 0; i < p->count; i++)
		most = p->bars[i].count > most ? p->bars[i].count : most;
	if (p->under) {
		latency_cell_write(out, 11, latency_corrected_text(text, f, 0));
		fprintf(out, "%13s", "");
		write_bar(out, p->under, most);
	}
	for (size_t i = 0; i < p->count; i++) {
		double lo = (double)p->bars[i].lo * f->unit, hi = (double)p->bars[i].hi * f->unit;

		fprintf(out, "  %9s .. ", latency_text(text, f, lo));
		fprintf(out, "%-9s", latency_text(text, f, hi));
		write_bar(out, p->bars[i].count, most);
	}
}

static uint64_t units(const struct latency_figures *f, double ns)
{
	return (uint64_t)(ns / f->unit + 0.5);
}

void latency_bars_write(FILE *out, const struct latency_figures *f, const struct hist *h)
{
	struct hist corrected = {0};
	struct picture p = {.hist = h, .floored = f->calibrated};

	if (f->calibrated) {
		if (hist_add_shifted(&corrected, h, units(f, f->cost))) {
			hist_fini(&corrected);
			return;
		}
		p.hist = &corrected;
		p.floor = units(f, f->floor);
		p.under = h->count - hist_above(&corrected, (double)p.floor);
	}
	draw(&p);
	write_picture(out, f, &p);
	hist_fini(&corrected);
}
