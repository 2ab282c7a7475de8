// SPDX-License-Identifier: MIT
/* Names come from traced programs: none of their bytes reaches a terminal as it is. */
#include "out/location.h"

#include <inttypes.h>

#include "core/log.h"

#define NAME_LEN 4096 /* the longest in ELF files that anyone still loads */

static void write_line(FILE *out, const struct sym_frame *f, const char *function)
{
	char file[NAME_LEN];

	fprintf(out, "%s at %s:%d", function, log_quote(file, sizeof(file), f->file), f->line);
	if (f->column)
		fprintf(out, ":%d", f->column);
}

static void write_offset(FILE *out, const struct sym_frame *f, const char *function)
{
	char module[NAME_LEN];

	log_quote(module, sizeof(module), f->module);
	if (f->function)
		fprintf(out, "%s+0x%" PRIx64 " (%s)", function, f->offset, module);
	else
		fprintf(out, "0x%" PRIx64 " (%s)", f->offset, module);
}

void location_write(FILE *out, const struct sym_frame *f, bool say_inlined)
{
	char function[NAME_LEN] = "??";

	if (f->function)
		log_quote(function, sizeof(function), f->function);
	if (!f->file) {
		write_offset(out, f, function);
		return;
	}
	write_line(out, f, function);
	if (f->inlined && say_inlined)
		fputs(" (inlined)", out);
}
