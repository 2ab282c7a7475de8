// SPDX-License-Identifier: MIT
/*
 * Calls that come through libraries of the moment: `movers LIBRARY SIZE ROUNDS [LIBRARY SIZE
 * ROUNDS]…` opens each library, lets it call take() with SIZE, ROUNDS times, 20 ms apart, the first
 * time at once, and closes it. Prints "truth place=ADDRESS" of the function in each.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "walks.h"

typedef void (*through_fn)(void (*call)(size_t), size_t size);

static OWN void rounds(through_fn through, size_t size, int count)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	for (int i = 0; i < count; i++) {
		through(take, size);
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	take(7079); /* nothing is looked for any more when a library is called */
	for (int i = 1; i + 2 < argc; i += 3) {
		void *library = dlopen(argv[i], RTLD_NOW);
		void *function = library ? dlsym(library, "walks_through") : NULL;
		through_fn through;

		if (!function) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		memcpy(&through, &function, sizeof(through));
		printf("truth place=%p\n", function);
		fflush(stdout);
		rounds(through, (size_t)atol(argv[i + 1]), atoi(argv[i + 2]));
		dlclose(library);
	}
	return 0;
}
