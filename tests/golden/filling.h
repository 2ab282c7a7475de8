/* SPDX-License-Identifier: MIT */
/* A ring that fills twice: what was only counted is in the books. For golden.c alone. */

static struct event filling[] = {
	{EVENT_POOL_CREATE, 0, .ts_ns = 100, .pool = POOL, .size = 4096, .base = 0x55d0c0a91000,
	 .chunk_size = 64, .chunk_count = 64, .name = "protocol"},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 110, .latency_ns = 1500, .size = 100,
	 .addr = 0x55d0c0a80100},
	{EVENT_PRESSURE, 0, EVENT_SAMPLED, .ts_ns = 200},
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 210, .latency_ns = 1600, .size = 64,
	 .old_addr = 0x55d0c0a80500, .addr = 0x55d0c0a80600, .old_unsampled = true},
	{EVENT_PRESSURE, 0, EVENT_COUNTS, .ts_ns = 300},
	{EVENT_PRESSURE, 0, EVENT_SAMPLED, .ts_ns = 500},
	{EVENT_PRESSURE, 0, EVENT_WHOLE, .ts_ns = 1200, .size = 1000},
	{EVENT_FREE, FREE, .ts_ns = 1210, .addr = 0x55d0c0a80600},
	{EVENT_POOL_FREE, 0, .ts_ns = 1220, .pool = POOL, .addr = 0x55d0c0a91000},
	/* until the end */
	{EVENT_PRESSURE, 0, EVENT_COUNTS, .ts_ns = 1500000},
};

#define FILLING_MARKS 5

/* What was lost for lack of room is here, too. */
static const struct event_totals filling_unsent[FUNCTIONS] = {
	[MALLOC] = {.count = 700, .bytes = 70000, .failed = 2},
	[REALLOC] = {.count = 10, .bytes = 640, .freed = 1},
	[FREE] = {.count = 600, .null = 5},
};

static const struct event_pool_totals filling_pool = {
	.alloc = {.count = 90, .bytes = 5760, .failed = 1},
	.free = {.count = 88},
};

static const struct run filling_run = {
	.events = filling,
	.count = COUNT(filling),
	.steps = no_steps,
	.unsent = filling_unsent,
	.unsent_pool = &filling_pool,
	.final = {.elapsed_ns = 2000000000,
		  .counters = {[EVENT_ENTERED] = COUNT(filling) - FILLING_MARKS + 1488 + 4,
			       [EVENT_COUNTED_ONLY] = 1481,
			       [EVENT_LOST_RING_FULL] = 7,
			       [EVENT_UNCOUNTED] = 3},
		  .in_flight = 4},
};
