/* SPDX-License-Identifier: MIT */
/*
 * One ELF file as the probes see it: at which file offsets the traced functions begin, and whether
 * it holds pools that announce themselves. It is reached through an open descriptor, never by its
 * name, so that what is probed is the file that was looked at.
 */
#ifndef ALLOCTRACE_PROBE_OBJECT_H
#define ALLOCTRACE_PROBE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probe/functions.h"
#include "probe/scan.h"
#include "probe/site.h"

#define OBJECT_MAX_SITES 64

struct object_site {
	uint64_t entry;        /* of the function: bytes into the file */
	uint64_t size;         /* of the function, in bytes; 0: unknown */
	unsigned int function; /* row of the table of functions */
	struct site site;      /* the probe lies at entry + site.skip */
};

struct object {
	int fd;            /* owned; -1 when there is none */
	char *path;        /* owned; as mapped, for people */
	size_t site_count; /* each offset once: two names of one address are one site */
	struct object_site sites[OBJECT_MAX_SITES];
	uint64_t defined;    /* bit i: it has a symbol of row i of the table, at whatever address */
	bool has_pools;      /* USDT notes of provider "alloctrace" */
	bool has_timers;     /* of these, "timed": operations that the process times itself */
	bool has_otel_pools; /* and of "otel_memory" */
	bool is_partial;     /* it has functions of the table that lie nowhere in it */
	bool is_go;          /* Go's own code must not be given return probes */
};

/*
 * Reads the file behind `fd`, which the object owns from here on, also on error. Functions of a
 * family (function_family) have sites when the file defines the keys of that family, or in any case
 * when it is `named`: the user has said that this is an allocator. Errors are those of
 * scanner_read; scan_strerror has words for them.
 */
int object_init(struct object *o, struct scanner *scanner, int fd, const char *path,
		struct functions *functions, bool named);
void object_fini(struct object *o);

static inline bool object_is_interesting(const struct object *o)
{
	return o->site_count || o->has_pools || o->has_otel_pools;
}

/* A path by which the kernel reaches the very file of o->fd. Returns buf. */
const char *object_fd_path(const struct object *o, char *buf, size_t len);

#endif
