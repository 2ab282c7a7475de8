/* SPDX-License-Identifier: MIT */
/* For golden.c alone: a program that makes every mistake with its pools, the first one at two
 * places, one of them over and over; and one that only seems to. */
#ifndef TESTS_GOLDEN_WRONGS_H
#define TESTS_GOLDEN_WRONGS_H

static struct event wrongs[] = {
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 100, .latency_ns = 1500, .size = 65536,
	 .addr = 0x55d0c0a91000},
	{EVENT_POOL_CREATE, 0, .ts_ns = 110, .pool = POOL, .size = 65536, .base = 0x55d0c0a91000,
	 .chunk_size = 160, .chunk_count = 409, .name = "protocol"},
	{EVENT_POOL_CREATE, 0, .ts_ns = 120, .pool = HOSTILE, .size = 4096, .base = 0x55d0c0ab0100,
	 .chunk_count = 64, .name = "p\x1b]0;owned\x07\n\xff\\"},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 200, .pool = POOL, .size = 160, .align = 16,
	 .addr = 0x55d0c0aa1000, .frames = 3, .stack = {INLINED, IN_MAIN, LIBC}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 210, .pool = POOL, .size = 160, .align = 16,
	 .addr = 0x55d0c0aa2000, .stack = {INLINED}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 220, .pool = POOL, .size = 1, .addr = 0x55d0c0a90fff,
	 .stack = {NO_LINE}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 230, .pool = HOSTILE, .size = 24, .align = 64,
	 .addr = 0x55d0c0ab0120, .stack = {EVIL}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 300, .pool = POOL, .tid = 4217, .size = 160,
	 .addr = 0x55d0c0a91000, .stack = {INLINED}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 310, .pool = POOL, .size = 160, .addr = 0x55d0c0a91080},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 320, .pool = POOL, .size = 160, .addr = 0x55d0c0a91000},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 330, .pool = POOL, .size = 144, .addr = 0x55d0c0a91400},
	{EVENT_POOL_FREE, 0, .ts_ns = 340, .pool = POOL, .addr = 0x55d0c0a91400},
	{EVENT_POOL_FREE, 0, .ts_ns = 350, .pool = POOL, .tid = 4217, .addr = 0x55d0c0a91400,
	 .stack = {NO_COLUMN}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 360, .pool = HOSTILE, .size = 8, .addr = 0x55d0c0ab0100},
	{EVENT_POOL_FREE, 0, .ts_ns = 370, .pool = HOSTILE, .addr = 0x55d0c0ab0100},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 380, .pool = HOSTILE, .size = 8, .addr = 0x55d0c0ab0108},
	{EVENT_POOL_FREE, 0, .ts_ns = 390, .pool = POOL, .addr = 0x55d0c0ab0108, .stack = {EVIL}},
	{EVENT_POOL_ALLOC, 0, .ts_ns = 400, .pool = POOL, .size = 160, .addr = 0x55d0c0a92000},
	/* taken back late, after the next one had it */
	{EVENT_POOL_ALLOC, 0, .ts_ns = 410, .pool = POOL, .tid = 4217, .size = 160,
	 .addr = 0x55d0c0a92000},
	{EVENT_POOL_FREE, 0, .measured = true, .ts_ns = 420, .latency_ns = 15000, .pool = POOL,
	 .addr = 0x55d0c0a92000},
	{EVENT_POOL_DESTROY, 0, .ts_ns = 200000, .pool = HOSTILE},
	{EVENT_FREE, FREE, .ts_ns = 200100, .addr = 0x55d0c0a91000},
	{EVENT_POOL_DESTROY, 0, .ts_ns = 200200, .pool = POOL},
};

#endif
