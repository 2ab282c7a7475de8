// SPDX-License-Identifier: MIT
/*
 * Hides which rows there are rules for. The decisions:
 *
 * - Expressions are recognized by their bytes, not computed: linkers and compilers write few kinds.
 * - The frame of a signal is recognized by where it keeps the stack pointer and the return address,
 *   which is the kernel's layout, and not by the letter in the augmentation: that only says that
 * the frame was interrupted.
 * - A function whose stack pointer is not simply the CFA is not unwound.
 */
#include "sym/cfi_row.h"

#include <dwarf.h>
#include <stdbool.h>
#include <string.h>

#define SIGNAL_SP 160 /* offsets in the ucontext */
#define SIGNAL_RA 168

/* ---- expressions ---- */

#define IS_BREG(op, reg) ((op) == DW_OP_breg0 + (reg))

/* "Register + offset", and nothing behind it but `tail`, which may be 0 for nothing. */
static bool is_register(struct cursor c, unsigned int reg, uint8_t tail, int64_t *offset)
{
	if (c.at == c.end || !IS_BREG(*c.at, reg))
		return false;
	c.at++;
	*offset = cursor_sleb(&c);
	if (tail && cursor_bytes(&c, 1) != tail)
		return false;
	return !c.bad && c.at == c.end;
}

/* What linkers write for lazy PLT entries: rsp + 8 + ((rip & 15) >= N) * 8. */
static bool is_plt(struct cursor c, int64_t *from)
{
	static const uint8_t like[] = {
		DW_OP_breg7, 8,        DW_OP_breg16, 0,         DW_OP_lit15, DW_OP_and,
		DW_OP_lit0,  DW_OP_ge, DW_OP_lit3,   DW_OP_shl, DW_OP_plus,
	};
	const size_t where = 6; /* N */
	uint8_t n;

	if ((size_t)(c.end - c.at) != sizeof(like))
		return false;
	n = (uint8_t)(c.at[where] - DW_OP_lit0);
	*from = n;
	return n < 16 && !memcmp(c.at, like, where) &&
	       !memcmp(c.at + where + 1, like + where + 1, sizeof(like) - where - 1);
}

void cfi_row_expression(struct cfi_row *row, struct cursor c)
{
	int64_t offset = 0;

	row->cfa_register = CFI_NO_REGISTER;
	if (is_register(c, REGISTER_SP, DW_OP_deref, &offset))
		row->cfa = UNWIND_AT_SP;
	else if (is_register(c, REGISTER_FP, DW_OP_deref, &offset))
		row->cfa = UNWIND_AT_FP;
	else if (is_register(c, REGISTER_SP, 0, &offset))
		row->cfa = UNWIND_SP;
	else if (is_register(c, REGISTER_FP, 0, &offset))
		row->cfa = UNWIND_FP;
	else if (is_plt(c, &offset))
		row->cfa = UNWIND_PLT;
	else
		row->cfa = UNWIND_STOP;
	row->cfa_offset = offset;
}

struct cfi_saved cfi_saved_expression(struct cursor c)
{
	int64_t offset = 0;

	if (is_register(c, REGISTER_FP, 0, &offset))
		return (struct cfi_saved){CFI_AT_FP, offset};
	if (is_register(c, REGISTER_SP, 0, &offset))
		return (struct cfi_saved){CFI_AT_SP, offset};
	return (struct cfi_saved){CFI_OTHER, 0};
}

/* ---- rules ---- */

static bool in_words(int64_t bytes, int64_t low, int64_t high)
{
	return bytes % 8 == 0 && bytes / 8 >= low && bytes / 8 <= high;
}

static enum unwind_fp rule_fp(const struct cfi_saved *fp)
{
	if (fp->how == CFI_SAME)
		return UNWIND_FP_SAME;
	if ((fp->how != CFI_AT_CFA && fp->how != CFI_AT_FP) ||
	    !in_words(fp->offset, INT8_MIN, INT8_MAX))
		return UNWIND_FP_UNKNOWN;
	return fp->how == CFI_AT_CFA ? UNWIND_FP_AT_CFA : UNWIND_FP_AT_FP;
}

static bool is_signal(const struct cfi_row *row)
{
	return row->cfa == UNWIND_AT_SP && row->cfa_offset == SIGNAL_SP &&
	       row->ra.how == CFI_AT_SP && row->ra.offset == SIGNAL_RA;
}

struct unwind_rule cfi_row_rule(const struct cfi_row *row)
{
	struct unwind_rule rule = {.kind = UNWIND_KIND(UNWIND_STOP, UNWIND_FP_SAME)};
	enum unwind_fp fp = rule_fp(&row->fp);

	if (row->ra.how == CFI_UNDEFINED) {
		rule.kind = UNWIND_KIND(UNWIND_OUTERMOST, UNWIND_FP_SAME);
	} else if (is_signal(row)) {
		rule.kind = UNWIND_KIND(UNWIND_SIGNAL, UNWIND_FP_SAME);
	} else if (row->cfa != UNWIND_STOP && row->ra.how == CFI_AT_CFA && row->ra.offset == -8 &&
		   row->sp.how == CFI_SAME) {
		int64_t words = row->cfa == UNWIND_PLT ? row->cfa_offset : row->cfa_offset / 8;

		if (row->cfa != UNWIND_PLT && !in_words(row->cfa_offset, INT16_MIN, INT16_MAX))
			return rule;
		rule.cfa_words = (int16_t)words;
		rule.kind = UNWIND_KIND(row->cfa, fp);
		if (fp == UNWIND_FP_AT_CFA || fp == UNWIND_FP_AT_FP)
			rule.fp_words = (int8_t)(row->fp.offset / 8);
	}
	return rule;
}
