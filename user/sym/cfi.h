/* SPDX-License-Identifier: MIT */
/*
 * The call frame instructions of one function, executed once from its first address to its last,
 * each row of the table that they describe turned into an unwind rule (DWARF 5, section 6.4; the
 * Linux Standard Base, "Exception Frames"; the x86-64 psABI for the numbers of registers).
 *
 * The section is untrusted: whatever it says, nothing outside it is read, and the work is bounded
 * by its length. Views last as long as the section's data.
 */
#ifndef ALLOCTRACE_SYM_CFI_H
#define ALLOCTRACE_SYM_CFI_H

#include <stdbool.h>
#include <stdint.h>
#include <elfutils/libdw.h>

#include "core/unwind.h"

struct cfi_section {
	Elf_Data *data;
	const unsigned char *ident; /* of the ELF file */
	uint64_t address;           /* of the section */
	bool eh;                    /* .eh_frame, not .debug_frame */
};

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

/* What functions have in common. */
struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding;   /* of addresses, DW_EH_PE_… */
	bool augmented;     /* functions have augmentation data as well, its length first */
	struct cfi_row row; /* at the beginning of a function */
};

/* A function. */
struct cfi_fde {
	uint64_t start, end; /* ELF addresses */
	const uint8_t *code, *code_end;
};

/* 0, or -EINVAL: what belongs to it cannot be understood. */
int cfi_read_cie(const struct cfi_section *s, const Dwarf_CIE *entry, struct cfi_cie *cie);
int cfi_read_fde(const struct cfi_section *s, const struct cfi_cie *cie, const Dwarf_FDE *entry,
		 struct cfi_fde *fde);

/*
 * Adds the rules from the function's start to `end`, which is not above the function's own, their
 * addresses counted from `rules->base`. Where the instructions make no sense the rules are
 * UNWIND_STOP. 0, or what unwind_add says.
 */
int cfi_run(const struct cfi_section *s, const struct cfi_cie *cie, const struct cfi_fde *fde,
	    uint64_t end, struct unwind_rules *rules);

#endif
