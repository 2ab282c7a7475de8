/* SPDX-License-Identifier: MIT */
/* Two lanes' histograms with the same edges, so that they can stand side by side. */
#ifndef ALLOCTRACE_OUT_COMPARE_ROWS_H
#define ALLOCTRACE_OUT_COMPARE_ROWS_H

#include "out/compare.h"

#define COMPARE_MAX_ROWS 24

/* Corrected durations in ns: low <= d < high, and which part (0..1) of each lane lies there. */
struct compare_row {
	double low, high;
	double first, second;
};

/*
 * Fills rows in order and returns how many. What is under the resolution is in one row, the first,
 * whose `low` is 0; where neither lane has anything there is no row. Both lanes hold something.
 */
size_t compare_rows(const struct comparison *pair, struct compare_row rows[COMPARE_MAX_ROWS]);

#endif
