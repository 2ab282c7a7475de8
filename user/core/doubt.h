/* SPDX-License-Identifier: MIT */
/*
 * Whether what was found is told: only when it is sound, once for each pair of places in a process,
 * and not before the record that would explain it had its time to arrive. For check.c and heap.c.
 *
 * Late records. A pool that reports its FREE when the chunk can already be had again (against the
 * second rule of alloctrace/pool.h) may be overtaken by the next owner's ALLOC. So a chunk that
 * seems to be handed out while it is in use is a suspect for DOUBT_LATE_NS of event time, and a
 * free of it acquits, unless the very thread that got the chunk did it afterwards: a thread's own
 * records are in order. When a free began says nothing: the thread may have been stopped before its
 * probe.
 */
#ifndef ALLOCTRACE_CORE_DOUBT_H
#define ALLOCTRACE_CORE_DOUBT_H

#include "core/heap_state.h"

#define DOUBT_LATE_NS 100000000ULL /* no record comes later than that */

/* Since when nothing was lost, as far as is known by now. */
uint64_t doubt_known_since(struct heap *h);

/* Nothing was lost since then, and the pool is this process's alone. Counts what is doubtful. */
bool doubt_is_sound(struct heap *h, struct pool_state *state, const struct finding *f,
		    uint64_t since_ns);

/*
 * The same for a block of malloc's kin: all that happened to it since then is known, or, with 0,
 * all that ever happened in its process.
 */
bool doubt_block_is_sound(struct heap *h, struct heap_process *p, const struct finding *f,
			  uint64_t since_ns);

/* Whether it has been told; counts it as seen again then. */
bool doubt_was_told(struct heap *h, struct heap_process *p, const struct finding *f);

/* Tells it, unless it has been told. */
void doubt_tell(struct heap *h, struct heap_process *p, const struct finding *f);

/*
 * Tells it when no late free of `watched`, which the finding takes to be in use since `since_ns`,
 * has come in time. The finding is copied.
 */
void doubt_wait(struct heap *h, struct heap_process *p, struct pool_state *state,
		const struct finding *f, uint64_t watched, uint64_t since_ns);

/* A free has come: it may be the one that is waited for. */
void doubt_acquit(struct heap *h, struct pool_state *state, const struct event *e);

/* The pool ends in good order, so that all its records are there; or it is not what it was. */
void doubt_end_pool(struct heap *h, struct pool_state *state, const struct event *e);
void doubt_drop_pool(struct heap *h, struct pool_state *state, const struct event *e);

/* The same for a process. */
void doubt_end_process(struct heap *h, uint32_t pid);
void doubt_drop_process(struct heap *h, uint32_t pid);

void doubt_fini(struct heap *h);

#endif
