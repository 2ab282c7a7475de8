/*
 * The unwind rules of an ELF file, from its .eh_frame and .debug_frame (libdw's CFI calls; DWARF 5,
 * section 6.4, and the Linux Standard Base for .eh_frame). Runs in the helper process alone.
 */
#ifndef ALLOCTRACE_SYM_UNWIND_H
#define ALLOCTRACE_SYM_UNWIND_H

#include <stdint.h>
#include <libelf.h>

#include "core/unwind.h"

/*
 * Fills empty `rules`; *end is the ELF address behind the file's code. 0 also when the file has no
 * rules at all; -ENOMEM, -EINVAL when it is not an ELF file of this machine, -ENOSPC.
 */
int unwind_read(Elf *elf, struct unwind_rules *rules, uint64_t *end);

#endif
