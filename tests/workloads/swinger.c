// SPDX-License-Identifier: MIT
/*
 * swinger [--wait] ROUNDS LIBRARY LIBRARY: opens the two libraries in turns, has each allocate (its
 * plugin_make), and closes it again, so that the one lies where the other has been.
 *
 *	ready PID            with --wait: goes on at the end of standard input
 *	truth first=100      calls by the first library, …
 *	truth second=100     … and by the second
 *	truth again=199      how often one lay where the other had been just before
 *	truth free=200       of the program itself
 */
#include <dlfcn.h>

#include "victim.h"

int main(int argc, char **argv)
{
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	void *before = NULL;
	long made[2] = {0}, again = 0;
	struct work work = {0};

	if (argc < 4 + wait)
		return 2;
	say("ready %d\n", getpid());
	if (wait)
		await_eof();
	for (long i = 0; i < atol(argv[1 + wait]); i++) {
		void *library = dlopen(argv[2 + wait + i % 2], RTLD_NOW | RTLD_LOCAL);
		void *function = library ? dlsym(library, "plugin_make") : NULL;
		void *(*make)(size_t);

		if (!function)
			return 1;
		memcpy(&make, &function, sizeof(make));
		give_block(&work, make(100));
		made[i % 2]++;
		again += function == before;
		before = function;
		if (dlclose(library))
			return 1;
	}
	say("truth first=%ld\ntruth second=%ld\ntruth again=%ld\n", made[0], made[1], again);
	say("truth free=%" PRIu64 "\n", work.frees);
	_exit(0);
}
