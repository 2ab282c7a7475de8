// SPDX-License-Identifier: MIT
/*
 * Hides the instructions. libdw executes a function's program from its start for every row that it
 * is asked for, and allocates; here it is one pass, and only the registers are followed that rules
 * tell of. All it remembers is of a fixed size, and what it does is bounded by the length of the
 * section.
 */
#include "sym/cfi.h"

#include <dwarf.h>
#include <errno.h>
#include <stddef.h>

#include "sym/cfi_row.h"
#include "sym/cursor.h"

#define MAX_REMEMBERED 32

/* ---- numbers ---- */

static struct cursor section_part(const struct cfi_section *s, const uint8_t *at,
				  const uint8_t *end)
{
	return cursor_over(s->data->d_buf, s->data->d_size, at, end);
}

/* By the format alone: a number, not yet an address. */
static uint64_t read_formatted(struct cursor *c, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return cursor_bytes(c, 8);
	case DW_EH_PE_udata2:
		return cursor_bytes(c, 2);
	case DW_EH_PE_sdata2:
		return (uint64_t)(int16_t)cursor_bytes(c, 2);
	case DW_EH_PE_udata4:
		return cursor_bytes(c, 4);
	case DW_EH_PE_sdata4:
		return (uint64_t)(int32_t)cursor_bytes(c, 4);
	case DW_EH_PE_uleb128:
		return cursor_uleb(c);
	case DW_EH_PE_sleb128:
		return (uint64_t)cursor_sleb(c);
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
		reg = cursor_uleb(c);
		set_cfa(m, reg, (int64_t)cursor_uleb(c));
		return true;
	case DW_CFA_def_cfa_sf:
		reg = cursor_uleb(c);
		set_cfa(m, reg, scaled(m, cursor_sleb(c)));
		return true;
	case DW_CFA_def_cfa_register:
		set_cfa(m, cursor_uleb(c), m->row.cfa_offset);
		return was_sum;
	case DW_CFA_def_cfa_offset:
		set_cfa(m, m->row.cfa_register, (int64_t)cursor_uleb(c));
		return was_sum;
	case DW_CFA_def_cfa_offset_sf:
		set_cfa(m, m->row.cfa_register, scaled(m, cursor_sleb(c)));
		return was_sum;
	case DW_CFA_def_cfa_expression:
		cfi_row_expression(&m->row, cursor_part(c, cursor_uleb(c)));
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
		save_at(m, reg, (int64_t)cursor_uleb(c));
		return true;
	case DW_CFA_offset_extended_sf:
		save_at(m, reg, cursor_sleb(c));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		save_at(m, reg, -(int64_t)(cursor_uleb(c) & INT64_MAX));
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
		cursor_uleb(c);
		set_saved(m, reg, (struct cfi_saved){CFI_OTHER, 0});
		return true;
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf: /* whose sign matters to no rule */
		is_cfa = !cursor_uleb(c) && reg == REGISTER_SP;
		set_saved(m, reg, (struct cfi_saved){is_cfa ? CFI_SAME : CFI_OTHER, 0});
		return true;
	case DW_CFA_expression:
		set_saved(m, reg, cfi_saved_expression(cursor_part(c, cursor_uleb(c))));
		return true;
	case DW_CFA_val_expression:
		cursor_part(c, cursor_uleb(c));
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
		advance(m, cursor_bytes(c, 1));
		return true;
	case DW_CFA_advance_loc2:
		advance(m, cursor_bytes(c, 2));
		return true;
	case DW_CFA_advance_loc4:
		advance(m, cursor_bytes(c, 4));
		return true;
	case DW_CFA_MIPS_advance_loc8:
		advance(m, cursor_bytes(c, 8));
		return true;
	case DW_CFA_set_loc:
		m->to = read_address(m->section, c, m->cie->encoding);
		return m->to >= m->at;
	case DW_CFA_remember_state:
		return remember(m);
	case DW_CFA_restore_state:
		return recall(m);
	case DW_CFA_GNU_args_size:
		cursor_uleb(c);
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
	uint8_t op = (uint8_t)cursor_bytes(&m->c, 1), low = op & 0x3f;
	bool known = true;

	m->to = m->at;
	if ((op & 0xc0) == DW_CFA_advance_loc)
		advance(m, low);
	else if ((op & 0xc0) == DW_CFA_offset)
		save_at(m, low, (int64_t)cursor_uleb(&m->c));
	else if ((op & 0xc0) == DW_CFA_restore)
		restore(m, low);
	else if (is_about_register(op))
		known = execute_saved(m, op, cursor_uleb(&m->c));
	else
		known = execute_extended(m, op);
	return known && !m->c.bad;
}

/* ---- entries ---- */

static int add_rule(struct unwind_rules *rules, uint64_t address, struct unwind_rule rule)
{
	rule.address = (uint32_t)(address - rules->base);
	return unwind_add(rules, &rule);
}

/* The letters of an augmentation that begins with 'z', and the data that goes with them. */
static int read_augmentation(struct cfi_cie *cie, const char *letters, struct cursor c)
{
	uint8_t encoding;

	for (; *letters && !c.bad; letters++)
		switch (*letters) {
		case 'R':
			cie->encoding = (uint8_t)cursor_bytes(&c, 1);
			break;
		case 'L': /* where a function's table of exceptions is */
			cursor_bytes(&c, 1);
			break;
		case 'P': /* what handles them */
			encoding = (uint8_t)cursor_bytes(&c, 1);
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
	struct cursor data = section_part(s, entry->augmentation_data,
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
	m.c = section_part(s, entry->initial_instructions, entry->initial_instructions_end);
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
	struct cursor c = section_part(s, entry->start, entry->end);

	fde->start = read_address(s, &c, cie->encoding);
	if (__builtin_add_overflow(fde->start, read_formatted(&c, cie->encoding), &fde->end))
		return -EINVAL;
	if (cie->augmented)
		cursor_part(&c, cursor_uleb(&c));
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
		err = add_rule(rules, m.at, cfi_row_rule(&m.row));
		m.at = m.to;
	}
	if (!err && m.at < end)
		err = add_rule(rules, m.at, cfi_row_rule(&m.row));
	return err;
}
