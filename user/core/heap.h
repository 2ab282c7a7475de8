/* SPDX-License-Identifier: MIT */
/*
 * What the events add up to: the blocks that are live, and the totals of every call. Pure
 * arithmetic over core/event, the same for a live run and a recording.
 *
 * A block is known by (process, pool, address): a pool's first chunk lies at the address of the
 * region that the pool got from malloc, and both are live at once. Every process has tables of its
 * own, which go when it does; what was live then stays in the sums. The user's own functions are a
 * pool apart in this alone: the first block of an arena lies where the arena does.
 *
 * Order. Records of one address arrive in the order in which the address was handed out, but for
 * two cases: a realloc that moves reports its old block only on return, and a pool's free is
 * reported after the operation. In between another thread may be given the address, and its record
 * comes first. So an allocation over a live block is accepted; the block under it is set aside as
 * superseded until the late record claims it. A late record is told from a normal one by time: the
 * block that lies at its address was handed out after the late operation had begun. What nobody
 * claims was a free that was not seen.
 */
#ifndef ALLOCTRACE_CORE_HEAP_H
#define ALLOCTRACE_CORE_HEAP_H

#include "core/event.h"
#include "core/finding.h"
#include "core/table.h"

#define HEAP_MAX_CALLS EVENT_MAX_FUNCTIONS
#define HEAP_MAX_POOLS 1024 /* distinct pool names */
#define HEAP_MAX_LIVE  (32 << 20)
#define HEAP_MAX_ASIDE (1 << 12) /* of a process; more threads than that are not late at once */

struct heap_live {
	uint64_t blocks, bytes;
};

/* The books of all pools of one name. */
struct heap_pool {
	char name[65];
	struct event_totals alloc, free;
	struct heap_live live;
	uint64_t unmatched; /* frees of chunks that were not seen allocated */
	uint64_t created, destroyed;
	uint64_t live_at_destroy; /* chunks that were in use when their pool was destroyed */
	uint64_t weighted_bytes;  /* what the allocations stand for, where their maker samples */
	double weighted_count;
	/* What is in none of the events, as the kernel side counted it; set by core/unsent. */
	struct heap_unsent {
		struct event_totals alloc, free;
		uint64_t weighted_bytes;
		double weighted_count;
	} unsent;
};

/* What whoever looks at the events wants back with the end of a block; zeros until it is set. */
struct heap_mark {
	uint32_t site;     /* the allocation's */
	uint32_t call;     /* of its thread */
	uint32_t chain;    /* moves by realloc before it */
	uint32_t function; /* row of the one that handed it out; set by the heap */
};

/* A block that goes. */
struct heap_gone {
	struct heap_mark mark;
	uint64_t size, since_ns; /* since_ns: when it had been handed out */
	uint32_t pid, tid;       /* of the thread that had got it */
	bool of_pool;
	enum heap_end {
		HEAP_FREED,      /* by the call at hand; the note says the same */
		HEAP_SUPERSEDED, /* its address was handed out again; a late record may claim it:
				    then the note has it, and this is not called again */
		HEAP_DROPPED,    /* with its process's old image, or with its pool; or records are
				    missing, and another block lies there now */
		HEAP_ENDED, /* its process has ended: it stays live in the sums, and is forgotten */
	} end;
};

struct heap {
	struct table processes; /* PID -> struct heap_process */
	struct event_totals calls[HEAP_MAX_CALLS];
	struct heap_pool *pool_rows;
	size_t pool_count;
	struct heap_live live;   /* without pools */
	struct heap_live ended;  /* of these, in processes that have ended: nobody can free them */
	uint64_t sample_bytes;   /* one sample in so many bytes on average; 0: all is seen */
	double estimated_blocks; /* with sample_bytes: what the live blocks stand for */
	double estimated_bytes;
	uint64_t unmatched_frees; /* frees of blocks that were not seen allocated */
	uint64_t inherited_frees; /* the same, by forked children: of their parents' blocks, it
				     seems */
	uint64_t refused;         /* blocks beyond the cap of a table, not followed */
	uint64_t superseded; /* live blocks under an allocation that no late record explained */
	bool expects_losses;
	uint64_t own_functions;   /* bit i: function i hands out parts of what malloc's kin has */
	char only_pool[65];       /* pools of other names are ignored; "": none is */
	uint64_t events;          /* applied */
	uint64_t ignored;         /* events of pools that were not asked for */
	struct findings findings; /* zeros: pools are not checked */
	/* Told of each block that goes, before the call that it goes by is over. NULL: nobody asks.
	 * Must not touch the heap. */
	void (*on_gone)(void *context, const struct heap_gone *gone);
	void *gone_context;
};

/* What the heap knew about the blocks of an event just before it applied it. */
struct heap_note {
	const struct heap_pool *pool; /* NULL: not a pool's. Lives until heap_fini */
	size_t row;                   /* of the pool in pool_rows */
	bool old_known;               /* the block that was freed or resized was seen allocated */
	uint64_t old_size;
	/* Of that block; zeros when it was not known. */
	struct heap_mark old_mark;
	uint64_t old_since_ns;
	uint32_t old_tid;
	/* Of the block that was handed out, to be set; lives until the heap is touched again. NULL:
	 * there is none. */
	struct heap_mark *mark;
};

int heap_init(struct heap *h);
void heap_fini(struct heap *h);

/* Applies one event; false when it was ignored. `note` is filled, never NULL. */
bool heap_apply(struct heap *h, const struct event *e, struct heap_note *note);

/*
 * From now on records may be missing, and with them the ends of blocks. Two blocks cannot lie in
 * the same place: what an allocation overlaps is gone, so that what is held live, and with it the
 * memory it takes here, stays bounded by the heap of the target, however much is lost. A late
 * record of such a block then finds nothing.
 */
void heap_expect_losses(struct heap *h);

/* Every block that is live, in no order, the chunks of pools included. `end` says nothing. */
void heap_each_live(struct heap *h, void (*visit)(void *context, const struct heap_gone *block),
		    void *context);

/* The books of all its operations, whether they were events or not. */
struct event_totals heap_pool_allocs(const struct heap_pool *p);
struct event_totals heap_pool_frees(const struct heap_pool *p);

/* The row of the pool that lies at that address now; of an unknown one, by its address. */
size_t heap_row_at(struct heap *h, uint32_t pid, uint64_t pool);

/* The row in pool_rows of pools of that name, made when new; the last one takes all names beyond
 * the cap. */
size_t heap_row_of_pool(struct heap *h, const char *name);

/* What an allocation of `size` bytes stands for when one byte in `sample_bytes` is sampled on
 * average: size / (1 - e^(-size / sample_bytes)). */
double heap_weighted_bytes(uint64_t size, uint64_t sample_bytes);

/*
 * Tells the findings that had to wait for a late record, when all records up to `until_ns` have
 * been applied. UINT64_MAX: all records there will ever be. To be called now and then, since nobody
 * knows of time while there are no events, and before the final report.
 */
void heap_settle_findings(struct heap *h, uint64_t until_ns);

/* A new process: nothing that its number stood for before is true of it. */
void heap_fork_process(struct heap *h, uint32_t pid);

/* The process has ended: its blocks stay live in the sums, and are forgotten. */
void heap_end_process(struct heap *h, uint32_t pid);

/* The process replaced its image: its blocks are gone, and were neither freed nor leaked. */
void heap_forget_process(struct heap *h, uint32_t pid);

#endif
