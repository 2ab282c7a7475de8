// SPDX-License-Identifier: MIT
#include "cmd/footprint.h"

#include "cmd/apply.h"
#include "sym/proc.h"

#define SHORTEST_NS 50000000ULL
#define PARTS       32 /* the pause is that part of the time since the start */

static bool is_wanted(const struct run *r)
{
	return r->pid_count && (recorder_is_on(&r->recorder) || options_is(r->options, "leaks") ||
				options_is(r->options, "peak"));
}

static void look(struct run *r, uint64_t now_ns)
{
	for (size_t i = 0; i < r->pid_count; i++) {
		struct record record = {.kind = RECORD_MEMORY};
		struct proc_memory m;

		if (r->pidfds[i] < 0 || proc_memory(r->pids[i], &m))
			continue;
		record.memory = (struct record_memory){.pid = (uint32_t)r->pids[i],
						       .ts_ns = now_ns,
						       .mapped = m.anonymous,
						       .resident = m.resident,
						       .rss = m.rss};
		apply_memory(r, &record.memory);
		recorder_put(&r->recorder, &record);
	}
}

void footprint_tick(struct run *r, uint64_t now_ns)
{
	uint64_t pause = (now_ns - r->info.start_ns) / PARTS;

	if (now_ns < r->next_look_ns || !is_wanted(r))
		return;
	r->next_look_ns = now_ns + (pause > SHORTEST_NS ? pause : SHORTEST_NS);
	look(r, now_ns);
}

void footprint_last(struct run *r)
{
	if (is_wanted(r))
		look(r, timeline_now());
}
