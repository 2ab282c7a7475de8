// SPDX-License-Identifier: MIT
/* One field. It is written as it is read, so that no name is too long. */
#include "out/csv.h"

#include <string.h>

#include "core/log.h"

/* A character and what stands for it: nothing is longer than \xHH. */
static void write_character(FILE *out, const char *text, size_t length)
{
	char one[8] = {0}, quoted[8];

	if (length <= 1 && (*text == '"' || *text == '\\')) {
		fputc(*text, out);
		fputc(*text, out);
		return;
	}
	memcpy(one, text, length ? length : 1);
	fputs(log_quote(quoted, sizeof(quoted), one), out);
}

void csv_text(FILE *out, const char *text)
{
	const char *mark = strpbrk(text, ",\"") ? "\"" : "";

	fputs(mark, out);
	while (*text) {
		size_t length = log_utf8_length(text);

		write_character(out, text, length);
		text += length ? length : 1;
	}
	fputs(mark, out);
}
