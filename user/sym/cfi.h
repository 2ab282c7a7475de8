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
#include "sym/cfi_row.h"

struct cfi_section {
	Elf_Data *data;
	const unsigned char *ident; /* of the ELF file */
	uint64_t address;           /* of the section */
	bool eh;                    /* .eh_frame, not .debug_frame */
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
