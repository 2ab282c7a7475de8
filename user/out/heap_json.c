// SPDX-License-Identifier: MIT
/*
 * The reports on the heap as JSON lines: the sums, then a line for each call site, the greatest
 * first, all of them: what is cut for eyes is not cut for programs. `sizes` has a line for each
 * class of sizes instead.
 *
 *	{"type":"heap","report":"leaks","live":{"blocks":312,"bytes":1289748},…}
 *	{"type":"site","report":"leaks","blocks":300,"bytes":1258291,"oldest_ns":12300000000,…}
 *	{"type":"size","size_min":17,"size_max":32,"allocations":9000,…}
 *
 * Times that are durations or ages end with _ns; moments are told as the time since the start,
 * and end with _after_ns.
 */
#include <stdlib.h>
#include <string.h>

#include "core/stack.h"
#include "out/gap.h"
#include "out/json.h"
#include "out/sites.h"

static json_t *counts(struct profile_counts c)
{
	return json_pack("{s:o,s:o}", "blocks", json_count(c.blocks), "bytes", json_count(c.bytes));
}

static json_t *since_start(const struct sink *s, uint64_t ns)
{
	uint64_t start_ns = s->info->start_ns;

	return json_count(ns > start_ns ? ns - start_ns : 0);
}

/* By decade, only those in which there are any. */
static json_t *lifetimes(const uint64_t *decades)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < PROFILE_LIFETIMES; i++) {
		json_t *o;

		if (!decades[i])
			continue;
		o = json_object();
		if (profile_lifetime_limit(i) != UINT64_MAX)
			json_object_set_new(o, "below_ns", json_count(profile_lifetime_limit(i)));
		json_object_set_new(o, "count", json_count(decades[i]));
		json_array_append_new(list, o);
	}
	return list;
}

/* How the blocks ended that did. */
static void set_ends(json_t *o, const struct profile_site *c)
{
	json_object_set_new(o, "freed", json_count(c->freed));
	json_object_set_new(o, "temporary", json_count(c->temporary));
	if (!c->freed)
		return;
	json_object_set_new(o, "freed_elsewhere", json_count(c->freed_elsewhere));
	json_object_set_new(o, "lifetime_mean_ns", json_count(c->lifetime_ns / c->freed));
	json_object_set_new(o, "lifetime_max_ns", json_count(c->longest_ns));
	json_object_set_new(o, "lifetimes", lifetimes(c->lifetimes));
}

/* What a site and the sums have in common. */
static void set_site(json_t *o, const struct sink *s, const struct profile_site *c)
{
	json_object_set_new(o, "allocations", json_count(c->allocated.blocks));
	json_object_set_new(o, "allocated_bytes", json_count(c->allocated.bytes));
	json_object_set_new(o, "failed", json_count(c->failed));
	json_object_set_new(o, "live", counts(c->live));
	if (c->ended.blocks)
		json_object_set_new(o, "live_of_ended", counts(c->ended));
	set_ends(o, c);
	if (c->reallocs) {
		json_object_set_new(o, "reallocs", json_count(c->reallocs));
		json_object_set_new(o, "moved", json_count(c->moved));
		json_object_set_new(o, "moved_bytes", json_count(c->moved_bytes));
		json_object_set_new(o, "moves_in_a_row", json_count(c->chain));
	}
	if (c->allocated.blocks) {
		json_object_set_new(o, "smallest", json_count(c->smallest));
		json_object_set_new(o, "largest", json_count(c->largest));
		json_object_set_new(o, "first_after_ns", since_start(s, c->first_ns));
		json_object_set_new(o, "last_after_ns", since_start(s, c->last_ns));
	}
	if (c->latency_count) {
		json_object_set_new(o, "latency_mean_ns",
				    json_count(c->latency_ns / c->latency_count));
		json_object_set_new(o, "latency_max_ns", json_count(c->latency_max));
	}
}

/* ---- sites ---- */

static json_t *path(const struct tree *t, uint32_t node)
{
	json_t *list = json_array();

	for (; node; node = t->nodes[node].parent) {
		size_t at = json_array_size(list);

		json_append_frames(list, (struct sym_stack){1, &t->nodes[node].frame});
		if (t->nodes[node].interrupted)
			json_object_set_new(json_array_get(list, at), "signal", json_true());
	}
	return list;
}

/* Of a call without a caller there is neither. */
static void set_stack(json_t *o, const struct sink *s, const struct site_place *place)
{
	const struct sites *all = s->state;
	const char *why = stack_why_text(place->why);

	if (!place->node)
		return;
	json_object_set_new(o, "stack", path(&all->tree, place->node));
	if (!s->info->stacks)
		return;
	json_object_set_new(o, "stack_grade", json_string(stack_grade_name(place->grade)));
	if (why)
		json_object_set_new(o, "stack_why", json_string(why));
}

static void write_site(struct sink *s, const struct report *r, const struct site_row *row)
{
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string("site"));
	json_object_set_new(o, "report", json_string(s->ops->command));
	if (row->pool)
		json_object_set_new(o, "pool", json_text(row->pool));
	if (!strcmp(s->ops->command, "leaks")) {
		json_object_set_new(o, "blocks", json_count(row->leak.old.blocks));
		json_object_set_new(o, "bytes", json_count(row->leak.old.bytes));
		json_object_set_new(o, "oldest_ns", json_count(site_row_age(row, s, r)));
	}
	set_site(o, s, row->counts);
	json_object_set_new(o, "at_peak", counts(row->at_peak));
	set_stack(o, s, row->place);
	json_object_set_new(o, "final", json_boolean(r->final));
	json_line(s->out, o);
}

static void write_sites(struct sink *s, const struct report *r)
{
	size_t count;
	struct site_row *rows = sites_list(s->state, s, r, &count);

	for (size_t i = 0; i < count; i++)
		write_site(s, r, &rows[i]);
	free(rows);
}

/* ---- sums ---- */

static void write_sums(struct sink *s, const struct report *r)
{
	const struct sites *all = s->state;
	const struct profile *p = &all->profile;
	json_t *o = json_object(), *peak;

	json_object_set_new(o, "type", json_string("heap"));
	json_object_set_new(o, "report", json_string(s->ops->command));
	json_object_set_new(o, "older_ns", json_count(p->older_ns));
	json_object_set_new(o, "within", json_count(p->within));
	set_site(o, s, &p->all);
	if (p->peak_ns) {
		peak = counts(p->all.at_peak);
		json_object_set_new(peak, "after_ns", since_start(s, p->peak_ns));
		json_object_set_new(o, "peak", peak);
	}
	if (p->refused)
		json_object_set_new(o, "blocks_without_site", json_count(p->refused));
	if (all->refused || all->tree.refused)
		json_object_set_new(o, "stacks_refused",
				    json_count(all->refused + all->tree.refused));
	json_object_set_new(o, "final", json_boolean(r->final));
	json_line(s->out, o);
}

static void report(struct sink *s, const struct report *r)
{
	write_sums(s, r);
	write_sites(s, r);
	if (r->memory)
		gap_write_json(s, r->memory);
	json_books(s, r);
}

/* ---- sizes ---- */

static void write_size(struct sink *s, const struct report *r, unsigned int class)
{
	const struct sites *all = s->state;
	const struct profile_size *c = &all->profile.sizes[class];
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string("size"));
	json_object_set_new(o, "size_min",
			    json_count(class ? profile_size_limit(class - 1) + 1 : 0));
	json_object_set_new(o, "size_max", json_count(profile_size_limit(class)));
	json_object_set_new(o, "allocations", json_count(c->allocated.blocks));
	json_object_set_new(o, "allocated_bytes", json_count(c->allocated.bytes));
	json_object_set_new(o, "live", counts(c->live));
	json_object_set_new(o, "freed", json_count(c->freed));
	json_object_set_new(o, "temporary", json_count(c->temporary));
	if (c->freed)
		json_object_set_new(o, "lifetime_mean_ns", json_count(c->lifetime_ns / c->freed));
	json_object_set_new(o, "final", json_boolean(r->final));
	json_line(s->out, o);
}

static void report_sizes(struct sink *s, const struct report *r)
{
	const struct sites *all = s->state;

	write_sums(s, r);
	for (unsigned int i = 0; i < PROFILE_SIZES; i++) {
		if (all->profile.sizes[i].allocated.blocks)
			write_size(s, r, i);
	}
	json_books(s, r);
}

static void start(struct sink *s)
{
	sites_start(s);
	json_start(s);
}

#define JSON_SINK(name, writes)                      \
	const struct sink_ops json_##name##_sink = { \
		.command = #name,                    \
		.format = "json",                    \
		.state_size = sizeof(struct sites),  \
		.start = start,                      \
		.event = sites_event,                \
		.tick = (writes),                    \
		.finish = (writes),                  \
		.fini = sites_fini,                  \
	}

JSON_SINK(leaks, report);
JSON_SINK(hot, report);
JSON_SINK(temporary, report);
JSON_SINK(peak, report);
JSON_SINK(sizes, report_sizes);
