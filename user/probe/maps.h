/* SPDX-License-Identifier: MIT */
/* Reading what the kernel side counts: maps, by their descriptors. Errors are negative errno. */
#ifndef ALLOCTRACE_PROBE_MAPS_H
#define ALLOCTRACE_PROBE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/event.h"
#include "core/lane.h"

/* The sum over all CPUs of `words` numbers of one entry of a per-CPU array. */
int maps_sum(int map, uint32_t index, uint64_t *sums, size_t words);

/* One number of each of the first `cpus` CPUs; those that there are not stay as they are. */
int maps_each_cpu(int map, uint32_t index, uint64_t *values, size_t cpus);

/* Adds what the map of lanes holds to `lanes`. What cannot be decoded is counted in `malformed`. */
int maps_lanes(int map, struct lanes *lanes, uint64_t *malformed);

/* Tells each entry of the map of pools, summed over the CPUs, until the answer is negative. */
typedef int (*maps_pool_fn)(void *context, const struct event_pool *pool,
			    const struct event_pool_totals *t);
int maps_pools(int map, maps_pool_fn take, void *context);

/* Takes out of a map whose keys are (address, process) those of processes that have ended, as
 * `ended` tells. */
void maps_forget(int map, bool (*ended)(pid_t pid));

#endif
