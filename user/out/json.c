// SPDX-License-Identifier: MIT
/* What every JSON output shares: text that is always valid, the start line, the books. */
#include "out/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define REAL_DIGITS \
	15 /* as many as every decimal fraction survives: 4.12, not 4.1200000000000001 */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length of what JSON can carry at `text`: a character, control characters included; 0: not
 * UTF-8. */
static size_t carried(const char *text)
{
	return (unsigned char)*text < 0x80 ? 1 : log_utf8_length(text);
}

static json_t *repaired(const char *text)
{
	char *clean = malloc(3 * strlen(text) + 1), *to = clean;
	json_t *json;

	if (!clean)
		return NULL;
	while (*text) {
		size_t n = carried(text);

		memcpy(to, n ? text : REPLACEMENT, n ? n : 3);
		to += n ? n : 3;
		text += n ? n : 1;
	}
	json = json_stringn_nocheck(clean, (size_t)(to - clean));
	free(clean);
	return json;
}

json_t *json_text(const char *text)
{
	for (const char *c = text; *c;) {
		size_t n = carried(c);

		if (!n)
			return repaired(text);
		c += n;
	}
	return json_string_nocheck(text);
}

json_t *json_address(uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	return json_string_nocheck(text);
}

json_t *json_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *frame(const struct sym_frame *f)
{
	json_t *o = json_object();

	if (f->function)
		json_object_set_new(o, "function", json_text(f->function));
	if (f->file) {
		json_object_set_new(o, "file", json_text(f->file));
		json_object_set_new(o, "line", json_integer(f->line));
		if (f->column)
			json_object_set_new(o, "column", json_integer(f->column));
	}
	json_object_set_new(o, "module", json_text(f->module));
	if (f->inlined)
		json_object_set_new(o, "inlined", json_true());
	else
		json_object_set_new(o, "offset", json_address(f->offset));
	json_object_set_new(o, "module_offset", json_address(f->module_offset));
	return o;
}

void json_append_frames(json_t *list, struct sym_stack stack)
{
	for (size_t i = 0; i < stack.count; i++)
		json_array_append_new(list, frame(&stack.frames[i]));
}

json_t *json_decimal(double value)
{
	double thousandths = round(value * 1000);

	if (fmod(thousandths, 1000) == 0 && fabs(value) < 1e15)
		return json_integer((json_int_t)(thousandths / 1000));
	return json_real(thousandths / 1000);
}

/* jansson's allocator is one for the whole program, and so is what became of it. */
static bool ran_short;

static void *take(size_t size)
{
	void *p = malloc(size);

	ran_short |= !p;
	return p;
}

void json_begin(void)
{
	json_set_alloc_funcs(take, free);
}

bool json_ran_short(void)
{
	return ran_short;
}

void json_members(FILE *out, json_t *object)
{
	json_dumpf(object, out, JSON_COMPACT | JSON_EMBED | JSON_REAL_PRECISION(REAL_DIGITS));
	json_decref(object);
}

/* No empty line when there was no memory for the object: that would be no JSON. */
void json_line(FILE *out, json_t *object)
{
	if (!object)
		return;
	json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	fputc('\n', out);
	json_decref(object);
}

void json_start(struct sink *s)
{
	const struct run_info *info = s->info;
	json_t *o, *targets, *functions;

	json_begin();
	o = json_object();
	targets = json_array();
	functions = json_array();
	json_object_set_new(o, "type", json_string("start"));
	json_object_set_new(o, "version", json_text(info->version));
	json_object_set_new(o, "kernel", json_text(info->kernel));
	for (size_t i = 0; i < info->target_count; i++)
		json_array_append_new(targets, json_integer(info->targets[i]));
	json_object_set_new(o, "targets", targets);
	for (size_t i = 0; i < info->function_count; i++) {
		if (info->traced >> i & 1)
			json_array_append_new(functions, json_text(info->functions[i]));
	}
	json_object_set_new(o, "functions", functions);
	json_object_set_new(o, "clock", json_string("monotonic"));
	json_object_set_new(o, "start_ns", json_count(info->start_ns));
	json_line(s->out, o);
}

static json_t *total(const struct event_totals *t, bool allocates)
{
	json_t *o = json_object();

	json_object_set_new(o, "count", json_count(t->count));
	if (allocates) {
		json_object_set_new(o, "bytes", json_count(t->bytes));
		json_object_set_new(o, "failed", json_count(t->failed));
	}
	if (t->null)
		json_object_set_new(o, "null", json_count(t->null));
	if (t->freed)
		json_object_set_new(o, "freed", json_count(t->freed));
	return o;
}

/* The allocations of a pool whose maker samples stand for more than themselves. */
static json_t *pool_total(const struct heap_pool *p)
{
	const struct event_totals allocs = heap_pool_allocs(p);
	uint64_t weighted = p->weighted_bytes + p->unsent.weighted_bytes;
	json_t *o = total(&allocs, true);

	if (weighted) {
		json_object_set_new(o, "weighted_bytes", json_count(weighted));
		json_object_set_new(o, "weighted_count",
				    json_real(p->weighted_count + p->unsent.weighted_count));
	}
	return o;
}

static json_t *sum(const json_t *a, const json_t *b)
{
	if (json_is_real(a) || json_is_real(b))
		return json_real(json_number_value(a) + json_number_value(b));
	return json_count((uint64_t)json_integer_value(a) + (uint64_t)json_integer_value(b));
}

/* Two names that differ in what is no UTF-8 are one when they have been repaired: their calls are
 * added up, so that none is missing. */
static void add_calls(json_t *all, const char *name, json_t *calls)
{
	json_t *key = json_text(name);
	json_t *same = json_object_get(all, json_string_value(key));

	if (!same)
		json_object_set(all, json_string_value(key), calls);
	for (void *i = json_object_iter(same); i; i = json_object_iter_next(same, i)) {
		const char *field = json_object_iter_key(i);

		json_object_set_new(calls, field,
				    sum(json_object_iter_value(i), json_object_get(calls, field)));
	}
	if (same)
		json_object_update(same, calls);
	json_decref(calls);
	json_decref(key);
}

static json_t *calls(const struct sink *s, const struct report *r)
{
	const struct heap *h = r->heap;
	json_t *o = json_object();
	char name[80];

	for (size_t i = 0; i < s->info->function_count; i++) {
		if (r->calls[i].count)
			json_object_set_new(o, s->info->functions[i],
					    total(&r->calls[i], !(s->info->frees >> i & 1)));
	}
	for (size_t i = 0; i < h->pool_count; i++) {
		const struct heap_pool *p = &h->pool_rows[i];
		const struct event_totals frees = heap_pool_frees(p);

		snprintf(name, sizeof(name), "%s:alloc", p->name);
		add_calls(o, name, pool_total(p));
		snprintf(name, sizeof(name), "%s:free", p->name);
		add_calls(o, name, total(&frees, false));
	}
	return o;
}

static json_t *live(const struct heap_live *l)
{
	return json_pack("{s:o,s:o}", "blocks", json_count(l->blocks), "bytes",
			 json_count(l->bytes));
}

static json_t *pools(const struct heap *h)
{
	json_t *all = json_array();

	for (size_t i = 0; i < h->pool_count; i++) {
		const struct heap_pool *p = &h->pool_rows[i];
		json_t *o = json_object();

		json_object_set_new(o, "name", json_text(p->name));
		json_object_set_new(o, "live", live(&p->live));
		json_object_set_new(o, "unmatched_frees", json_count(p->unmatched));
		json_object_set_new(o, "live_at_destroy", json_count(p->live_at_destroy));
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *lost(const struct report *r)
{
	const struct {
		const char *name;
		uint64_t count;
	} causes[] = {
		{"ring_full", r->counters[EVENT_LOST_RING_FULL]},
		{"map_full", r->counters[EVENT_LOST_MAP_FULL]},
		{"unpaired", r->counters[EVENT_LOST_UNPAIRED]},
		{"malformed", r->malformed},
		{"total", report_lost(r)},
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		json_object_set_new(o, causes[i].name, json_count(causes[i].count));
	return o;
}

static void set_live(json_t *o, const struct report *r)
{
	const struct heap *h = r->heap;

	json_object_set_new(o, "live", live(&h->live));
	if (!report_live_is_exact(r))
		json_object_set_new(o, "live_inexact", json_true());
	if (report_has_ended(r))
		json_object_set_new(o, "live_of_ended", live(&h->ended));
	if (h->sample_bytes)
		json_object_set_new(o, "live_estimated",
				    json_pack("{s:f,s:f}", "blocks", h->estimated_blocks, "bytes",
					      h->estimated_bytes));
	json_object_set_new(o, "unmatched_frees", json_count(h->unmatched_frees));
	if (h->inherited_frees)
		json_object_set_new(o, "inherited_frees", json_count(h->inherited_frees));
	json_object_set_new(o, "superseded", json_count(h->superseded));
}

/* What was counted and not shown, and how long it was so. */
static void set_pressure(json_t *o, const struct sink *s, const struct report *r)
{
	uint64_t now_ns = s->info->start_ns + r->elapsed_ns;

	if (r->counters[EVENT_COUNTED_ONLY])
		json_object_set_new(o, "counted_only", json_count(r->counters[EVENT_COUNTED_ONLY]));
	if (r->counters[EVENT_UNCOUNTED])
		json_object_set_new(o, "uncounted", json_count(r->counters[EVENT_UNCOUNTED]));
	if (!r->pressure || !r->pressure->times)
		return;
	json_object_set_new(
		o, "pressure",
		json_pack("{s:o,s:o,s:o}", "times", json_count(r->pressure->times), "sampled_ns",
			  json_count(pressure_lasted(r->pressure, EVENT_SAMPLED, now_ns)),
			  "counts_ns",
			  json_count(pressure_lasted(r->pressure, EVENT_COUNTS, now_ns))));
}

/* Stacks of events by how far they are to be believed. */
static void set_stacks(json_t *o, const struct stacks *seen)
{
	json_t *stacks = json_object();

	json_object_set_new(stacks, "complete", json_count(seen->seen[EVENT_COMPLETE]));
	json_object_set_new(stacks, "truncated", json_count(seen->seen[EVENT_TRUNCATED]));
	json_object_set_new(stacks, "guessed", json_count(seen->seen[EVENT_GUESSED]));
	json_object_set_new(stacks, "call_site", json_count(seen->seen[EVENT_CALL_SITE]));
	json_object_set_new(stacks, "distinct", json_count(seen->by_id.count));
	if (seen->refused)
		json_object_set_new(stacks, "refused", json_count(seen->refused));
	if (seen->unknown)
		json_object_set_new(stacks, "unknown", json_count(seen->unknown));
	json_object_set_new(o, "stacks", stacks);
}

static void set_late(json_t *o, const struct report *r)
{
	if (!r->late)
		return;
	json_object_set_new(o, "late_probes", json_count(r->late));
	json_object_set_new(o, "late_ns", json_count(r->late_ns));
}

/* Found, each once, and how often it was seen. */
static void set_findings(json_t *o, const struct findings *found)
{
	json_t *told = json_object(), *seen = json_object();

	for (enum finding_check i = 0; i < FINDING_NR_CHECKS; i++) {
		if (!found->told[i])
			continue;
		json_object_set_new(told, finding_name(i), json_count(found->told[i]));
		json_object_set_new(seen, finding_name(i), json_count(found->seen[i]));
	}
	if (json_object_size(told)) {
		json_object_set(o, "findings", told);
		json_object_set(o, "findings_seen", seen);
	}
	json_decref(told);
	json_decref(seen);
	if (found->doubtful)
		json_object_set_new(o, "findings_doubtful", json_count(found->doubtful));
	if (found->refused)
		json_object_set_new(o, "findings_refused", json_count(found->refused));
}

void json_calibration(struct sink *s, const struct report *r)
{
	for (int i = 0; r->calibration && i < CALIBRATION_NR; i++) {
		const struct calibration_window *w = &r->calibration->windows[i];
		json_t *o;

		if (!w->hits)
			continue;
		o = json_object();
		json_object_set_new(o, "type", json_string("calibration"));
		json_object_set_new(o, "class", json_string(calibration_name(i)));
		json_object_set_new(o, "hits", json_count(w->hits));
		json_object_set_new(o, "p5", json_decimal(w->p5));
		json_object_set_new(o, "p50", json_decimal(w->p50));
		json_object_set_new(o, "p95", json_decimal(w->p95));
		json_object_set_new(o, "p99", json_decimal(w->p99));
		json_object_set_new(o, "mean", json_decimal(w->mean));
		json_object_set_new(o, "final", json_boolean(r->final));
		json_line(s->out, o);
	}
}

void json_books(struct sink *s, const struct report *r)
{
	const struct heap *h = r->heap;
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string(r->final ? "summary" : "interim"));
	json_object_set_new(o, "elapsed_ns", json_count(r->elapsed_ns));
	json_object_set_new(o, "calls", calls(s, r));
	if (s->info->live_known)
		set_live(o, r);
	if (s->info->sample_bytes) {
		json_object_set_new(o, "sample_bytes", json_count(s->info->sample_bytes));
		json_object_set_new(o, "calls_counted", json_count(report_calls(r, s->info)));
	}
	if (h->pool_count && !s->info->adds_up)
		json_object_set_new(o, "pools", pools(h));
	set_findings(o, &h->findings);
	json_object_set_new(o, "lost", lost(r));
	json_object_set_new(o, "unreadable_stacks",
			    json_count(r->counters[EVENT_UNREADABLE_STACK]));
	if (r->counters[EVENT_MAIN_LEFT])
		json_object_set_new(o, "main_left", json_count(r->counters[EVENT_MAIN_LEFT]));
	if (r->counters[EVENT_UNTRACKED])
		json_object_set_new(o, "untracked", json_count(r->counters[EVENT_UNTRACKED]));
	if (r->counters[EVENT_UNFOLLOWED])
		json_object_set_new(o, "unfollowed", json_count(r->counters[EVENT_UNFOLLOWED]));
	if (h->refused)
		json_object_set_new(o, "blocks_refused", json_count(h->refused));
	set_pressure(o, s, r);
	set_late(o, r);
	if (r->stacks)
		set_stacks(o, r->stacks);
	json_object_set_new(o, "in_flight", json_count(r->in_flight));
	json_object_set_new(o, "entered", json_count(r->counters[EVENT_ENTERED]));
	json_object_set_new(o, "events", json_count(r->events));
	if (h->ignored)
		json_object_set_new(o, "ignored", json_count(h->ignored));
	if (r->fate)
		json_object_set_new(o, "command", json_text(r->fate));
	json_line(s->out, o);
	fflush(s->out);
}
