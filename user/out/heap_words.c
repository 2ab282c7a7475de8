// SPDX-License-Identifier: MIT
/*
 * The answer of a report in one sentence, and what restricts it. What is live at the end is not
 * called a leak: nobody knows what a process would have freed yet. Where it has ended, nobody can.
 */
#include <inttypes.h>
#include <string.h>

#include "out/books.h"
#include "out/heap_text.h"
#include "out/human.h"

static void write_counts(FILE *out, struct profile_counts counts)
{
	char size[HUMAN_TEXT];

	fprintf(out, "%s in ", human_size(size, counts.bytes));
	human_number_write(out, counts.blocks, "block");
}

static void write_sites(FILE *out, size_t sites)
{
	fputs(" from ", out);
	human_number_write(out, sites, "call site");
}

static const char *are(uint64_t blocks)
{
	return blocks == 1 ? "is" : "are";
}

/* When the peak was, since the start. */
static double peak_seconds(const struct heap_view *v)
{
	uint64_t peak_ns = v->sites->profile.peak_ns, start_ns = v->sink->info->start_ns;

	return peak_ns > start_ns ? (double)(peak_ns - start_ns) / 1e9 : 0;
}

static void write_peak(const struct heap_view *v)
{
	const struct profile *p = &v->sites->profile;
	char size[HUMAN_TEXT];

	if (p->peak_ns)
		fprintf(v->sink->out, "; the peak was %s at %.3f s",
			human_size(size, p->all.at_peak.bytes), peak_seconds(v));
}

/* ---- leaks ---- */

/* Of the blocks that are live, who can free them. */
static void write_ended(FILE *out, const struct profile_site *all)
{
	if (!all->ended.blocks)
		return;
	if (all->ended.blocks == all->live.blocks) {
		fputs("  All processes that hold them have ended.\n", out);
		return;
	}
	fputs("  In processes that have ended: ", out);
	write_counts(out, all->ended);
	fputs("; the others may free theirs yet.\n", out);
}

/* Beside the blocks of the age that is asked for, all of them. */
static void write_younger(const struct heap_view *v)
{
	fputs(" (with younger ones: ", v->sink->out);
	write_counts(v->sink->out, v->sites->profile.all.live);
	fputc(')', v->sink->out);
}

static void leaks_head(const struct heap_view *v, const struct heap_sum *sum)
{
	const struct profile_site *all = &v->sites->profile.all;
	uint64_t older_ns = v->sink->info->older_ns;
	FILE *out = v->sink->out;
	char age[BOOKS_DURATION];

	if (sum->counts.blocks) {
		write_counts(out, sum->counts);
		write_sites(out, v->own);
		fprintf(out, " %s still live", are(sum->counts.blocks));
	} else {
		fputs("nothing is still live of ", out);
		human_number_write(out, all->allocated.blocks, "block");
	}
	if (older_ns) {
		fprintf(out, " and at least %s old", books_duration(age, older_ns));
		write_younger(v);
	}
	write_peak(v);
	fputc('\n', out);
	write_ended(out, all);
}

/* ---- hot ---- */

static void hot_head(const struct heap_view *v, const struct heap_sum *sum)
{
	uint64_t elapsed_ns = v->report->elapsed_ns;
	char size[HUMAN_TEXT], rate[HUMAN_TEXT], bytes[HUMAN_TEXT];
	FILE *out = v->sink->out;

	human_number_write(out, sum->counts.blocks, "call");
	if (!sum->counts.blocks) {
		fputs(" for memory\n", out);
		return;
	}
	write_sites(out, v->own);
	fprintf(out, " asked for %s: %s calls/s, %s", human_size(size, sum->counts.bytes),
		human_rate(rate, sum->counts.blocks, elapsed_ns),
		human_size_rate(bytes, sum->counts.bytes, elapsed_ns));
	if (v->sites->profile.all.failed)
		fprintf(out, "; %" PRIu64 " failed", v->sites->profile.all.failed);
	fputc('\n', out);
}

/* ---- temporary ---- */

static void temporary_head(const struct heap_view *v, const struct heap_sum *sum)
{
	uint64_t all = v->sites->profile.all.allocated.blocks;
	unsigned int within = v->sites->profile.within;
	FILE *out = v->sink->out;
	char share[HUMAN_TEXT];

	fprintf(out, "%" PRIu64 " of ", sum->counts.blocks);
	human_number_write(out, all, "block");
	if (sum->counts.blocks) {
		fprintf(out, " (%s)", human_share(share, sum->counts.blocks, all));
		write_sites(out, v->own);
	}
	fputs(" were freed by the thread that had got them ", out);
	if (within > 1)
		fprintf(out, "within its next %u calls\n", within);
	else
		fputs("with its very next call\n", out);
}

/* ---- peak ---- */

static void peak_head(const struct heap_view *v, const struct heap_sum *sum)
{
	const struct profile *p = &v->sites->profile;
	FILE *out = v->sink->out;

	if (!sum->counts.blocks) {
		fputs("nothing was ever live\n", out);
		return;
	}
	write_counts(out, sum->counts);
	write_sites(out, v->own);
	fprintf(out, " %s live at %.3f s, the most there was; now it is ",
		sum->counts.blocks == 1 ? "was" : "were", peak_seconds(v));
	write_counts(out, p->all.live);
	fputc('\n', out);
}

/* ---- all of them ---- */

void heap_caveats_write(const struct sink *s, const struct report *r)
{
	const struct sites *all = s->state;

	if (!s->info->live_known)
		fputs("  Not all allocations and frees are traced: what is live is not known.\n",
		      s->out);
	else if (!report_live_is_exact(r))
		fputs("  Not exact: not every call was seen, see below.\n", s->out);
	if (s->info->sample_bytes)
		fprintf(s->out,
			"  Sampled: these are the samples alone, one in %" PRIu64
			" bytes on average.\n",
			s->info->sample_bytes);
	if (all->profile.refused)
		fprintf(s->out,
			"  %" PRIu64 " blocks are in no row: no memory, or too many call sites.\n",
			all->profile.refused);
	if (all->refused || all->tree.refused)
		fprintf(s->out,
			"  Calls along %" PRIu64 " stacks are in the row of a part of them, or of "
			"unreadable ones: no memory, or too many.\n",
			all->refused + all->tree.refused);
}

void heap_title_write(const struct sink *s, const struct report *r)
{
	human_style(s, HUMAN_TITLE);
	fprintf(s->out, "======== %s %s%.3f s", s->ops->command,
		r->final ? "after " : "so far, after ", (double)r->elapsed_ns / 1e9);
	human_style(s, HUMAN_PLAIN);
	fputs(": ", s->out);
}

void heap_head_write(const struct heap_view *v)
{
	static const struct {
		const char *command;
		void (*write)(const struct heap_view *v, const struct heap_sum *sum);
	} heads[] = {
		{"leaks", leaks_head},
		{"hot", hot_head},
		{"temporary", temporary_head},
		{"peak", peak_head},
	};
	struct heap_sum sum = heap_sum(v->command, v->rows, v->own);

	heap_title_write(v->sink, v->report);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		if (!strcmp(heads[i].command, v->command))
			heads[i].write(v, &sum);
	}
	heap_caveats_write(v->sink, v->report);
}
