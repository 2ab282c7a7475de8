/*
 * Names of a file end inside the file. elfutils checks where a name begins and not everywhere that
 * it ends, and a damaged table may lack the last zero.
 */
#ifndef ALLOCTRACE_SYM_STRINGS_H
#define ALLOCTRACE_SYM_STRINGS_H

#include <stdbool.h>
#include <gelf.h>

/* The section the last name was in: the next is most often in the same one. Zeros at first, and
 * again when that file is closed. */
struct strings {
	const char *start, *end;
};

/* Whether names can lie in that section of the file. */
typedef bool (*strings_section_fn)(Elf *elf, const GElf_Shdr *shdr);

/* True if `name` points into a section of that kind and ends there. */
bool strings_end(struct strings *s, Elf *elf, strings_section_fn has_names, const char *name);

/* The sections of debug information, for strings_end. */
bool strings_of_debug(Elf *elf, const GElf_Shdr *shdr);

/*
 * Whether a table of names of the debug information lacks its last zero, as no tool leaves one.
 * libdw itself reads on behind it when it puts the files of a line table together.
 */
bool strings_open_table(Elf *elf);

#endif
