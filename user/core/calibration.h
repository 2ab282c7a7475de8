/* SPDX-License-Identifier: MIT */
/*
 * What measuring costs by itself, as it was measured in the run: the window of a probed function
 * that does nothing, for each kind of instruction that a probe may lie on, and of a pair of looks
 * at the clock inside a process. A latency is corrected by the median of its class; what is shorter
 * than the spread of that class cannot be told from nothing.
 */
#ifndef ALLOCTRACE_CORE_CALIBRATION_H
#define ALLOCTRACE_CORE_CALIBRATION_H

#include <stdbool.h>
#include <stdint.h>

/* The instruction under the entry probe, or the clock. Travels in attach cookies: below 16. */
enum calibration_class {
	CALIBRATION_STEPPED, /* single-stepped, which lies inside the window: no latency is known */
	CALIBRATION_PUSH,
	CALIBRATION_JCC,
	CALIBRATION_JMP,
	CALIBRATION_CALL,
	CALIBRATION_NOP,
	CALIBRATION_CLOCK, /* two looks at the clock inside the process (alloctrace/pool.h) */
	CALIBRATION_NR,
};

/* Of one class, in nanoseconds; hits 0: it was not measured, and the rest says nothing. */
struct calibration_window {
	uint64_t hits;
	double p5, p50, p95, p99;
	double mean;
};

struct calibration {
	struct calibration_window windows[CALIBRATION_NR];
};

/* "push", "jcc" … for people and for JSON. */
const char *calibration_name(enum calibration_class class);

/*
 * What one operation's share of the measuring costs (to be subtracted), and what cannot be
 * resolved, in nanoseconds. `group`: operations that were timed together, 0 and 1: each alone.
 * Only where windows[class].hits.
 */
double calibration_cost(const struct calibration *c, enum calibration_class class,
			unsigned int group);
double calibration_floor(const struct calibration *c, enum calibration_class class,
			 unsigned int group);

#endif
