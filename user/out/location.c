// SPDX-License-Identifier: MIT
/* Names come from traced programs: none of their bytes reaches a terminal as it is. */
#include "out/location.h"

#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "core/stack.h"
#include "out/human.h"

#define NAME_LEN 4096 /* the longest in ELF files that anyone still loads */

/* Shorter than that nothing is made: it would name nothing any more. */
#define LEAST_FILE     14
#define LEAST_FUNCTION 12

/* The parts of a place: FUNCTION MIDDLE FILE END. */
struct parts {
	char function[NAME_LEN], file[NAME_LEN];
	const char *middle;
	char end[48];
};

static void take_line(struct parts *p, const struct sym_frame *f, bool say_inlined)
{
	char column[16] = "";

	if (f->column)
		snprintf(column, sizeof(column), ":%d", f->column);
	log_quote(p->file, sizeof(p->file), f->file);
	p->middle = " at ";
	snprintf(p->end, sizeof(p->end), ":%d%s%s", f->line, column,
		 f->inlined && say_inlined ? " (inlined)" : "");
}

static void take_offset(struct parts *p, const struct sym_frame *f)
{
	size_t used = strlen(p->function);

	if (!f->function)
		used = 0;
	snprintf(p->function + used, sizeof(p->function) - used, "%s0x%" PRIx64, used ? "+" : "",
		 f->offset);
	log_quote(p->file, sizeof(p->file), f->module);
	p->middle = " (";
	strcpy(p->end, ")");
}

/* The file gives way first, down to what its own name may take, then the function. */
static void shorten(struct parts *p, unsigned int width)
{
	unsigned int fixed = human_width(p->middle) + human_width(p->end);
	unsigned int function = human_width(p->function);
	unsigned int file = width > fixed + function ? width - fixed - function : 0;

	human_shorten(p->file, file > LEAST_FILE ? file : LEAST_FILE);
	fixed += human_width(p->file);
	human_shorten(p->function, width > fixed + LEAST_FUNCTION ? width - fixed : LEAST_FUNCTION);
}

void location_fit(FILE *out, const struct sym_frame *f, bool say_inlined, unsigned int width)
{
	struct parts p = {.function = "??"};

	if (f->function)
		log_quote(p.function, sizeof(p.function) - 32, f->function);
	if (f->file)
		take_line(&p, f, say_inlined);
	else
		take_offset(&p, f);
	if (width)
		shorten(&p, width);
	fprintf(out, "%s%s%s%s", p.function, p.middle, p.file, p.end);
}

void location_write(FILE *out, const struct sym_frame *f, bool say_inlined)
{
	location_fit(out, f, say_inlined, 0);
}

static bool concerns_file(enum event_why why)
{
	return why == EVENT_WHY_NO_TABLE || why == EVENT_WHY_NO_RULE || why == EVENT_WHY_NO_INFO;
}

bool location_end_write(FILE *out, const char *indent, enum event_grade grade, enum event_why why,
			const char *module)
{
	static const char *const words[EVENT_NR_GRADES] = {
		[EVENT_CALL_SITE] = "call site only",
		[EVENT_TRUNCATED] = "truncated",
		[EVENT_GUESSED] = "guessed, by frame pointers",
	};
	const char *reason = stack_why_text(why);
	char shown[NAME_LEN];

	if (!words[grade])
		return false;
	fprintf(out, "%s… %s%s%s", indent, words[grade], reason ? ": " : "", reason ? reason : "");
	if (concerns_file(why))
		fprintf(out, " (%s)", log_quote(shown, sizeof(shown), module));
	return true;
}
