/* The function symbols of one ELF file, searched by address. */
#ifndef ALLOCTRACE_SYM_SYMTAB_H
#define ALLOCTRACE_SYM_SYMTAB_H

#include <stdint.h>
#include <elfutils/libdwfl.h>

struct symtab;

/*
 * Reads the symbols `mod` offers: .symtab of the file or of its separate debug file, else
 * .dynsym, with .gnu_debugdata. NULL when there is none or memory is out. The table borrows the
 * names from `mod`, which must outlive it.
 */
struct symtab *symtab_new(Dwfl_Module *mod);
void symtab_free(struct symtab *t);

/*
 * The symbol of the function that holds `address` (in the address space of `mod`), as the linker
 * knows it, or NULL. *start is set to its address.
 */
const char *symtab_find(const struct symtab *t, uint64_t address, uint64_t *start);

#endif
