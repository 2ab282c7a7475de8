/* SPDX-License-Identifier: MIT */
/* Stacks that are told once, of every grade. For golden.c alone. */

#define TOLD(number, of_grade, ends, words, ...)                                               \
	{                                                                                      \
		EVENT_STACK, .stack_id = (number), .grade = (of_grade), .why = (ends),         \
			     .frames = (words), .stack = {__VA_ARGS__}, .ts_ns = 10 * (number) \
	}

/* A call along a stack carries its caller and the number. */
#define ALONG(number, caller, when)                                                         \
	{                                                                                   \
		EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = (when), .latency_ns = 1500, \
				     .size = 100, .addr = 0x55d0c0a80000 + 64 * (when),     \
				     .frames = 1, .stack = {caller}, .stack_id = (number)   \
	}

static struct event stacks_events[] = {
	TOLD(1, EVENT_COMPLETE, EVENT_WHY_NONE, 3, INLINED, IN_MAIN, LIBC),
	ALONG(1, INLINED, 100),
	TOLD(2, EVENT_TRUNCATED, EVENT_WHY_NO_TABLE, 2, IN_MAIN, NO_LINE),
	ALONG(2, IN_MAIN, 110),
	ALONG(1, INLINED, 120),
	TOLD(3, EVENT_GUESSED, EVENT_WHY_NO_INFO, 2, NO_LINE, NO_COLUMN),
	ALONG(3, NO_LINE, 130),
	/* a guess that ended in what is no code */
	TOLD(4, EVENT_GUESSED, EVENT_WHY_NONE, 3, NO_LINE, UNKNOWN, IN_MAIN),
	ALONG(4, NO_LINE, 140),
	TOLD(5, EVENT_GUESSED, EVENT_WHY_NONE, 2, NO_LINE, LIBC),
	ALONG(5, NO_LINE, 150),
	/* what rules have found is shown whatever is known of it */
	TOLD(6, EVENT_TRUNCATED, EVENT_WHY_UNREADABLE, 3, IN_MAIN, UNKNOWN, LIBC),
	ALONG(6, IN_MAIN, 160),
	/* a handler that allocates */
	TOLD(7, EVENT_COMPLETE, EVENT_WHY_NONE, 4, IN_MAIN, RESTORER, EVENT_EXACT | INTERRUPTED,
	     LIBC),
	ALONG(7, IN_MAIN, 170),
	TOLD(8, EVENT_TRUNCATED, EVENT_WHY_NO_RULE, 2, IN_MAIN, EVIL),
	ALONG(8, IN_MAIN, 180),
	/* its stack was lost; that number is another caller's; it was walked on request alone */
	ALONG(99, IN_MAIN, 190),
	ALONG(2, NO_LINE, 200),
	TOLD(9, EVENT_CALL_SITE, EVENT_WHY_DEPTH, 1, LIBC),
	ALONG(9, LIBC, 210),
	{EVENT_POOL_CREATE, 0, .ts_ns = 220, .pool = POOL, .size = 4096, .base = 0x55d0c0a91000,
	 .chunk_size = 64, .chunk_count = 64, .name = "protocol", .frames = 1, .stack = {IN_MAIN}},
	{EVENT_POOL_ALLOC, 0, .measured = true, .ts_ns = 230, .latency_ns = 48, .pool = POOL,
	 .size = 64, .addr = 0x55d0c0a91000, .frames = 1, .stack = {INLINED}, .stack_id = 1},
	/* nothing to be read at the stack pointer */
	{EVENT_FREE, FREE, .ts_ns = 240, .addr = 0x55d0c0a80000 + 64 * 100, .frames = 1},
	/* another process came along the same words */
	TOLD(10, EVENT_COMPLETE, EVENT_WHY_NONE, 2, IN_MAIN, LIBC),
	{EVENT_FREE, FREE, .ts_ns = 250, .addr = 0x55d0c0a80000 + 64 * 110, .frames = 1,
	 .stack = {IN_MAIN}, .stack_id = 10},
	{EVENT_FREE, FREE, .pid = OTHER, .ts_ns = 260, .addr = 0x10, .frames = 1,
	 .stack = {IN_MAIN}, .stack_id = 10},
};

#define STACKS_TOLD 10

static const struct run stacks_run = {
	.events = stacks_events,
	.count = COUNT(stacks_events),
	.steps = no_steps,
	.final = {.elapsed_ns = 2000000000,
		  .counters = {[EVENT_ENTERED] = COUNT(stacks_events) - STACKS_TOLD,
			       [EVENT_UNREADABLE_STACK] = 1}},
};
