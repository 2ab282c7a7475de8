// SPDX-License-Identifier: MIT
/*
 * Leaks on purpose, and knows which.
 *
 *	leaky [--wait] CASE
 *
 *	family   some blocks of each function of malloc's kin, of which every other one stays, and
 *	         of strdup, which calls malloc inside the C library
 *	ages     two blocks, a line of standard input later one more, and after one more line the
 *end forks    blocks of the process and of its child, which frees one that it has inherited image
 *leaks, and becomes "family" by exec: what was is no leak pools    chunks of two pools, whose
 *regions come from malloc
 *
 * Prints, besides "ready PID" with --wait,
 *
 *	leak PID LINE BLOCKS BYTES ALLOCATED
 *	chunks POOL LINE BLOCKS BYTES ALLOCATED
 *
 * for every line of which a block stays. ALLOCATED counts those that were given back as well, BYTES
 * is what was asked for.
 */
#include <alloctrace/pool.h>
#include <malloc.h>
#include <sys/wait.h>

#include "tally.h"

#define ROUNDS 5
#define LINES  32
#define CHUNKS 8
#define CHUNK  96

struct row {
	int line;
	long blocks, bytes, allocated;
};

static struct row rows[LINES];
static const char *self;

static struct row *row_of(int line)
{
	struct row *r = rows;

	while (r->line && r->line != line) {
		if (++r == rows + LINES)
			abort();
	}
	r->line = line;
	return r;
}

/* What that line has been given stays. */
static void stays(int line, size_t size, const void *p)
{
	struct row *r = row_of(line);

	if (!p)
		abort();
	r->allocated++;
	r->blocks++;
	r->bytes += (long)size;
}

/* One of them does not. */
static void goes(int line, size_t size)
{
	row_of(line)->blocks--;
	row_of(line)->bytes -= (long)size;
}

/* Every other one stays. */
static void half(int round, int line, size_t size, void *p)
{
	stays(line, size, p);
	if (round % 2 == 0)
		return;
	free(p);
	goes(line, size);
}

static void tell(void)
{
	for (const struct row *r = rows; r < rows + LINES && r->line; r++) {
		if (r->blocks)
			printf("leak %d %d %ld %ld %ld\n", getpid(), r->line, r->blocks, r->bytes,
			       r->allocated);
	}
	fflush(stdout);
}

/* ---- family ---- */

static TRACED void aligned(int i)
{
	void *p = NULL;
	size_t n = (size_t)i + 60;

	if (posix_memalign(&p, 64, n))
		abort();
	half(i, __LINE__ - 2, n, p);
	n += 10;
	p = aligned_alloc(32, n), half(i, __LINE__, n, p);
	n += 10;
	p = memalign(128, n), half(i, __LINE__, n, p);
	n += 10;
	p = valloc(n), half(i, __LINE__, n, p);
	n += 10;
	p = pvalloc(n), half(i, __LINE__, n, p);
}

static TRACED void resized_block(int i)
{
	int line;
	void *p;

	p = malloc(700), line = __LINE__, stays(line, 700, p);
	p = realloc(p, 20 + (size_t)i), half(i, __LINE__, 20 + (size_t)i, p);
	goes(line, 700);
	p = calloc(2, 300), line = __LINE__, stays(line, 600, p);
	p = reallocarray(p, 3, 10 + (size_t)i), half(i, __LINE__, 3 * (10 + (size_t)i), p);
	goes(line, 600);
}

static TRACED void family(void)
{
	void *p;

	for (int i = 0; i < ROUNDS; i++) {
		size_t n = (size_t)i + 10;

		p = malloc(n), half(i, __LINE__, n, p);
		p = calloc(3, n), half(i, __LINE__, 3 * n, p);
		p = realloc(NULL, 5 * n), half(i, __LINE__, 5 * n, p);
		p = strdup("the C library takes it"), half(i, __LINE__, 23, p);
		resized_block(i);
		aligned(i);
	}
}

/* ---- ages ---- */

static TRACED void ages(void)
{
	void *p;

	p = malloc(111), stays(__LINE__, 111, p);
	p = malloc(222), stays(__LINE__, 222, p);
	wait_for_line("old", "");
	p = malloc(333), stays(__LINE__, 333, p);
	wait_for_line("young", "");
}

/* ---- forks ---- */

static TRACED void child(void *inherited)
{
	void *p;

	memset(rows, 0, sizeof(rows));
	for (int i = 0; i < 3; i++)
		p = malloc(55), stays(__LINE__, 55, p);
	free(inherited);
	tell();
	_exit(0);
}

static TRACED void forks(void)
{
	void *p, *inherited;
	pid_t pid;

	for (int i = 0; i < 2; i++)
		p = malloc(44), stays(__LINE__, 44, p);
	inherited = malloc(66), stays(__LINE__, 66, inherited);
	pid = fork();
	if (!pid)
		child(inherited);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		abort();
}

/* ---- brood ---- */

static TRACED void brood(void)
{
	void *p;
	pid_t pid;

	p = malloc(77), stays(__LINE__, 77, p);
	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			memset(rows, 0, sizeof(rows));
			p = malloc(10000), stays(__LINE__, 10000, p);
			p = malloc(500), stays(__LINE__, 500, p);
			tell();
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			abort();
		wait_for_line("ended", "");
	}
	printf("truth peak=%d\n", 77 + 10000 + 500);
}

/* ---- image ---- */

static TRACED void image(void)
{
	void *volatile p;

	for (int i = 0; i < 4; i++)
		p = malloc(1000);
	(void)p;
	execl(self, self, "family", NULL);
	abort();
}

/* ---- pools ---- */

ALLOCTRACE_NOINLINE TRACED void *take(unsigned char *region, int i)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
	void *chunk = region + (ptrdiff_t)i * CHUNK;

	ALLOCTRACE_POOL_ALLOC(region, chunk, CHUNK, 0, t0);
	return chunk;
}

ALLOCTRACE_NOINLINE TRACED void give(unsigned char *region, void *chunk)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();

	ALLOCTRACE_POOL_FREE(region, chunk, t0);
}

/* All chunks but one stay. */
static TRACED void use_pool(const char *name, int chunks)
{
	unsigned char *region = malloc(CHUNKS * CHUNK);
	int line = __LINE__ - 1, line_of_chunks = 0;
	void *chunk = NULL;

	stays(line, CHUNKS * CHUNK, region);
	ALLOCTRACE_POOL_CREATE(region, name, region, CHUNKS * CHUNK, CHUNK, CHUNKS);
	for (int i = 0; i < chunks; i++)
		chunk = take(region, i), line_of_chunks = __LINE__;
	give(region, chunk);
	printf("chunks %s %d %d %d %d\n", name, line_of_chunks, chunks - 1, (chunks - 1) * CHUNK,
	       chunks);
}

static TRACED void pools(void)
{
	use_pool("inbound", 5);
	use_pool("outbound", 3);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"family", family}, {"ages", ages},   {"forks", forks},
		{"brood", brood},   {"image", image}, {"pools", pools},
	};

	buffer_output();
	self = argv[0];
	wait_if_asked(&argc, &argv);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc < 2 || strcmp(argv[1], cases[i].name))
			continue;
		cases[i].run();
		tell();
		return 0;
	}
	fprintf(stderr, "leaky: no such case\n");
	return 2;
}
