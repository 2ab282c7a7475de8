// SPDX-License-Identifier: MIT
/*
 * The reports on the heap for eyes: one sentence with the answer, the sites with the greatest
 *first, those of each pool apart, the books.
 *
 *	======== leaks after 14.846 s: 1.23 MiB in 312 blocks from 2 call sites are still live; …
 *
 *	STILL LIVE  SHARE             BLOCKS  OLDEST  ALLOCATED  LOCATION
 *	  1.20 MiB  97.5% ▇▇▇▇▇▇▇▇▇▇     300   12.3s       9000  message_new at src/message.h:31:16
 *	                                                         main at demo.c:12:9
 *	  31.2 KiB   2.5%                 12   2.31s         12  read_all at src/read.c:7
 */
#include "out/heap_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "out/books.h"
#include "out/gap.h"
#include "out/human.h"

/* ---- what is counted ---- */

static struct profile_counts counts_of(const char *command, const struct site_row *row)
{
	const struct profile_site *c = row->counts;

	if (!strcmp(command, "leaks"))
		return row->leak.old;
	if (!strcmp(command, "peak"))
		return row->at_peak;
	if (!strcmp(command, "temporary"))
		return (struct profile_counts){c->temporary, 0};
	return (struct profile_counts){c->allocated.blocks + c->failed, c->allocated.bytes};
}

static bool is_of_bytes(const char *command)
{
	return !strcmp(command, "leaks") || !strcmp(command, "peak");
}

uint64_t heap_measure(const char *command, const struct site_row *row)
{
	struct profile_counts counts = counts_of(command, row);

	return is_of_bytes(command) ? counts.bytes : counts.blocks;
}

struct heap_sum heap_sum(const char *command, const struct site_row *rows, size_t count)
{
	struct heap_sum sum = {0};

	for (size_t i = 0; i < count; i++) {
		struct profile_counts counts = counts_of(command, &rows[i]);
		uint64_t measure = heap_measure(command, &rows[i]);

		sum.counts.blocks += counts.blocks;
		sum.counts.bytes += counts.bytes;
		sum.total += measure;
		sum.most = measure > sum.most ? measure : sum.most;
	}
	return sum;
}

void heap_sum_write(FILE *out, const char *command, const struct heap_sum *sum, const char *thing)
{
	char size[HUMAN_TEXT];

	if (is_of_bytes(command))
		fprintf(out, "%s in ", human_size(size, sum->counts.bytes));
	else if (!strcmp(command, "hot"))
		thing = "call";
	fprintf(out, "%" PRIu64 "%s %s%s", sum->counts.blocks,
		strcmp(command, "temporary") ? "" : " temporary", thing,
		sum->counts.blocks == 1 ? "" : "s");
}

/* ---- the sections ---- */

/* Where the rows end that are of the same pool as the first. */
static size_t section_end(const struct heap_view *v, size_t first)
{
	size_t end = first + 1;

	while (end < v->count && v->rows[end].pool == v->rows[first].pool)
		end++;
	return end;
}

static void write_pool(const struct heap_view *v, size_t first, size_t end)
{
	struct heap_sum sum = heap_sum(v->command, &v->rows[first], end - first);
	FILE *out = v->sink->out;
	char shown[160];

	fprintf(out, "\nin pool %s: ", log_quote(shown, sizeof(shown), v->rows[first].pool));
	heap_sum_write(out, v->command, &sum, "chunk");
	fputs(" from ", out);
	human_number_write(out, end - first, "call site");
	fputc('\n', out);
	heap_table_write(v, first, end);
}

static void write_sections(const struct heap_view *v)
{
	size_t first = v->own, end;

	if (v->own) {
		fputc('\n', v->sink->out);
		heap_table_write(v, 0, v->own);
	}
	if (first < v->count)
		fputs("\nChunks of pools lie in blocks, and are not in the sums above:\n",
		      v->sink->out);
	for (; first < v->count; first = end) {
		end = section_end(v, first);
		write_pool(v, first, end);
	}
}

static void report(struct sink *s, const struct report *r)
{
	struct heap_view v = {
		.sink = s, .report = r, .sites = s->state, .command = s->ops->command};
	struct site_row *rows = sites_list(v.sites, s, r, &v.count);

	v.rows = rows;
	while (v.own < v.count && !rows[v.own].pool)
		v.own++;
	heap_head_write(&v);
	write_sections(&v);
	free(rows);
	fputc('\n', s->out);
	if (r->memory && r->memory->count > 1) {
		gap_write(s, r->memory);
		fputc('\n', s->out);
	}
	books_write(s, r);
}

#define TEXT_SINK(name, writes)                      \
	const struct sink_ops text_##name##_sink = { \
		.command = #name,                    \
		.format = "text",                    \
		.state_size = sizeof(struct sites),  \
		.start = sites_start,                \
		.event = sites_event,                \
		.tick = (writes),                    \
		.finish = (writes),                  \
		.fini = sites_fini,                  \
	}

TEXT_SINK(leaks, report);
TEXT_SINK(hot, report);
TEXT_SINK(temporary, report);
TEXT_SINK(peak, report);
TEXT_SINK(sizes, heap_sizes_write);
