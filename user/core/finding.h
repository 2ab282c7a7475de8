/* SPDX-License-Identifier: MIT */
/*
 * What a pool did that no pool may do, and what was freed that must not be, told live from the
 * events. A finding names both sides: where it shows, and where what it contradicts was done; of a
 * block that was freed twice, also where it had been handed out.
 *
 * The rule above all others: none is false. What contradicts what was seen before is told only when
 * nothing between the two can have been missed (a full ring, a filter, memory that other processes
 * share) and no record can still be under way that explains it (heap.h, "Order"). When in doubt,
 * nothing is told.
 *
 * Blocks of malloc's kin. In a correct program no address is freed more often than it was handed
 * out, in whatever prefix of the records: each hand-out is reported before its caller has the
 * block, so before anybody can free it. So a free too many is one as soon as it is seen, and need
 * not wait for late records. What it needs is that no hand-out goes by unseen, which only the
 * caller knows: `families`, `since_ns`, `may_tell`.
 */
#ifndef ALLOCTRACE_CORE_FINDING_H
#define ALLOCTRACE_CORE_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"

enum finding_check {
	FINDING_OUTSIDE,      /* a chunk does not lie within the pool's region */
	FINDING_MISALIGNED,   /* not on the boundary that the call asked for */
	FINDING_OVERLAPPING,  /* shares bytes with a chunk that is in use */
	FINDING_TWICE_OUT,    /* handed out while in use */
	FINDING_TWICE_FREED,  /* freed, and not handed out since */
	FINDING_OTHER_POOL,   /* freed to a pool that it is not of */
	FINDING_LEAKED,       /* in use when its pool was destroyed */
	FINDING_REGION_FREED, /* the memory of the pool was freed under its chunks */
	FINDING_DOUBLE_FREE,  /* a block that was freed before, and not handed out since */
	FINDING_INVALID_FREE, /* of what is no block, and never was since the process began */
	FINDING_MISMATCHED,   /* a block that was handed out by another allocator, or by a pool */
	FINDING_NR_CHECKS,
};

/* All pointers live until the callback returns, but for the pools' names: these, until heap_fini.
 */
#define FINDING_NO_FUNCTION EVENT_MAX_FUNCTIONS

struct finding {
	enum finding_check check;
	const char *pool; /* name; NULL: the call was none of a pool's, but of `function` */
	/* OTHER_POOL, MISMATCHED: whose chunk it is; NULL elsewhere, and where it is a block. */
	const char *other_pool;
	/* Rows of the functions that this side, the other one and the third called;
	 * FINDING_NO_FUNCTION: none, or one of a pool's. */
	unsigned int function, other_function, made_function;
	char comm[17];
	uint32_t pid, tid;
	uint64_t ts_ns;     /* of the event that shows it */
	uint64_t pool_addr; /* the pool's handle */
	uint64_t addr; /* the chunk; LEAKED: the first; REGION_FREED: the block that was freed */
	uint64_t size, align;  /* of the chunk, as asked for; 0: does not apply */
	const uint64_t *stack; /* of this side, as in struct event … */
	unsigned int frames;   /* … 0: the event carries none */
	uint64_t other_site;   /* of the other side: return address into the caller; 0: unknown */
	uint32_t other_tid;    /* its thread; 0: unknown */
	uint64_t other_ns;     /* and when it was; 0: unknown */
	uint64_t made_site;    /* DOUBLE_FREE: where the block had been handed out; 0: unknown */
	uint32_t made_tid;     /* to which thread; 0: does not apply … */
	uint64_t made_ns;      /* … and when */
	/* OVERLAPPING: the chunk in use; INVALID_FREE: the block that the address lies in; 0: none
	 */
	uint64_t other_addr, other_size;
	uint64_t base, bytes, chunk_size; /* OUTSIDE, MISALIGNED: of the pool, from its creation */
	uint64_t chunks, chunk_bytes;     /* LEAKED, REGION_FREED: how many in use, their sum */
};

struct suspect;

/* What the checks of a heap need and keep. The caller sets
 * the first part after heap_init, before the first event. */
struct findings {
	/* NULL: nothing is checked, and nothing kept for it. Must not touch the heap. */
	void (*on_finding)(void *context, const struct finding *f);
	/*
	 * Since when no record has been lost, in the clock of the events; 0: never was any. Asked
	 * before a finding is told. An answer must be younger than every loss that it knows of:
	 * read the counters first, the clock then. NULL: no record is ever lost.
	 */
	uint64_t (*known_since)(void *context);
	/*
	 * Whether other processes write to the memory at that address. Asked once for each pool
	 * that something was found in. NULL: none is shared.
	 */
	bool (*is_shared)(void *context, uint32_t pid, uint64_t addr);
	/*
	 * The caller's last word on a call of malloc's kin: whether what the events do not show
	 * (calls inside of calls, a child that shares the memory) cannot explain it, from
	 * `since_ns` on; 0: from the beginning of the process. Asked last. NULL: nothing can.
	 */
	bool (*may_tell)(void *context, const struct finding *f, uint64_t since_ns);
	void *context;
	/*
	 * By row of the functions: who may free what whom handed out. 0: unknown, never judged, and
	 * so are all blocks as long as nobody fills it.
	 */
	uint8_t families[EVENT_MAX_FUNCTIONS];
	uint64_t since_ns; /* calls that had begun by then may go by unseen; 0: none did */
	bool whole_life;   /* processes that were not forked are seen from their first call on */
	bool partial; /* some calls are not seen (sizes, functions): only the region is checked */
	bool partial_threads; /* some threads or processes are not seen: nothing is checked */

	/* The books: what was told, and how often it was seen, that one included. */
	uint64_t told[FINDING_NR_CHECKS], seen[FINDING_NR_CHECKS];
	uint64_t doubtful; /* not told: losses may explain it */
	uint64_t refused;  /* beyond the caps: pools whose chunks are not compared with their
			      neighbours, freed chunks that were not remembered, suspects */

	/* Private. */
	uint64_t lost_ns;    /* the last answer of known_since */
	uint64_t now_ns;     /* the youngest event */
	uint64_t due_ns;     /* when the next suspect is to be judged */
	uint64_t remembered; /* freed chunks in all tables */
	uint64_t map_bytes;  /* of all maps of chunks */
	uint64_t freed;      /* blocks of malloc's kin that are remembered, of all processes */
	uint64_t forgotten;  /* of these, because there were too many: an address that was freed
				long before is not recognized */
	struct suspect *suspects;
	size_t suspect_count;
};

/* "chunk-outside-region" … */
const char *finding_name(enum finding_check check);

#endif
