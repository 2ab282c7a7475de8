/* SPDX-License-Identifier: MIT */
/* Lanes by hand, for the runs of golden.c that show latencies. */
#ifndef ALLOCTRACE_TESTS_LANES_H
#define ALLOCTRACE_TESTS_LANES_H

#include "out/sink.h"

enum { MALLOC, CALLOC, REALLOC, FREE, POSIX_MEMALIGN, UNUSED, FUNCTIONS };

/* Code addresses: what is there stands in symbolizer.c. */
enum {
	IN_MAIN = 0x401000,
	INLINED = 0x402000,
	NO_LINE = 0x403000,
	UNKNOWN = 0x404000,
	EVIL = 0x405000,
	LIBC = 0x406000,
	NO_COLUMN = 0x407000,
	RESTORER = 0x408000,   /* nothing was called there: a handler returns to it … */
	INTERRUPTED = 0x409000 /* … and a signal came here */
};

#define PID   4211
#define OTHER 4300
#define CHILD 4500

#define MAX_VALUES 10

/* Latencies of a lane: so many calls of so many units each. */
struct given_lane {
	struct lane_key key;
	const char *name;
	struct {
		uint64_t value, count;
	} values[MAX_VALUES];
	uint64_t times[LANE_NR_CAUSES], ns[LANE_NR_CAUSES];
};

/* One run of `latency`. */
struct given {
	const struct given_lane *lanes;
	size_t count;
	size_t early; /* so many of them are there at the interim report */
	struct calibration calibration;
	enum lane_by by;
	bool why;
	size_t top;
};

extern const struct given calibrated_lanes, raw_lanes, sized_lanes, site_lanes, why_lanes;

/* Makes the lanes, which lanes_fini ends. */
void give_lanes(struct lanes *lanes, const struct given *given, bool final);

#endif
