// SPDX-License-Identifier: MIT
/*
 * `compare` as JSON lines: a histogram a lane, as `latency` has them, then a verdict a pair. All
 * durations are in ns, with thousandths where operations were timed together. "ratio" is malloc's
 * p50 by the pool's, "difference_ns" malloc's less the pool's: above 1 and above 0, the pool is
 * faster. Pairs in brackets are the pool's and malloc's, or the ends of a 95 % interval.
 */
#include "core/hist.h"
#include "out/compare.h"
#include "out/json.h"

#define SUB_BITS  3 /* 8 buckets to an octave: fine enough to see two modes */
#define MAX_SHOWN 512

static json_t *pair_of(double first, double second)
{
	json_t *list = json_array();

	json_array_append_new(list, json_decimal(first));
	json_array_append_new(list, json_decimal(second));
	return list;
}

static json_t *interval(const struct verdict_interval *in)
{
	return pair_of(in->low, in->high);
}

/* ---- histograms ---- */

static json_t *buckets(const struct compare_lane *lane)
{
	struct hist_bucket shown[MAX_SHOWN];
	size_t n = hist_coarse(&lane->all, SUB_BITS, shown, MAX_SHOWN);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:o,s:o,s:o}", "lo",
					json_decimal((double)shown[i].lo * lane->unit), "hi",
					json_decimal((double)shown[i].hi * lane->unit), "count",
					json_count(shown[i].count)));
	return list;
}

static void set_raw(json_t *o, const struct compare_lane *lane)
{
	static const struct {
		const char *name;
		double fraction;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
	const struct hist *h = &lane->all;

	json_object_set_new(o, "unit", json_string("ns"));
	json_object_set_new(o, "buckets", buckets(lane));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		double value = (double)hist_quantile(h, quantiles[i].fraction);

		json_object_set_new(o, quantiles[i].name, json_decimal(value * lane->unit));
	}
	json_object_set_new(o, "max", json_decimal((double)h->max * lane->unit));
	json_object_set_new(o, "mean",
			    json_decimal((double)h->sum / (double)h->count * lane->unit));
}

static void set_corrected(json_t *o, const struct verdict_lane *seen)
{
	json_t *corrected = json_object();

	json_object_set_new(corrected, "p50", json_decimal(seen->p50));
	if (seen->enough)
		json_object_set_new(corrected, "p50_interval", interval(&seen->p50_in));
	json_object_set_new(corrected, "p90", json_decimal(seen->p90));
	json_object_set_new(corrected, "p99", json_decimal(seen->p99));
	json_object_set_new(corrected, "p999", json_decimal(seen->p999));
	json_object_set_new(corrected, "max", json_decimal(seen->max));
	json_object_set_new(corrected, "mean", json_decimal(seen->mean));
	json_object_set_new(o, "corrected", corrected);
	json_object_set_new(o, "floor_ns", json_decimal(seen->floor));
	json_object_set_new(o, "cost_ns", json_decimal(seen->cost));
}

/* A single-stepped latency is none, and never told. */
static void write_lane(struct sink *s, const struct compare_lane *lane, bool final)
{
	json_t *o = json_object();
	char label[80];

	json_object_set_new(o, "type", json_string("histogram"));
	json_object_set_new(o, "call", json_text(compare_label_as_is(label, sizeof(label), lane)));
	json_object_set_new(o, "measured",
			    json_string(compare_in_process(lane) ? "in-process" : "probe"));
	json_object_set_new(o, "class", json_string(calibration_name(lane->class)));
	if (lane->group > 1)
		json_object_set_new(o, "group", json_count(lane->group));
	json_object_set_new(o, "count", json_count(lane->all.count));
	if (lane->disturbed)
		json_object_set_new(o, "disturbed",
				    json_pack("{s:o}", "count", json_count(lane->disturbed)));
	if (lane->failed)
		json_object_set_new(o, "failed", json_count(lane->failed));
	if (lane->all.count && lane->class != CALIBRATION_STEPPED)
		set_raw(o, lane);
	if (lane->all.count && lane->known)
		set_corrected(o, &lane->seen);
	json_object_set_new(o, "final", json_boolean(final));
	json_line(s->out, o);
}

/* ---- verdicts ---- */

static void set_numbers(json_t *o, const struct comparison *pair)
{
	const struct verdict *v = &pair->verdict;
	const struct verdict_lane *pool = &pair->pool->seen, *against = &pair->against->seen;

	json_object_set_new(o, "p50", pair_of(pool->p50, against->p50));
	json_object_set_new(o, "mean", pair_of(pool->mean, against->mean));
	json_object_set_new(o, "mean_of_fastest_99", pair_of(pool->low_mean, against->low_mean));
	json_object_set_new(o, "difference_ns", json_decimal(v->difference));
	json_object_set_new(o, "resolution_ns", json_decimal(v->resolution));
	if (v->kind == VERDICT_TOO_FEW)
		return;
	json_object_set_new(o, "p50_interval", interval(&pool->p50_in));
	json_object_set_new(o, "against_p50_interval", interval(&against->p50_in));
	json_object_set_new(o, "difference_interval", interval(&v->difference_in));
	if (v->has_ratio) {
		json_object_set_new(o, "ratio", json_decimal(v->ratio));
		json_object_set_new(o, "ratio_interval", interval(&v->ratio_in));
	}
	if (v->at_least > 0)
		json_object_set_new(o, "at_least", json_decimal(v->at_least));
	json_object_set_new(o, "method", json_string(compare_method()));
	json_object_set_new(o, "resamples", json_count(VERDICT_RESAMPLES));
}

static void write_verdict(struct sink *s, const struct comparison *pair, bool final)
{
	json_t *o = json_object();
	char sentence[COMPARE_SENTENCE];

	json_object_set_new(o, "type", json_string("verdict"));
	json_object_set_new(o, "pool", json_text(pair->pool->name));
	json_object_set_new(o, "op", json_string(compare_op(pair->pool->op)));
	json_object_set_new(o, "verdict", json_string(compare_verdict(pair)));
	if (pair->against) {
		json_object_set_new(o, "against", json_text(pair->against->name));
		json_object_set_new(o, "like_with_like", json_boolean(pair->alike));
		if (!pair->obstacle)
			set_numbers(o, pair);
	}
	json_object_set_new(o, "sentence", json_text(compare_sentence(sentence, pair)));
	json_object_set_new(o, "final", json_boolean(final));
	json_line(s->out, o);
}

static void write_nothing(struct sink *s, bool final)
{
	json_line(s->out, json_pack("{s:s,s:s,s:s,s:b}", "type", "verdict", "verdict",
				    "cannot-tell", "sentence", compare_nothing(), "final", final));
}

static void report(struct sink *s, const struct report *r)
{
	struct comparisons c;

	json_calibration(s, r);
	if (!compare_init(&c, r)) {
		for (size_t i = 0; i < c.lane_count; i++)
			write_lane(s, &c.lanes[i], r->final);
		for (size_t i = 0; i < c.pair_count; i++)
			write_verdict(s, &c.pairs[i], r->final);
		if (!c.pair_count)
			write_nothing(s, r->final);
	}
	compare_fini(&c);
	json_books(s, r);
}

const struct sink_ops json_compare_sink = {
	.command = "compare",
	.format = "json",
	.start = json_start,
	.tick = report,
	.finish = report,
};
