// SPDX-License-Identifier: MIT
/*
 * A storm of page faults inside of calloc and realloc, 1 GiB in all, beside calls that have none.
 *
 *	slow_pages [--wait]
 *
 *	ready PID                                with --wait: goes on at a line or the end of stdin
 *	truth realloc grown calls=1024 faults=N    the kernel's own count (getrusage), of the calls
 *in truth calloc zeroed calls=1024 faults=N    that function truth realloc calm calls=N faults=N
 *	truth calloc calm calls=N faults=N
 *	truth touched=1073741824                 bytes that the storm touched at least
 *
 * What glibc touches: a realloc that cannot grow in place copies, from below another block to
 *memory that is new; a calloc of a block that was used before clears it, and malloc_trim has given
 *that memory back to the kernel. Blocks are never mapped one by one, and pages are of the small
 *kind.
 */
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tally.h"

#define ROUNDS     1024
#define STEP       ((size_t)512 << 10)
#define CALM_CALLS 20000

struct storm {
	const char *call, *where;
	long calls, faults;
};

static struct storm storms[] = {{"realloc", "grown", 0, 0},
				{"calloc", "zeroed", 0, 0},
				{"realloc", "calm", 0, 0},
				{"calloc", "calm", 0, 0}};

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

static void count(struct storm *s, long before)
{
	s->faults += faults() - before;
	s->calls++;
}

/* To twice its size; the lower half is copied. */
TRACED static void *grown(void *block, size_t size)
{
	long before = faults();

	block = realloc(block, size);
	count(&storms[0], before);
	return block;
}

TRACED static void *zeroed(size_t size)
{
	long before = faults();
	void *block = calloc(1, size);

	count(&storms[1], before);
	return block;
}

TRACED static void calm(void)
{
	long before = faults();
	void *block = calloc(1, 64);

	count(&storms[3], before);
	before = faults();
	block = realloc(block, 72);
	count(&storms[2], before);
	free(block);
}

static void storm(void)
{
	char *block = malloc(STEP);
	void *fence = malloc(24); /* nothing grows over it */

	free(grown(block, 2 * STEP));
	malloc_trim(0); /* of the place where the block was before, too */
	free(zeroed(STEP));
	free(fence);
	malloc_trim(0);
}

int main(int argc, char **argv)
{
	buffer_output();
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30); /* no free gives back by itself */
	calm();
	storms[2] = (struct storm){"realloc", "calm", 0, 0};
	storms[3] = (struct storm){"calloc", "calm", 0, 0};
	wait_if_asked(&argc, &argv);
	for (int i = 0; i < ROUNDS; i++)
		storm();
	for (int i = 0; i < CALM_CALLS; i++)
		calm();
	for (struct storm *s = storms; s < storms + 4; s++)
		printf("truth %s %s calls=%ld faults=%ld\n", s->call, s->where, s->calls,
		       s->faults);
	printf("truth touched=%zu\n", (size_t)ROUNDS * 2 * STEP);
	return fflush(stdout) ? 1 : 0;
}
