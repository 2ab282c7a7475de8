/* SPDX-License-Identifier: MIT */
/*
 * What a recording holds: everything that a run learns after its probes are in place, in the order
 * in which it learnt it, so that a replay takes the same way from core/event on and comes to the
 * same report. A record is written when what it tells has been applied, and after the records of
 * what was asked meanwhile.
 *
 * All pointers are borrowed: of a record to be written for the time of the call, of one that was
 * read until the next one is. Times are CLOCK_MONOTONIC in ns.
 */
#ifndef ALLOCTRACE_RECORDING_RECORD_H
#define ALLOCTRACE_RECORDING_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"

#define RECORD_MAX_BUILD_ID 32 /* bytes */
#define RECORD_MAX_TARGETS  256
#define RECORD_MAX_TEXT     4096 /* bytes of any text, its zero included; the writer cuts */
#define RECORD_MAX_MAPPINGS 65530
#define RECORD_MAX_FRAMES   1024 /* inlined ones included, at one address */
#define RECORD_MAX_POOLS    65536
#define RECORD_MAX_CODE     (1u << 20) /* bytes of a RECORD_CODE; the writer makes several of one */

enum record_kind {
	RECORD_START = 1, /* the first one, once */
	RECORD_FUNCTIONS, /* the table of functions, when it is new or has grown */
	RECORD_MODULE,    /* a file that is mapped: has the next number, from 0 */
	RECORD_SPACE,     /* all executable mappings of a process, when they have changed */
	RECORD_CODE,      /* what a process has written down about its generated code */
	RECORD_LIFE,
	RECORD_NAMES, /* the frames at an address of a module */
	RECORD_STACK, /* an EVENT_STACK */
	RECORD_EVENT, /* a call; with a stack_id its words are those of the stack */
	RECORD_PRESSURE,
	RECORD_SETTLE, /* findings were settled */
	RECORD_DOUBT,  /* an answer to findings.known_since that was not that before */
	RECORD_SHARED, /* an answer to findings.is_shared */
	RECORD_MISSED, /* from here on records may be missing: heap_expect_losses */
	RECORD_MEMORY, /* how much memory a process has */
	RECORD_BOOKS,  /* an interim report, or the last record of a run that has ended */
	RECORD_ANSWER, /* an answer to findings.may_tell: each, in the order of the questions */
	RECORD_LATE,   /* findings.since_ns; not the whole life of processes is seen */
	RECORD_NR_KINDS,
};

struct record_start {
	const char *version, *kernel; /* of alloctrace; release */
	const char *command;          /* as it was typed, of the run */
	uint64_t start_ns;
	uint64_t wall_ns; /* the same moment by CLOCK_REALTIME */
	uint32_t targets[RECORD_MAX_TARGETS];
	uint32_t target_count;
	uint64_t sample_bytes;
	const char *only_pool;         /* "": all */
	bool stacks;                   /* whole ones */
	bool live_known;               /* as in struct run_info */
	bool checks;                   /* pools are checked … */
	bool partial, partial_threads; /* … as in struct findings */
	bool whole_life; /* the targets are seen from their first instruction to their last */
	bool names;      /* names are embedded */
};

struct record_function {
	const char *name;
	uint32_t family; /* of functions that belong together: what one hands out another takes back
			  */
	bool traced, frees, own;
};

struct record_functions {
	const struct record_function *at; /* by row */
	uint32_t count;                   /* EVENT_MAX_FUNCTIONS at most */
};

struct record_module {
	const char *path;
	uint8_t build_id[RECORD_MAX_BUILD_ID];
	uint32_t build_id_size; /* 0: it has none */
	uint64_t size;          /* of the file, bytes; 0: there is none */
};

struct record_mapping {
	uint64_t start, end, offset;
	uint32_t module;
};

struct record_space {
	uint32_t pid;
	bool fresh; /* the number belongs to another process, or the process to another program */
	uint32_t count;
	const struct record_mapping *mappings;
};

struct record_code {
	uint32_t pid;
	bool anew; /* what was written before is not true any more */
	uint32_t size;
	const char *bytes;
};

enum record_life_kind { RECORD_FORK, RECORD_EXEC, RECORD_END };

struct record_life {
	enum record_life_kind what;
	uint32_t pid, parent; /* parent: of RECORD_FORK */
	uint64_t ts_ns;       /* 0: not known */
};

/* As struct sym_frame, without the module. */
struct record_frame {
	const char *function, *file; /* NULL: unknown */
	int32_t line, column;
	uint64_t offset, module_offset;
	bool inlined;
};

struct record_names {
	uint32_t module;
	uint64_t address; /* of the code, as the module counts */
	bool is_return;
	uint32_t count;
	const struct record_frame *frames; /* innermost first */
};

struct record_pressure {
	enum event_level level;
	uint64_t ts_ns;
	uint64_t counted; /* calls that were only counted until now */
};

struct record_shared {
	uint32_t pid;
	uint64_t addr;
	bool shared;
};

/* Bytes, of one process at one moment. */
struct record_memory {
	uint32_t pid;
	uint64_t ts_ns;
	uint64_t mapped;   /* private writable memory without a file, stacks excepted */
	uint64_t resident; /* of that */
	uint64_t rss;      /* of all of the process */
};

struct record_pool_totals {
	struct event_pool pool;
	struct event_pool_totals totals;
};

struct record_books {
	bool final;
	uint64_t elapsed_ns;
	uint64_t counters[EVENT_NR_COUNTERS];
	struct event_totals unsent[EVENT_MAX_FUNCTIONS]; /* calls in none of the events; with
							    sample_bytes all calls */
	const struct record_pool_totals *pools;          /* the same of pools */
	uint32_t pool_count;
	uint64_t malformed, in_flight, late, late_ns;
	uint64_t stacks_unknown, stacks_refused;
	const char *fate; /* of the command; NULL: none */
};

struct record {
	enum record_kind kind;
	union {
		struct record_start start;
		struct record_functions functions;
		struct record_module module;
		struct record_space space;
		struct record_code code;
		struct record_life life;
		struct record_names names;
		const struct event *event; /* RECORD_STACK, RECORD_EVENT */
		struct record_pressure pressure;
		uint64_t ns; /* RECORD_SETTLE: until; RECORD_DOUBT, RECORD_ANSWER (0, 1): the
				answer; RECORD_LATE: since when */
		struct record_shared shared;
		struct record_memory memory;
		struct record_books books;
	};
};

#endif
