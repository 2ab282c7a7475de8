// SPDX-License-Identifier: MIT
/*
 * Two runs as JSON lines: the start, a line for each call site that has changed, all of them, and
 * the sums last.
 *
 *	{"type":"change","change":"grown","path":["main","message_new"],"location":"…",
 *	 "before":{"allocations":9,…},"after":{…}}
 *	{"type":"diff","before":{"elapsed_ns":…,…},"after":{…},"changed":3,"same":12}
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "out/diff.h"
#include "out/json.h"

static json_t *counts(struct profile_counts c)
{
	return json_pack("{s:o,s:o}", "blocks", json_count(c.blocks), "bytes", json_count(c.bytes));
}

static json_t *figures(const struct diff_figures *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "allocations", json_count(f->allocated.blocks));
	json_object_set_new(o, "allocated_bytes", json_count(f->allocated.bytes));
	json_object_set_new(o, "live", counts(f->live));
	json_object_set_new(o, "at_peak", counts(f->at_peak));
	json_object_set_new(o, "temporary", json_count(f->temporary));
	json_object_set_new(o, "failed", json_count(f->failed));
	if (f->latency_count)
		json_object_set_new(o, "latency_mean_ns",
				    json_count(f->latency_ns / f->latency_count));
	return o;
}

/* The outermost frame first. */
static json_t *names(const char *path)
{
	json_t *list = json_array();
	char *copy = strdup(path), *rest = copy;

	while (rest)
		json_array_append_new(list, json_text(strsep(&rest, ";")));
	free(copy);
	return list;
}

static void write_row(struct sink *s, const struct diff_row *row)
{
	const struct diff_site *site = row->site;
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string("change"));
	json_object_set_new(o, "change", json_string(diff_change_name(diff_change(row))));
	json_object_set_new(o, "path", names(site->path));
	json_object_set_new(o, "location", json_text(site->place));
	if (site->pooled)
		json_object_set_new(o, "pooled", json_true());
	if (row->before)
		json_object_set_new(o, "before", figures(&row->before->figures));
	if (row->after)
		json_object_set_new(o, "after", figures(&row->after->figures));
	json_line(s->out, o);
}

static json_t *sums(const struct diff_side *side)
{
	json_t *o = figures(&side->all);

	json_object_set_new(o, "elapsed_ns", json_count(side->elapsed_ns));
	json_object_set_new(o, "exact", json_boolean(side->exact));
	return o;
}

int diff_json_write(struct sink *s, const struct diff_side *before, const struct diff_side *after)
{
	size_t count, same;
	struct diff_row *rows = diff_rows(before, after, &count, &same);
	json_t *o;

	if (!rows && count)
		return -ENOMEM;
	json_start(s);
	for (size_t i = 0; i < count; i++)
		write_row(s, &rows[i]);
	o = json_object();
	json_object_set_new(o, "type", json_string("diff"));
	json_object_set_new(o, "before", sums(before));
	json_object_set_new(o, "after", sums(after));
	json_object_set_new(o, "changed", json_count(count));
	json_object_set_new(o, "same", json_count(same));
	json_line(s->out, o);
	free(rows);
	fflush(s->out);
	return 0;
}
