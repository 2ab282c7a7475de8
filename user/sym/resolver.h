/* SPDX-License-Identifier: MIT */
/* From code addresses of processes to names: the part of symbolizer.h behind what is mapped. */
#ifndef ALLOCTRACE_SYM_RESOLVER_H
#define ALLOCTRACE_SYM_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sym/frame.h"

struct cache;
struct module;
struct names;
struct process;

struct resolver {
	struct names *names;      /* borrowed, as is the next */
	struct cache *cache;      /* the answers */
	uint32_t next_perfmap_id; /* downwards: modules count upwards */
	uint64_t refused;         /* answers that the cache had no room for */
	uint64_t kept;            /* answers of earlier runs that were asked for */
};

void resolver_init(struct resolver *r, struct names *names, struct cache *cache);

/* See symbolizer_resolve; with NULL for a process that is not known. */
struct sym_stack resolver_find(struct resolver *r, struct process *p, uint64_t address,
			       bool is_return);

/* See symbolizer_prepare. */
void resolver_prepare(struct resolver *r, const struct process *p, const uint64_t *words, size_t n);

/* See survey_locate and restore_names: the offset in the file in place of the ELF address. */
bool resolver_locate(const struct process *p, uint64_t word, uint32_t *module,
		     struct sym_address *at);

/* The answer at such a place, unless there is one. 0, -ENOMEM or -ENOSPC, which is counted. */
int resolver_add(struct resolver *r, const struct module *m, const struct sym_address *at,
		 const struct sym_frame *frames, size_t count);

#endif
