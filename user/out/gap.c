// SPDX-License-Identifier: MIT
/*
 *	MEMORY       live heap  heap mapped  heap resident  all resident
 *	  0.05 s      1.2 MiB      4.0 MiB        2.1 MiB       9.8 MiB
 *	 12.40 s      1.3 MiB     44.0 MiB       41.9 MiB      50.1 MiB
 *	What grows is memory that was freed, but is kept by the allocator: …
 */
#include "out/gap.h"

#include "out/json.h"
#include "out/human.h"

#define ROWS 8 /* moments that are shown */

static void write_point(struct sink *s, const struct memory_point *p)
{
	char live[HUMAN_TEXT], mapped[HUMAN_TEXT], resident[HUMAN_TEXT], rss[HUMAN_TEXT];

	fprintf(s->out, "%9.2f s %12s %12s %14s %13s\n",
		(double)(int64_t)(p->ts_ns - s->info->start_ns) / 1e9, human_size(live, p->live),
		human_size(mapped, p->mapped), human_size(resident, p->resident),
		human_size(rss, p->rss));
}

void gap_write(struct sink *s, const struct memory *m)
{
	static const char *const sentences[] = {
		[MEMORY_STEADY] = "Nothing grows for good.",
		[MEMORY_LIVE] = "What grows is the live heap: blocks that nobody has freed.",
		[MEMORY_KEPT] =
			"What grows is memory that is not live: freed, but kept by the allocator, "
			"or in pieces that are too small to be used.",
		[MEMORY_OTHER] = "What grows is no heap: files, stacks, or memory that is not "
				 "malloc's.",
	};
	size_t rows = m->count < ROWS ? m->count : ROWS;

	if (m->count < 2)
		return;
	fprintf(s->out, "%-11s %12s %12s %14s %13s\n", "MEMORY", "live heap", "heap mapped",
		"heap resident", "all resident");
	for (size_t i = 0; i < rows; i++)
		write_point(s, &m->points[i * (m->count - 1) / (rows - 1)]);
	fprintf(s->out, "%s\n", sentences[memory_growth(m)]);
}

void gap_write_json(struct sink *s, const struct memory *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct memory_point *p = &m->points[i];
		json_t *o = json_object();

		json_object_set_new(o, "type", json_string("memory"));
		json_object_set_new(o, "ts_ns", json_count(p->ts_ns));
		json_object_set_new(o, "live", json_count(p->live));
		json_object_set_new(o, "mapped", json_count(p->mapped));
		json_object_set_new(o, "resident", json_count(p->resident));
		json_object_set_new(o, "rss", json_count(p->rss));
		json_line(s->out, o);
	}
}
