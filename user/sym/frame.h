/* The answer to "what is at this address?". All strings live until symbolizer_free. */
#ifndef ALLOCTRACE_SYM_FRAME_H
#define ALLOCTRACE_SYM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sym_frame {
	const char *function; /* demangled, without parameters; NULL when unknown */
	const char *file;     /* source path, NULL when there is no line information */
	int line, column;     /* from 1; 0: unknown */

	/* The ELF file as mapped, or "[vdso]", "[anon]" (code without a file, for instance of a
	 * JIT), "[unknown]" (no executable mapping is known there); never NULL. */
	const char *module;

	/* Of the address itself, also where is_return was set: bytes from the start of `function`,
	 * or from the start of the part of it that holds the address when the compiler split it.
	 * 0 in an inlined frame, which has no start; module_offset when `function` is NULL. */
	uint64_t offset;

	/* The address in the ELF file, which is what addr2line takes; the offset in the file when
	 * that is not ELF, or not there (sym/restore.h); the address as it came for "[anon]" and
	 * "[unknown]". */
	uint64_t module_offset;

	bool inlined; /* into the next frame */
};

/* A question: an address of an ELF file; with `is_return` the call before it is meant. */
struct sym_address {
	uint64_t address;
	bool is_return;
};

/* Innermost first; all but the last are inlined. At least one frame. */
struct sym_stack {
	size_t count;
	const struct sym_frame *frames;
};

#endif
