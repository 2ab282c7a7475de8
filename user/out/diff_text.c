// SPDX-License-Identifier: MIT
/*
 * Two runs for eyes:
 *
 *	======== diff of 14.846 s and 15.012 s: 103 KiB more are still live than before; 1 call …
 *
 *	                         BEFORE        AFTER       CHANGE
 *	still live             1.20 MiB     1.30 MiB     +103 KiB     +8.4%
 *	…
 *
 *	       ----- STILL LIVE ----- ------ ALLOCATED ------     AT PEAK ---- MEAN CALL ----
 *	            CHANGE      AFTER      CHANGE      BLOCKS      CHANGE    BEFORE     AFTER  CALL
 *SITE grown     +103 KiB    303 KiB    +206 KiB        +412    +103 KiB     1.2us     1.2us
 *message_new at …
 *	          __libc_start_main;main;queue_push;message_new
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out/books.h"
#include "out/diff.h"
#include "out/human.h"
#include "out/latency.h"

#define INDENT 10 /* of a path, below its site */

static const struct diff_figures none;

/* "+103 KiB", "-1.20 MiB", "0 B". */
static const char *size_change(char *buf, uint64_t before, uint64_t after)
{
	char size[HUMAN_TEXT];
	const char *sign = after > before ? "+" : after < before ? "-" : "";

	human_size(size, after > before ? after - before : before - after);
	snprintf(buf, HUMAN_TEXT, "%s%.*s", sign, HUMAN_TEXT - 2, size);
	return buf;
}

static const char *count_change(char *buf, uint64_t before, uint64_t after)
{
	const char *sign = after > before ? "+" : after < before ? "-" : "";

	snprintf(buf, HUMAN_TEXT, "%s%" PRIu64, sign,
		 after > before ? after - before : before - after);
	return buf;
}

static const char *mean_text(char *buf, const struct diff_figures *f)
{
	if (!f->latency_count)
		return strcpy(buf, "-");
	return books_duration(buf, f->latency_ns / f->latency_count);
}

/* ---- the sums ---- */

/* " +8.1%"; nothing where there was nothing. */
static const char *share_change(char *buf, uint64_t before, uint64_t after)
{
	double share = before ? 100 * ((double)after - (double)before) / (double)before : 0;

	buf[0] = '\0';
	if (before && after != before)
		snprintf(buf, HUMAN_TEXT, " %+8.1f%%", share);
	return buf;
}

static void write_sum(FILE *out, const char *name, const char *before, const char *after)
{
	fprintf(out, "%-18s %12s %12s", name, before, after);
}

static void write_bytes(FILE *out, const char *name, uint64_t before, uint64_t after)
{
	char b[HUMAN_TEXT], a[HUMAN_TEXT], change[HUMAN_TEXT], share[HUMAN_TEXT];

	write_sum(out, name, human_size(b, before), human_size(a, after));
	fprintf(out, " %12s%s\n", size_change(change, before, after),
		share_change(share, before, after));
}

static void write_count(FILE *out, const char *name, uint64_t before, uint64_t after)
{
	char b[HUMAN_TEXT], a[HUMAN_TEXT], change[HUMAN_TEXT], share[HUMAN_TEXT];

	snprintf(b, sizeof(b), "%" PRIu64, before);
	snprintf(a, sizeof(a), "%" PRIu64, after);
	write_sum(out, name, b, a);
	fprintf(out, " %12s%s\n", count_change(change, before, after),
		share_change(share, before, after));
}

static void write_sums(struct sink *s, const struct diff_side *before,
		       const struct diff_side *after)
{
	const struct diff_figures *b = &before->all, *a = &after->all;
	char mean_before[HUMAN_TEXT], mean_after[HUMAN_TEXT];

	if (!before->exact || !after->exact)
		fprintf(s->out, "  What is live is not exact %s: not every call was seen.\n",
			before->exact  ? "after"
			: after->exact ? "before"
				       : "before and after");
	fprintf(s->out, "\n%-18s %12s %12s %12s\n", "", "BEFORE", "AFTER", "CHANGE");
	write_bytes(s->out, "still live", b->live.bytes, a->live.bytes);
	write_count(s->out, "  blocks", b->live.blocks, a->live.blocks);
	write_bytes(s->out, "at the peak", b->at_peak.bytes, a->at_peak.bytes);
	write_bytes(s->out, "allocated in all", b->allocated.bytes, a->allocated.bytes);
	write_count(s->out, "  blocks", b->allocated.blocks, a->allocated.blocks);
	write_count(s->out, "  temporary", b->temporary, a->temporary);
	write_count(s->out, "failed calls", b->failed, a->failed);
	write_sum(s->out, "mean call", mean_text(mean_before, b), mean_text(mean_after, a));
	fputc('\n', s->out);
}

/* ---- the rows ---- */

static void write_titles(FILE *out)
{
	fprintf(out, "\n%-6s %22s %23s %11s %19s\n", "", "----- STILL LIVE -----",
		"------ ALLOCATED ------", "AT PEAK", "---- MEAN CALL ----");
	fprintf(out, "%-6s %11s %10s %11s %11s %11s %9s %9s  CALL SITE\n", "", "CHANGE", "AFTER",
		"CHANGE", "BLOCKS", "CHANGE", "BEFORE", "AFTER");
}

/* The functions on the way there, unless there is one alone. */
static void write_path(struct sink *s, const struct diff_site *site)
{
	unsigned int columns = s->info->columns;
	char *path = strchr(site->path, ';') ? strdup(site->path) : NULL;

	if (!path)
		return;
	if (columns > 2 * INDENT)
		human_shorten(path, columns - INDENT);
	human_style(s, HUMAN_FAINT);
	fprintf(s->out, "%*s%s", INDENT, "", path);
	human_style(s, HUMAN_PLAIN);
	fputc('\n', s->out);
	free(path);
}

static void write_row(struct sink *s, const struct diff_row *row)
{
	const struct diff_figures *b = row->before ? &row->before->figures : &none;
	const struct diff_figures *a = row->after ? &row->after->figures : &none;
	char cells[7][HUMAN_TEXT];

	fprintf(s->out, "%-6s %11s %10s %11s %11s %11s %9s %9s  %s\n",
		diff_change_name(diff_change(row)),
		size_change(cells[0], b->live.bytes, a->live.bytes),
		human_size(cells[1], a->live.bytes),
		size_change(cells[2], b->allocated.bytes, a->allocated.bytes),
		count_change(cells[3], b->allocated.blocks, a->allocated.blocks),
		size_change(cells[4], b->at_peak.bytes, a->at_peak.bytes), mean_text(cells[5], b),
		mean_text(cells[6], a), row->site->place);
	write_path(s, row->site);
}

/* Rows of malloc's kin, or of pools, up to `end`. */
static void write_section(struct sink *s, const struct diff_row *rows, size_t count)
{
	size_t shown = s->info->top && s->info->top < count ? s->info->top : count;

	if (count)
		write_titles(s->out);
	for (size_t i = 0; i < shown; i++)
		write_row(s, &rows[i]);
	if (shown < count) {
		fputs("… ", s->out);
		human_number_write(s->out, count - shown, "more call site");
		fputs(shown + 1 == count ? " has changed less\n" : " have changed less\n", s->out);
	}
}

static size_t count_own(const struct diff_row *rows, size_t count)
{
	size_t own = 0;

	while (own < count && !rows[own].site->pooled)
		own++;
	return own;
}

/* The answer in one sentence. */
static void write_head(struct sink *s, const struct diff_side *before,
		       const struct diff_side *after, size_t count)
{
	uint64_t b = before->all.live.bytes, a = after->all.live.bytes;
	char size[HUMAN_TEXT];

	human_style(s, HUMAN_TITLE);
	fprintf(s->out, "======== diff of %.3f s and %.3f s", (double)before->elapsed_ns / 1e9,
		(double)after->elapsed_ns / 1e9);
	human_style(s, HUMAN_PLAIN);
	if (a == b)
		fputs(": as many bytes are still live as before; ", s->out);
	else
		fprintf(s->out, ": %s %s still live than before; ",
			human_size(size, a > b ? a - b : b - a), a > b ? "more are" : "less are");
	human_number_write(s->out, count, "call site");
	fprintf(s->out, " differ%s\n", count == 1 ? "s" : "");
}

int diff_text_write(struct sink *s, const struct diff_side *before, const struct diff_side *after)
{
	size_t count, same, own;
	struct diff_row *rows = diff_rows(before, after, &count, &same);

	if (!rows && count)
		return -ENOMEM;
	own = count_own(rows, count);
	write_head(s, before, after, count);
	write_sums(s, before, after);
	write_section(s, rows, own);
	if (own < count) {
		fputs("\nChunks of pools lie in blocks, and are not in the sums above:\n", s->out);
		write_section(s, rows + own, count - own);
	}
	fputs("\nnot changed: ", s->out);
	human_number_write(s->out, same, "call site");
	fputc('\n', s->out);
	free(rows);
	fflush(s->out);
	return 0;
}
