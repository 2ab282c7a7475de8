// SPDX-License-Identifier: MIT
/* What a run is, for its sink; and what it will not see, for people. */
#include "cmd/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "guard/privileges.h"

#define DEFAULT_ROWS 20

/* Names and kinds of the functions, of which new ones may have come. */
void describe_functions(struct run *r)
{
	const struct functions *f = &r->options->functions;

	r->info.functions = r->names;
	r->info.function_count = f->count;
	for (size_t i = 0; i < f->count; i++) {
		r->names[i] = f->rows[i].name;
		if (function_frees(&f->rows[i]))
			r->info.frees |= 1ULL << i;
		if (f->rows[i].family == FAMILY_OWN)
			r->heap.own_functions |= 1ULL << i;
		if (f->rows[i].wanted && r->attacher.functions_seen >> i & 1)
			r->info.traced |= 1ULL << i;
	}
}

/* What text for a terminal has to know of it. */
static void describe_terminal(struct run_info *info, const struct options *o)
{
	bool terminal = !o->output && isatty(STDOUT_FILENO);
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct winsize size;

	if (terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		info->columns = size.ws_col;
	info->color =
		!strcmp(o->color, "always") || (!strcmp(o->color, "auto") && terminal && term &&
						strcmp(term, "dumb") && (!no_color || !*no_color));
}

/* People want to see the first ones, programs all. */
static size_t rows_of(const struct options *o)
{
	bool by_site = o->by == LANE_BY_SITE ||
		       (command_find(o->report)->stacks && !strcmp(o->format, "text"));

	if (o->top)
		return o->top;
	return by_site ? DEFAULT_ROWS : 0;
}

void describe_report(struct run *r)
{
	const struct options *o = r->options;

	r->info.version = ALLOCTRACE_VERSION;
	r->info.targets = r->pids;
	r->info.functions = r->names;
	r->info.adds_up = options_add_up(o);
	r->info.by = o->by;
	r->info.stacks = o->stacks;
	r->info.top = rows_of(o);
	r->info.heap = &r->heap;
	r->info.older_ns = o->older_ms * 1000000;
	r->info.within = o->within ? (unsigned int)o->within : 1;
	r->info.symbolizer = r->symbolizer;
	describe_terminal(&r->info, o);
}

void describe_run(struct run *r)
{
	const struct options *o = r->options;

	uname(&r->kernel);
	describe_report(r);
	r->info.kernel = r->kernel.release;
	r->info.sample_bytes = o->sample_bytes;
	r->info.why = o->why;
	r->info.svg = o->svg;
	r->info.live_known = !options_add_up(o) && functions_pair(&o->functions) && !o->min_size &&
			     o->max_size == UINT64_MAX;
	describe_functions(r);
}

static void record_functions(struct run *r)
{
	const struct functions *f = &r->options->functions;
	struct record_function rows[EVENT_MAX_FUNCTIONS] = {0};
	struct record record = {.kind = RECORD_FUNCTIONS,
				.functions = {.at = rows, .count = (uint32_t)f->count}};

	for (size_t i = 0; i < f->count; i++)
		rows[i] = (struct record_function){
			.name = f->rows[i].name,
			.family = r->heap.findings.families[i],
			.traced = r->info.traced >> i & 1,
			.frees = r->info.frees >> i & 1,
			.own = r->heap.own_functions >> i & 1,
		};
	recorder_put(&r->recorder, &record);
}

void describe_begin(struct run *r)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	r->info.start_ns = timeline_now();
	r->info.wall_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* As it was typed; what is too long for a recording is left out. */
static void join_words(char *text, size_t len, char *const *words)
{
	size_t used = 0;

	text[0] = '\0';
	for (; words && *words && used < len; words++)
		used += (size_t)snprintf(text + used, len - used, "%s%s", used ? " " : "", *words);
}

int describe_recording(struct run *r)
{
	const struct findings *checks = &r->heap.findings;
	char command[RECORD_MAX_TEXT];
	struct record_start start = {
		.version = r->info.version,
		.kernel = r->info.kernel,
		.command = command,
		.start_ns = r->info.start_ns,
		.wall_ns = r->info.wall_ns,
		.target_count = (uint32_t)r->info.target_count,
		.sample_bytes = r->info.sample_bytes,
		.only_pool = r->heap.only_pool,
		.stacks = r->info.stacks,
		.live_known = r->info.live_known,
		.checks = checks->on_finding,
		.partial = checks->partial,
		.partial_threads = checks->partial_threads,
		.whole_life = checks->whole_life,
		.names = r->options->embed_symbols,
	};
	int err;

	if (!r->recorder.output.file)
		return 0;
	join_words(command, sizeof(command), r->options->argv);
	for (uint32_t i = 0; i < start.target_count; i++)
		start.targets[i] = (uint32_t)r->pids[i];
	output_begin(&r->recorder.output);
	err = recorder_begin(&r->recorder, &start, r->symbolizer);
	record_functions(r);
	if (checks->since_ns)
		recorder_ns(&r->recorder, RECORD_LATE, checks->since_ns);
	return err;
}

void describe_more_functions(struct run *r)
{
	describe_functions(r);
	if (recorder_is_on(&r->recorder))
		record_functions(r);
}

/* Functions that the table had no room for, when new ones have come to them. */
void describe_refused(struct run *r)
{
	uint64_t refused = r->options->functions.refused;

	if (refused > r->refused_told)
		log_warn("%" PRIu64 " functions are not traced: there are more than %d in all",
			 refused, EVENT_MAX_FUNCTIONS);
	r->refused_told = refused;
}

/* Not an error: what everybody may read is traced and named without them. */
void describe_unreadable(void)
{
	char missing[256];

	privileges_missing(missing, sizeof(missing));
	if (missing[0])
		log_info("without %s, mapped files that have been deleted or that are closed to "
			 "you are not probed and give no names",
			 missing);
}

/* The next function from row `i` on that the user has named, and that is nowhere to be seen; NULL:
 * none. */
static const char *next_missing(const struct run *r, size_t *i)
{
	const struct functions *f = &r->options->functions;

	for (; *i < f->count; ++*i) {
		if (f->rows[*i].family == FAMILY_OWN && !(r->attacher.functions_seen >> *i & 1))
			return f->rows[(*i)++].name;
	}
	return NULL;
}

void describe_missing(struct run *r)
{
	const char *name;
	size_t i = 0;

	while ((name = next_missing(r, &i)))
		log_warn("no function '%s' was found (--function)", name);
	describe_refused(r);
}

int describe_nothing(const struct run *r, const char *whom)
{
	const char *name;
	size_t i = 0;

	name = next_missing(r, &i);
	if (name)
		log_error("nothing to trace in %s: no function '%s' was found, and nothing else",
			  whom, name);
	else if (r->attacher.named_count)
		log_error("nothing to trace in %s: it does not map '%s'%s", whom,
			  r->attacher.named[0].path,
			  r->attacher.named_count > 1 ? " or the other objects" : "");
	else
		log_error("nothing to trace in %s: it maps no allocator with symbols and no pool",
			  whom);
	return -ENOENT;
}

int describe_error(int err, const char *why, const char *hint)
{
	log_error("%s", why);
	if (hint[0])
		log_info("hint: %s", hint);
	return err;
}
