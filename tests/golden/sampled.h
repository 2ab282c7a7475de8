/* SPDX-License-Identifier: MIT */
/* A run that samples. For golden.c alone. */

/*
 * With --sample-bytes 4096: of each call whether its blocks are followed; a pool of OpenTelemetry,
 * whose maker samples, and one that does not. The sizes are such that what they stand for is the
 * same whatever C library computes it: 1 - e^(-size / 4096) is very near to a double.
 */
static struct event sampled[] = {
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 100, .latency_ns = 1500, .size = 768,
	 .addr = 0x55d0c0a80100},
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 110, .latency_ns = 1500, .size = 208,
	 .align = 64, .addr = 0x55d0c0a80500},
	{EVENT_FREE, FREE, .ts_ns = 120, .addr = 0x55d0c0a80100},
	{EVENT_FREE, FREE, .ts_ns = 130, .addr = 0x55d0c0a80500},
	/* after the first interim report: nothing is live */
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 200, .latency_ns = 1500, .size = 1016,
	 .addr = 0x55d0c0a81000},
	{EVENT_REALLOC, REALLOC, .measured = true, .new_unsampled = true, .ts_ns = 210,
	 .latency_ns = 1600, .size = 1136, .old_addr = 0x55d0c0a81000, .addr = 0x55d0c0a82000},
	{EVENT_REALLOC, REALLOC, .measured = true, .old_unsampled = true, .ts_ns = 220,
	 .latency_ns = 1700, .size = 2304, .old_addr = 0x55d0c0a82000, .addr = 0x55d0c0a83000},
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 230, .latency_ns = 1700, .size = 2048,
	 .old_addr = 0x55d0c0a83000, .addr = 0x55d0c0a83000},
	{EVENT_ALLOC, CALLOC, .measured = true, .ts_ns = 240, .latency_ns = 800, .size = 480,
	 .failed = true},
	{EVENT_ALLOC, CALLOC, .measured = true, .ts_ns = 250, .latency_ns = 9000, .size = 1 << 20,
	 .addr = 0x7f12a4b00010},
	{EVENT_POOL_ALLOC, 0, .otel = true, .ts_ns = 300, .pool = OTEL, .size = 512,
	 .addr = 0x7f0000001000, .weighted_bytes = 65536},
	{EVENT_POOL_ALLOC, 0, .otel = true, .ts_ns = 310, .pool = OTEL, .size = 1024,
	 .addr = 0x7f0000002000, .weighted_bytes = 524288, .stack = {NO_LINE}},
	{EVENT_POOL_ALLOC, 0, .otel = true, .ts_ns = 315, .pool = OTEL, .size = 2048,
	 .weighted_bytes = 524288, .failed = true}, /* obtains nothing: stands for nothing */
	{EVENT_POOL_FREE, 0, .otel = true, .ts_ns = 320, .pool = OTEL, .addr = 0x7f0000001000},
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 330, .latency_ns = 48, .pool = NO_NAME,
	 .size = 160, .addr = 0x55d0c0aa0100},
};

/* All calls, those that were no event as well. */
static const struct event_totals sampled_calls[FUNCTIONS] = {
	[MALLOC] = {.count = 1000, .bytes = 123456789, .failed = 1},
	[CALLOC] = {.count = 20, .bytes = 1050000, .failed = 2},
	[REALLOC] = {.count = 300, .bytes = 70000, .freed = 4},
	[FREE] = {.count = 990, .null = 5},
	[POSIX_MEMALIGN] = {.count = 6, .bytes = 7000}, /* not one of them sampled */
};

static const struct step sampled_steps[] = {{4, TICK, 0}, NEVER};

static const struct run sampled_run = {
	.events = sampled,
	.count = COUNT(sampled),
	.steps = sampled_steps,
	.calls = sampled_calls,
	.sample_bytes = 4096,
	.interim = {.elapsed_ns = 1000000000, .counters = {[EVENT_ENTERED] = 4}},
	.final = {.elapsed_ns = 2000000000,
		  .counters = {[EVENT_ENTERED] = COUNT(sampled), [EVENT_UNTRACKED] = 2}},
};
