// SPDX-License-Identifier: MIT
/* Maps of the kernel side, read from this one. */
#include "probe/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/table.h"

#define BATCH 512 /* entries that are read at once */

static int sum(int map, const void *key, uint64_t *sums, size_t words)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? calloc((size_t)cpus * words, sizeof(*values)) : NULL;
	int err = 0;

	if (!values)
		return cpus < 0 ? cpus : -ENOMEM;
	memset(sums, 0, words * sizeof(*sums));
	if (bpf_map_lookup_elem(map, key, values))
		err = -errno;
	for (size_t i = 0; i < (size_t)cpus * words && !err; i++)
		sums[i % words] += values[i];
	free(values);
	return err;
}

int maps_sum(int map, uint32_t index, uint64_t *sums, size_t words)
{
	return sum(map, &index, sums, words);
}

int maps_pools(int map, maps_pool_fn take, void *context)
{
	struct event_pool key, next;
	struct event_pool_totals t;
	bool first = true;
	int err = 0;

	while (!err && !bpf_map_get_next_key(map, first ? NULL : &key, &next)) {
		err = sum(map, &next, (uint64_t *)&t, sizeof(t) / sizeof(uint64_t));
		if (!err)
			err = take(context, &next, &t);
		key = next;
		first = false;
	}
	return err;
}

int maps_each_cpu(int map, uint32_t index, uint64_t *values, size_t cpus)
{
	int possible = libbpf_num_possible_cpus();
	uint64_t *all = possible > 0 ? calloc((size_t)possible, sizeof(*all)) : NULL;
	int err = 0;

	if (!all)
		return possible < 0 ? possible : -ENOMEM;
	if (bpf_map_lookup_elem(map, &index, all))
		err = -errno;
	for (size_t i = 0; i < cpus && i < (size_t)possible && !err; i++)
		values[i] = all[i];
	free(all);
	return err;
}

static int take_lanes(struct lanes *lanes, const char *keys, const char *values, size_t count,
		      size_t cpus, uint64_t *malformed)
{
	for (size_t i = 0; i < count; i++) {
		struct lane_part part;
		int err = event_decode_lane(&part, keys + i * EVENT_LANE_KEY,
					    values + i * cpus * EVENT_LANE_VALUE, cpus);

		if (!err)
			err = lanes_add(lanes, &part);
		if (err == -ENOMEM)
			return err;
		*malformed += err < 0;
	}
	return 0;
}

int maps_lanes(int map, struct lanes *lanes, uint64_t *malformed)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	char *keys = malloc(BATCH * EVENT_LANE_KEY);
	char *values = cpus > 0 ? malloc(BATCH * EVENT_LANE_VALUE * (size_t)cpus) : NULL;
	uint32_t token, room = BATCH;
	bool first = true, last = false;

	if (!keys || !values)
		err = -ENOMEM;
	while (!err && !last) {
		uint32_t count = room;

		err = bpf_map_lookup_batch(map, first ? NULL : &token, &token, keys, values, &count,
					   NULL)
			      ? -errno
			      : 0;
		last = err == -ENOENT;
		if (!err || last)
			err = take_lanes(lanes, keys, values, count, (size_t)cpus, malformed);
		first = false;
	}
	free(keys);
	free(values);
	return err;
}

/* As `ended` tells, asked once a process: the blocks of many come in no order. */
static bool has_ended(struct table *asked, uint64_t tgid, bool (*ended)(pid_t pid))
{
	uint64_t *answer;
	bool fresh;

	answer = table_insert(asked, &tgid, &fresh);
	if (!answer)
		return false;
	if (fresh)
		*answer = ended((pid_t)tgid);
	return *answer;
}

void maps_forget(int map, bool (*ended)(pid_t pid))
{
	struct {
		uint64_t addr, tgid;
	} key, next; /* sample_key of bpf/config.bpf.h */
	bool gone = false, first = true;
	struct table asked;

	table_init(&asked, sizeof(uint64_t), sizeof(uint64_t), 1 << 20);
	while (!bpf_map_get_next_key(map, first ? NULL : &key, &next)) {
		if (gone)
			bpf_map_delete_elem(map, &key);
		gone = has_ended(&asked, (uint32_t)next.tgid, ended); /* without its stamp */
		key = next;
		first = false;
	}
	if (gone)
		bpf_map_delete_elem(map, &key);
	table_fini(&asked);
}
