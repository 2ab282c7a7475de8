// SPDX-License-Identifier: MIT
/*
 * Latency histograms per function and per pool, as text with bars and as JSON.
 *
 *	malloc: 1000 calls, includes the probe's own cost
 *	  mean 1.70us  p50 1.63us  p90 1.69us  p99 2.10us  p99.9 9.00us  max 31.0us
 *	        LATENCY                COUNT
 *	      1.02us .. 1.15us           900 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
 *	      1.15us .. 1.28us           100 |@@@@                                    |
 */
#include <inttypes.h>
#include <string.h>

#include "core/hist.h"
#include "core/log.h"
#include "out/books.h"
#include "out/json.h"

#define JSON_SUB_BITS 3 /* 8 buckets to an octave: fine enough to see two modes */
#define MAX_SHOWN     512
#define MAX_ROWS      32 /* of a picture; a long tail is drawn coarser */
#define BAR_WIDTH     40

/* Latencies in nanoseconds, of calls that did not fail. */
struct latency_state {
	struct hist calls[HEAP_MAX_CALLS];
	struct hist pool_alloc[HEAP_MAX_POOLS], pool_free[HEAP_MAX_POOLS];
	bool final; /* the report under way */
};

/* `in_process`: timed by the pool itself. */
typedef void (*show_fn)(struct sink *s, const char *name, const struct hist *h, bool in_process);

static void add_event(struct sink *s, const struct event *e, const struct heap_note *note)
{
	struct latency_state *state = s->state;
	struct hist *h;

	if (!e->measured || e->failed)
		return;
	if (!note->pool)
		h = &state->calls[e->function];
	else
		h = (e->kind == EVENT_POOL_ALLOC ? state->pool_alloc : state->pool_free) +
		    note->row;
	hist_add(h, e->latency_ns);
}

static void fini(struct sink *s)
{
	struct latency_state *state = s->state;

	for (size_t i = 0; i < HEAP_MAX_CALLS; i++)
		hist_fini(&state->calls[i]);
	for (size_t i = 0; i < HEAP_MAX_POOLS; i++) {
		hist_fini(&state->pool_alloc[i]);
		hist_fini(&state->pool_free[i]);
	}
}

static void show_pool(struct sink *s, const char *pool, const char *verb, const struct hist *h,
		      show_fn show)
{
	char name[80];

	if (!h->count)
		return;
	snprintf(name, sizeof(name), "%s:%s", pool, verb);
	show(s, name, h, true);
}

static void show_all(struct sink *s, const struct report *r, show_fn show)
{
	const struct latency_state *state = s->state;

	for (size_t i = 0; i < s->info->function_count; i++) {
		if (state->calls[i].count)
			show(s, s->info->functions[i], &state->calls[i], false);
	}
	for (size_t i = 0; i < r->heap->pool_count; i++) {
		const char *name = r->heap->pool_rows[i].name;

		show_pool(s, name, "alloc", &state->pool_alloc[i], show);
		show_pool(s, name, "free", &state->pool_free[i], show);
	}
}

static void write_bar(FILE *out, uint64_t count, uint64_t most)
{
	char bar[BAR_WIDTH + 1];
	size_t full = (size_t)((double)count / (double)most * BAR_WIDTH + 0.5);

	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '@', full);
	bar[BAR_WIDTH] = '\0';
	fprintf(out, " |%s|\n", bar);
}

static bool same_octave(uint64_t a, uint64_t b)
{
	return __builtin_clzll(a | 1) == __builtin_clzll(b | 1);
}

/* Where hardly anything lies, beyond `tail`, one row an octave will do. Returns how many rows are
 * left. */
static size_t fold_tail(struct hist_bucket *buckets, size_t n, uint64_t tail)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct hist_bucket *last = kept ? &buckets[kept - 1] : NULL;

		if (last && last->lo > tail && same_octave(last->lo, buckets[i].lo)) {
			last->hi = buckets[i].hi;
			last->count += buckets[i].count;
			continue;
		}
		buckets[kept++] = buckets[i];
	}
	return kept;
}

/* The finest picture that fits a screen. */
static size_t pick_rows(const struct hist *h, struct hist_bucket *buckets)
{
	for (unsigned int bits = JSON_SUB_BITS;; bits--) {
		size_t n = hist_coarse(h, bits, buckets, MAX_SHOWN);

		n = fold_tail(buckets, n, hist_quantile(h, 0.999));
		if (n <= MAX_ROWS || bits == 0)
			return n;
	}
}

static void write_buckets(FILE *out, const struct hist *h)
{
	struct hist_bucket buckets[MAX_SHOWN];
	size_t n = pick_rows(h, buckets);
	uint64_t most = 1;

	for (size_t i = 0; i < n; i++)
		most = buckets[i].count > most ? buckets[i].count : most;
	for (size_t i = 0; i < n; i++) {
		char lo[16], hi[16];

		fprintf(out, "  %9s .. %-9s %12" PRIu64, books_duration(lo, buckets[i].lo),
			books_duration(hi, buckets[i].hi), buckets[i].count);
		write_bar(out, buckets[i].count, most);
	}
}

static const struct {
	const char *text, *json;
	double fraction;
} quantiles[] = {
	{"p50", "p50", 0.5},
	{"p90", "p90", 0.9},
	{"p99", "p99", 0.99},
	{"p99.9", "p999", 0.999},
};

static void show_text(struct sink *s, const char *name, const struct hist *h, bool in_process)
{
	char shown[160], text[16];

	fprintf(s->out, "\n%s: %" PRIu64 " call%s, %s\n", log_quote(shown, sizeof(shown), name),
		h->count, h->count == 1 ? "" : "s",
		in_process ? "measured inside the process" : "includes the probe's own cost");
	fprintf(s->out, "  mean %s", books_duration(text, hist_mean(h)));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		fprintf(s->out, "  %s %s", quantiles[i].text,
			books_duration(text, hist_quantile(h, quantiles[i].fraction)));
	fprintf(s->out, "  max %s\n", books_duration(text, h->max));
	write_buckets(s->out, h);
}

static void show_json(struct sink *s, const char *name, const struct hist *h, bool in_process)
{
	struct hist_bucket buckets[MAX_SHOWN];
	size_t n = hist_coarse(h, JSON_SUB_BITS, buckets, MAX_SHOWN);
	json_t *o = json_object(), *list = json_array();

	json_object_set_new(o, "type", json_string("histogram"));
	json_object_set_new(o, "call", json_text(name));
	json_object_set_new(o, "unit", json_string("ns"));
	json_object_set_new(o, "count", json_count(h->count));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:o,s:o,s:o}", "lo", json_count(buckets[i].lo),
						"hi", json_count(buckets[i].hi), "count",
						json_count(buckets[i].count)));
	json_object_set_new(o, "buckets", list);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_object_set_new(o, quantiles[i].json,
				    json_count(hist_quantile(h, quantiles[i].fraction)));
	json_object_set_new(o, "max", json_count(h->max));
	json_object_set_new(o, "mean", json_count(hist_mean(h)));
	json_object_set_new(o, "measured", json_string(in_process ? "in-process" : "probe"));
	json_object_set_new(o, "final",
			    json_boolean(((const struct latency_state *)s->state)->final));
	json_line(s->out, o);
}

/* What the books count and no histogram shows, so that the two can be compared. */
static void write_not_timed(struct sink *s, const struct heap *h)
{
	for (size_t i = 0; i < s->info->function_count; i++) {
		const char *name = s->info->functions[i];

		if (s->info->frees >> i & 1 && h->calls[i].count)
			fprintf(s->out,
				"\n%s: %" PRIu64 " calls, not timed (seen at their entry alone)\n",
				name, h->calls[i].count);
		else if (h->calls[i].failed)
			fprintf(s->out, "\n%s: %" PRIu64 " failed, not in the histogram\n", name,
				h->calls[i].failed);
	}
}

static void report_text(struct sink *s, const struct report *r)
{
	fprintf(s->out, "======== latency %s%.3f s\n", r->final ? "over " : "so far, after ",
		(double)r->elapsed_ns / 1e9);
	show_all(s, r, show_text);
	write_not_timed(s, r->heap);
	fputc('\n', s->out);
	books_write(s, r);
}

static void report_json(struct sink *s, const struct report *r)
{
	struct latency_state *state = s->state;

	state->final = r->final;
	show_all(s, r, show_json);
	json_books(s, r);
}

const struct sink_ops text_latency_sink = {
	.command = "latency",
	.format = "text",
	.state_size = sizeof(struct latency_state),
	.event = add_event,
	.tick = report_text,
	.finish = report_text,
	.fini = fini,
};

const struct sink_ops json_latency_sink = {
	.command = "latency",
	.format = "json",
	.state_size = sizeof(struct latency_state),
	.start = json_start,
	.event = add_event,
	.tick = report_json,
	.finish = report_json,
	.fini = fini,
};
