// SPDX-License-Identifier: MIT
/*
 * More call sites than anybody writes: code made at run time, one call of malloc from each place.
 *
 *	manysites [--wait] SITES
 *
 *	ready PID              with --wait: goes on at the end of standard input
 *	truth calls=300000     of malloc, after "ready"
 *	truth wrong=0          blocks that were not handed out
 *
 * Each place is 24 bytes: sub $8,%rsp; mov $16,%edi; call *%rsi; add $8,%rsp; ret. All jump to the
 * address in their second argument.
 */
#include <sys/mman.h>

#include "victim.h"

#define PLACE_BYTES 24

static const unsigned char place[] = {0x48, 0x83, 0xec, 0x08, 0xbf, 0x10, 0x00, 0x00,
				      0x00, 0xff, 0xd6, 0x48, 0x83, 0xc4, 0x08, 0xc3};

int main(int argc, char **argv)
{
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	size_t sites = argc > 1 + wait ? strtoul(argv[1 + wait], NULL, 10) : 1000;
	unsigned char *code = mmap(NULL, sites * PLACE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t wrong = 0;

	if (code == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < sites; i++)
		memcpy(code + i * PLACE_BYTES, place, sizeof(place));
	if (mprotect(code, sites * PLACE_BYTES, PROT_READ | PROT_EXEC))
		return 1;
	say("ready %d\n", getpid());
	if (wait)
		await_eof();
	for (size_t i = 0; i < sites; i++) {
		void *(*call)(int, void *(*)(size_t));
		unsigned char *at = code + i * PLACE_BYTES;

		memcpy(&call, &at, sizeof(call));
		wrong += !call(0, malloc);
	}
	say("truth calls=%zu\ntruth wrong=%" PRIu64 "\n", sites, wrong);
	_exit(0);
}
