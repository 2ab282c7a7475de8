// SPDX-License-Identifier: MIT
/* The collection of lanes. */
#include "core/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LANES (1 << 20)

void lanes_init(struct lanes *l)
{
	memset(l, 0, sizeof(*l));
	table_init(&l->index, sizeof(struct lane_key), sizeof(uint64_t), MAX_LANES);
}

void lanes_clear(struct lanes *l)
{
	lanes_fini(l);
	lanes_init(l);
}

void lanes_fini(struct lanes *l)
{
	for (size_t i = 0; i < l->count; i++)
		hist_fini(&l->all[i].hist);
	free(l->all);
	table_fini(&l->index);
	memset(l, 0, sizeof(*l));
}

static bool make_room(struct lanes *l)
{
	size_t room = l->room ? 2 * l->room : 64;
	struct lane *grown;

	if (l->count < l->room)
		return true;
	grown = reallocarray(l->all, room, sizeof(*grown));
	if (!grown)
		return false;
	l->all = grown;
	l->room = room;
	return true;
}

struct lane *lanes_get(struct lanes *l, const struct lane_key *key)
{
	uint64_t *position = table_find(&l->index, key);
	bool fresh;

	if (position)
		return &l->all[*position];
	if (!make_room(l))
		return NULL;
	position = table_insert(&l->index, key, &fresh);
	if (!position)
		return NULL;
	*position = l->count;
	l->all[l->count] = (struct lane){.key = *key};
	return &l->all[l->count++];
}

int lanes_add(struct lanes *l, const struct lane_part *part)
{
	struct lane *lane = lanes_get(l, &part->key);

	if (!lane)
		return -ENOMEM;
	lane->bytes += part->bytes;
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		lane->times[i] += part->times[i];
		lane->ns[i] += part->ns[i];
	}
	return hist_add_bucket(&lane->hist, part->bucket, part->count, part->sum, part->max);
}

double lane_unit(const struct lane *lane)
{
	return lane->key.group ? 1e-3 : 1;
}

int lane_merge(struct lane *to, const struct lane *from)
{
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		to->times[i] += from->times[i];
		to->ns[i] += from->ns[i];
	}
	to->bytes += from->bytes;
	return hist_merge(&to->hist, &from->hist);
}

static const struct {
	const char *text, *name;
} causes[LANE_NR_CAUSES] = {
	[LANE_OWN_CODE] = {"its own code", "own_code"},
	[LANE_PAGE_FAULTS] = {"page faults", "page_faults"},
	[LANE_FUTEX] = {"waiting for a lock", "futex"},
	[LANE_MMAP] = {"mmap/munmap/mremap", "mmap"},
	[LANE_BRK] = {"brk", "brk"},
	[LANE_MADVISE] = {"madvise", "madvise"},
	[LANE_OFF_CPU] = {"off the CPU", "off_cpu"},
};

const char *lane_cause_text(enum lane_cause cause)
{
	return causes[cause].text;
}

const char *lane_cause_name(enum lane_cause cause)
{
	return causes[cause].name;
}
