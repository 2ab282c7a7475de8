// SPDX-License-Identifier: MIT
/* What a run adds up to by path, and two of them side by side. */
#include "out/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "out/folded.h"
#include "out/location.h"

struct state {
	struct sites sites; /* first: the slots of sites.h know it alone */
	struct diff_side side;
	bool failed; /* for want of memory */
};

/* ---- one run ---- */

static struct diff_figures figures_of(const struct profile_site *c, struct profile_counts at_peak)
{
	return (struct diff_figures){
		.allocated = c->allocated,
		.live = c->live,
		.at_peak = at_peak,
		.temporary = c->temporary,
		.failed = c->failed,
		.latency_count = c->latency_count,
		.latency_ns = c->latency_ns,
	};
}

static void add_counts(struct profile_counts *sum, struct profile_counts c)
{
	sum->blocks += c.blocks;
	sum->bytes += c.bytes;
}

static void add_figures(struct diff_figures *sum, const struct diff_figures *f)
{
	add_counts(&sum->allocated, f->allocated);
	add_counts(&sum->live, f->live);
	add_counts(&sum->at_peak, f->at_peak);
	sum->temporary += f->temporary;
	sum->failed += f->failed;
	sum->latency_count += f->latency_count;
	sum->latency_ns += f->latency_ns;
}

static void write_path(FILE *out, const struct sites *all, const struct site_row *row)
{
	if (row->pool)
		folded_pool_write(out, row->pool);
	folded_path_write(out, &all->tree, row->place->node, true);
}

static void write_place(FILE *out, const struct sites *all, const struct site_row *row)
{
	if (row->place->node)
		location_write(out, &all->tree.nodes[row->place->node].frame, false);
	else
		fputs("(unreadable stack)", out);
}

/* NULL: no memory. */
static char *text_of(void (*write)(FILE *out, const struct sites *all, const struct site_row *row),
		     const struct sites *all, const struct site_row *row)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	bool failed;

	if (!out)
		return NULL;
	write(out, all, row);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static bool add_site(struct diff_side *side, const struct sites *all, const struct site_row *row)
{
	struct diff_site *site = &side->sites[side->count];

	*site = (struct diff_site){
		.path = text_of(write_path, all, row),
		.place = text_of(write_place, all, row),
		.pooled = row->pool != NULL,
		.figures = figures_of(row->counts, row->at_peak),
	};
	side->count++;
	return site->path && site->place;
}

static int compare_paths(const void *a, const void *b)
{
	const struct diff_site *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order ? order : strcmp(x->place, y->place);
}

/* What differs in its lines alone; the place of the first is that of all. */
static void merge_paths(struct diff_side *side)
{
	size_t kept = 0;

	for (size_t i = 0; i < side->count; i++) {
		struct diff_site *last = kept ? &side->sites[kept - 1] : NULL;
		struct diff_site *next = &side->sites[i];

		if (last && !strcmp(last->path, next->path)) {
			add_figures(&last->figures, &next->figures);
			free(next->path);
			free(next->place);
			continue;
		}
		side->sites[kept++] = *next;
	}
	side->count = kept;
}

static void finish(struct sink *s, const struct report *r)
{
	struct state *state = s->state;
	struct diff_side *side = &state->side;
	size_t count;
	struct site_row *rows = sites_rows(&state->sites, s, r, "hot", &count);

	side->elapsed_ns = r->elapsed_ns;
	side->exact = report_live_is_exact(r);
	side->all = figures_of(&state->sites.profile.all, state->sites.profile.all.at_peak);
	state->failed = !rows && count;
	if (!rows)
		return;
	side->sites = calloc(count, sizeof(side->sites[0]));
	state->failed = !side->sites;
	for (size_t i = 0; i < count && !state->failed; i++)
		state->failed = !add_site(side, &state->sites, &rows[i]);
	if (!state->failed && side->count) {
		qsort(side->sites, side->count, sizeof(side->sites[0]), compare_paths);
		merge_paths(side);
	}
	free(rows);
}

int diff_take(struct sink *s, struct diff_side *side)
{
	struct state *state = s->state;

	*side = state->side;
	state->side = (struct diff_side){0};
	return state->failed ? -ENOMEM : 0;
}

void diff_side_fini(struct diff_side *side)
{
	for (size_t i = 0; i < side->count; i++) {
		free(side->sites[i].path);
		free(side->sites[i].place);
	}
	free(side->sites);
	*side = (struct diff_side){0};
}

static void fini(struct sink *s)
{
	struct state *state = s->state;

	diff_side_fini(&state->side);
	sites_fini(s);
}

/* ---- two of them ---- */

static int64_t difference(uint64_t before, uint64_t after)
{
	return (int64_t)(after - before);
}

static const struct diff_figures *figures(const struct diff_site *site)
{
	static const struct diff_figures none;

	return site ? &site->figures : &none;
}

enum diff_change diff_change(const struct diff_row *row)
{
	const struct diff_figures *b = figures(row->before), *a = figures(row->after);
	const int64_t differences[] = {
		difference(b->live.bytes, a->live.bytes),
		difference(b->allocated.bytes, a->allocated.bytes),
		difference(b->live.blocks, a->live.blocks),
		difference(b->allocated.blocks, a->allocated.blocks),
		difference(b->failed, a->failed),
	};

	if (!row->before)
		return DIFF_NEW;
	if (!row->after)
		return DIFF_GONE;
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		if (differences[i])
			return differences[i] > 0 ? DIFF_GROWN : DIFF_SHRUNK;
	}
	return DIFF_SAME;
}

const char *diff_change_name(enum diff_change change)
{
	static const char *const names[] = {
		[DIFF_SAME] = "same",   [DIFF_NEW] = "new",       [DIFF_GONE] = "gone",
		[DIFF_GROWN] = "grown", [DIFF_SHRUNK] = "shrunk",
	};

	return names[change];
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_rows(const void *left, const void *right)
{
	const struct diff_row *x = left, *y = right;
	const struct diff_figures *xb = figures(x->before), *xa = figures(x->after);
	const struct diff_figures *yb = figures(y->before), *ya = figures(y->after);
	int order = (int)x->site->pooled - (int)y->site->pooled;

	order = order ? order
		      : compare_numbers(distance(ya->live.bytes, yb->live.bytes),
					distance(xa->live.bytes, xb->live.bytes));
	order = order ? order
		      : compare_numbers(distance(ya->allocated.bytes, yb->allocated.bytes),
					distance(xa->allocated.bytes, xb->allocated.bytes));
	return order ? order : strcmp(x->site->path, y->site->path);
}

/* The next path of both, by name. */
static struct diff_row next_row(const struct diff_side *before, const struct diff_side *after,
				size_t *i, size_t *k)
{
	struct diff_row row = {0};
	int order = 0;

	if (*i == before->count)
		order = 1;
	else if (*k == after->count)
		order = -1;
	else
		order = strcmp(before->sites[*i].path, after->sites[*k].path);
	if (order <= 0)
		row.before = &before->sites[(*i)++];
	if (order >= 0)
		row.after = &after->sites[(*k)++];
	row.site = row.after ? row.after : row.before;
	return row;
}

struct diff_row *diff_rows(const struct diff_side *before, const struct diff_side *after,
			   size_t *count, size_t *same)
{
	size_t most = before->count + after->count, i = 0, k = 0;
	struct diff_row *rows = calloc(most ? most : 1, sizeof(rows[0]));

	*same = 0;
	*count = rows ? 0 : most;
	while (rows && (i < before->count || k < after->count)) {
		rows[*count] = next_row(before, after, &i, &k);
		if (diff_change(&rows[*count]) == DIFF_SAME)
			(*same)++;
		else
			(*count)++;
	}
	if (rows && *count) {
		qsort(rows, *count, sizeof(rows[0]), compare_rows);
		return rows;
	}
	free(rows);
	return NULL;
}

int diff_write(struct sink *s, const struct diff_side *before, const struct diff_side *after)
{
	return strcmp(s->ops->format, "json") ? diff_text_write(s, before, after)
					      : diff_json_write(s, before, after);
}

#define DIFF_SINK(of_format)                            \
	const struct sink_ops of_format##_diff_sink = { \
		.command = "diff",                      \
		.format = #of_format,                   \
		.state_size = sizeof(struct state),     \
		.start = sites_start,                   \
		.event = sites_event,                   \
		.finish = finish,                       \
		.fini = fini,                           \
	}

DIFF_SINK(text);
DIFF_SINK(json);
