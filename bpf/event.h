/* SPDX-License-Identifier: MIT */
/*
 * The wire: what the kernel side puts into the ring buffer and the user side takes out.
 *
 * The one header that both sides include (bpf/, and user/core/event.c alone), so it names nothing
 * but fixed-width fields, padded by hand, and asserts its own layout. A record is
 *
 *	struct wire_event | frames x 8 bytes of code addresses
 *
 * or, for WIRE_POOL_CREATE, struct wire_event | char name[WIRE_NAME_LEN].
 *
 * The first stack word is the caller of the allocator; what follows are its callers, outwards. A
 *word is an address that a call returns to, but for those with WIRE_EXACT: there a signal came.
 *
 * Where whole stacks are asked for, one that the reader does not know yet is told by a record of
 *its own, WIRE_STACK, before the first call that came along it; the calls then carry their caller
 *and the number of the stack. Records with a version that the reader does not know are refused,
 *never guessed at.
 */
#ifndef ALLOCTRACE_BPF_EVENT_H
#define ALLOCTRACE_BPF_EVENT_H

#include <linux/types.h>

#define WIRE_VERSION    4
#define WIRE_COMM_LEN   16
#define WIRE_NAME_LEN   64
#define WIRE_MAX_FRAMES 128 /* the caller and 127 above it */
#define WIRE_OTEL_POOL  1   /* OpenTelemetry's pool, which has no address */

enum wire_kind {
	WIRE_ALLOC = 1,
	WIRE_FREE = 2,
	WIRE_REALLOC = 3,
	WIRE_POOL_CREATE = 4,
	WIRE_POOL_ALLOC = 5,
	WIRE_POOL_FREE = 6,
	WIRE_POOL_DESTROY = 7,
	WIRE_PRESSURE = 8, /* no call: what follows is sent at another level */
	WIRE_STACK = 9,    /* no call: the words of stack_id */
};

#define WIRE_EXACT (1ULL << 63) /* of a stack word: no return address, but where a signal came */

/* How far a stack is to be believed. */
enum wire_grade {
	WIRE_CALL_SITE, /* the caller alone was asked for, or is all there is */
	WIRE_COMPLETE,  /* every step by the rules of its file, up to the outermost frame */
	WIRE_TRUNCATED, /* the same, but not to the end: enum wire_why */
	WIRE_GUESSED,   /* at least one step by frame pointer, in code that tells nothing else */
	WIRE_NR_GRADES,
};

/* Why a stack ends where it does, behind its last word. */
enum wire_why {
	WIRE_WHY_NONE,       /* at the outermost frame; guessed: where the chain of frames ended */
	WIRE_WHY_DEPTH,      /* no more words were asked for */
	WIRE_WHY_NO_LAYOUT,  /* what the process has mapped is not known yet */
	WIRE_WHY_NO_MAPPING, /* the last address lies in no known code */
	WIRE_WHY_NO_TABLE,   /* the rules of its file have not been read yet, or cannot be */
	WIRE_WHY_NO_RULE,    /* its file has a rule that cannot be followed here */
	WIRE_WHY_NO_INFO,    /* its file tells nothing there, and the frame pointer leads nowhere */
	WIRE_WHY_UNREADABLE, /* memory of the stack could not be read */
	WIRE_WHY_NO_GROWTH,  /* the next frame would not lie above it */
	WIRE_WHY_TRAMPOLINE, /* another tracer's return probe has taken the address's place */
	WIRE_WHY_CHANGED,    /* what was mapped there had changed; told by the reader alone */
	WIRE_NR_WHYS,
};

/*
 * How much of what happens is sent: the ring is filling, or is not. The kernel side keeps level and
 * beginning in one word: WIRE_PRESSURE_LEVEL masks the level, the rest is the time in ns.
 */
enum wire_pressure {
	WIRE_WHOLE,   /* every call */
	WIRE_SAMPLED, /* those of one block in 16; all are counted */
	WIRE_COUNTS,  /* none; all are counted */
};

#define WIRE_PRESSURE_LEVEL 3ULL

enum wire_flags {
	WIRE_FAILED = 1 << 0,       /* the call returned an error */
	WIRE_NO_CALLER = 1 << 1,    /* the word at the stack pointer could not be read */
	WIRE_NOT_MEASURED = 1 << 2, /* latency_ns says nothing */
	WIRE_BY_REALLOC = 1 << 3,   /* a free that was a realloc to size 0 */
	WIRE_OTEL = 1 << 4, /* a pool's event, by OpenTelemetry's probes: it has no address */
	WIRE_OLD_UNSAMPLED = 1 << 5, /* realloc of a block that sampling had left out */
	WIRE_NEW_UNSAMPLED = 1 << 6, /* realloc whose new block sampling leaves out */
	WIRE_ALL_FLAGS = (1 << 7) - 1,
};

/* Why an event did not reach the ring, or reached it incomplete: index of the counters map. */
enum wire_counter {
	WIRE_ENTERED,          /* outermost calls that began (after the filters) */
	WIRE_LOST_RING_FULL,   /* no room in the ring buffer */
	WIRE_LOST_MAP_FULL,    /* no task storage to be had for the thread */
	WIRE_LOST_UNPAIRED,    /* a call that was left without a return: longjmp, exception */
	WIRE_UNREADABLE_STACK, /* event kept, but without its caller */
	WIRE_MAIN_LEFT,        /* main threads that left while others of their process went on */
	WIRE_UNTRACKED,        /* sampled blocks whose free will not be known: the map was full */
	WIRE_UNFOLLOWED,       /* children that could not be followed: the map was full */
	WIRE_COUNTED_ONLY,     /* calls that were counted and not sent: the ring was filling */
	WIRE_UNCOUNTED,        /* calls of pools that were not even counted: the map was full */
	WIRE_NR_COUNTERS,
};

/*
 * What an entry program learns from its attach cookie: which function this is, and the numbers of
 * its arguments (from 1; 0: none).
 */
enum wire_arg {
	WIRE_ARG_SIZE,
	WIRE_ARG_COUNT,
	WIRE_ARG_ALIGN,
	WIRE_ARG_FLAGS, /* jemalloc's: the low six bits are the alignment's logarithm */
	WIRE_ARG_PTR,
	WIRE_ARG_OUT,
	WIRE_ARG_RETURNS_SIZE, /* not a number: the function returns the size it achieved */
	WIRE_ARG_PAIRED,       /* not a number: a free that has a return probe */
	WIRE_ARG_CLASS,        /* not a number: the kind of instruction under the probe */
};

#define WIRE_COOKIE_ARG(number, arg)    ((__u64)(number) << (8 + 4 * (arg)))
#define WIRE_COOKIE_FUNCTION(cookie)    ((__u8)(cookie))
#define WIRE_COOKIE_NUMBER(cookie, arg) ((cookie) >> (8 + 4 * (arg)) & 15)

/*
 * Where calls are added up instead of sent: one entry of the map `lanes` for every kind of call and
 * bucket of its latency. core/lane.h says what the fields mean.
 */
enum wire_lane_op {
	WIRE_LANE_CALL,
	WIRE_LANE_POOL_ALLOC,
	WIRE_LANE_POOL_FREE,
	WIRE_LANE_POOL_PAIR
};

enum wire_class { WIRE_CLASS_STEPPED = 0, WIRE_CLASS_CLOCK = 6 };

enum wire_cause {
	WIRE_OWN_CODE,
	WIRE_PAGE_FAULTS,
	WIRE_FUTEX,
	WIRE_MMAP,
	WIRE_BRK,
	WIRE_MADVISE,
	WIRE_OFF_CPU,
	WIRE_NR_CAUSES,
};

#define WIRE_ALL_SIZES   255
#define WIRE_BUCKET_BITS 6  /* 64 buckets to an octave, as core/hist.h has them */
#define WIRE_MAX_TIMED   64 /* entries of one alloctrace:timed probe */

struct wire_lane_key {
	__u8 op, function, class, size_class;
	__u8 cause, disturbed, slice, failed; /* slice: a turn of time, of 256 in a row */
	__u32 tgid;
	__u32 group;
	__u64 site;
	__u64 pool;
	__u32 bucket;
	__u32 reserved;
};

struct wire_lane {
	__u64 count, sum, max, bytes;
	__u64 times[WIRE_NR_CAUSES], ns[WIRE_NR_CAUSES];
};

/* The books of one function. With --sample-bytes, and where calls are added up, of all its calls;
 * else of those that are not in the ring, for whatever reason. */
struct wire_totals {
	__u64 count, bytes, failed, null, freed;
};

/* The same of a pool's operations that are not in the ring. */
struct wire_pool_key {
	__u32 tgid;
	__u32 reserved;
	__u64 pool;
	__u64 birth_ns; /* ts_ns of its WIRE_POOL_CREATE, 0: not seen; an address may come again */
};

struct wire_pool_totals {
	struct wire_totals alloc, free;
	__u64 weighted_bytes;       /* what the allocations stand for … */
	__u64 weighted_thousandths; /* … and how many, in thousandths */
};

struct wire_event {
	__u8 version;
	__u8 kind;
	__u8 function; /* row in the user side's table; pools: 0 */
	__u8 flags;
	__u16 frames; /* stack words that follow */
	__u8 grade;   /* of the stack, where whole ones are asked for: enum wire_grade … */
	__u8 why;     /* … and enum wire_why; both 0 with a stack_id but for WIRE_STACK */
	__u32 tgid;
	__u32 tid;
	__u64 ts_ns;          /* CLOCK_MONOTONIC at entry; pools: when the operation was reported */
	__u64 latency_ns;     /* return minus entry; pools: timed inside the process */
	__u64 size;           /* bytes asked for; ~0 when count * size overflowed */
	__u64 align;          /* 0: not asked for */
	__u64 addr;           /* the block; 0 when the call failed */
	__u64 old_addr;       /* realloc: the block that was passed in */
	__u64 pool;           /* the pool's own address; 0: not a pool's */
	__u64 weighted_bytes; /* what this allocation stands for; 0: itself */
	__u64 stack_id; /* of a WIRE_STACK that came before; where there is more than one word,
			   there was none, and this is the layout, as wire_stack_layout */
	__u32 ns_tgid, ns_tid; /* as its own PID namespace counts them; 0: it is the initial one */
	char comm[WIRE_COMM_LEN];
};

/* A pool's creation uses the same header with other meanings for five of its fields. */
#define wire_pool_base        addr
#define wire_pool_bytes       size
#define wire_pool_chunk_size  align
#define wire_pool_chunk_count old_addr
#define wire_pool_site        weighted_bytes /* the probe's own address, as if it returned there */

/* A change of the level has one word to say. */
#define wire_pressure_level size

/* So has a stack: known_ns of the layout it was walked by (bpf/unwind.h), 0: none. */
#define wire_stack_layout size

_Static_assert(sizeof(struct wire_lane_key) == 40, "the wire has no hidden padding");
_Static_assert(sizeof(struct wire_pool_key) == 24, "the wire has no hidden padding");
_Static_assert(sizeof(struct wire_event) == 112, "the wire has no hidden padding");
_Static_assert(__builtin_offsetof(struct wire_event, ts_ns) == 16,
	       "the wire has no hidden padding");

#endif
