// SPDX-License-Identifier: MIT
/*
 * Hides the instructions. libdw executes a function's program from its start for every row that it
 * is asked for, and allocates; here it is one pass, and only the registers are followed that rules
 * tell of. The decisions:
 *
 * - Expressions are recognized by their bytes, not computed: linkers and compilers write few kinds.
 * - The frame of a signal is recognized by where it keeps the stack pointer and the return address,
 *   which is the kernel's layout, and not by the letter in the augmentation: that only says that
 * the frame was interrupted.
 * - A function whose stack pointer is not simply the CFA is not unwound.
 */
#include "sym/cfi.h"

#include <dwarf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define REGISTER_FP 6
#define REGISTER_SP 7
#define REGISTER_RA 16

#define SIGNAL_SP 160 /* offsets in the ucontext */
#define SIGNAL_RA 168

#define MAX_REMEMBERED 32

/* ---- reading ---- */

struct cursor {
	const uint8_t *at, *end;
	bool bad; /* something did not fit: all that is read from then on is 0 */
};

static uint64_t read_bytes(struct cursor *c, size_t n)
{
	uint64_t value = 0;

	if ((size_t)(c->end - c->at) < n) {
		c->bad = true;
		c->at = c->end;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)c->at[i] << 8 * i;
	c->at += n;
	return value;
}

static uint64_t read_leb(struct cursor *c, bool is_signed)
{
	unsigned int shift = 0;
	uint64_t value = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)read_bytes(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~0ULL << shift;
	return value;
}

static uint64_t read_uleb(struct cursor *c)
{
	return read_leb(c, false);
}

static int64_t read_sleb(struct cursor *c)
{
	return (int64_t)read_leb(c, true);
}

/* libdw's word for where something ends is not taken. */
static struct cursor cursor_over(const struct cfi_section *s, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *data = s->data->d_buf;

	if (!at || at < data || end < at || end > data + s->data->d_size)
		return (struct cursor){data, data, true};
	return (struct cursor){at, end, false};
}

/* The next `n` bytes as a cursor of their own. */
static struct cursor read_part(struct cursor *c, uint64_t n)
{
	struct cursor part = {c->at, c->at, false};

	if (n > (uint64_t)(c->end - c->at)) {
		c->bad = part.bad = true;
		n = 0;
	}
	part.end = c->at += n;
	return part;
}

/* By the format alone: a number, not yet an address. */
static uint64_t read_formatted(struct cursor *c, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return read_bytes(c, 8);
	case DW_EH_PE_udata2:
		return read_bytes(c, 2);
	case DW_EH_PE_sdata2:
		return (uint64_t)(int16_t)read_bytes(c, 2);
	case DW_EH_PE_udata4:
		return read_bytes(c, 4);
	case DW_EH_PE_sdata4:
		return (uint64_t)(int32_t)read_bytes(c, 4);
	case DW_EH_PE_uleb128:
		return read_uleb(c);
	case DW_EH_PE_sleb128:
		return (uint64_t)read_sleb(c);
	}
	c->bad = true;
	return 0;
}

static uint64_t read_address(const struct cfi_section *s, struct cursor *c, uint8_t encoding)
{
	uint64_t here = s->address + (uint64_t)(c->at - (const uint8_t *)s->data->d_buf);
	uint64_t value = read_formatted(c, encoding);

	switch (encoding & ~0x0f) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return here + value;
	}
	c->bad = true; /* relative to what linkers do not let functions be, or read at run time */
	return 0;
}

/* ---- expressions ---- */

#define IS_BREG(op, reg) ((op) == DW_OP_breg0 + (reg))

/* "Register + offset", and nothing behind it but `tail`, which may be 0 for nothing. */
static bool is_register(struct cursor c, unsigned int reg, uint8_t tail, int64_t *offset)
{
	if (c.at == c.end || !IS_BREG(*c.at, reg))
		return false;
	c.at++;
	*offset = read_sleb(&c);
	if (tail && read_bytes(&c, 1) != tail)
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

static void set_cfa_expression(struct cfi_row *row, struct cursor c)
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

static struct cfi_saved saved_expression(struct cursor c)
{
	int64_t offset = 0;

	if (is_register(c, REGISTER_FP, 0, &offset))
		return (struct cfi_saved){CFI_AT_FP, offset};
	if (is_register(c, REGISTER_SP, 0, &offset))
		return (struct cfi_saved){CFI_AT_SP, offset};
	return (struct cfi_saved){CFI_OTHER, 0};
}

/* ---- instructions ---- */

struct machine {
	const struct cfi_section *section;
	const struct cfi_cie *cie;
	struct cursor c;
	struct cfi_row row;
	uint64_t at; /* the address where the row begins to hold … */
	uint64_t to; /* … and, after an instruction that moves on, where it ends */
	size_t remembered_count;
	struct cfi_row remembered[MAX_REMEMBERED];
};

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->row.cfa = reg == REGISTER_SP ? UNWIND_SP : reg == REGISTER_FP ? UNWIND_FP : UNWIND_STOP;
	m->row.cfa_register = reg;
	m->row.cfa_offset = offset;
}

static struct cfi_saved *saved_of(struct cfi_row *row, uint64_t reg)
{
	switch (reg) {
	case REGISTER_FP:
		return &row->fp;
	case REGISTER_SP:
		return &row->sp;
	case REGISTER_RA:
		return &row->ra;
	}
	return NULL;
}

static void set_saved(struct machine *m, uint64_t reg, struct cfi_saved saved)
{
	struct cfi_saved *of = saved_of(&m->row, reg);

	if (of)
		*of = saved;
}

static void restore(struct machine *m, uint64_t reg)
{
	struct cfi_row first = m->cie->row;
	const struct cfi_saved *of = saved_of(&first, reg);

	if (of)
		set_saved(m, reg, *of);
}

/* A factored offset; products that overflow are none that a rule can hold. */
static int64_t scaled(const struct machine *m, int64_t n)
{
	int64_t product;

	return __builtin_mul_overflow(n, m->cie->data_align, &product) ? 1 : product;
}

static void advance(struct machine *m, uint64_t n)
{
	uint64_t by;

	if (__builtin_mul_overflow(n, m->cie->code_align, &by) ||
	    __builtin_add_overflow(m->at, by, &m->to))
		m->c.bad = true;
}

static void save_at(struct machine *m, uint64_t reg, int64_t factored)
{
	set_saved(m, reg, (struct cfi_saved){CFI_AT_CFA, scaled(m, factored)});
}

static bool remember(struct machine *m)
{
	if (m->remembered_count >= MAX_REMEMBERED)
		return false;
	m->remembered[m->remembered_count++] = m->row;
	return true;
}

static bool recall(struct machine *m)
{
	if (!m->remembered_count)
		return false;
	m->row = m->remembered[--m->remembered_count];
	return true;
}

/* Those that say what the CFA is. */
static bool execute_cfa(struct machine *m, uint8_t op)
{
	/* Of an expression there is no half that could change. */
	bool was_sum = m->row.cfa_register != CFI_NO_REGISTER;
	struct cursor *c = &m->c;
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = read_uleb(c);
		set_cfa(m, reg, (int64_t)read_uleb(c));
		return true;
	case DW_CFA_def_cfa_sf:
		reg = read_uleb(c);
		set_cfa(m, reg, scaled(m, read_sleb(c)));
		return true;
	case DW_CFA_def_cfa_register:
		set_cfa(m, read_uleb(c), m->row.cfa_offset);
		return was_sum;
	case DW_CFA_def_cfa_offset:
		set_cfa(m, m->row.cfa_register, (int64_t)read_uleb(c));
		return was_sum;
	case DW_CFA_def_cfa_offset_sf:
		set_cfa(m, m->row.cfa_register, scaled(m, read_sleb(c)));
		return was_sum;
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(&m->row, read_part(c, read_uleb(c)));
		return true;
	}
	return false;
}

/* Those that say where a register is. */
static bool execute_saved(struct machine *m, uint8_t op, uint64_t reg)
{
	struct cursor *c = &m->c;
	bool is_cfa;

	switch (op) {
	case DW_CFA_offset_extended:
		save_at(m, reg, (int64_t)read_uleb(c));
		return true;
	case DW_CFA_offset_extended_sf:
		save_at(m, reg, read_sleb(c));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		save_at(m, reg, -(int64_t)(read_uleb(c) & INT64_MAX));
		return true;
	case DW_CFA_restore_extended:
		restore(m, reg);
		return true;
	case DW_CFA_undefined:
		set_saved(m, reg, (struct cfi_saved){CFI_UNDEFINED, 0});
		return true;
	case DW_CFA_same_value:
		set_saved(m, reg, (struct cfi_saved){CFI_SAME, 0});
		return true;
	case DW_CFA_register:
		read_uleb(c);
		set_saved(m, reg, (struct cfi_saved){CFI_OTHER, 0});
		return true;
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf: /* whose sign matters to no rule */
		is_cfa = !read_uleb(c) && reg == REGISTER_SP;
		set_saved(m, reg, (struct cfi_saved){is_cfa ? CFI_SAME : CFI_OTHER, 0});
		return true;
	case DW_CFA_expression:
		set_saved(m, reg, saved_expression(read_part(c, read_uleb(c))));
		return true;
	case DW_CFA_val_expression:
		read_part(c, read_uleb(c));
		set_saved(m, reg, (struct cfi_saved){CFI_OTHER, 0});
		return true;
	}
	return false;
}

static bool execute_extended(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->c;

	switch (op) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_advance_loc1:
		advance(m, read_bytes(c, 1));
		return true;
	case DW_CFA_advance_loc2:
		advance(m, read_bytes(c, 2));
		return true;
	case DW_CFA_advance_loc4:
		advance(m, read_bytes(c, 4));
		return true;
	case DW_CFA_MIPS_advance_loc8:
		advance(m, read_bytes(c, 8));
		return true;
	case DW_CFA_set_loc:
		m->to = read_address(m->section, c, m->cie->encoding);
		return m->to >= m->at;
	case DW_CFA_remember_state:
		return remember(m);
	case DW_CFA_restore_state:
		return recall(m);
	case DW_CFA_GNU_args_size:
		read_uleb(c);
		return true;
	}
	return execute_cfa(m, op);
}

/* Those that only say something of a register, which is their first operand. */
static bool is_about_register(uint8_t op)
{
	switch (op) {
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		return true;
	}
	return false;
}

/* The next instruction. False when it is not understood or is cut off. */
static bool execute(struct machine *m)
{
	uint8_t op = (uint8_t)read_bytes(&m->c, 1), low = op & 0x3f;
	bool known = true;

	m->to = m->at;
	if ((op & 0xc0) == DW_CFA_advance_loc)
		advance(m, low);
	else if ((op & 0xc0) == DW_CFA_offset)
		save_at(m, low, (int64_t)read_uleb(&m->c));
	else if ((op & 0xc0) == DW_CFA_restore)
		restore(m, low);
	else if (is_about_register(op))
		known = execute_saved(m, op, read_uleb(&m->c));
	else
		known = execute_extended(m, op);
	return known && !m->c.bad;
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

static struct unwind_rule rule_of(const struct cfi_row *row)
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

static int add_rule(struct unwind_rules *rules, uint64_t address, struct unwind_rule rule)
{
	rule.address = (uint32_t)(address - rules->base);
	return unwind_add(rules, &rule);
}

/* ---- entries ---- */

/* The letters of an augmentation that begins with 'z', and the data that goes with them. */
static int read_augmentation(struct cfi_cie *cie, const char *letters, struct cursor c)
{
	uint8_t encoding;

	for (; *letters && !c.bad; letters++)
		switch (*letters) {
		case 'R':
			cie->encoding = (uint8_t)read_bytes(&c, 1);
			break;
		case 'L': /* where a function's table of exceptions is */
			read_bytes(&c, 1);
			break;
		case 'P': /* what handles them */
			encoding = (uint8_t)read_bytes(&c, 1);
			if (encoding == DW_EH_PE_aligned)
				return -EINVAL;
			read_formatted(&c, encoding);
			break;
		case 'S': /* the frame was interrupted */
			break;
		default:
			return -EINVAL;
		}
	return c.bad ? -EINVAL : 0;
}

/* What holds at the beginning of a function where nothing is said. */
static const struct cfi_row entry_row = {
	.cfa = UNWIND_SP,
	.cfa_register = REGISTER_SP,
	.cfa_offset = 8,
	.fp = {CFI_SAME, 0},
	.sp = {CFI_SAME, 0},
	.ra = {CFI_AT_CFA, -8},
};

int cfi_read_cie(const struct cfi_section *s, const Dwarf_CIE *entry, struct cfi_cie *cie)
{
	struct cursor data = cursor_over(s, entry->augmentation_data,
					 entry->augmentation_data + entry->augmentation_data_size);
	struct machine m = {.section = s, .cie = cie, .row = entry_row};

	*cie = (struct cfi_cie){
		.code_align = entry->code_alignment_factor,
		.data_align = entry->data_alignment_factor,
		.encoding = DW_EH_PE_absptr,
		.augmented = entry->augmentation[0] == 'z',
		.row = entry_row,
	};
	if (entry->return_address_register != REGISTER_RA)
		return -EINVAL;
	if (cie->augmented && read_augmentation(cie, entry->augmentation + 1, data))
		return -EINVAL;
	if (!cie->augmented && entry->augmentation[0])
		return -EINVAL;
	m.c = cursor_over(s, entry->initial_instructions, entry->initial_instructions_end);
	while (m.c.at < m.c.end)
		if (!execute(&m) || m.to != m.at)
			return -EINVAL;
	if (m.c.bad)
		return -EINVAL;
	cie->row = m.row;
	return 0;
}

int cfi_read_fde(const struct cfi_section *s, const struct cfi_cie *cie, const Dwarf_FDE *entry,
		 struct cfi_fde *fde)
{
	struct cursor c = cursor_over(s, entry->start, entry->end);

	fde->start = read_address(s, &c, cie->encoding);
	if (__builtin_add_overflow(fde->start, read_formatted(&c, cie->encoding), &fde->end))
		return -EINVAL;
	if (cie->augmented)
		read_part(&c, read_uleb(&c));
	fde->code = c.at;
	fde->code_end = c.end;
	return c.bad ? -EINVAL : 0;
}

int cfi_run(const struct cfi_section *s, const struct cfi_cie *cie, const struct cfi_fde *fde,
	    uint64_t end, struct unwind_rules *rules)
{
	struct machine m = {.section = s, .cie = cie, .row = cie->row, .at = fde->start};
	int err = 0;

	m.c = (struct cursor){fde->code, fde->code_end, false};
	while (!err && m.c.at < m.c.end && m.at < end) {
		if (!execute(&m)) {
			m.row.cfa = UNWIND_STOP;
			m.row.ra.how = CFI_OTHER;
			break;
		}
		if (m.to == m.at)
			continue;
		err = add_rule(rules, m.at, rule_of(&m.row));
		m.at = m.to;
	}
	if (!err && m.at < end)
		err = add_rule(rules, m.at, rule_of(&m.row));
	return err;
}
