/* SPDX-License-Identifier: MIT */
/* Values for histograms, the same in every run. */
#ifndef ALLOCTRACE_TESTS_HIST_VALUES_H
#define ALLOCTRACE_TESTS_HIST_VALUES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/hist.h"

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline int compare_values(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static inline void fill(struct hist *h, const uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(hist_add(h, values[i]), 0);
}

/* As many values at every magnitude: 2^0 … 2^bits. */
static inline uint64_t any_magnitude(uint64_t *seed, unsigned int bits)
{
	return next_random(seed) >> (64 - bits + next_random(seed) % bits);
}

static inline size_t fill_sorted(uint64_t *values, size_t n, unsigned int bits, uint64_t *seed)
{
	for (size_t i = 0; i < n; i++)
		values[i] = any_magnitude(seed, bits);
	qsort(values, n, sizeof(*values), compare_values);
	return n;
}

#endif
