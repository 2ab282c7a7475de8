/* SPDX-License-Identifier: MIT */
/*
 * The processes that are known, by their numbers. One that has ended is kept for a while, since the
 * events of its last moments are resolved later.
 */
#ifndef ALLOCTRACE_SYM_PROCESSES_H
#define ALLOCTRACE_SYM_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sym/space.h"

struct perfmap;

#define PROCESSES_ENDED_MAX 64 /* that are kept */
#define PROCESSES_MAX_HELD  (1u << 22)

struct process {
	pid_t pid;
	bool complete; /* the mappings were read, or are those of a parent that was complete */
	bool ended;
	uint64_t serial;  /* tells it from others that had the number */
	uint64_t changed; /* when its mappings changed last, ns */
	struct space space;
	size_t held;             /* see processes_hold */
	struct perfmap *perfmap; /* NULL: it has no generated code */
	uint32_t perfmap_id;     /* for the cache; 0: none yet */
	uint64_t perfmap_generation, perfmap_readings;
};

/* All zero is an empty set. */
struct processes {
	struct process **at; /* sorted by pid */
	size_t count, capacity;
	struct process *recent; /* the last one found: events come in runs */
	uint64_t last_serial;
	size_t held; /* by all */
	struct {
		pid_t pid;
		uint64_t serial;
	} ended[PROCESSES_ENDED_MAX]; /* a ring: who is forgotten next */
	size_t next_ended;
};

void processes_fini(struct processes *t);

/* NULL: it is not known. A view, until the process is removed. */
struct process *processes_find(struct processes *t, pid_t pid);

/* One that is not there yet, with nothing mapped. 0, -ENOMEM or -ENOSPC: too many at once. */
int processes_insert(struct processes *t, pid_t pid, struct process **added);

/* The process of that number that runs now: one that has ended makes way for a new one. As
 * processes_insert. */
int processes_get(struct processes *t, pid_t pid, struct process **p);

/* One that is not known is left alone. */
void processes_remove(struct processes *t, pid_t pid);

/* It has ended, and will be forgotten when PROCESSES_ENDED_MAX more have. */
void processes_end(struct processes *t, struct process *p);

/*
 * Counts that many mappings for the process in place of those that were counted before: a recording
 * can tell of more than would ever fit into a machine. False: all together would be too many, and
 * none are counted for it any more.
 */
bool processes_hold(struct processes *t, struct process *p, size_t count);

/* Gives it another serial; one that has ended is forgotten when it would have been. */
void processes_renumber(struct processes *t, struct process *p);

/* A number that no process has had as its serial. */
uint64_t processes_next_serial(struct processes *t);

#endif
