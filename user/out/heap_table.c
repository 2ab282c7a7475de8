// SPDX-License-Identifier: MIT
/*
 * One site a line: figures, then the place. Where a terminal leaves too little room beside the
 * figures, the place has lines of its own below them.
 */
#include "out/heap_text.h"

#include <inttypes.h>
#include <string.h>

#include "out/books.h"
#include "out/human.h"
#include "out/latency.h"
#include "out/location.h"

#define LEAST_ROOM 40 /* columns for a place beside the figures */
#define BELOW      4  /* how far it is indented below them */

struct layout {
	const struct heap_view *view;
	const struct column *columns;
	struct heap_sum sum;       /* over the section's rows */
	unsigned int indent, room; /* of places; room 0: no limit */
	bool below;
};

/* NULL instead of a text: the bar. */
struct column {
	const char *title;
	int width;
	const char *(*text)(char *buf, const struct layout *t, const struct site_row *row);
};

/* ---- cells ---- */

static const char *count_text(char *buf, uint64_t count)
{
	snprintf(buf, HUMAN_TEXT, "%" PRIu64, count);
	return buf;
}

static const char *share(char *buf, const struct layout *t, const struct site_row *row)
{
	return human_share(buf, heap_measure(t->view->command, row), t->sum.total);
}

static const char *old_bytes(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return human_size(buf, row->leak.old.bytes);
}

static const char *old_blocks(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return count_text(buf, row->leak.old.blocks);
}

static const char *oldest(char *buf, const struct layout *t, const struct site_row *row)
{
	return books_duration(buf, site_row_age(row, t->view->sink, t->view->report));
}

static const char *allocated(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return count_text(buf, row->counts->allocated.blocks);
}

static const char *calls(char *buf, const struct layout *t, const struct site_row *row)
{
	return count_text(buf, heap_measure(t->view->command, row));
}

static const char *call_rate(char *buf, const struct layout *t, const struct site_row *row)
{
	return human_rate(buf, heap_measure(t->view->command, row), t->view->report->elapsed_ns);
}

static const char *byte_rate(char *buf, const struct layout *t, const struct site_row *row)
{
	return human_size_rate(buf, row->counts->allocated.bytes, t->view->report->elapsed_ns);
}

static const char *mean(char *buf, const struct layout *t, const struct site_row *row)
{
	const struct profile_counts *all = &row->counts->allocated;

	(void)t;
	return all->blocks ? human_size(buf, all->bytes / all->blocks) : "-";
}

static const char *failed(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return row->counts->failed ? count_text(buf, row->counts->failed) : "-";
}

static const char *of_own(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return human_share(buf, row->counts->temporary, row->counts->allocated.blocks);
}

static const char *lifetime(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return human_lifetime(buf, row->counts->lifetimes);
}

static const char *peak_bytes(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return human_size(buf, row->at_peak.bytes);
}

static const char *peak_blocks(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return count_text(buf, row->at_peak.blocks);
}

static const char *live_bytes(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return human_size(buf, row->counts->live.bytes);
}

static const char *live_blocks(char *buf, const struct layout *t, const struct site_row *row)
{
	(void)t;
	return count_text(buf, row->counts->live.blocks);
}

#define SHARE                       \
	{"SHARE", 6, share},        \
	{                           \
		"", HUMAN_BAR, NULL \
	}
#define END       \
	{         \
		0 \
	}

static const struct column leaks_columns[] = {
	{"STILL LIVE", 10, old_bytes}, SHARE, {"BLOCKS", 9, old_blocks}, {"OLDEST", 7, oldest},
	{"ALLOCATED", 10, allocated},  END,
};

static const struct column hot_columns[] = {
	{"CALLS", 10, calls},
	SHARE,
	{"CALLS/S", 8, call_rate},
	{"BYTES/S", 11, byte_rate},
	{"MEAN", 8, mean},
	{"FAILED", 7, failed},
	END,
};

static const struct column temporary_columns[] = {
	{"TEMPORARY", 10, calls},
	SHARE,
	{"OF BLOCKS", 10, allocated},
	{"RATE", 6, of_own},
	{"MEAN", 8, mean},
	{"LIFETIME", 8, lifetime},
	END,
};

static const struct column peak_columns[] = {
	{"AT PEAK", 10, peak_bytes}, SHARE, {"BLOCKS", 9, peak_blocks}, {"NOW", 10, live_bytes},
	{"BLOCKS", 9, live_blocks},  END,
};

static const struct column *columns_of(const char *command)
{
	static const struct {
		const char *command;
		const struct column *columns;
	} all[] = {
		{"leaks", leaks_columns},
		{"hot", hot_columns},
		{"temporary", temporary_columns},
		{"peak", peak_columns},
	};
	size_t i = 0;

	while (strcmp(all[i].command, command))
		i++;
	return all[i].columns;
}

/* ---- the place ---- */

/* A new line below the first of the place. */
static void next_line(const struct layout *t, unsigned int deeper)
{
	fprintf(t->view->sink->out, "\n%*s", (int)(t->indent + deeper), "");
}

static void write_frame(const struct layout *t, uint32_t node, unsigned int deeper)
{
	const struct sink *s = t->view->sink;
	unsigned int room = t->room > deeper ? t->room - deeper : t->room;

	location_fit(s->out, &t->view->sites->tree.nodes[node].frame, s->info->stacks, room);
}

/* From the second frame on, one line each. */
static void write_stack(const struct layout *t, const struct site_row *row)
{
	const struct tree_node *nodes = t->view->sites->tree.nodes;
	uint32_t last = row->place->node;
	FILE *out = t->view->sink->out;
	char indent[128];

	for (uint32_t node = nodes[last].parent; node; node = nodes[node].parent) {
		next_line(t, 2);
		if (nodes[node].interrupted) {
			fputs("<signal handler called>", out);
			next_line(t, 2);
		}
		write_frame(t, node, 2);
		last = node;
	}
	snprintf(indent, sizeof(indent), "\n%*s", (int)(t->indent + 2), "");
	location_end_write(out, indent, row->place->grade, row->place->why,
			   nodes[last].frame.module);
}

/* What has no column. */
static void write_notes(const struct layout *t, const struct site_row *row)
{
	const struct profile_site *c = row->counts;
	FILE *out = t->view->sink->out;
	char size[HUMAN_TEXT];

	if (strcmp(t->view->command, "hot"))
		return;
	if (c->moved) {
		next_line(t, 2);
		fprintf(out, "- %" PRIu64 " of ", c->moved);
		human_number_write(out, c->reallocs, "realloc");
		fprintf(out, " moved the block and copied %s; %" PRIu64 " in a row at most",
			human_size(size, c->moved_bytes), c->chain);
	}
	if (c->freed_elsewhere) {
		next_line(t, 2);
		fprintf(out, "- %" PRIu64 " of %" PRIu64 " frees by another thread",
			c->freed_elsewhere, c->freed);
	}
}

static void write_place(const struct layout *t, const struct site_row *row)
{
	FILE *out = t->view->sink->out;

	if (t->below)
		next_line(t, 0);
	else
		fputs("  ", out);
	if (row->place->node)
		write_frame(t, row->place->node, 0);
	else
		fputs("(unreadable stack)", out);
	human_style(t->view->sink, HUMAN_FAINT);
	if (row->place->node && t->view->sink->info->stacks)
		write_stack(t, row);
	write_notes(t, row);
	human_style(t->view->sink, HUMAN_PLAIN);
	fputc('\n', out);
}

/* ---- rows ---- */

static void write_row(const struct layout *t, const struct site_row *row)
{
	const struct sink *s = t->view->sink;
	char buf[HUMAN_TEXT];

	for (const struct column *c = t->columns; c->title; c++) {
		if (c != t->columns)
			fputc(' ', s->out);
		if (c->text) {
			latency_cell_write(s->out, c->width, c->text(buf, t, row));
			continue;
		}
		human_style(s, HUMAN_FIGURE);
		human_bar_write(s->out, heap_measure(t->view->command, row), t->sum.most);
		human_style(s, HUMAN_PLAIN);
	}
	write_place(t, row);
}

static void write_titles(const struct layout *t)
{
	FILE *out = t->view->sink->out;

	for (const struct column *c = t->columns; c->title; c++)
		fprintf(out, "%s%*s", c == t->columns ? "" : " ", c->width, c->title);
	fputs(t->below ? "\n" : "  LOCATION\n", out);
}

static void lay_out(struct layout *t)
{
	unsigned int columns = t->view->sink->info->columns, width = 1;

	for (const struct column *c = t->columns; c->title; c++)
		width += (unsigned int)c->width + 1;
	t->below = columns && columns < width + LEAST_ROOM;
	t->indent = t->below ? BELOW : width;
	if (columns)
		t->room = columns > t->indent + LEAST_ROOM ? columns - t->indent : LEAST_ROOM;
}

static void write_rest(const struct heap_view *v, size_t first, size_t end)
{
	struct heap_sum sum = heap_sum(v->command, &v->rows[first], end - first);

	fputs("… ", v->sink->out);
	human_number_write(v->sink->out, end - first, "more site");
	fputs(": ", v->sink->out);
	heap_sum_write(v->sink->out, v->command, &sum, v->rows[first].pool ? "chunk" : "block");
	fputc('\n', v->sink->out);
}

void heap_table_write(const struct heap_view *v, size_t first, size_t end)
{
	size_t top = v->sink->info->top, shown = end;
	struct layout t = {.view = v,
			   .columns = columns_of(v->command),
			   .sum = heap_sum(v->command, &v->rows[first], end - first)};

	if (top && end - first > top)
		shown = first + top;
	lay_out(&t);
	write_titles(&t);
	for (size_t i = first; i < shown; i++)
		write_row(&t, &v->rows[i]);
	if (shown < end)
		write_rest(v, shown, end);
}
