// SPDX-License-Identifier: MIT
/*
 * The reports on the heap for pprof, and for all that reads its profiles. All have the four values
 * that heap profiles of Go have, so that the same views serve:
 *
 *	            alloc_objects, alloc_space       inuse_objects, inuse_space
 *	leaks       handed out                       not freed, and as old as is asked for
 *	hot         handed out                       live at the end
 *	temporary   handed out and freed at once     (nothing)
 *	peak        handed out                       live at the peak
 *
 * How large temporary blocks are is not kept: their bytes are by the mean size of the site's.
 *Chunks of pools lie in blocks that are counted, too, and bear a label.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "out/pprof_file.h"
#include "out/sites.h"

static const struct meaning {
	const char *command, *shown, *words;
} meanings[] = {
	{"leaks", "inuse_space", "inuse is what was not freed"},
	{"hot", "alloc_objects", "inuse is what was live at the end"},
	{"temporary", "alloc_objects",
	 "alloc is what was freed at once; its bytes are by the mean size of all blocks of a site"},
	{"peak", "inuse_space", "inuse is what was live at the peak"},
};

static const struct meaning *meaning_of(const char *command)
{
	const struct meaning *m = meanings;

	while (strcmp(m->command, command))
		m++;
	return m;
}

/* ---- samples ---- */

static struct profile_counts temporary(const struct profile_site *site)
{
	double mean = site->allocated.blocks
			      ? (double)site->allocated.bytes / (double)site->allocated.blocks
			      : 0;

	return (struct profile_counts){site->temporary,
				       (uint64_t)(mean * (double)site->temporary + 0.5)};
}

static void put_row(struct pprof_file *f, const struct sites *all, const char *command,
		    const struct site_row *row)
{
	struct profile_counts alloc = row->counts->allocated, inuse = row->counts->live;

	if (!strcmp(command, "leaks")) {
		inuse = row->leak.old;
	} else if (!strcmp(command, "peak")) {
		inuse = row->at_peak;
	} else if (!strcmp(command, "temporary")) {
		alloc = temporary(row->counts);
		inuse = (struct profile_counts){0};
	}
	pprof_sample(f, &all->tree, row->place->node, row->pool,
		     (const uint64_t[]){alloc.blocks, alloc.bytes, inuse.blocks, inuse.bytes});
}

static void put_rows(struct sink *s, struct pprof_file *f, const struct report *r)
{
	size_t count;
	struct site_row *rows = sites_list(s->state, s, r, &count);

	for (size_t i = 0; i < count; i++)
		put_row(f, s->state, s->ops->command, &rows[i]);
	if (count && rows[count - 1].pool)
		pprof_comment(f, "samples with the label pool are chunks, which lie in blocks of "
				 "other samples: look at either, by -tagignore or -tagfocus");
	free(rows);
}

/* ---- what is to be known beside them ---- */

static void say(struct pprof_file *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct pprof_file *f, const char *format, ...)
{
	char words[300];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	pprof_comment(f, words);
}

/* Why the figures may not be the whole truth. */
static void put_caveats(struct sink *s, struct pprof_file *f, const struct report *r)
{
	const struct sites *all = s->state;

	if (!s->info->live_known)
		say(f, "not all allocations and frees are traced: what is live is not known");
	else if (!report_live_is_exact(r))
		say(f, "not exact: %" PRIu64 " calls were lost, %" PRIu64 " were only counted",
		    report_lost(r), r->counters[EVENT_COUNTED_ONLY]);
	if (s->info->sample_bytes)
		say(f, "sampled: these are the samples alone, one in %" PRIu64 " bytes on average",
		    s->info->sample_bytes);
	if (all->profile.refused)
		say(f, "%" PRIu64 " blocks are in no sample: no memory, or too many call sites",
		    all->profile.refused);
	if (all->refused || all->tree.refused)
		say(f,
		    "calls along %" PRIu64
		    " stacks are in the sample of a part of them: no memory, or too many",
		    all->refused + all->tree.refused);
}

static void put_words(struct sink *s, struct pprof_file *f, const struct meaning *m,
		      const struct report *r)
{
	say(f, "alloctrace %s %s: %s", s->info->version, m->command, m->words);
	if (s->info->older_ns && !strcmp(m->command, "leaks"))
		say(f, "of inuse only blocks of %" PRIu64 " ms and more",
		    s->info->older_ns / 1000000);
	put_caveats(s, f, r);
}

static void finish(struct sink *s, const struct report *r)
{
	const struct meaning *m = meaning_of(s->ops->command);
	const struct pprof_about about = {
		.types = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"},
		.units = {"count", "bytes", "count", "bytes"},
		.shown = m->shown,
		.sample_bytes = s->info->sample_bytes,
		.time_ns = s->info->wall_ns,
		.duration_ns = r->elapsed_ns,
	};
	struct pprof_file *f = pprof_begin(s->out, &about);

	if (!f) {
		log_error("no memory for the profile");
		return;
	}
	put_words(s, f, m, r);
	put_rows(s, f, r);
	if (!pprof_end(f))
		log_error("parts of the profile are missing: no memory");
}

#define PPROF_SINK(name)                              \
	const struct sink_ops pprof_##name##_sink = { \
		.command = #name,                     \
		.format = "pprof",                    \
		.state_size = sizeof(struct sites),   \
		.start = sites_start,                 \
		.event = sites_event,                 \
		.finish = finish,                     \
		.fini = sites_fini,                   \
	}

PPROF_SINK(leaks);
PPROF_SINK(hot);
PPROF_SINK(temporary);
PPROF_SINK(peak);
