// SPDX-License-Identifier: MIT
/* What a run is, for its sink; and what it will not see, for people. */
#include "cmd/describe.h"

#include <errno.h>
#include <inttypes.h>

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

void describe_run(struct run *r)
{
	const struct options *o = r->options;

	uname(&r->kernel);
	r->info = (struct run_info){
		.version = ALLOCTRACE_VERSION,
		.kernel = r->kernel.release,
		.targets = r->pids,
		.stacks = o->stacks,
		.sample_bytes = o->sample_bytes,
		.adds_up = options_add_up(o),
		.by = o->by,
		.why = o->why,
		.top = o->top                  ? o->top
		       : o->by == LANE_BY_SITE ? DEFAULT_ROWS
					       : 0,
		.svg = o->svg,
		.live_known = !options_add_up(o) && functions_pair(&o->functions) && !o->min_size &&
			      o->max_size == UINT64_MAX,
		.symbolizer = r->symbolizer,
	};
	describe_functions(r);
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
