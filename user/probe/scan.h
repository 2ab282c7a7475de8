/* SPDX-License-Identifier: MIT */
/*
 * What an ELF file holds that a probe could be for, as a helper process reads it (guard/helper.h).
 * Files of one owner, on one mount, are read by one process, and one that others may write by a
 * process of its own: so whoever can make a file decides about probes in his own files alone, as he
 * does by their symbols anyway. What is said is checked for its form and believed no further.
 */
#ifndef ALLOCTRACE_PROBE_SCAN_H
#define ALLOCTRACE_PROBE_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/pack.h"
#include "probe/functions.h"
#include "probe/site.h"

struct scanner;

/* A function that the table may know. */
struct scan_function {
	const char *name; /* as the linker has it; a view that ends with the call */
	bool exported;    /* visible outside of its object */
	bool has_code;    /* else it has a symbol alone, and no entry, size and site */
	uint64_t entry;   /* bytes into the file */
	uint64_t size;    /* bytes; 0: unknown */
	struct site site;
};

struct scan_facts {
	bool has_pools;      /* USDT notes of provider "alloctrace" */
	bool has_timers;     /* of these, "timed" */
	bool has_otel_pools; /* and of "otel_memory" */
	bool is_go;
};

typedef void (*scan_visit_fn)(void *context, const struct scan_function *f);

/*
 * Starts the process, which has the table of functions as of now: rows that come to it later are of
 * prefixes that it knows. NULL with a negative errno in *err.
 */
struct scanner *scanner_new(struct functions *functions, int *err);
void scanner_free(struct scanner *s); /* NULL is allowed */

/*
 * Reads the file behind `fd`, which stays the caller's, and calls `visit` for each function.
 * -ENOEXEC: not a 64-bit ELF file, or one that is cut or malformed; -ECONNRESET: the process died
 * of it; -ENOTCONN: there is no such process any more; or another negative errno.
 */
int scanner_read(struct scanner *s, int fd, struct scan_facts *facts, scan_visit_fn visit,
		 void *context);

pid_t scanner_keeper(const struct scanner *s); /* see guard/helper.h */
bool scanner_owns(const struct scanner *s, pid_t pid);

/* "not a 64-bit ELF file, or cut short" and the like, for an error of scanner_read. */
const char *scan_strerror(int err);

/* The two halves of scanner_read, for whom they are called elsewhere: what the process does, and
 * what is made of its answer. 0 or a negative errno. */
int scan_file(int fd, const struct functions *functions, bool nop5_hazard, struct pack *out);
int scan_take(struct pack *answer, struct scan_facts *facts, scan_visit_fn visit, void *context);

#endif
