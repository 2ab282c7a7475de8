// SPDX-License-Identifier: MIT
/*
 *	-------- 0.412 s: 2001 events, 0 lost
 *	CALL                        COUNT             BYTES    FAILED
 *	malloc                       1000             64000         0
 *	free                         1001                 -         -    1 of NULL
 *	live: 0 blocks, 0 bytes
 */
#include "out/books.h"

#include <inttypes.h>

#include "core/log.h"
#include "out/human.h"

/* Three digits that count. */
static const char *write_scaled(char *buf, double value, bool whole_ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	size_t unit = 0;
	int decimals;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	if (unit == 0 && whole_ns)
		decimals = 0;
	else
		decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(buf, BOOKS_DURATION, "%.*f%s", decimals, value, units[unit]);
	return buf;
}

const char *books_duration(char *buf, uint64_t ns)
{
	return write_scaled(buf, (double)ns, true);
}

const char *books_fine_duration(char *buf, double ns)
{
	return write_scaled(buf, ns, false);
}

static void write_row(FILE *out, const char *name, const struct event_totals *t, bool allocates)
{
	char shown[160];

	fprintf(out, "%-28s %12" PRIu64, log_quote(shown, sizeof(shown), name), t->count);
	if (allocates)
		fprintf(out, " %17" PRIu64 " %9" PRIu64, t->bytes, t->failed);
	else
		fprintf(out, " %17s %9s", "-", "-");
	if (t->null)
		fprintf(out, "    %" PRIu64 " of NULL", t->null);
	if (t->freed)
		fprintf(out, "    %" PRIu64 " to size 0 freed the block", t->freed);
	fputc('\n', out);
}

static bool is_used(const struct heap_pool *p)
{
	return heap_pool_allocs(p).count || heap_pool_frees(p).count;
}

/* Groups of operations that a program has timed itself are not counted one by one. */
static bool is_shown(const struct run_info *info, const struct heap_pool *p)
{
	return is_used(p) || (!info->adds_up && (p->created || p->destroyed));
}

static void write_pools(struct sink *s, const struct heap *h)
{
	struct event_totals allocs, frees;
	uint64_t weighted;
	FILE *out = s->out;
	char name[80];

	for (size_t i = 0; i < h->pool_count; i++) {
		const struct heap_pool *p = &h->pool_rows[i];

		if (!is_shown(s->info, p))
			continue;
		allocs = heap_pool_allocs(p);
		frees = heap_pool_frees(p);
		snprintf(name, sizeof(name), "%s:alloc", p->name);
		write_row(out, name, &allocs, true);
		snprintf(name, sizeof(name), "%s:free", p->name);
		write_row(out, name, &frees, false);
		weighted = p->weighted_bytes + p->unsent.weighted_bytes;
		if (weighted)
			fprintf(out,
				"  sampled by its maker: stands for %.0f calls, %" PRIu64
				" bytes\n",
				p->weighted_count + p->unsent.weighted_count, weighted);
	}
}

static void write_calls(struct sink *s, const struct report *r)
{
	fprintf(s->out, "%-28s %12s %17s %9s\n", "CALL", "COUNT", "BYTES", "FAILED");
	for (size_t i = 0; i < s->info->function_count; i++) {
		if (r->calls[i].count)
			write_row(s->out, s->info->functions[i], &r->calls[i],
				  !(s->info->frees >> i & 1));
	}
	write_pools(s, r->heap);
}

/* With sampling what is known is what the samples stand for. */
static void write_sum(FILE *out, const struct heap *h)
{
	if (h->sample_bytes) {
		fprintf(out,
			"live, estimated: %.0f blocks, %.0f bytes; sampled: ", h->estimated_blocks,
			h->estimated_bytes);
	} else {
		fputs("live: ", out);
	}
	human_number_write(out, h->live.blocks, "block");
	fprintf(out, ", %" PRIu64 " bytes", h->live.bytes);
}

static void write_heap_live(FILE *out, const struct report *r)
{
	const struct heap *h = r->heap;

	write_sum(out, h);
	if (report_has_ended(r)) {
		fputs("; in processes that have ended: ", out);
		human_number_write(out, h->ended.blocks, "block");
		fprintf(out, ", %" PRIu64 " bytes", h->ended.bytes);
	}
	fputc('\n', out);
	if (h->inherited_frees)
		fprintf(out, "frees by forked children of blocks of their parents: %" PRIu64 "\n",
			h->inherited_frees);
	if (h->unmatched_frees)
		fprintf(out, "frees of blocks that were not seen allocated: %" PRIu64 "\n",
			h->unmatched_frees);
	if (h->superseded)
		fprintf(out, "addresses handed out again without a free seen: %" PRIu64 "\n",
			h->superseded);
}

static void write_pool_live(FILE *out, const struct heap_pool *p)
{
	char shown[160];

	fprintf(out, "live in pool %s: ", log_quote(shown, sizeof(shown), p->name));
	human_number_write(out, p->live.blocks, "chunk");
	fprintf(out, ", %" PRIu64 " bytes\n", p->live.bytes);
	if (p->unmatched)
		fprintf(out,
			"frees to pool %s of chunks that were not seen allocated: %" PRIu64 "\n",
			shown, p->unmatched);
	if (p->live_at_destroy) {
		fprintf(out, "destroyed with pool %s: ", shown);
		human_number_write(out, p->live_at_destroy, "chunk");
		fputs(" in use\n", out);
	}
}

static void write_live(struct sink *s, const struct report *r)
{
	const struct heap *h = r->heap;

	if (s->info->live_known)
		write_heap_live(s->out, r);
	for (size_t i = 0; i < h->pool_count && !s->info->adds_up; i++) {
		if (is_shown(s->info, &h->pool_rows[i]))
			write_pool_live(s->out, &h->pool_rows[i]);
	}
	if (s->info->live_known && !s->info->adds_up && !report_live_is_exact(r))
		fputs("What is live is not exact: not every call was seen.\n", s->out);
	if (h->refused)
		fprintf(s->out,
			"blocks beyond the table's cap or the memory, not followed: %" PRIu64 "\n",
			h->refused);
}

/* Each was told once, above. */
static void write_findings(FILE *out, const struct findings *found)
{
	for (enum finding_check i = 0; i < FINDING_NR_CHECKS; i++) {
		if (!found->told[i])
			continue;
		fprintf(out, "!! %s: %" PRIu64, finding_name(i), found->told[i]);
		if (found->seen[i] > found->told[i])
			fprintf(out, ", seen %" PRIu64 " times", found->seen[i]);
		fputc('\n', out);
	}
	if (found->doubtful)
		fprintf(out,
			"what looks wrong and may come of calls that were not seen, not "
			"told: %" PRIu64 "\n",
			found->doubtful);
	if (found->refused)
		fprintf(out, "chunks and pools beyond the caps of the checks: %" PRIu64 "\n",
			found->refused);
}

/* `unknown`: lost calls that are not in the counts. */
static void write_losses(FILE *out, const struct report *r, uint64_t unknown)
{
	char late[16];
	const struct {
		uint64_t count;
		const char *cause;
	} causes[] = {
		{r->counters[EVENT_LOST_RING_FULL],
		 "calls: the ring buffer was full (try a larger --ring-size)"},
		{r->counters[EVENT_LOST_MAP_FULL],
		 r->lanes && r->lanes->count ? "calls: no room where they are added up"
					     : "calls: no memory for the thread's record"},
		{r->counters[EVENT_LOST_UNPAIRED],
		 "calls that never returned (longjmp, exception, end of the thread)"},
		{r->malformed, "records that could not be read"},
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (causes[i].count)
			fprintf(out, "lost: %" PRIu64 " %s\n", causes[i].count, causes[i].cause);
	}
	if (r->counters[EVENT_UNREADABLE_STACK])
		fprintf(out, "without a location (unreadable stack): %" PRIu64 "\n",
			r->counters[EVENT_UNREADABLE_STACK]);
	if (r->counters[EVENT_MAIN_LEFT])
		fprintf(out,
			"main threads that left while others went on: %" PRIu64
			"; what these called then is not counted\n",
			r->counters[EVENT_MAIN_LEFT]);
	if (r->counters[EVENT_UNTRACKED])
		fprintf(out, "sampled blocks whose free is not known (too many): %" PRIu64 "\n",
			r->counters[EVENT_UNTRACKED]);
	if (r->counters[EVENT_UNFOLLOWED])
		fprintf(out, "children that could not be followed (too many): %" PRIu64 "\n",
			r->counters[EVENT_UNFOLLOWED]);
	if (r->late) {
		human_number_write(out, r->late, "file");
		fprintf(out,
			" probed after being mapped, by %s at most: calls until then are not "
			"counted\n",
			books_duration(late, r->late_ns));
	}
	if (r->counters[EVENT_UNCOUNTED])
		fprintf(out,
			"calls of pools that are not in the counts above (too many pools): %" PRIu64
			"\n",
			r->counters[EVENT_UNCOUNTED]);
	if (unknown)
		fprintf(out,
			"The counts above lack %" PRIu64
			" of the lost calls: how they ended is not known.\n",
			unknown);
}

/* Of the truncated ones, why: (2 no unwind rules yet, 1 unreadable stack). */
static void write_reasons(FILE *out, const struct stacks *seen)
{
	const char *separator = " (";

	for (enum event_why i = EVENT_WHY_NONE + 1; i < EVENT_NR_WHYS; i++) {
		if (!seen->truncated[i])
			continue;
		fprintf(out, "%s%" PRIu64 " %s", separator, seen->truncated[i], stack_why_text(i));
		separator = ", ";
	}
	if (separator[0] == ',')
		fputc(')', out);
}

/* How far the stacks of the events are to be believed. */
static void write_stacks(FILE *out, const struct stacks *seen)
{
	fprintf(out, "stacks: %" PRIu64 " complete, %" PRIu64 " truncated",
		seen->seen[EVENT_COMPLETE], seen->seen[EVENT_TRUNCATED]);
	write_reasons(out, seen);
	fprintf(out, ", %" PRIu64 " guessed, %" PRIu64 " call site only; %zu distinct\n",
		seen->seen[EVENT_GUESSED], seen->seen[EVENT_CALL_SITE], seen->by_id.count);
	if (seen->refused)
		fprintf(out, "stacks beyond what is kept: %" PRIu64 "\n", seen->refused);
	if (seen->unknown)
		fprintf(out,
			"events whose stack did not come, shown with their caller: %" PRIu64 "\n",
			seen->unknown);
}

/* How long there was more than could be shown, and how often that began. */
static void write_pressure(FILE *out, const struct report *r, uint64_t now_ns)
{
	char sampled[BOOKS_DURATION], counts[BOOKS_DURATION];

	if (!r->pressure || !r->pressure->times)
		return;
	fputs("the ring was filling ", out);
	human_number_write(out, r->pressure->times, "time");
	fprintf(out, ": one call in %d was shown for %s, none for %s\n", EVENT_ONE_IN,
		books_duration(sampled, pressure_lasted(r->pressure, EVENT_SAMPLED, now_ns)),
		books_duration(counts, pressure_lasted(r->pressure, EVENT_COUNTS, now_ns)));
}

void books_write(struct sink *s, const struct report *r)
{
	const struct heap *h = r->heap;

	fprintf(s->out,
		"-------- %s%.3f s: %" PRIu64 " calls = %" PRIu64 " events + %" PRIu64 " lost",
		r->final ? "" : "so far, ", (double)r->elapsed_ns / 1e9, r->counters[EVENT_ENTERED],
		r->events, report_lost(r));
	if (r->counters[EVENT_COUNTED_ONLY])
		fprintf(s->out, " + %" PRIu64 " only counted (the ring was filling)",
			r->counters[EVENT_COUNTED_ONLY]);
	if (r->in_flight)
		fprintf(s->out, " + %" PRIu64 " not yet returned", r->in_flight);
	fputc('\n', s->out);
	if (s->info->sample_bytes)
		fprintf(s->out,
			"sampled, one in %" PRIu64 " bytes on average, of %" PRIu64
			" calls; the counts are of all calls\n",
			s->info->sample_bytes, report_calls(r, s->info));
	if (h->ignored)
		fprintf(s->out, "of pools that were not asked for: %" PRIu64 " events\n",
			h->ignored);
	write_calls(s, r);
	write_live(s, r);
	write_findings(s->out, &h->findings);
	write_pressure(s->out, r, s->info->start_ns + r->elapsed_ns);
	if (r->stacks)
		write_stacks(s->out, r->stacks);
	write_losses(s->out, r, report_unknown(r, s->info));
	if (r->fate)
		fprintf(s->out, "command: %s\n", r->fate);
	fflush(s->out);
}
