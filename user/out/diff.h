/* SPDX-License-Identifier: MIT */
/*
 * Two runs compared by call site. Each is played through a sink of "diff" (text or json, which is
 * what diff_write then writes; both collect the same and write nothing), and what it adds up to is
 * taken from there. Then:
 *
 *	sink_init(&sink, sink_find("diff", "text"), …); play the first; diff_take(&sink, &before);
 *	sink_fini(&sink); the same with the second and &after; diff_write(&sink, &before, &after)
 *	before the last sink_fini.
 *
 * A call site is known by the names of the functions on its path: lines and addresses are other
 * ones as soon as the program has been built anew. What differs in these alone is one.
 */
#ifndef ALLOCTRACE_OUT_DIFF_H
#define ALLOCTRACE_OUT_DIFF_H

#include "out/sites.h"

/* What a call site and the whole of a run are compared by. */
struct diff_figures {
	struct profile_counts allocated, live, at_peak;
	uint64_t temporary, failed;
	uint64_t latency_count, latency_ns;
};

struct diff_site {
	char *path;  /* "[pool x];main;message_new", escaped, the outermost first */
	char *place; /* the innermost frame, as location_write has it */
	bool pooled; /* chunks of a pool: not in the sums */
	struct diff_figures figures;
};

/* What one run adds up to. Zeros are an empty one. */
struct diff_side {
	struct diff_site *sites; /* by path; no two have the same */
	size_t count;
	struct diff_figures all; /* pools excepted */
	uint64_t elapsed_ns;
	bool exact; /* no call is missing; else what is live is not exact */
};

/* Moves it out of the sink, whose run has finished. 0, or -ENOMEM: it is not whole. The caller
 * frees it by diff_side_fini in both cases. */
int diff_take(struct sink *s, struct diff_side *side);
void diff_side_fini(struct diff_side *side);

/* How a call site has changed; the side on which it is not has NULL. */
struct diff_row {
	const struct diff_site *site; /* of either side, the one after if it is there: its names */
	const struct diff_site *before, *after;
};

enum diff_change { DIFF_SAME, DIFF_NEW, DIFF_GONE, DIFF_GROWN, DIFF_SHRUNK };

/* Grown is what has more bytes live, or as many and more allocated. */
enum diff_change diff_change(const struct diff_row *row);
const char *diff_change_name(enum diff_change change); /* "new" … */

/*
 * The call sites of both sides that have changed: those of malloc and its kin, then those of pools,
 * the greatest change in live bytes first, then in allocated ones, then by path. To be freed by the
 * caller; borrows both sides. *same: how many have not changed. NULL with *count 0: none; NULL with
 * another *count: no memory.
 */
struct diff_row *diff_rows(const struct diff_side *before, const struct diff_side *after,
			   size_t *count, size_t *same);

/* Writes the comparison to the sink's file, in its format. 0 or -ENOMEM. */
int diff_write(struct sink *s, const struct diff_side *before, const struct diff_side *after);

/* The two that it consists of. */
int diff_text_write(struct sink *s, const struct diff_side *before, const struct diff_side *after);
int diff_json_write(struct sink *s, const struct diff_side *before, const struct diff_side *after);

#endif
