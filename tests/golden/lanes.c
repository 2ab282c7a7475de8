// SPDX-License-Identifier: MIT
/* Lanes by hand. The numbers are such that a reader can tell what must come out. */
#include "lanes.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GIVE(array)  .lanes = array, .count = COUNT(array)

/* A probe on a push costs 1620 ns, and what lies under 50 ns cannot be resolved; the clock costs
 * 32 ns, with a floor of 20. */
#define CALIBRATED                                                               \
	.calibration = {{                                                        \
		[CALIBRATION_PUSH] = {24000, 1600, 1620.4, 1650, 1800, 1633.25}, \
		[CALIBRATION_JCC] = {24000, 1500, 1520, 1590, 1650, 1530},       \
		[CALIBRATION_CLOCK] = {24000, 20, 32, 40, 51, 33},               \
	}}

#define CALL(f, c) .op = LANE_CALL, .function = (f), .class = (c), .size_class = LANE_ALL_SIZES
#define PUSHED(f)  CALL(f, CALIBRATION_PUSH)
#define POOL(o)    .op = (o), .class = CALIBRATION_CLOCK, .size_class = LANE_ALL_SIZES

/* Two thirds are as fast as nothing; then 100 ns, and a tail. Pools, one of them hostile. */
static const struct given_lane calibrated[] = {
	{{PUSHED(MALLOC)},
	 "malloc",
	 .values = {{1620, 500}, {1633, 160}, {1720, 300}, {2100, 38}, {31000, 2}}},
	{{PUSHED(MALLOC), .disturbed = 1}, "malloc", .values = {{3200, 11}, {9000000, 1}}},
	{{PUSHED(MALLOC), .failed = 1}, "malloc", .values = {{0, 3}}},
	{{POOL(LANE_POOL_ALLOC)},
	 "protocol",
	 .values = {{30, 100}, {48, 500}, {52, 400}, {400, 1}}},
	{{PUSHED(CALLOC)}, "calloc", .values = {{1200, 1}}}, /* faster than the probe: 0 */
	/* after the interim report */
	{{PUSHED(CALLOC), .slice = 3}, "calloc", .values = {{1633, 1}, {81620, 1}}},
	{{PUSHED(REALLOC), .failed = 1}, "realloc", .values = {{0, 1}}},
	{{CALL(POSIX_MEMALIGN, CALIBRATION_STEPPED)}, "posix_memalign", .values = {{0, 7}}},
	{{POOL(LANE_POOL_FREE)}, "protocol", .values = {{31, 1}}},
	{{POOL(LANE_POOL_ALLOC), .disturbed = 1}, "protocol", .values = {{0, 1}}},
	{{POOL(LANE_POOL_PAIR), .group = 64},
	 "protocol",
	 .values = {{4620, 290}, {4700, 9}, {90500, 1}}},
	{{POOL(LANE_POOL_ALLOC)}, "p\x1b]0;owned\x07\n\xff\\", .values = {{70, 1}}},
	/* one function in two libraries */
	{{CALL(MALLOC, CALIBRATION_JCC)}, "malloc", .values = {{1990, 40}}},
};

const struct given calibrated_lanes = {GIVE(calibrated), .early = 5, CALIBRATED};

/* Neither the probes' cost nor the clock's is known. */
const struct given raw_lanes = {GIVE(calibrated), .early = 1};

/* Of a size class each, in both directions of every unit. */
#define SIZED(f, n) .op = LANE_CALL, .function = (f), .class = CALIBRATION_PUSH, .size_class = (n)

static const struct given_lane sized[] = {
	{{SIZED(MALLOC, 20)}, "malloc", .values = {{21620, 10}}},
	{{SIZED(MALLOC, 0)}, "malloc", .values = {{1633, 1}}},
	{{SIZED(MALLOC, 1)}, "malloc", .values = {{1633, 2}}},
	{{SIZED(MALLOC, 2)}, "malloc", .values = {{1633, 3}}},
	{{SIZED(MALLOC, 5)}, "malloc", .values = {{1620, 900}, {1720, 90}, {2100, 10}}},
	{{SIZED(MALLOC, 5), .disturbed = 1}, "malloc", .values = {{40000, 2}}},
	{{SIZED(MALLOC, 10)}, "malloc", .values = {{1700, 1}}},
	{{SIZED(MALLOC, 11)}, "malloc", .values = {{1700, 1}}},
	{{SIZED(MALLOC, 63)}, "malloc", .values = {{1700, 1}}},
	{{SIZED(MALLOC, 64)}, "malloc", .values = {{1700, 1}}},
	{{SIZED(MALLOC, 64), .failed = 1}, "malloc", .values = {{0, 2}}},
	{{SIZED(CALLOC, 11)}, "calloc", .values = {{2620, 100}}},
	{{.op = LANE_CALL, .class = CALIBRATION_NOP, .function = REALLOC, .size_class = 17},
	 "realloc",
	 .values = {{1700, 8}}},
	{{.op = LANE_CALL, .function = POSIX_MEMALIGN, .size_class = 12},
	 "posix_memalign",
	 .values = {{0, 7}}},
	{{.op = LANE_POOL_ALLOC, .class = CALIBRATION_CLOCK, .size_class = 8},
	 "protocol",
	 .values = {{48, 500}}},
	{{POOL(LANE_POOL_FREE)}, "protocol", .values = {{132, 500}}},
	{{POOL(LANE_POOL_FREE), .disturbed = 1}, "protocol", .values = {{0, 1}}},
	{{POOL(LANE_POOL_PAIR), .group = 64}, "protocol", .values = {{4620, 10}}},
};

const struct given sized_lanes = {GIVE(sized), CALIBRATED, .by = LANE_BY_SIZE};

/* Eight call sites, of which the report shows six; a process more than one, and one that hides. */
#define AT(f, p, s) PUSHED(f), .pid = (p), .site = (s)

static const struct given_lane sites[] = {
	{{AT(MALLOC, PID, IN_MAIN)}, "malloc", .values = {{1620, 990}, {2620, 10}}},
	{{AT(MALLOC, PID, NO_LINE)}, "malloc", .values = {{1720, 10}}},
	{{AT(CALLOC, PID, INLINED)}, "calloc", .values = {{101620, 80}}},
	{{AT(CALLOC, PID, INLINED), .disturbed = 1}, "calloc", .values = {{900000, 3}}},
	{{AT(CALLOC, PID, INLINED), .failed = 1}, "calloc", .values = {{0, 2}}},
	{{AT(MALLOC, OTHER, EVIL)}, "malloc", .values = {{1001620, 2}}},
	{{AT(MALLOC, OTHER, 0)}, "malloc", .values = {{51620, 2}}},
	{{AT(REALLOC, OTHER, NO_COLUMN)}, "realloc", .values = {{1620, 5}}},
	{{AT(REALLOC, OTHER, UNKNOWN), .failed = 1}, "realloc", .values = {{0, 1}}},
	{{POOL(LANE_POOL_ALLOC)}, "p\x1b]0;owned\x07\n\xff\\", .values = {{70, 1000}}},
	{{AT(REALLOC, PID, LIBC)}, "realloc", .values = {{5620, 3}}},
};

const struct given site_lanes = {GIVE(sites), CALIBRATED, .by = LANE_BY_SITE, .top = 6};

/* A storm of page faults, a lock, a threshold that is crossed, and much that is nobody's fault. */
static const struct given_lane causes[] = {
	{{AT(REALLOC, PID, INLINED)},
	 "realloc",
	 .values = {{1620, 22000}, {1720, 1000}, {9720, 1}}},
	{{AT(REALLOC, PID, INLINED), .cause = LANE_PAGE_FAULTS},
	 "realloc",
	 .values = {{2620, 12}, {32620, 700}, {1201620, 100}},
	 .times = {[LANE_PAGE_FAULTS] = 3412, [LANE_MMAP] = 812},
	 .ns = {[LANE_MMAP] = 4000000}},
	{{AT(REALLOC, PID, INLINED), .cause = LANE_MMAP},
	 "realloc",
	 .values = {{14620, 8}},
	 .times = {[LANE_MMAP] = 8},
	 .ns = {[LANE_MMAP] = 80000}},
	/* off the CPU by nature: with --why a part of it */
	{{AT(MALLOC, PID, IN_MAIN), .cause = LANE_FUTEX, .disturbed = 1},
	 "malloc",
	 .values = {{201620, 90}, {2001620, 10}},
	 .times = {[LANE_FUTEX] = 110, [LANE_PAGE_FAULTS] = 20},
	 .ns = {[LANE_FUTEX] = 37000000}},
	{{AT(MALLOC, PID, IN_MAIN), .cause = LANE_OFF_CPU, .disturbed = 1},
	 "malloc",
	 .values = {{4001620, 3}},
	 .times = {[LANE_OFF_CPU] = 4},
	 .ns = {[LANE_OFF_CPU] = 11900000}},
	{{AT(MALLOC, PID, IN_MAIN)}, "malloc", .values = {{1620, 4900}, {1820, 100}}},
	{{AT(MALLOC, PID, IN_MAIN), .disturbed = 1}, "malloc", .values = {{2400, 5}}},
	{{AT(MALLOC, PID, IN_MAIN), .failed = 1}, "malloc", .values = {{0, 1}}},
	{{AT(MALLOC, PID, EVIL)}, "malloc", .values = {{1620, 300}}},
	{{AT(MALLOC, PID, EVIL), .cause = LANE_BRK},
	 "malloc",
	 .values = {{4620, 30}},
	 .times = {[LANE_BRK] = 30},
	 .ns = {[LANE_BRK] = 90000}},
	{{AT(MALLOC, PID, EVIL), .cause = LANE_MADVISE},
	 "malloc",
	 .values = {{6620, 1}},
	 .times = {[LANE_MADVISE] = 1}},
	{{AT(MALLOC, PID, NO_LINE)}, "malloc", .values = {{1620, 20}}},
	{{AT(CALLOC, PID, 0)}, "calloc", .values = {{1633, 50}}},
	{{CALL(POSIX_MEMALIGN, CALIBRATION_STEPPED), .pid = PID, .site = IN_MAIN},
	 "posix_memalign",
	 .values = {{0, 7}}},
	{{CALL(FREE, CALIBRATION_NOP), .pid = PID, .site = IN_MAIN},
	 "free",
	 .values = {{1400, 199}, {9999, 1}}},
	{{POOL(LANE_POOL_ALLOC)}, "protocol", .values = {{70, 1000}}},
};

const struct given why_lanes = {GIVE(causes), CALIBRATED, .why = true, .top = 5};

void give_lanes(struct lanes *lanes, const struct given *given, bool final)
{
	size_t count = final ? given->count : given->early;

	for (size_t i = 0; i < count; i++) {
		const struct given_lane *from = &given->lanes[i];
		struct lane_key key = from->key;
		struct lane *lane;

		key.pool = i + 1; /* nobody may look at it */
		lane = lanes_get(lanes, &key);
		if (!lane)
			abort();
		lane->name = from->name;
		for (size_t k = 0; k < MAX_VALUES; k++) {
			uint64_t value = from->values[k].value, n = from->values[k].count;

			if (hist_add_bucket(&lane->hist, hist_bucket(value), n, n * value, value))
				abort();
		}
		for (size_t k = 0; k < LANE_NR_CAUSES; k++) {
			lane->times[k] = from->times[k];
			lane->ns[k] = from->ns[k];
		}
	}
}
