// SPDX-License-Identifier: MIT
/* The time between marks. */
#include "core/pressure.h"

bool pressure_apply(struct pressure *p, const struct event *e, uint64_t counted,
		    struct pressure_change *change)
{
	/* A record that comes late, its CPU having been stopped, is about a time that is over. */
	if (e->level == p->level || e->ts_ns < p->since_ns)
		return false;
	*change = (struct pressure_change){.level = e->level, .ts_ns = e->ts_ns};
	if (p->level == EVENT_WHOLE) {
		p->began_ns = e->ts_ns;
		p->times++;
	} else {
		p->ns[p->level] += e->ts_ns - p->since_ns;
	}
	if (e->level == EVENT_WHOLE) {
		change->counted = counted - p->counted;
		change->lasted_ns = e->ts_ns - p->began_ns;
		p->counted = counted;
	}
	p->level = e->level;
	p->since_ns = e->ts_ns;
	return true;
}

uint64_t pressure_lasted(const struct pressure *p, enum event_level level, uint64_t now_ns)
{
	bool lasts = level == p->level && level != EVENT_WHOLE && now_ns > p->since_ns;

	return p->ns[level] + (lasts ? now_ns - p->since_ns : 0);
}
