/* SPDX-License-Identifier: MIT */
/*
 * An event as all of the user side sees it: a checked view of the bytes of one record, whether they
 * come from the ring buffer or from a file. What lies on the wire is known to event.c alone.
 */
#ifndef ALLOCTRACE_CORE_EVENT_H
#define ALLOCTRACE_CORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/calibration.h"
#include "core/lane.h"

#define EVENT_MAX_FUNCTIONS 64  /* rows of a run's table of functions */
#define EVENT_MAX_FRAMES    128 /* the caller, and what is above it */
#define EVENT_OTEL_POOL     1   /* stands for OpenTelemetry's pool, which has no address */

enum event_kind {
	EVENT_ALLOC = 1,
	EVENT_FREE,
	EVENT_REALLOC,
	EVENT_POOL_CREATE,
	EVENT_POOL_ALLOC,
	EVENT_POOL_FREE,
	EVENT_POOL_DESTROY,
	EVENT_PRESSURE, /* no call: what follows is sent at another level */
	EVENT_STACK,    /* no call: the stack of that number, which later events refer to */
};

/* How far a stack is to be believed. */
enum event_grade {
	EVENT_CALL_SITE, /* the caller alone */
	EVENT_COMPLETE,  /* every step by the rules of its file, up to the outermost frame */
	EVENT_TRUNCATED, /* the same, but not to the end */
	EVENT_GUESSED,   /* at least one step by frame pointer, in code that tells nothing else */
	EVENT_NR_GRADES,
};

/* Why a stack ends where it does. */
enum event_why {
	EVENT_WHY_NONE,       /* outermost frame; guessed: where the chain of frames ended */
	EVENT_WHY_DEPTH,      /* no more frames were asked for */
	EVENT_WHY_NO_LAYOUT,  /* what the process has mapped was not known yet */
	EVENT_WHY_NO_MAPPING, /* the last address lies in no known code */
	EVENT_WHY_NO_TABLE,   /* the unwind rules of its file had not been read, or cannot be */
	EVENT_WHY_NO_RULE,    /* its file has a rule that cannot be followed */
	EVENT_WHY_NO_INFO,    /* its file tells nothing there, and there is no frame pointer */
	EVENT_WHY_UNREADABLE, /* memory of the stack could not be read */
	EVENT_WHY_NO_GROWTH,  /* the next frame would not lie above it */
	EVENT_WHY_TRAMPOLINE, /* another tracer's return probe */
	EVENT_WHY_CHANGED,    /* what was mapped there had changed */
	EVENT_NR_WHYS,
};

/* How much of what happens is sent as events. All of it is counted, whatever is sent. */
enum event_level {
	EVENT_WHOLE,   /* every call */
	EVENT_SAMPLED, /* those of one block in EVENT_ONE_IN */
	EVENT_COUNTS,  /* none */
	EVENT_NR_LEVELS,
};

#define EVENT_ONE_IN 16

/* What the kernel side counts beside the events: why one did not arrive, or arrived incomplete. */
enum event_counter {
	EVENT_ENTERED,          /* outermost calls that began */
	EVENT_LOST_RING_FULL,   /* no room in the ring buffer */
	EVENT_LOST_MAP_FULL,    /* no memory to remember the thread's open call */
	EVENT_LOST_UNPAIRED,    /* the call was left without a return (longjmp, exception) */
	EVENT_UNREADABLE_STACK, /* the event is there, but not its caller */
	EVENT_MAIN_LEFT,    /* main threads that left while others went on, unseen from then on */
	EVENT_UNTRACKED,    /* sampled blocks whose free will not be known */
	EVENT_UNFOLLOWED,   /* children that could not be followed: the map was full */
	EVENT_COUNTED_ONLY, /* calls that were counted and not sent: the ring was filling */
	EVENT_UNCOUNTED,    /* of pools, and not sent; too many pools: not counted either */
	EVENT_NR_COUNTERS,
};

/* Where a function's arguments lie: their numbers, from 1; 0: it has no such one. */
struct event_args {
	uint8_t size, count, align;
	uint8_t flags;     /* jemalloc's: the alignment's logarithm in the low six bits */
	uint8_t ptr;       /* the block that is passed in */
	uint8_t out;       /* where the block is left; 0 is returned then */
	bool paired;       /* a free that has a return probe: what it calls inside is no event */
	bool returns_size; /* jemalloc's xallocx: the block stays, its size is returned */
};

/* The books of one function. */
struct event_totals {
	uint64_t count;  /* calls, failed ones and free(NULL) included */
	uint64_t bytes;  /* asked for by the calls that did not fail */
	uint64_t failed; /* calls that returned an error */
	uint64_t null;   /* free(NULL) */
	uint64_t freed;  /* realloc to size 0, which freed the block */
};

/* Which pool: an address may have had several of them, one after another. */
struct event_pool {
	uint32_t pid;
	uint32_t reserved;
	uint64_t addr;
	uint64_t birth_ns; /* ts_ns of its EVENT_POOL_CREATE; 0: not seen */
};

/* The books of one pool. */
struct event_pool_totals {
	struct event_totals alloc, free;
	uint64_t weighted_bytes;       /* what the allocations stand for … */
	uint64_t weighted_thousandths; /* … and how many of them, in thousandths */
};

struct event {
	enum event_kind kind;
	unsigned int function;  /* row of the run's table of functions; pools: 0 */
	enum event_level level; /* EVENT_PRESSURE alone: from here on */
	bool failed;
	bool by_realloc; /* EVENT_FREE: a realloc to size 0 */
	bool measured;   /* latency_ns says something */
	bool otel;       /* a pool's, by OpenTelemetry's probes; `pool` says nothing then */
	bool old_unsampled, new_unsampled; /* realloc: that block's other calls are not seen */
	uint32_t pid, tid;
	uint32_t ns_pid, ns_tid; /* as the process's own PID namespace has them; 0: not apart */
	uint64_t ts_ns;          /* CLOCK_MONOTONIC at entry; pools: when the operation had ended */
	uint64_t latency_ns; /* includes the probe's own cost; pools: timed inside the process */
	uint64_t size;       /* bytes asked for; ~0 when count * size overflowed */
	uint64_t align;      /* 0: not asked for */
	uint64_t addr;       /* the block; 0: none */
	uint64_t old_addr;   /* realloc: the block passed in; 0 elsewhere */
	uint64_t pool;       /* address of the pool, never 0 or ~0; 0: not a pool's */
	uint64_t weighted_bytes; /* what this allocation stands for, told by its maker; 0: itself */
	uint64_t base, chunk_size,
		chunk_count; /* EVENT_POOL_CREATE alone; size is the region's bytes */
	char comm[17];
	char name[65];          /* EVENT_POOL_CREATE: the pool's name */
	enum event_grade grade; /* of the stack */
	enum event_why why;     /* it ends where it does */
	uint64_t stack_id;      /* of an EVENT_STACK before; 0: the words here are all */
	uint64_t layout;        /* the stack was walked by, of an EVENT_STACK and of an event that
				   has all its words; 0: none */
	unsigned int frames;    /* words in stack */
	uint64_t stack[EVENT_MAX_FRAMES]; /* [0]: return address into the caller; 0: unknown */
};

/*
 * What a process names a pool: a handle that no pool can have, 0 or ~0, means something else among
 * the blocks (heap_state.h), and is one pool apart, at an address that none can have either.
 */
uint64_t event_pool_handle(uint64_t pool);

/*
 * Fills `e` from the record of `len` bytes at `data`, every field checked. Nothing of `data` is
 * kept. -EPROTO for another version of the wire, -EINVAL for anything malformed.
 */
int event_decode(struct event *e, const void *data, size_t len);

/* Adds `t` to the sum. */
static inline void event_totals_add(struct event_totals *sum, const struct event_totals *t)
{
	sum->count += t->count;
	sum->bytes += t->bytes;
	sum->failed += t->failed;
	sum->null += t->null;
	sum->freed += t->freed;
}

/* The attach cookie of a function of that row, for the entry programs. `class`: of the instruction
 * under the probe. */
uint64_t event_cookie(unsigned int function, const struct event_args *args,
		      enum calibration_class class);

/*
 * One entry of the kernel side's map of lanes: EVENT_LANE_KEY bytes at `key`, and for each of
 * `cpus` EVENT_LANE_VALUE bytes at `values`, of which `part` becomes the sum. -EINVAL: malformed.
 */
#define EVENT_LANE_KEY   40
#define EVENT_LANE_VALUE 144
int event_decode_lane(struct lane_part *part, const void *key, const void *values, size_t cpus);

/* The word in which the kernel side keeps its level, and since when that lasts (within 4 ns). */
uint64_t event_level_word(enum event_level level, uint64_t since_ns);
enum event_level event_word_level(uint64_t word);
uint64_t event_word_since(uint64_t word);

/* One that was known before its record could be; all else is zero. */
void event_make_pressure(struct event *e, enum event_level level, uint64_t ts_ns);

/* A stack word is an address that a call returns to, but where a signal came: there it is the
 * address of the next instruction. */
#define EVENT_EXACT (1ULL << 63) /* as on the wire */

static inline uint64_t event_word_address(uint64_t word)
{
	return word & ~EVENT_EXACT;
}

static inline bool event_word_is_return(uint64_t word)
{
	return !(word & EVENT_EXACT);
}

/* When the operation had ended, and when it began, in the same clock as ts_ns. */
uint64_t event_end_ns(const struct event *e);
uint64_t event_begin_ns(const struct event *e);

static inline bool event_is_pool(const struct event *e)
{
	return e->kind >= EVENT_POOL_CREATE && e->kind <= EVENT_POOL_DESTROY;
}

#endif
