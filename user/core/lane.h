/* SPDX-License-Identifier: MIT */
/*
 * Lanes: the latencies of calls that have something in common, added up by the kernel side while
 * they happen, so that none can be lost on the way. `latency` and `compare` print them.
 */
#ifndef ALLOCTRACE_CORE_LANE_H
#define ALLOCTRACE_CORE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/calibration.h"
#include "core/hist.h"
#include "core/table.h"

enum lane_op {
	LANE_CALL,       /* a function, timed by probes at its entry and return */
	LANE_POOL_ALLOC, /* of a pool, timed inside the process */
	LANE_POOL_FREE,
	LANE_POOL_PAIR, /* an allocation and a release together */
};

/* What most of a call's time went into. */
enum lane_cause {
	LANE_OWN_CODE,    /* nothing of the following */
	LANE_PAGE_FAULTS, /* memory that was touched for the first time */
	LANE_FUTEX,       /* waiting for a lock, or waking those who wait */
	LANE_MMAP,        /* mmap, munmap, mremap */
	LANE_BRK,
	LANE_MADVISE,
	LANE_OFF_CPU, /* others had the CPU, outside of system calls */
	LANE_NR_CAUSES,
};

#define LANE_ALL_SIZES 255
#define LANE_SLICES    32
#define LANE_TURN_NS   (1ULL << 23)

/* What the calls of a lane have in common. */
struct lane_key {
	uint8_t op;         /* enum lane_op */
	uint8_t function;   /* LANE_CALL: row of the run's table of functions */
	uint8_t class;      /* enum calibration_class */
	uint8_t size_class; /* LANE_ALL_SIZES, or n: sizes above 2^(n-1) up to 2^n; 0: 0 and 1 */
	uint8_t cause;      /* enum lane_cause; LANE_OWN_CODE unless causes are asked for */
	uint8_t disturbed;  /* migrated or switched off the CPU inside: counted apart */
	uint8_t slice;  /* `compare`: the time of it, for the bootstrap. 0..LANE_SLICES-1; as the
			 * kernel side has it 0..255, turns of LANE_TURN_NS over and over */
	uint8_t failed; /* calls that failed: counted, in no histogram */
	uint32_t pid;   /* 0: all */
	uint32_t group; /* operations that were timed together; 0: each alone */
	uint64_t site;  /* return address into the caller; 0: all */
	uint64_t pool;  /* its address; 0 in reports, where pools of one name are one lane */
};

struct lane {
	struct lane_key key;
	const char *name; /* of the function or the pool; borrowed */
	/* Latencies as measured, of calls that did not fail. Unit: 1 ns; with a group: 1 ps, of
	 * one operation. */
	struct hist hist;
	uint64_t bytes; /* asked for */
	/* With --why: how often (page faults, system calls, times off the CPU), and how long.
	 * Page faults have no time of their own. */
	uint64_t times[LANE_NR_CAUSES], ns[LANE_NR_CAUSES];
};

/* What one bucket of a lane has, as the kernel side hands it out. */
struct lane_part {
	struct lane_key key;
	uint64_t bucket; /* of hist */
	uint64_t count, sum, max, bytes;
	uint64_t times[LANE_NR_CAUSES], ns[LANE_NR_CAUSES];
};

/* Lanes by key, in the order in which they came. Starts as lanes_init leaves it. */
struct lanes {
	struct lane *all;
	size_t count, room;
	struct table index; /* struct lane_key -> position */
};

void lanes_init(struct lanes *l);
void lanes_fini(struct lanes *l);
/* Takes all lanes out; what they held is gone. */
void lanes_clear(struct lanes *l);

/* The lane of that key, made when it is new; NULL: no memory. Lives until the next one is made. */
struct lane *lanes_get(struct lanes *l, const struct lane_key *key);

/* Adds to the lane of the part's key. 0, -ENOMEM, or -EINVAL: there is no such bucket. */
int lanes_add(struct lanes *l, const struct lane_part *part);

/* Nanoseconds a unit of the lane's histogram. */
double lane_unit(const struct lane *lane);

/* Adds up `from` into `to`: histogram and causes; the key stays. 0 or -ENOMEM. */
int lane_merge(struct lane *to, const struct lane *from);

/* "page faults", "waiting for a lock" … for people; "page_faults", "futex" … for JSON. */
const char *lane_cause_text(enum lane_cause cause);
const char *lane_cause_name(enum lane_cause cause);

/* How latencies are told apart. */
enum lane_by { LANE_BY_FUNCTION, LANE_BY_SIZE, LANE_BY_SITE };

#endif
