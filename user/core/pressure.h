/* SPDX-License-Identifier: MIT */
/*
 * How long the ring was filling, and at which level calls were sent then: from the records that
 * mark each change.
 */
#ifndef ALLOCTRACE_CORE_PRESSURE_H
#define ALLOCTRACE_CORE_PRESSURE_H

#include "core/event.h"

/* Zeros: every call is sent. */
struct pressure {
	enum event_level level;
	uint64_t since_ns;            /* of the level; EVENT_WHOLE: says nothing */
	uint64_t began_ns;            /* when calls were last all sent */
	uint64_t ns[EVENT_NR_LEVELS]; /* at each level, but for EVENT_WHOLE, until since_ns */
	uint64_t counted;             /* calls that were only counted, when it last ended */
	uint64_t times;               /* how often it began */
};

/* One change, as sinks are told. */
struct pressure_change {
	enum event_level level; /* from here on */
	uint64_t ts_ns;
	uint64_t counted, lasted_ns; /* EVENT_WHOLE: calls that were only counted until now, and how
					long it was; 0 elsewhere */
};

/* `counted`: all calls that were only counted until now. False: it was at that level before. */
bool pressure_apply(struct pressure *p, const struct event *e, uint64_t counted,
		    struct pressure_change *change);

/* How long the level lasted in all, EVENT_WHOLE excepted. */
uint64_t pressure_lasted(const struct pressure *p, enum event_level level, uint64_t now_ns);

#endif
