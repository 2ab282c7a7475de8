/* SPDX-License-Identifier: MIT */
/* Reading what the kernel side counts: maps, by their descriptors. Errors are negative errno. */
#ifndef ALLOCTRACE_PROBE_MAPS_H
#define ALLOCTRACE_PROBE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/lane.h"

/* The sum over all CPUs of `words` numbers of one entry of a per-CPU array. */
int maps_sum(int map, uint32_t index, uint64_t *sums, size_t words);

/* One number of each of the first `cpus` CPUs; those that there are not stay as they are. */
int maps_each_cpu(int map, uint32_t index, uint64_t *values, size_t cpus);

/* Adds what the map of lanes holds to `lanes`. What cannot be decoded is counted in `malformed`. */
int maps_lanes(int map, struct lanes *lanes, uint64_t *malformed);

/* Takes out of the map of sampled blocks those of processes that have ended, as `ended` tells. */
void maps_forget_samples(int map, bool (*ended)(pid_t pid));

#endif
