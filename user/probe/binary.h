/* SPDX-License-Identifier: MIT */
/*
 * An ELF file as the probes need it: the functions it defines, where they lie in the file, their
 * code, and the USDT providers it names. Read through a descriptor, not mapped: a file that shrinks
 * meanwhile is an error and no SIGBUS.
 */
#ifndef ALLOCTRACE_PROBE_BINARY_H
#define ALLOCTRACE_PROBE_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/site.h"

struct binary_function {
	const char *name; /* a view, for the time of the call; without its version */
	uint64_t entry;   /* bytes into the file */
	uint64_t size;    /* bytes; 0: unknown */
	bool exported;    /* visible outside of the object */
	bool has_code; /* its address lies in code that the file holds; else entry says nothing */
};

struct binary;

/* NULL with a negative errno in *err: -ENOEXEC for what is no ELF file of this machine's kind. `fd`
 * is borrowed. */
struct binary *binary_new(int fd, int *err);
void binary_free(struct binary *b);

/*
 * Calls `visit` for every function that is defined here (.dynsym, then .symtab, so that one may
 * come twice). A non-zero return ends the walk and is returned. -ENOEXEC: the file ends before its
 * own tables do.
 */
typedef int (*binary_function_fn)(void *context, const struct binary_function *f);
int binary_each_function(struct binary *b, binary_function_fn visit, void *context);

/* Whether there are USDT notes of that provider and, unless that is NULL, of that probe of it. */
bool binary_has_probe(struct binary *b, const char *provider, const char *probe);

/* Whether it is a Go program, whose stacks move: a return probe would crash it (golang/go#22008).
 */
bool binary_is_go(struct binary *b);

/* Where in the function a probe goes. 0 or -ENOMEM. */
int binary_find_site(struct binary *b, const struct binary_function *f, bool nop5_hazard,
		     struct site *site);

#endif
