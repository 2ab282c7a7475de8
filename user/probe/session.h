/* SPDX-License-Identifier: MIT */
/*
 * One tracing session: the loaded programs, their probes, the ring buffer. The only module that
 * knows the skeleton. Call in this order:
 *
 *	session_new -> session_attach (any number of objects) -> session_open_gate
 *	-> session_drain, again and again -> session_close_gate -> session_drain -> session_free
 *
 * Nothing is counted before the gate opens or after it closes. Closing it is instant; taking the
 * probes away is what dropping their links does, and may take a second on kernels that do it one by
 * one.
 */
#ifndef ALLOCTRACE_PROBE_SESSION_H
#define ALLOCTRACE_PROBE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/event.h"
#include "probe/cgroup.h"
#include "probe/functions.h"
#include "probe/layouts.h"
#include "probe/maps.h"
#include "probe/object.h"
#include "probe/seen.h"
#include "probe/uprobe.h"

#define SESSION_ALL_PROCESSES (-1)

struct session_config {
	uint64_t ring_size;     /* bytes; rounded up to a power of two of at least a page */
	unsigned int max_stack; /* stack words an event carries, 1..EVENT_MAX_FRAMES */
	bool by_rules; /* whole stacks by unwind rules (layouts.h); else by frame pointers */
	uint64_t min_size, max_size;
	const char *comm; /* NULL: any; compared up to 15 bytes, as the kernel keeps them */
	bool by_uid, by_cgroup;
	uid_t uid;
	struct cgroup cgroup;
	bool scoped;           /* probes will be placed for single processes */
	bool follow;           /* only processes named by session_follow, and their children */
	uint64_t sample_bytes; /* one sample in so many bytes on average; 0: every call */
	bool lanes;            /* calls are added up for session_lanes, and are no events … */
	bool by_size, by_site, slices, why; /* … told apart by these, too */
	bool checks;                        /* calls are judged: what seen.h tells is noted */
	bool stop_on_error; /* with checks: the process of seen_watch stops where it frees what is
			       not in use */
	uint64_t leaves;    /* bit i: function i hands out blocks, and calls none that does */
	bool timers;        /* pools that time groups of operations report these and no more */
	pid_t calibrator;   /* a helper whose calls are added up in any case; 0: none */
	pid_t helpers[5];   /* never traced, nor are their children; 0: they are out of reach */
	struct functions *functions; /* borrowed; rows may come to it while the session lives */
};

struct session;

/*
 * Loads the programs. NULL on error, with a sentence in `why` (of `len` bytes) and a negative errno
 * in *err.
 */
struct session *session_new(const struct session_config *config, int *err, char *why, size_t len);
void session_free(struct session *s);

/*
 * Places the probes of one object, for the process `pid` (all its threads) or for every process
 * that maps the file. Returns how many sites got their probes, which are the caller's to drop
 * through `links` before session_free, or a negative errno with a sentence in session_why. All or
 * nothing: a failure takes back what it had placed. The object is not kept.
 */
int session_attach(struct session *s, const struct object *o, pid_t pid,
		   struct uprobe_links *links);

/* Whether probes come and go at once (multi links), and those of a process stay when its main
 * thread leaves and others go on. */
bool session_is_multi(const struct session *s);

const char *session_why(const struct session *s);

/* With config.by_rules: where the rules and the processes' mappings go. Good as long as the
 * session. */
void session_layouts(const struct session *s, struct layouts *layouts);

/* With config.checks: where it lies. */
void session_seen(const struct session *s, struct seen *seen);

/* With config.follow: that process and all that come from it. 0 or a negative errno. */
int session_follow(struct session *s, pid_t pid);

void session_open_gate(struct session *s);
void session_close_gate(struct session *s);

/*
 * Hands the records that are in the ring to `take`, in order; the view lives during the call. 0:
 * the ring is empty; 1: there may be more, for after SESSION_DRAIN_MAX records the caller gets its
 * turn, however fast they come. Or a negative errno. Records that cannot be decoded are counted.
 * What is no call comes in between: changes of the level at which calls are sent, as
 * EVENT_PRESSURE, and stacks, each before the first call that came along it. The view is the
 * caller's to change: a call knows its stack by number, see core/stack.h.
 */
#define SESSION_DRAIN_MAX 128
typedef void (*session_event_fn)(void *context, struct event *e);
int session_drain(struct session *s, session_event_fn take, void *context);

/* The kernel side's counters, summed over the CPUs, as of now. */
int session_counters(const struct session *s, uint64_t counters[EVENT_NR_COUNTERS]);
/*
 * The books of each row of the table: with config.sample_bytes or config.lanes of all calls, else
 * of those of which no record was sent. When the counters that were read before say that every call
 * is accounted for, they are complete.
 */
int session_totals(const struct session *s, struct event_totals totals[EVENT_MAX_FUNCTIONS]);

/* The same for each pool, of operations without a record. Stops at a negative answer. */
typedef maps_pool_fn session_pool_fn;
int session_pools(const struct session *s, session_pool_fn take, void *context);

/* With config.lanes: adds to `lanes` all that has been added up so far. 0 or a negative errno. */
int session_lanes(struct session *s, struct lanes *lanes);

/* Calls that have begun on each of the first `cpus` CPUs. 0 or a negative errno. */
int session_cpus(const struct session *s, uint64_t *entered, size_t cpus);

/* Probes the calibrator's functions in the file, entry and return. 0 or a negative errno. */
int session_attach_calibrator(struct session *s, const struct uprobe_places *places,
			      const char *path);

/* Bit i: calls of class i have been added up; before the first one: a probe lies on an instruction
 * of that class. */
uint32_t session_classes(const struct session *s);

/* What the calibrator calls from now on has lanes of that slice. */
void session_set_phase(struct session *s, uint8_t phase);

/* What --why takes out of a call's window as the probe's own part. */
void session_set_probe_cost(struct session *s, enum calibration_class class, uint64_t ns);

/* Forgets the sampled blocks and the pools of processes that have ended, as `ended` tells. */
void session_forget(struct session *s, bool (*ended)(pid_t pid));

uint64_t session_malformed(const struct session *s);

#endif
