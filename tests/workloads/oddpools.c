// SPDX-License-Identifier: MIT
/*
 * oddpools [--wait]: pools whose names a terminal would obey, or that are no UTF-8, or lie nowhere,
 * and whose handles are no addresses. Each hands out CHUNKS chunks and takes all back but one; a
 * pool that is destroyed with a chunk in use is a finding, which tells its name. KEPT blocks of
 * malloc stay to the end, whatever the pools do.
 */
#include <alloctrace/pool.h>

#include "victim.h"

#define CHUNKS 8
#define BYTES  64
#define KEPT   5

static unsigned char regions[16][CHUNKS][BYTES];
static uint64_t taken, given;

static char longest[300];

static const char *const names[] = {
	"\033]0;owned\a\033[2J",
	"new\nline",
	"twin\xff",
	"twin\xfe",
	"\xc2\x9b"
	"31mcsi",
	"quote\",\"type\":\"summary\\",
	"back\\x1bslash",
	"\xed\xa0\x80surrogate",
	"",
	longest,
	(const char *)8, /* nobody's memory */
	"no handle",
	"all ones",
};

/* What poses as the pool's address. */
static void *handle_of(size_t pool)
{
	if (!strcmp(names[pool] == (const char *)8 ? "" : names[pool], "no handle"))
		return NULL;
	return pool + 1 == sizeof(names) / sizeof(names[0]) ? (void *)~0UL : regions[pool];
}

ALLOCTRACE_NOINLINE void *take(void *pool, size_t region, size_t i)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
	void *chunk = regions[region][i];

	ALLOCTRACE_POOL_ALLOC(pool, chunk, BYTES, 0, t0);
	taken++;
	return chunk;
}

ALLOCTRACE_NOINLINE void give(void *pool, void *chunk)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();

	ALLOCTRACE_POOL_FREE(pool, chunk, t0);
	given++;
}

static void use(size_t region)
{
	void *pool = handle_of(region), *chunks[CHUNKS];

	ALLOCTRACE_POOL_CREATE(pool, names[region], regions[region], sizeof(regions[region]), BYTES,
			       CHUNKS);
	for (size_t i = 0; i < CHUNKS; i++)
		chunks[i] = take(pool, region, i);
	for (size_t i = 1; i < CHUNKS; i++)
		give(pool, chunks[i]);
	ALLOCTRACE_POOL_DESTROY(pool);
}

int main(int argc, char **argv)
{
	void *volatile kept[KEPT];

	/* A character of two bytes lies across the end of what is read of a name. */
	memset(longest, 'l', sizeof(longest) - 1);
	for (size_t i = 61; i < 65; i += 2)
		memcpy(longest + i, "\xc3\xbc", 2);
	say("ready %d\n", getpid());
	if (argc > 1 && !strcmp(argv[1], "--wait"))
		await_eof();
	for (size_t i = 0; i < KEPT; i++)
		kept[i] = malloc(100);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		use(i);
	say("truth pools=%zu\ntruth taken=%" PRIu64 "\ntruth given=%" PRIu64 "\ntruth kept=%d\n",
	    sizeof(names) / sizeof(names[0]), taken, given, kept[0] ? KEPT : 0);
	return 0;
}
