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

#include <stdint.h>

#include "bpf/unwind.h"
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

/* For helper_start. */
extern const struct helper_job tabling_job;

#endif
