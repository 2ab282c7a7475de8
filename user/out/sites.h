/* SPDX-License-Identifier: MIT */
/*
 * What all reports on the heap (leaks, hot, temporary, peak, sizes) keep while events come in: the
 * profile of core, by call site; and how they list it. A site is a stack together with the pool, if
 * any, whose chunks were handed out along it.
 */
#ifndef ALLOCTRACE_OUT_SITES_H
#define ALLOCTRACE_OUT_SITES_H

#include "core/profile.h"
#include "out/tree.h"

struct sites {
	struct profile profile;
	struct tree tree;
	struct table by_node;  /* node and pool -> number of the site */
	struct table by_stack; /* process, stack and pool -> number of the site */
	struct site_place {
		uint32_t node;          /* of the tree; 0: unknown */
		uint32_t pool;          /* row in heap's pool_rows, plus 1; 0: none */
		enum event_grade grade; /* of the first stack */
		enum event_why why;
	} * places; /* by number */
	uint32_t count, room;
	uint64_t refused; /* stacks without a site of their own, for want of memory or numbers: they
			     are of site 0, which is that of unknown stacks */
};

/* Slots of struct sink_ops; the state begins with a struct sites. */
void sites_start(struct sink *s);
void sites_event(struct sink *s, const struct event *e, const struct heap_note *note);
void sites_fini(struct sink *s);

/* One line of a report. */
struct site_row {
	uint32_t site;
	const struct profile_site *counts;
	const struct site_place *place;
	const char *pool;         /* name, of the heap's pool_rows; NULL: none */
	struct profile_leak leak; /* of the report `leaks`: see profile_leaks */
	struct profile_counts at_peak;
};

/*
 * The sites that `report` ("leaks", "hot", "temporary", "peak") has something to say about: those
 * of malloc and its kin, then those of each pool, by the pools' names, the greatest first in each.
 * Always in the same order for the same events. To be freed by the caller, before the next event.
 * NULL with *count 0: none; NULL with another *count: no memory.
 */
struct site_row *sites_rows(const struct sites *all, const struct sink *s, const struct report *r,
			    const char *report, size_t *count);

/* Of `leaks`: how old the oldest block is, in ns. */
uint64_t site_row_age(const struct site_row *row, const struct sink *s, const struct report *r);

/* The same of the sink's own report. For want of memory there are none, which is said. */
struct site_row *sites_list(const struct sites *all, const struct sink *s, const struct report *r,
			    size_t *count);

#endif
