/* SPDX-License-Identifier: MIT */
/*
 * What the latency reports are made of, whatever their format: rows, which are groups of lanes,
 * and the figures of a row, raw and corrected.
 *
 * Corrected is raw less what measuring costs (core/calibration.h), never below 0. What lies at or
 * under the floor cannot be told from nothing, and is shown as one.
 */
#ifndef ALLOCTRACE_OUT_LATENCY_H
#define ALLOCTRACE_OUT_LATENCY_H

#include "core/lane.h"
#include "out/books.h"
#include "out/sink.h"

/* What a lane's calls are to its row. */
enum latency_part {
	LATENCY_TIMED,     /* they are its histogram */
	LATENCY_DISTURBED, /* counted apart: migrated or switched off the CPU inside */
	LATENCY_FAILED,    /* only counted */
	LATENCY_NR_PARTS,
};

struct latency_row {
	const struct lane *const *lanes; /* of all parts; at least one */
	size_t lane_count;
	struct lane_key key; /* what they share; the rest is 0, sizes LANE_ALL_SIZES */
	bool class_named;    /* the function has rows of more than one class */
	uint64_t count[LATENCY_NR_PARTS];
	double ns; /* the timed calls together, corrected where that is possible */
};

/* Borrows the report's lanes. */
struct latency_rows {
	const struct lane **lanes;
	struct latency_row *all;
	size_t count;
	bool many_pids; /* rows of call sites lie in more than one process */
};

/* Rows in the order of the functions, then pools by name. 0 or -ENOMEM. */
int latency_rows_init(struct latency_rows *rows, const struct sink *s, const struct report *r,
		      enum lane_by by);
void latency_rows_fini(struct latency_rows *rows);

/* The rows that took most time first. */
void latency_rows_sort(struct latency_rows *rows);

/* How many call sites a report shows (-N). */
size_t latency_rows_shown(const struct latency_rows *rows, const struct run_info *info);

/* Sums over the rows from `first` on. */
double latency_rows_ns(const struct latency_rows *rows, size_t first);
uint64_t latency_rows_calls(const struct latency_rows *rows, size_t first, enum latency_part part);

enum latency_part latency_part_of(const struct lane *lane, bool why);

/* Adds up the histograms of a part. 0 or -ENOMEM; `h` is the caller's in both cases. */
int latency_row_hist(const struct latency_row *row, enum latency_part part, bool why,
		     struct hist *h);

/* "malloc", "protocol:alloc"; as it came, not escaped. Returns buf or a name. */
const char *latency_call(const struct latency_row *row, char *buf, size_t len);
#define LATENCY_CALL 80

static inline bool latency_row_is_pool(const struct latency_row *row)
{
	return row->key.op != LANE_CALL;
}

/* ---- figures */

enum latency_value {
	LATENCY_P50,
	LATENCY_P90,
	LATENCY_P99,
	LATENCY_P999,
	LATENCY_MAX,
	LATENCY_MEAN,
	LATENCY_NR_VALUES,
};

/* All in nanoseconds; with `fine` fractions of them mean something. */
struct latency_figures {
	bool measurable; /* else there is a count and nothing else */
	bool calibrated; /* else cost, floor and corrected say nothing */
	bool fine;
	double unit; /* of a histogram */
	double cost, floor;
	double raw[LATENCY_NR_VALUES], corrected[LATENCY_NR_VALUES];
};

/* Of the calls of that row that `h` holds. */
void latency_figures(struct latency_figures *f, const struct latency_row *row,
		     const struct report *r, const struct hist *h);

double latency_correct(const struct latency_figures *f, double raw_ns);

/* As reports show it: whole nanoseconds, or with `fine` three decimals. */
double latency_round(const struct latency_figures *f, double ns);

/* A duration for eyes; a corrected one becomes "≤ 48ns" where it is at or under the floor. Return
 * buf, which holds LATENCY_TEXT bytes. */
#define LATENCY_TEXT 24
const char *latency_text(char *buf, const struct latency_figures *f, double ns);
const char *latency_corrected_text(char *buf, const struct latency_figures *f, double ns);

/* ---- parts of the reports */

/* One row a line: by size, by call site. */
void latency_table_write(struct sink *s, const struct report *r, struct latency_rows *rows);

/* The picture of what `h` holds, corrected where that is possible: all that is at or under the
 * floor is one bar. */
void latency_bars_write(FILE *out, const struct latency_figures *f, const struct hist *h);

/* The words of a row, escaped: "malloc", "malloc, push entry", "malloc 17..32 bytes". Returns buf,
 * which holds LATENCY_TITLE bytes. */
#define LATENCY_TITLE 512
const char *latency_title(char *buf, const struct latency_row *row);

/* "main at demo.c:12:9"; with `say_pid` and the process. */
void latency_site_write(struct sink *s, const struct latency_row *row, bool say_pid);

/* The calls that are counted apart: how many, and how long. */
void latency_disturbed_write(FILE *out, const struct hist *h, bool of_pools);

/* `text` to the right of a column that is `width` wide on the screen; to the left when that is
 * negative. */
void latency_cell_write(FILE *out, int width, const char *text);

#endif
