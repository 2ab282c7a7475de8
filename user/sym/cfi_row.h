/* SPDX-License-Identifier: MIT */
/*
 * A row of the table that call frame instructions describe: what is known where a function has got
 * to some instruction. And the rule that it is.
 */
#ifndef ALLOCTRACE_SYM_CFI_ROW_H
#define ALLOCTRACE_SYM_CFI_ROW_H

#include <stdint.h>

#include "core/unwind.h"
#include "sym/cursor.h"

#define REGISTER_FP 6
#define REGISTER_SP 7
#define REGISTER_RA 16

/* Where a register of the caller is. */
struct cfi_saved {
	enum {
		CFI_SAME,
		CFI_UNDEFINED,
		CFI_AT_CFA, /* the word at CFA + offset */
		CFI_AT_FP,  /* the word at frame pointer + offset */
		CFI_AT_SP,  /* the word at stack pointer + offset */
		CFI_OTHER,
	} how;
	int64_t offset;
};

#define CFI_NO_REGISTER UINT64_MAX /* the CFA is an expression */

struct cfi_row {
	enum unwind_cfa cfa; /* UNWIND_STOP: none of those that there are rules for */
	uint64_t cfa_register;
	int64_t cfa_offset; /* in bytes; UNWIND_PLT: the address & 15 from which on 8 more are
			       pushed */
	struct cfi_saved fp, sp, ra;
};

/* The CFA by an expression, and where a register is saved by one. */
void cfi_row_expression(struct cfi_row *row, struct cursor expression);
struct cfi_saved cfi_saved_expression(struct cursor expression);

/* Its address is 0. */
struct unwind_rule cfi_row_rule(const struct cfi_row *row);

#endif
