/* SPDX-License-Identifier: MIT */
/* For golden.c alone: what is freed twice, is no block, lies in one, is a pool's, or is another
 * allocator's: here posix_memalign's. */
#ifndef TESTS_GOLDEN_FREES_H
#define TESTS_GOLDEN_FREES_H

static struct event frees[] = {
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 100, .latency_ns = 1500, .size = 24,
	 .addr = 0x55d0c0a80100, .frames = 3, .stack = {INLINED, IN_MAIN, LIBC}},
	{EVENT_ALLOC, CALLOC, .measured = true, .ts_ns = 110, .latency_ns = 1500, .size = 1000,
	 .addr = 0x55d0c0a80200, .stack = {NO_COLUMN}},
	{EVENT_FREE, FREE, .ts_ns = 200, .addr = 0x55d0c0a80100, .stack = {NO_LINE}},
	{EVENT_FREE, FREE, .ts_ns = 300, .tid = 4217, .addr = 0x55d0c0a80100, .stack = {EVIL}},
	{EVENT_FREE, FREE, .ts_ns = 310, .tid = 4217, .addr = 0x55d0c0a80100, .stack = {EVIL}},
	/* the same by realloc, as the very same thread goes on */
	{EVENT_REALLOC, REALLOC, .measured = true, .ts_ns = 320, .latency_ns = 900, .size = 48,
	 .old_addr = 0x55d0c0a80100, .addr = 0x55d0c0a80300},
	{EVENT_FREE, FREE, .ts_ns = 400, .addr = 0x10},
	{EVENT_FREE, FREE, .ts_ns = 410, .addr = 0x55d0c0a80201, .stack = {INLINED}},
	{EVENT_ALLOC, POSIX_MEMALIGN, .measured = true, .ts_ns = 500, .latency_ns = 1500, .size = 1,
	 .align = 64, .addr = 0x55d0c0a90040, .stack = {EVIL}},
	{EVENT_FREE, FREE, .ts_ns = 510, .addr = 0x55d0c0a90040},
	{EVENT_POOL_CREATE, 0, .ts_ns = 600, .pool = HOSTILE, .size = 4096, .base = 0x7f12a4b00000,
	 .chunk_count = 64, .name = "p\x1b]0;owned\x07\n\xff\\"},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 610, .pool = HOSTILE, .size = 24, .addr = 0x7f12a4b00040,
	 .stack = {NO_COLUMN}},
	{EVENT_FREE, FREE, .ts_ns = 620, .addr = 0x7f12a4b00040},
};

static const uint8_t frees_families[EVENT_MAX_FUNCTIONS] = {
	[MALLOC] = 1, [CALLOC] = 1, [REALLOC] = 1, [FREE] = 1, [POSIX_MEMALIGN] = 2,
};

static const struct run frees_run = {
	.events = frees,
	.count = COUNT(frees),
	.steps = no_steps,
	.checks = true,
	.families = frees_families,
	.final = {.elapsed_ns = 2000000000, .counters = {[EVENT_ENTERED] = COUNT(frees)}},
};

#endif
