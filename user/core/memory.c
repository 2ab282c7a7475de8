// SPDX-License-Identifier: MIT
#include "core/memory.h"

#include <stdlib.h>

#define LEAST (1 << 20) /* bytes; less is not worth a word */

void memory_fini(struct memory *m)
{
	free(m->points);
	*m = (struct memory){0};
}

static struct memory_point *next_point(struct memory *m)
{
	size_t room = m->room ? 2 * m->room : 64;
	struct memory_point *points;

	if (m->count == MEMORY_MAX_POINTS)
		return NULL;
	if (m->count < m->room)
		return &m->points[m->count];
	points = reallocarray(m->points, room, sizeof(*points));
	if (!points)
		return NULL;
	m->points = points;
	m->room = room;
	return &m->points[m->count];
}

void memory_add(struct memory *m, const struct memory_point *point)
{
	struct memory_point *last = m->count ? &m->points[m->count - 1] : NULL;

	if (last && last->ts_ns == point->ts_ns) {
		last->mapped += point->mapped;
		last->resident += point->resident;
		last->rss += point->rss;
		return;
	}
	last = next_point(m);
	if (!last) {
		m->refused++;
		return;
	}
	*last = *point;
	m->count++;
}

/* What is mapped and not live; blocks may lie in memory that is not looked at (shared, of a file).
 */
static int64_t kept(const struct memory_point *p)
{
	return (int64_t)p->mapped - (int64_t)p->live;
}

/* What a program takes in the beginning, once, is no growth: it counts from a quarter of the time
 * on. */
static const struct memory_point *beginning(const struct memory *m)
{
	uint64_t first = m->points[0].ts_ns, span = m->points[m->count - 1].ts_ns - first;
	size_t i = 0;

	while (i + 2 < m->count && m->points[i].ts_ns - first < span / 4)
		i++;
	return &m->points[i];
}

enum memory_growth memory_growth(const struct memory *m)
{
	const struct memory_point *first, *last;
	int64_t live, unused, rss, least;

	if (m->count < 2)
		return MEMORY_STEADY;
	first = beginning(m);
	last = &m->points[m->count - 1];
	live = (int64_t)(last->live - first->live);
	unused = kept(last) - kept(first);
	rss = (int64_t)(last->rss - first->rss);
	least = (int64_t)(first->mapped / 20);
	least = least > LEAST ? least : LEAST;
	if (live > least && live >= unused)
		return MEMORY_LIVE;
	if (unused > least)
		return MEMORY_KEPT;
	return rss > least && rss > live + unused ? MEMORY_OTHER : MEMORY_STEADY;
}
