// SPDX-License-Identifier: MIT
/*
 * The schema is a file beside this one, written and validated as such. The assembler takes it in:
 * it looks for it from the top of the checkout, where everything is built.
 */
#include "out/schema.h"

__asm__(".pushsection .rodata\n"
	"alloctrace_schema:\n"
	".incbin \"user/out/schema.json\"\n"
	".byte 0\n"
	".popsection\n");

extern const char alloctrace_schema[];

void schema_print(FILE *out)
{
	fputs(alloctrace_schema, out);
}
