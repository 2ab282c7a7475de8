/* SPDX-License-Identifier: MIT */
/* What the texts of the reports on the heap are put together of. */
#ifndef ALLOCTRACE_OUT_HEAP_TEXT_H
#define ALLOCTRACE_OUT_HEAP_TEXT_H

#include "out/sites.h"

/* One report while it is being written; all is borrowed. */
struct heap_view {
	struct sink *sink;
	const struct report *report;
	const struct sites *sites;
	const char *command;         /* which report it is */
	const struct site_row *rows; /* see sites_rows */
	size_t count;
	size_t own; /* so many are of malloc's kin, and come first */
};

/* What a report is about, over some rows. */
struct heap_sum {
	struct profile_counts counts; /* hot: calls for blocks, failed ones included */
	uint64_t total, most;         /* of all rows, and of one, by heap_measure */
};

/* By what the report sorts: bytes, or a number of calls or blocks. */
uint64_t heap_measure(const char *command, const struct site_row *row);

struct heap_sum heap_sum(const char *command, const struct site_row *rows, size_t count);

/* One sentence that answers the question of the report, and below it what restricts the answer. */
void heap_head_write(const struct heap_view *v);

/* The table of the rows from `first` to `end`, with as many of them as are asked for. */
void heap_table_write(const struct heap_view *v, size_t first, size_t end);

/* "160 B in 3 blocks", or what else it is that the report counts. */
void heap_sum_write(FILE *out, const char *command, const struct heap_sum *sum, const char *thing);

/* The report `sizes`. */
void heap_sizes_write(struct sink *s, const struct report *r);

/* "======== leaks after 14.846 s: ", how each of the reports begins, and what each may lack. */
void heap_title_write(const struct sink *s, const struct report *r);
void heap_caveats_write(const struct sink *s, const struct report *r);

#endif
