/* SPDX-License-Identifier: MIT */
/*
 * What the helper process does for tables.c: it reads the unwind rules of a file and gives them in
 * parts, since one answer does not hold them all. The form of questions and answers:
 *
 *	tabling_question (file)  -> tabling_answer, the first rules
 *	tabling_question         -> tabling_answer, more of them
 *
 * An empty answer: it does not know that file, or the question makes no sense.
 */
#ifndef ALLOCTRACE_SYM_TABLING_H
#define ALLOCTRACE_SYM_TABLING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/unwind.h"
#include "guard/helper.h"

struct tabling_question {
	uint32_t id;    /* of the file: with the first question it comes along */
	uint32_t first; /* rule that is wanted */
};

struct tabling_answer {
	uint64_t base, end;         /* as in unwind_read */
	uint32_t count, reserved;   /* of all rules */
	struct unwind_rule rules[]; /* from the first that was wanted on, as they lie */
};

#define TABLING_PART                                          \
	((HELPER_MAX_BYTES - sizeof(struct tabling_answer)) / \
	 sizeof(struct unwind_rule)) /* rules in an answer, at most */

/* Room for so many rules, whatever was there before. 0 or -ENOMEM. */
int tabling_reserve(struct unwind_rules *r, size_t count);

/* What somebody else has told us: rules, and all of them below an end. */
static inline bool tabling_makes_sense(const struct unwind_rules *r, uint64_t end)
{
	return !r->count || (unwind_rules_valid(r) && end > r->base &&
			     end - r->base > r->at[r->count - 1].address);
}

/* For helper_start. */
extern const struct helper_job tabling_job;

#endif
