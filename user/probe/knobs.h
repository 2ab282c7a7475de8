/* SPDX-License-Identifier: MIT */
/* Constants of the kernel side that have to be worked out. */
#ifndef ALLOCTRACE_PROBE_KNOBS_H
#define ALLOCTRACE_PROBE_KNOBS_H

#include <stddef.h>
#include <stdint.h>

#include "core/lane.h"

/* log2(1 + i / steps) with 32 bits behind the point, for i from 0 to `steps`. */
void knobs_logarithms(uint64_t *table, size_t steps);

/* What --why looks for, by cause; a number that stands for nothing fills the rest. */
extern const uint32_t knobs_syscalls[LANE_NR_CAUSES][3];

/* The size of a ring buffer of at least so many bytes. */
uint32_t knobs_ring_bytes(uint64_t wanted);

/* A number that nobody outside can know. */
uint64_t knobs_random(void);

#endif
