/* SPDX-License-Identifier: MIT */
/* For golden.c alone. */
/* With --follow: a container's process, a child that ends, another one with its number. */
static struct event family[] = {
	{EVENT_ALLOC, MALLOC, .measured = true, .ts_ns = 100, .latency_ns = 1500, .size = 100,
	 .addr = 0x55d0c0a80100},
	/* CHILD is forked */
	{EVENT_FREE, FREE, .pid = CHILD, .ts_ns = 110, .addr = 0x55d0c0a80100},
	{EVENT_REALLOC, REALLOC, .measured = true, .pid = CHILD, .ts_ns = 120, .latency_ns = 1500,
	 .size = 24, .old_addr = 0x55d0c0a80200, .addr = 0x55d0c0a80300},
	{EVENT_FREE, FREE, .ts_ns = 130, .addr = 0x55d0c0a80100},
	/* CHILD ends: of what is live nobody can free anything, after the interim report others */
	{EVENT_ALLOC, MALLOC, .measured = true, .pid = OTHER, .ns_pid = 1, .ns_tid = 1,
	 .ts_ns = 200, .latency_ns = 1500, .size = 64, .addr = 0x55d0c0a80100, .comm = "init"},
	{EVENT_ALLOC, MALLOC, .measured = true, .pid = OTHER, .tid = 4307, .ns_pid = 1, .ns_tid = 8,
	 .ts_ns = 210, .latency_ns = 1500, .size = 65, .addr = 0x55d0c0a80200, .comm = "worker"},
	/* CHILD's number comes again */
	{EVENT_ALLOC, MALLOC, .measured = true, .pid = CHILD, .ts_ns = 220, .latency_ns = 1500,
	 .size = 32, .addr = 0x55d0c0a80300},
	{EVENT_FREE, FREE, .pid = CHILD, .ts_ns = 230, .addr = 0x55d0c0a80300},
	{EVENT_FREE, FREE, .pid = CHILD, .ts_ns = 240, .addr = 0x55d0c0a80100},
	/* … and becomes another program */
	{EVENT_FREE, FREE, .pid = CHILD, .ns_pid = 4194304, .ns_tid = 4194304, .ts_ns = 250,
	 .addr = 0x55d0c0a80100, .comm = "true"},
};

static const struct step family_steps[] = {
	{1, FORK, CHILD}, {4, END, CHILD}, {4, TICK, 0}, {6, FORK, CHILD}, {9, EXEC, CHILD}, NEVER,
};

static const struct run family_run = {
	.events = family,
	.count = COUNT(family),
	.steps = family_steps,
	.interim = {.elapsed_ns = 1000000000,
		    .counters = {[EVENT_ENTERED] = 4, [EVENT_UNFOLLOWED] = 1},
		    .late = 1,
		    .late_ns = 999},
	.final = {.elapsed_ns = 2000000000,
		  .counters = {[EVENT_ENTERED] = COUNT(family),
			       [EVENT_MAIN_LEFT] = 1,
			       [EVENT_UNFOLLOWED] = 3},
		  .late = 2,
		  .late_ns = 3456789,
		  .fate = "exited with 0"},
};
