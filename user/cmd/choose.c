// SPDX-License-Identifier: MIT
/* From -e, --prefix and --function to the table of functions. */
#include "cmd/choose.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

static int add_own_functions(struct options *o)
{
	char why[256], shown[160], shown_why[320];

	for (size_t i = 0; i < o->own_functions.count; i++) {
		const char *spec = o->own_functions.values[i];

		if (!functions_add_own(&o->functions, spec, why, sizeof(why)))
			continue;
		log_error("--function cannot take '%s': %s", log_quote(shown, sizeof(shown), spec),
			  log_quote(shown_why, sizeof(shown_why), why));
		return -EINVAL;
	}
	return 0;
}

static void complain_events(const char *refused, int err)
{
	char shown[160];

	log_quote(shown, sizeof(shown), refused);
	if (err == -E2BIG)
		log_error("-e takes one pool:NAME, not '%s' as well", shown);
	else
		log_error("-e does not know '%s': it takes names of functions (malloc, free …), "
			  "pool, pool:NAME",
			  shown);
}

/*
 * A free has a return probe, and so a latency, when somebody has asked for it: by its name in -e,
 * or because it is compared.
 */
static void time_frees(struct options *o)
{
	struct functions *f = &o->functions;
	bool wanted = o->events.count || options_is(o, "compare");

	for (size_t i = 0; i < f->count; i++) {
		if (function_frees(&f->rows[i]) && wanted && options_add_up(o))
			f->rows[i].args.paired = true;
	}
}

/* Without -e everything is looked at; several of them add up. */
int options_choose(struct options *o)
{
	char refused[128];
	int err = 0;

	for (size_t i = 0; i < o->prefixes.count && !err; i++) {
		err = functions_add_prefix(&o->functions, o->prefixes.values[i]);
		if (err)
			log_error("--prefix comes too often");
	}
	if (!err)
		err = add_own_functions(o);
	if (!err && o->events.count)
		functions_want_none(&o->functions);
	for (size_t i = 0; i < o->events.count && !err; i++) {
		err = functions_select(&o->functions, o->events.values[i], refused,
				       sizeof(refused));
		if (err)
			complain_events(refused, err);
	}
	time_frees(o);
	return err ? -EINVAL : 0;
}
