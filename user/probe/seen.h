/* SPDX-License-Identifier: MIT */
/*
 * What the kernel side has noted beside the events, for whoever judges calls: which functions were
 * called inside of which, who shares its memory with a child, and with --stop-on-error whether the
 * command was stopped. session_seen fills the place where all of it lies.
 */
#ifndef ALLOCTRACE_PROBE_SEEN_H
#define ALLOCTRACE_PROBE_SEEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A call that freed what is not in use, and at which the process was stopped. */
struct seen_stop {
	uint64_t stops;        /* so far */
	uint64_t addr, caller; /* the block, and the address that the call returns to */
	uint32_t pid, tid, function, reserved;
};

/* All of it is the session's, and lives as long. */
struct seen {
	const bool *untraced;   /* a function that is wanted was left without its probes */
	const uint64_t *nested; /* by row: bit i: function i was called inside */
	const bool *sharing_unknown;
	int sharing; /* the map */
	uint32_t *scene_pid;
	uint64_t *scene_begin, *scene_end;
	bool *scene_armed;
	const bool *scene_lost;
	const struct seen_stop *stop;
	uint64_t told; /* stops */
};

/* Functions that hand out blocks and were called inside of that one, so far: bit i is row i. */
uint64_t seen_nested(const struct seen *s, unsigned int function);

/* Since when no child has been on the memory of the process, in the clock of the events; 0: none
 * ever was; UINT64_MAX: one is, or it is not known. */
uint64_t seen_alone_since(const struct seen *s, pid_t pid);

/*
 * The process whose calls may stop it: its blocks are followed from now on. Nothing stops it before
 * it is armed: as long as it may have mapped an allocator that has no probes.
 */
void seen_watch(struct seen *s, pid_t pid);
/* [begin, end): the allocator's own code, which frees what it likes. */
void seen_arm(struct seen *s, uint64_t begin, uint64_t end, bool armed);

/* Whether calls are still judged: after a hand-out that may have gone by unseen they are not. */
bool seen_judges(const struct seen *s);

/* True: it was stopped since the last time that this was asked; *stop says where. */
bool seen_stopped(struct seen *s, struct seen_stop *stop);

#endif
