// SPDX-License-Identifier: MIT
/*
 * Blocks that all live at a time, and are given back in the end.
 *
 *	hoard [--wait] BLOCKS
 *
 *	ready PID            with --wait: goes on at a line, or the end of standard input
 *	full                 all are live: goes on as above
 *	truth calls=2000000  of malloc and free, after "ready"
 *	truth wrong=0        blocks that did not hold what had been written
 */
#include "victim.h"

#define BLOCK_BYTES 24

static void wait_for_line(void)
{
	char byte = 0;

	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

int main(int argc, char **argv)
{
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	size_t count = argc > 1 + wait ? strtoul(argv[1 + wait], NULL, 10) : 1000;
	size_t **blocks = calloc(count, sizeof(*blocks));
	uint64_t wrong = 0;

	if (!blocks)
		return 1;
	say("ready %d\n", getpid());
	if (wait)
		wait_for_line();
	for (size_t i = 0; i < count; i++) {
		blocks[i] = malloc(BLOCK_BYTES);
		*blocks[i] = i;
	}
	say("full\n");
	if (wait)
		wait_for_line();
	for (size_t i = 0; i < count; i++) {
		wrong += *blocks[i] != i;
		free(blocks[i]);
	}
	say("truth calls=%zu\ntruth wrong=%" PRIu64 "\n", 2 * count, wrong);
	_exit(0);
}
