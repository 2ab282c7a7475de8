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

#include "probe/binary.h"
#include "probe/functions.h"

#define POOL_PROVIDER "alloctrace"

/* A function of the table, unless one lies there already: of two names of one address the earlier
 * row counts. */
static void add_site(struct object *o, const struct binary_function *f, unsigned int function)
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
			.entry = f->entry, .size = f->size, .function = function};
}

static int visit_function(void *context, const struct binary_function *f)
{
	for (unsigned int i = 0; i < function_count; i++) {
		if (function_has_symbol(&functions[i], f->name))
			add_site(context, f, i);
	}
	return 0;
}

static bool defines(const struct object *o, const char *name)
{
	for (size_t i = 0; i < o->site_count; i++) {
		if (!strcmp(functions[o->sites[i].function].name, name))
			return true;
	}
	return false;
}

/* Decides where in each function the probe goes. */
static int find_sites(struct object *o, struct binary *b)
{
	bool hazard = site_nop5_hazard();
	int err = 0;

	for (size_t i = 0; i < o->site_count && !err; i++) {
		struct binary_function f = {.entry = o->sites[i].entry, .size = o->sites[i].size};

		err = binary_find_site(b, &f, hazard, &o->sites[i].site);
	}
	return err;
}

int object_init(struct object *o, int fd, const char *path)
{
	struct binary *b = NULL;
	int err;

	*o = (struct object){.fd = fd, .path = strdup(path)};
	if (!o->path) {
		err = -ENOMEM;
		goto out;
	}
	b = binary_new(fd, &err);
	if (!b)
		goto out;
	binary_each_function(b, visit_function, o);
	if (!defines(o, "malloc") || !defines(o, "free"))
		o->site_count = 0;
	o->has_pools = binary_has_provider(b, POOL_PROVIDER);
	err = find_sites(o, b);
out:
	binary_free(b);
	if (err)
		object_fini(o);
	return err;
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
