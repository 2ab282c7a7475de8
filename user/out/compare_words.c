// SPDX-License-Identifier: MIT
/*
 * The outcome in words. A sentence never says more than the data: no ratio with something at its
 * floor, no winner where chance or the resolution may be all there is.
 */
#include "out/compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/log.h"

/* ---- quantities ---- */

struct scale {
	double ns;
	const char *unit;
};

static struct scale scale_of(double ns)
{
	static const struct scale scales[] = {{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}};
	size_t i = 0;

	while (i < 3 && fabs(ns) >= 999.5 * scales[i].ns)
		i++;
	return scales[i];
}

/* Three digits, but no less than a thousandth. */
static int digits_of(double ns, struct scale scale)
{
	double value = fabs(ns / scale.ns);

	if (value > 0 && value < 0.0995)
		return 3;
	return value == 0 || value >= 99.95 ? 0 : value < 9.995 ? 2 : 1;
}

/* What is certain within an interval: tenths of a ns, unless the interval is narrower. */
static int certain_digits(const struct verdict_interval *in, struct scale scale)
{
	double size = fmax(fabs(in->low), fabs(in->high)), width = (in->high - in->low) / scale.ns;
	int digits = digits_of(size, scale);

	if (scale.ns > 1 || size < 0.995 || size > 9.995)
		return digits;
	return width < 0.2 ? 2 : 1;
}

static const char *number(char *buf, double ns, struct scale scale, int decimals)
{
	snprintf(buf, 16, "%.*f", decimals, ns / scale.ns);
	return buf;
}

const char *compare_quantity(char *buf, double ns, const char *gap)
{
	struct scale scale = scale_of(ns);
	char text[16];

	snprintf(buf, 24, "%s%s%s", number(text, ns, scale, digits_of(ns, scale)), gap, scale.unit);
	return buf;
}

const char *compare_with_interval(char *buf, double ns, const struct verdict_interval *in,
				  const char *gap)
{
	struct scale scale = scale_of(ns);
	int decimals = certain_digits(in, scale);
	char at[16], low[16], high[16];

	snprintf(buf, 64, "%s%s%s [%s, %s]", number(at, ns, scale, decimals), gap, scale.unit,
		 number(low, in->low, scale, decimals), number(high, in->high, scale, decimals));
	return buf;
}

/* "2.9", and "1.04" where the first digit behind the point says too little. */
static const char *ratio(char *buf, double value)
{
	snprintf(buf, 16, "%.*f", value < 1.195 ? 2 : value < 99.95 ? 1 : 0, value);
	return buf;
}

/* ---- names ---- */

const char *compare_op(enum lane_op op)
{
	static const char *const names[] = {
		[LANE_CALL] = "call",
		[LANE_POOL_ALLOC] = "alloc",
		[LANE_POOL_FREE] = "free",
		[LANE_POOL_PAIR] = "pair",
	};

	return names[op];
}

const char *compare_label_as_is(char *buf, size_t len, const struct compare_lane *lane)
{
	if (compare_in_process(lane))
		snprintf(buf, len, "%s:%s", lane->name, compare_op(lane->op));
	else
		snprintf(buf, len, "%s", lane->name);
	return buf;
}

const char *compare_label(char *buf, const struct compare_lane *lane)
{
	char raw[80];

	return log_quote(buf, COMPARE_LABEL, compare_label_as_is(raw, sizeof(raw), lane));
}

const char *compare_how(char *buf, const struct compare_lane *lane)
{
	if (!compare_in_process(lane))
		snprintf(buf, 24, "%s%s",
			 lane->class == CALIBRATION_STEPPED ? "single-" : "probe on ",
			 calibration_name(lane->class));
	else if (lane->group > 1)
		snprintf(buf, 24, "inside, by %" PRIu32, lane->group);
	else
		snprintf(buf, 24, "inside");
	return buf;
}

/* ---- sentences ---- */

const char *compare_nothing(void)
{
	return "cannot compare: no call of a pool was timed (pools announce themselves through "
	       "alloctrace/pool.h)";
}

const char *compare_method(void)
{
	return "circular block bootstrap over slices of time, expanded percentiles";
}

const char *compare_verdict(const struct comparison *pair)
{
	static const char *const names[] = {
		[VERDICT_FASTER] = "faster",          [VERDICT_SLOWER] = "slower",
		[VERDICT_UNRESOLVED] = "cannot-tell", [VERDICT_CHANCE] = "cannot-tell",
		[VERDICT_TOO_FEW] = "too-few",
	};

	return pair->obstacle ? "cannot-tell" : names[pair->verdict.kind];
}

/* A sentence under way. */
struct words {
	char *text;
	size_t used;
};

static void say(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct words *w, const char *format, ...)
{
	size_t room = COMPARE_SENTENCE - w->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->used, room, format, args);
	va_end(args);
	if (n > 0)
		w->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void say_label(struct words *w, const struct compare_lane *lane)
{
	char label[COMPARE_LABEL];

	say(w, "%s", compare_label(label, lane));
}

/* What malloc does is the allocation itself: "malloc" says it, however it was timed. */
static void say_against(struct words *w, const struct compare_lane *lane)
{
	if (lane->op == LANE_POOL_ALLOC)
		say(w, "%s", lane->name);
	else
		say_label(w, lane);
}

static void say_p50(struct words *w, const struct verdict_lane *lane)
{
	char text[64];

	if (lane->p50 <= lane->floor)
		say(w, "at most %s (its floor)", compare_quantity(text, lane->floor, " "));
	else
		say(w, "%s", compare_with_interval(text, lane->p50, &lane->p50_in, " "));
}

/* The difference and its interval, turned so that it is above 0. */
static double distance(const struct verdict *v, struct verdict_interval *in)
{
	*in = v->difference_in;
	if (v->difference < 0)
		*in = (struct verdict_interval){-v->difference_in.high, -v->difference_in.low};
	return fabs(v->difference);
}

/* "2.9× faster than malloc at p50", "at least 20× …", or by how many ns. */
static void say_how_much(struct words *w, const struct comparison *pair)
{
	const struct verdict *v = &pair->verdict;
	const char *way = v->kind == VERDICT_FASTER ? "faster" : "slower";
	struct verdict_interval in;
	char text[64];

	if (v->has_ratio)
		say(w, "%s× ", ratio(text, v->kind == VERDICT_FASTER ? v->ratio : 1 / v->ratio));
	else if (v->at_least > 0)
		say(w, "at least %s× ", ratio(text, floor(10 * v->at_least) / 10));
	say(w, "%s than ", way);
	say_against(w, pair->against);
	say(w, " at p50");
	if (!v->has_ratio && v->at_least <= 0) {
		double ns = distance(v, &in);

		say(w, " by %s", compare_with_interval(text, ns, &in, " "));
	}
}

static void say_winner(struct words *w, const struct comparison *pair)
{
	say_label(w, pair->pool);
	say(w, " is ");
	say_how_much(w, pair);
	say(w, ": ");
	say_p50(w, &pair->pool->seen);
	say(w, " against ");
	say_p50(w, &pair->against->seen);
}

/* Several operations between two looks at the clock share its cost and its floor. */
static bool is_grouped(const struct compare_lane *lane)
{
	return compare_in_process(lane) && lane->group > 1;
}

static void say_unresolved(struct words *w, const struct comparison *pair)
{
	char difference[24], resolution[24];

	say(w, "the difference, %s, is under the resolution of %s",
	    compare_quantity(difference, fabs(pair->verdict.difference), " "),
	    compare_quantity(resolution, pair->verdict.resolution, " "));
	if (!is_grouped(pair->pool) || !is_grouped(pair->against))
		say(w, "; measure inside the process with ALLOCTRACE_TIMER (alloctrace/pool.h)");
}

static void say_chance(struct words *w, const struct verdict *v)
{
	struct verdict_interval in;
	double ns = distance(v, &in);
	struct scale scale = scale_of(fmax(fabs(in.low), fabs(in.high)));
	int decimals = certain_digits(&in, scale);
	char text[24], low[16], high[16];

	say(w, "the difference, %s, may be chance (95 %% interval %s .. %s %s)",
	    compare_quantity(text, ns, " "), number(low, in.low, scale, decimals),
	    number(high, in.high, scale, decimals), scale.unit);
}

static void say_too_few(struct words *w, const struct comparison *pair)
{
	const struct compare_lane *lane = pair->pool->seen.enough ? pair->against : pair->pool;

	say_label(w, lane);
	say(w, " was timed %" PRIu64 " time%s, in %zu of %d slices of time; %d in %d are needed",
	    lane->seen.count, lane->seen.count == 1 ? "" : "s", lane->seen.slices, LANE_SLICES,
	    VERDICT_MIN_COUNT, VERDICT_MIN_SLICES);
}

static void say_alone(struct words *w, const struct compare_lane *pool)
{
	say(w, "cannot compare ");
	say_label(w, pool);
	if (pool->op == LANE_POOL_PAIR)
		say(w, ": no pool named malloc has timed pairs");
	else
		say(w, ": %s was not timed", pool->op == LANE_POOL_ALLOC ? "malloc" : "free");
}

static void say_cannot_tell(struct words *w, const struct comparison *pair)
{
	say_label(w, pair->pool);
	say(w, " against ");
	say_against(w, pair->against);
	say(w, ": cannot tell: ");
	if (pair->obstacle == COMPARE_STEPPED)
		say(w, "the probe's instruction had to be single-stepped, which hides the latency");
	else if (pair->obstacle == COMPARE_UNCALIBRATED)
		say(w, "what measuring costs by itself is not known");
	else if (pair->verdict.kind == VERDICT_UNRESOLVED)
		say_unresolved(w, pair);
	else if (pair->verdict.kind == VERDICT_CHANCE)
		say_chance(w, &pair->verdict);
	else
		say_too_few(w, pair);
}

/* Where the calls come in kinds (with and without a fight for a lock, say), the median is of one
 * kind alone, and what they cost together is another matter. */
#define APART 1.5

static void say_average(struct words *w, const struct comparison *pair)
{
	const struct verdict_lane *pool = &pair->pool->seen, *against = &pair->against->seen;
	double by_mean, by_median;
	char text[16], first[24], second[24];

	if (pool->low_mean <= pool->floor || against->low_mean <= against->floor ||
	    pool->p50 <= pool->floor || against->p50 <= against->floor)
		return;
	by_mean = against->low_mean / pool->low_mean;
	by_median = against->p50 / pool->p50;
	if (fmax(by_mean / by_median, by_median / by_mean) < APART)
		return;
	say(w, "; by the mean of the fastest 99 %% it is %s× %s: %s against %s",
	    ratio(text, by_mean > 1 ? by_mean : 1 / by_mean), by_mean > 1 ? "faster" : "slower",
	    compare_quantity(first, pool->low_mean, " "),
	    compare_quantity(second, against->low_mean, " "));
}

const char *compare_sentence(char *buf, const struct comparison *pair)
{
	struct words w = {.text = buf};
	enum verdict_kind kind = pair->verdict.kind;

	if (pair->obstacle == COMPARE_ALONE)
		say_alone(&w, pair->pool);
	else if (!pair->obstacle && (kind == VERDICT_FASTER || kind == VERDICT_SLOWER))
		say_winner(&w, pair);
	else
		say_cannot_tell(&w, pair);
	if (!pair->obstacle && kind != VERDICT_TOO_FEW)
		say_average(&w, pair);
	return buf;
}

const char *compare_caution(char *buf, const struct comparison *pair)
{
	struct words w = {.text = buf};

	if (pair->alike || !pair->against)
		return NULL;
	say(&w, "not like with like: ");
	say_label(&w, pair->pool);
	say(&w, " was timed inside the process, ");
	say_label(&w, pair->against);
	say(&w, " by probes");
	return buf;
}
