/*
 * Hides a sorted array: a process has some dozens of executable mappings, they come in ascending
 * order from the kernel, and they are looked up far more often than they change.
 */
#include "sym/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sym/module.h"

/* As many mappings as the kernel allows a process by default. */
#define MAPPINGS_MAX 65530

/* The index of the first mapping that ends behind the address. */
static size_t first_behind(const struct space *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes room for two more: a mapping, and the second half of one it cuts in two. */
static int space_reserve(struct space *s)
{
	size_t capacity = s->capacity ? s->capacity * 2 : 8;
	struct space_mapping *at;

	if (s->count + 2 <= s->capacity)
		return 0;
	at = reallocarray(s->at, capacity, sizeof(*at));
	if (!at)
		return -ENOMEM;
	s->at = at;
	s->capacity = capacity;
	return 0;
}

/* Moves what begins at `index` to `to`. */
static void space_shift(struct space *s, size_t index, size_t to)
{
	memmove(&s->at[to], &s->at[index], (s->count - index) * sizeof(*s->at));
	s->count += to - index;
}

static void cut_front(struct space_mapping *m, uint64_t end)
{
	m->offset += end - m->start;
	m->start = end;
}

/* Clears [start, end) and returns the index where a mapping of that place belongs. There must be
 * room for one more. */
static size_t space_clear(struct space *s, uint64_t start, uint64_t end)
{
	size_t first = first_behind(s, start), last;

	if (first < s->count && s->at[first].start < start) {
		if (s->at[first].end > end) {
			space_shift(s, first, first + 1);
			s->at[first] = s->at[first + 1];
			module_ref(s->at[first].module);
			cut_front(&s->at[first + 1], end);
		}
		s->at[first++].end = start;
	}
	for (last = first; last < s->count && s->at[last].end <= end; last++)
		module_unref(s->at[last].module);
	space_shift(s, last, first);
	if (first < s->count && s->at[first].start < end)
		cut_front(&s->at[first], end);
	return first;
}

int space_insert(struct space *s, const struct space_mapping *m)
{
	int err = space_reserve(s);
	size_t index;

	/* Without room the old must still go: a wrong name is worse than none. Nothing is cut in
	 * two then, the whole mapping goes. */
	if (err) {
		for (size_t i = s->count; i-- > 0;) {
			if (s->at[i].end <= m->start || s->at[i].start >= m->end)
				continue;
			module_unref(s->at[i].module);
			space_shift(s, i + 1, i);
		}
		return err;
	}
	index = space_clear(s, m->start, m->end);
	if (!m->module)
		return 0;
	if (s->count >= MAPPINGS_MAX)
		return -ENOSPC;
	space_shift(s, index, index + 1);
	s->at[index] = *m;
	module_ref(m->module);
	return 0;
}

static const struct space_mapping *find_same(const struct space *s, const struct space_mapping *m)
{
	const struct space_mapping *there = space_find(s, m->start);

	return there && there->start == m->start && there->end == m->end &&
			       there->offset == m->offset && there->module == m->module
		       ? there
		       : NULL;
}

bool space_has(const struct space *s, const struct space_mapping *m)
{
	return find_same(s, m);
}

bool space_inherit(struct space *s, const struct space *old)
{
	bool changed = s->count != old->count;

	for (size_t i = 0; i < s->count; i++) {
		const struct space_mapping *same = find_same(old, &s->at[i]);

		if (same)
			s->at[i].since = same->since;
		changed |= !same;
	}
	return changed;
}

int space_copy(struct space *to, const struct space *from)
{
	if (!from->count)
		return 0;
	to->at = reallocarray(NULL, from->count, sizeof(*to->at));
	if (!to->at)
		return -ENOMEM;
	memcpy(to->at, from->at, from->count * sizeof(*to->at));
	to->count = to->capacity = from->count;
	for (size_t i = 0; i < to->count; i++)
		module_ref(to->at[i].module);
	return 0;
}

const struct space_mapping *space_find(const struct space *s, uint64_t address)
{
	size_t i = first_behind(s, address);

	return i < s->count && s->at[i].start <= address ? &s->at[i] : NULL;
}

void space_fini(struct space *s)
{
	for (size_t i = 0; i < s->count; i++)
		module_unref(s->at[i].module);
	free(s->at);
	*s = (struct space){0};
}
