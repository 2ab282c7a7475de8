// SPDX-License-Identifier: MIT
/*
 * A file that a traced process maps, as the probes read it: its symbols, its USDT notes, whether it
 * is Go's, and where in its functions the probes go.
 */
#include "fuzz.h"

#include "core/log.h"
#include "probe/functions.h"
#include "probe/object.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_QUIET);
	return 0;
}

static void check_object(const struct object *o, const struct functions *f)
{
	fuzz_check(o->site_count <= OBJECT_MAX_SITES, "no more sites than fit");
	fuzz_check(f->count <= EVENT_MAX_FUNCTIONS, "no more functions than rows");
	for (size_t i = 0; i < o->site_count; i++) {
		const struct object_site *s = &o->sites[i];

		fuzz_check(s->function < f->count, "a site is of a row of the table");
		fuzz_check(o->defined >> s->function & 1, "its function is defined");
		fuzz_check(s->site.cost <= SITE_REFUSED, "its cost is known");
		fuzz_check(!s->site.skip || s->site.skip < s->size, "it lies in the function");
		for (size_t k = 0; k < i; k++)
			fuzz_check(o->sites[k].entry != s->entry, "each place is one site");
	}
	for (size_t i = 0; i < f->count; i++)
		fuzz_check(memchr(f->rows[i].name, 0, FUNCTION_NAME_LEN), "a function's name ends");
	fuzz_check(!o->has_timers || o->has_pools, "timers are a kind of pool");
}

/* The one place that knows how a file is read. */
static void read_file(const uint8_t *data, size_t size, struct functions *functions, bool named)
{
	struct scanner *scanner;
	struct object o;
	int err;

	scanner = scanner_new(functions, &err);
	if (!scanner)
		abort();
	if (!object_init(&o, scanner, fuzz_file(data, size), "/input", functions, named)) {
		check_object(&o, functions);
		object_fini(&o);
	}
	scanner_free(scanner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct functions functions;

	functions_init(&functions);
	read_file(data, size, &functions, false);
	read_file(data, size, &functions, true);
	functions_fini(&functions);
	return 0;
}
