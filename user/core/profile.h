/* SPDX-License-Identifier: MIT */
/*
 * What allocations add up to by call site: how many, how large, how long they lived, what is left,
 * and what was live at the peak. Pure arithmetic beside core/heap, which knows the blocks: it tells
 * when one goes (struct heap, on_gone), and keeps with each block what the profile wants back then
 * (struct heap_mark).
 *
 * A site is a number that the caller gives to an event: to a whole stack, or to a line. Chunks of
 * pools lie in blocks of malloc's kin: their sites are apart, and the sums over all sites leave
 * them out.
 *
 * The peak. When the live bytes exceed all before, that moment has a number; a site remembers what
 * it had at the last such moment when it changes for the first time after it. So each event costs
 * the same, and what was live at the peak is exact for every site. What processes leave that end is
 * live in the sums, since nobody has freed it, and is not in the peak of those that come later.
 */
#ifndef ALLOCTRACE_CORE_PROFILE_H
#define ALLOCTRACE_CORE_PROFILE_H

#include "core/event.h"
#include "core/heap.h"
#include "core/table.h"

#define PROFILE_MAX_SITES (1u << 22)
/* Decades: below 1 us, below 10 us … below 10,000 s, more; see profile_lifetime_limit. */
#define PROFILE_LIFETIMES 12
/* Size classes by the smallest power of two that is not less: class 0 has 0 bytes, 1: 1, 2: 2,
 * 3: 3-4, 4: 5-8 … 63: up to 2^62, 64: more. */
#define PROFILE_SIZES     65

struct profile_counts {
	uint64_t blocks, bytes;
};

/* Of one site, or of all. A realloc that succeeds ends a block of the site that had made it, and
 * makes one of its own. */
struct profile_site {
	struct profile_counts allocated; /* blocks handed out, all in all */
	uint64_t failed;                 /* calls that handed out nothing */
	struct profile_counts live;      /* now */
	struct profile_counts ended;     /* of live: of processes that have ended */
	struct profile_counts old;       /* of ended: had reached the age that is asked for */
	struct profile_counts at_peak;   /* as of `moment`, see profile_at_peak */
	uint64_t moment;
	/* Blocks that the same thread freed within `within` of its next calls. Calls that fail, and
	 * free(NULL), are none; those of pools are apart from the others. */
	uint64_t temporary;
	uint64_t freed;              /* blocks, by calls (not by exec, or the end of a pool) */
	uint64_t freed_elsewhere;    /* of them, by another thread than the one that had got it */
	uint64_t reallocs;           /* calls of realloc here that succeeded … */
	uint64_t moved, moved_bytes; /* … and that copied, and so much */
	uint64_t chain;              /* moves of one block in a row, the most */
	uint64_t lifetime_ns, longest_ns;
	uint64_t lifetimes[PROFILE_LIFETIMES]; /* of blocks that were freed */
	uint64_t smallest, largest; /* bytes asked for; nothing while allocated.blocks is 0 */
	uint64_t first_ns, last_ns; /* allocations, in the clock of the events */
	uint64_t oldest_ns; /* of the blocks of ended: when the oldest was handed out; 0: none */
	uint64_t latency_count, latency_ns, latency_max; /* of measured calls that hand out */
};

/* Of all blocks of one size class, pools excepted. */
struct profile_size {
	struct profile_counts allocated, live;
	uint64_t temporary, freed, lifetime_ns;
};

struct profile {
	struct profile_site *sites; /* by number; profile_site grows it */
	uint32_t count, room;
	struct profile_site all; /* the sums, without pools; at_peak is that of the peak */
	struct profile_size sizes[PROFILE_SIZES];
	uint64_t peak_ns;   /* when it was; 0: there was none */
	uint64_t older_ns;  /* the age that `old` is about */
	uint32_t within;    /* calls, see temporary; 1: the very next one */
	struct table calls; /* thread -> how many calls it has made */
	struct heap *heap;  /* borrowed */
	uint64_t refused;   /* blocks that belong to no site, for want of memory or numbers */
};

/* Begins to watch the heap, which is borrowed until profile_fini, has been initialized and has seen
 * no event. */
void profile_init(struct profile *p, struct heap *heap, uint64_t older_ns, uint32_t within);
void profile_fini(struct profile *p);

/*
 * After heap_apply of a call. `site`: where it came from, below PROFILE_MAX_SITES; what it hands
 * out belongs there. Numbers should be dense: they are indices.
 */
void profile_apply(struct profile *p, const struct event *e, const struct heap_note *note,
		   uint32_t site);

/* What the site had at the peak. */
struct profile_counts profile_at_peak(const struct profile *p, const struct profile_site *site);

/* Of one site. */
struct profile_leak {
	struct profile_counts old; /* live, and as old as is asked for */
	uint64_t oldest_ns;        /* when the oldest was handed out that is live; 0: none is */
};

/*
 * What is live now, blocks of ended processes included: these were as old as they were at the last
 * event before their process ended. `now_ns` is in the clock of the events. One for each site, by
 * number, to be freed by the caller; NULL: no memory, or no site.
 */
struct profile_leak *profile_leaks(const struct profile *p, uint64_t now_ns);

/* The upper limit of a decade of lifetimes in ns, which is not in it; UINT64_MAX for the last. */
uint64_t profile_lifetime_limit(unsigned int decade);

/* The class of a size, and the largest size of a class. */
unsigned int profile_size_class(uint64_t size);
uint64_t profile_size_limit(unsigned int class);

#endif
