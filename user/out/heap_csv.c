// SPDX-License-Identifier: MIT
/*
 * The reports on the heap as CSV: a row for each call site, all of them, the greatest first, with
 * the same columns in every report; `sizes` has a row for each class of sizes. An interim report
 * adds its rows, and `elapsed_ns` tells them apart. No books: a table has no room for them.
 *
 *	elapsed_ns,report,pool,blocks,bytes,…,stack
 *	2500000000,leaks,,101,509600,…,__libc_start_main;main;queue_push;message_new
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/stack.h"
#include "out/csv.h"
#include "out/folded.h"
#include "out/sites.h"

static void write_number(FILE *out, uint64_t n)
{
	fprintf(out, "%" PRIu64 ",", n);
}

static void write_counts(FILE *out, struct profile_counts c)
{
	fprintf(out, "%" PRIu64 ",%" PRIu64 ",", c.blocks, c.bytes);
}

static void write_text(FILE *out, const char *text)
{
	csv_text(out, text ? text : "");
	fputc(',', out);
}

/* ---- sites ---- */

#define SITE_COLUMNS                                                                              \
	"elapsed_ns,report,pool,blocks,bytes,oldest_ns,allocations,allocated_bytes,failed,"       \
	"live_blocks,live_bytes,peak_blocks,peak_bytes,freed,freed_elsewhere,temporary,"          \
	"lifetime_ns,lifetime_max_ns,reallocs,moved,moved_bytes,moves_in_a_row,smallest,largest," \
	"function,file,line,module,stack_grade,stack"

static void start(struct sink *s)
{
	sites_start(s);
	fputs(SITE_COLUMNS CSV_END, s->out);
}

/* What the report lists the site for. */
static struct profile_counts listed(const char *report, const struct site_row *row)
{
	const struct profile_site *c = row->counts;

	if (!strcmp(report, "leaks"))
		return row->leak.old;
	if (!strcmp(report, "peak"))
		return row->at_peak;
	return c->allocated;
}

static void write_figures(FILE *out, const struct profile_site *c)
{
	const uint64_t figures[] = {
		c->freed,      c->freed_elsewhere, c->temporary, c->lifetime_ns,
		c->longest_ns, c->reallocs,        c->moved,     c->moved_bytes,
		c->chain,      c->smallest,        c->largest,
	};

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		write_number(out, figures[i]);
}

static void write_stack(FILE *out, const struct tree *tree, uint32_t node)
{
	char *path = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&path, &length);

	if (memory) {
		folded_path_write(memory, tree, node, false);
		if (!fclose(memory))
			csv_text(out, path);
	}
	free(path);
}

/* The innermost frame, which rows are grouped by, and the whole. */
static void write_place(struct sink *s, const struct site_row *row)
{
	const struct sites *all = s->state;
	const struct sym_frame *f = &all->tree.nodes[row->place->node].frame;

	if (!row->place->node) {
		fputs(",,,,,", s->out);
		return;
	}
	write_text(s->out, f->function);
	write_text(s->out, f->file);
	if (f->file)
		fprintf(s->out, "%d", f->line);
	fputc(',', s->out);
	write_text(s->out, f->module);
	fprintf(s->out, "%s,", s->info->stacks ? stack_grade_name(row->place->grade) : "");
	write_stack(s->out, &all->tree, row->place->node);
}

static void write_row(struct sink *s, const struct report *r, const struct site_row *row)
{
	const struct profile_site *c = row->counts;
	bool leaks = !strcmp(s->ops->command, "leaks");

	write_number(s->out, r->elapsed_ns);
	fprintf(s->out, "%s,", s->ops->command);
	write_text(s->out, row->pool);
	write_counts(s->out, listed(s->ops->command, row));
	write_number(s->out, leaks ? site_row_age(row, s, r) : 0);
	write_counts(s->out, c->allocated);
	write_number(s->out, c->failed);
	write_counts(s->out, c->live);
	write_counts(s->out, row->at_peak);
	write_figures(s->out, c);
	write_place(s, row);
	fputs(CSV_END, s->out);
}

static void report(struct sink *s, const struct report *r)
{
	size_t count;
	struct site_row *rows = sites_list(s->state, s, r, &count);

	for (size_t i = 0; i < count; i++)
		write_row(s, r, &rows[i]);
	free(rows);
	fflush(s->out);
}

/* ---- sizes ---- */

static void start_sizes(struct sink *s)
{
	sites_start(s);
	fputs("elapsed_ns,size_min,size_max,allocations,allocated_bytes,live_blocks,live_bytes,"
	      "freed,temporary,lifetime_ns" CSV_END,
	      s->out);
}

static void report_sizes(struct sink *s, const struct report *r)
{
	const struct sites *all = s->state;

	for (unsigned int i = 0; i < PROFILE_SIZES; i++) {
		const struct profile_size *c = &all->profile.sizes[i];

		if (!c->allocated.blocks)
			continue;
		write_number(s->out, r->elapsed_ns);
		write_number(s->out, i ? profile_size_limit(i - 1) + 1 : 0);
		write_number(s->out, profile_size_limit(i));
		write_counts(s->out, c->allocated);
		write_counts(s->out, c->live);
		write_number(s->out, c->freed);
		write_number(s->out, c->temporary);
		fprintf(s->out, "%" PRIu64 CSV_END, c->lifetime_ns);
	}
	fflush(s->out);
}

#define CSV_SINK(name, starts, writes)              \
	const struct sink_ops csv_##name##_sink = { \
		.command = #name,                   \
		.format = "csv",                    \
		.state_size = sizeof(struct sites), \
		.start = (starts),                  \
		.event = sites_event,               \
		.tick = (writes),                   \
		.finish = (writes),                 \
		.fini = sites_fini,                 \
	}

CSV_SINK(leaks, start, report);
CSV_SINK(hot, start, report);
CSV_SINK(temporary, start, report);
CSV_SINK(peak, start, report);
CSV_SINK(sizes, start_sizes, report_sizes);
