// SPDX-License-Identifier: MIT
/*
 * The reports on the heap as folded stacks, which flame graphs are drawn of: the frames of a site
 * from the outermost on, and what it counts. All sites, at the end alone, and nothing else: no
 * books.
 *
 *	__libc_start_main;main;queue_push;message_new 1258291
 *
 * Chunks of pools lie in blocks of malloc's kin: they stand under a root of their own, "[pool
 * NAME]". Where a signal came, "[signal]" is a frame.
 */
#include "out/folded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "out/heap_text.h"

#define NAME_LEN 4096
#define DEEPEST  4096 /* frames; inlined ones are many more than there are words */

/* A semicolon divides frames, and none is empty. */
static void write_name(FILE *out, const char *name, bool quoted)
{
	char shown[NAME_LEN];

	if (!*name)
		name = "??";
	if (quoted)
		log_quote(shown, sizeof(shown), name);
	else
		snprintf(shown, sizeof(shown), "%s", name);
	for (char *c = strchr(shown, ';'); c; c = strchr(c, ';'))
		*c = ':';
	fputs(shown, out);
}

static void write_frame(FILE *out, const struct sym_frame *f, bool quoted)
{
	if (f->function) {
		write_name(out, f->function, quoted);
		return;
	}
	write_name(out, f->module, quoted);
	fprintf(out, "+0x%" PRIx64, f->module_offset);
}

void folded_path_write(FILE *out, const struct tree *t, uint32_t node, bool quoted)
{
	uint32_t path[DEEPEST];
	size_t depth = 0;

	for (; node && depth < DEEPEST; node = t->nodes[node].parent)
		path[depth++] = node;
	if (node)
		fputs("[deeper];", out);
	if (!depth)
		fputs("[unreadable stack]", out);
	while (depth--) {
		write_frame(out, &t->nodes[path[depth]].frame, quoted);
		if (t->nodes[path[depth]].interrupted)
			fputs(";[signal]", out);
		if (depth)
			fputc(';', out);
	}
}

void folded_pool_write(FILE *out, const char *pool)
{
	fputs("[pool ", out);
	write_name(out, pool, true);
	fputs("];", out);
}

static void report(struct sink *s, const struct report *r)
{
	const struct sites *all = s->state;
	size_t count;
	struct site_row *rows = sites_list(all, s, r, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t value = heap_measure(s->ops->command, &rows[i]);

		if (!value)
			continue;
		if (rows[i].pool)
			folded_pool_write(s->out, rows[i].pool);
		folded_path_write(s->out, &all->tree, rows[i].place->node, true);
		fprintf(s->out, " %" PRIu64 "\n", value);
	}
	free(rows);
	fflush(s->out);
}

#define FOLDED_SINK(name)                              \
	const struct sink_ops folded_##name##_sink = { \
		.command = #name,                      \
		.format = "folded",                    \
		.state_size = sizeof(struct sites),    \
		.start = sites_start,                  \
		.event = sites_event,                  \
		.finish = report,                      \
		.fini = sites_fini,                    \
	}

FOLDED_SINK(leaks);
FOLDED_SINK(hot);
FOLDED_SINK(temporary);
FOLDED_SINK(peak);
