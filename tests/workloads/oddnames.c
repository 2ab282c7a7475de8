// SPDX-License-Identifier: MIT
/*
 * oddnames [--wait]: a program that names itself, its functions and its source files with bytes
 * that a terminal obeys and that are no UTF-8. Its calls: 40 from a function with an odd name in
 * the symbol table, 40 from a line of an oddly named source file.
 */
#include <sys/prctl.h>

#include "victim.h"

#define CALLS 40

static const char *const names[] = {
	"\033[31mred",
	"\xff\xfe\xfd",
	"new\nline",
	"back\rward\b\b",
	"tab\tbell\a",
	"\xc2\x9b"
	"31mcsi",
	"\x9b"
	"31m",
	"\xc3(",
	"quote\"\\",
	"\x7f"
	"del\x1b]0;t\a",
};

/* The name that lands in the symbol table; the assembler takes it in quotes. */
void *take_oddly(size_t size) __asm__("\"odd\033[31m\xff\x9bname\"");

__attribute__((noinline, noclone)) void *take_oddly(size_t size)
{
	void *block = malloc(size);

	if (block) /* so that the call is no jump */
		*(char *)block = 1;
	return block;
}

int main(int argc, char **argv)
{
	say("ready %d\n", getpid());
	if (argc > 1 && !strcmp(argv[1], "--wait"))
		await_eof();
	for (size_t i = 0; i < CALLS; i++) {
		prctl(PR_SET_NAME, names[i % (sizeof(names) / sizeof(names[0]))]);
		free(take_oddly(i + 1));
	}
	for (size_t i = 0; i < CALLS; i++) {
		prctl(PR_SET_NAME, names[i % (sizeof(names) / sizeof(names[0]))]);
#line 1 "odd\033[1m\xff\nfile.c"
		void *block = malloc(1000 + i);

		free(block);
	}
	say("truth malloc=%d\n", 2 * CALLS);
	return 0;
}
