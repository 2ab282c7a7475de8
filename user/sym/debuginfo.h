/* Source lines, functions and inlined calls at an address, from the DWARF of one ELF file. */
#ifndef ALLOCTRACE_SYM_DEBUGINFO_H
#define ALLOCTRACE_SYM_DEBUGINFO_H

#include <stddef.h>
#include <stdint.h>
#include <elfutils/libdw.h>

#include "sym/frame.h"

struct debuginfo;
struct names;

#define DEBUGINFO_FRAMES_MAX 64

/* Tells whether an address (of the DWARF) can be code. */
typedef int (*debuginfo_is_code_fn)(uint64_t address, const void *ctx);

/*
 * Prepares lookups: reads the ranges of all units, but no functions and no lines yet. `dwarf`,
 * `names` and `ctx` are borrowed and must outlive the result. Ranges that do not begin in code are
 * left out: they are what is left of functions the linker dropped. NULL when memory is out or a
 * table of names has no end.
 */
struct debuginfo *debuginfo_new(Dwarf *dwarf, struct names *names, debuginfo_is_code_fn is_code,
				const void *ctx);
void debuginfo_free(struct debuginfo *d);

/*
 * The frames at `address`, innermost first: function, file, line, column and inlined are set, the
 * rest is left alone. Strings belong to `names`. *start is the beginning of the last frame's
 * function when that has a name. Returns how many; 0 when no unit holds the address. The last
 * frame's function is NULL when only the line is known, as in assembly. Inlined calls nested
 * deeper than the array are left out, the innermost first.
 */
size_t debuginfo_frames(struct debuginfo *d, uint64_t address,
			struct sym_frame frames[DEBUGINFO_FRAMES_MAX], uint64_t *start);

#endif
