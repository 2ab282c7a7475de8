// SPDX-License-Identifier: MIT
/*
 * Finds allocators by what a file defines, not by what it is called: glibc, a preloaded jemalloc
 * and a static program with its own malloc all look the same from here.
 */
#include "probe/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "probe/functions.h"

/* While a file is read. */
struct reading {
	struct object *object;
	struct functions *functions;
	uint64_t bodyless; /* bit i: row i has a symbol here that leads nowhere */
};

/* In one sentence, however many there are. */
static void warn_bodyless(const struct reading *r)
{
	uint64_t bodyless = r->bodyless & ~r->object->defined;
	int others = __builtin_popcountll(bodyless) - 1;
	const char *first;

	if (!bodyless)
		return;
	first = r->functions->rows[__builtin_ctzll(bodyless)].name;
	if (others)
		log_warn("'%s' and %d more of '%s' are not traced: they have no code in the file",
			 first, others, r->object->path);
	else
		log_warn("'%s' in '%s' is not traced: it has no code in the file", first,
			 r->object->path);
}

/* A function of the table, unless one lies there already: of two names of one address the earlier
 * row counts. */
static void add_site(struct object *o, const struct scan_function *f, unsigned int function)
{
	for (size_t i = 0; i < o->site_count; i++) {
		if (o->sites[i].entry != f->entry)
			continue;
		if (function < o->sites[i].function)
			o->sites[i].function = function;
		return;
	}
	if (o->site_count < OBJECT_MAX_SITES)
		o->sites[o->site_count++] = (struct object_site){
			.entry = f->entry, .size = f->size, .function = function, .site = f->site};
}

static void visit_function(void *context, const struct scan_function *f)
{
	struct reading *r = context;
	int row = functions_match(r->functions, f->name, f->exported);

	if (row < 0)
		return;
	if (!f->has_code) {
		r->bodyless |= 1ULL << row;
		return;
	}
	r->object->defined |= 1ULL << row;
	add_site(r->object, f, (unsigned int)row);
}

/* Whether both keys of that function's family are there, under the same prefix. */
static bool family_is_complete(const struct object *o, const struct functions *functions,
			       const struct function *f)
{
	unsigned int keys = 0;

	for (size_t i = 0; i < functions->count; i++) {
		const struct function *other = &functions->rows[i];

		keys += other->key && o->defined >> i & 1 && other->family == f->family &&
			other->prefix == f->prefix;
	}
	return keys == 2 || f->family == FAMILY_OWN;
}

static void drop_incomplete(struct object *o, const struct functions *functions)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->site_count; i++) {
		if (family_is_complete(o, functions, &functions->rows[o->sites[i].function]))
			o->sites[kept++] = o->sites[i];
	}
	o->site_count = kept;
}

int object_init(struct object *o, struct scanner *scanner, int fd, const char *path,
		struct functions *functions, bool named)
{
	struct reading reading = {.object = o, .functions = functions};
	struct scan_facts facts;
	int err = -ENOMEM;

	*o = (struct object){.fd = fd, .path = strdup(path)};
	if (o->path)
		err = scanner_read(scanner, fd, &facts, visit_function, &reading);
	if (err) {
		object_fini(o);
		return err;
	}
	warn_bodyless(&reading);
	o->is_partial = reading.bodyless & ~o->defined;
	if (!named)
		drop_incomplete(o, functions);
	o->has_pools = facts.has_pools;
	o->has_timers = facts.has_timers;
	o->has_otel_pools = facts.has_otel_pools;
	o->is_go = facts.is_go;
	return 0;
}

void object_fini(struct object *o)
{
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	*o = (struct object){.fd = -1};
}

const char *object_fd_path(const struct object *o, char *buf, size_t len)
{
	snprintf(buf, len, "/proc/self/fd/%d", o->fd);
	return buf;
}
