// SPDX-License-Identifier: MIT
/*
 * A compiler at run time: functions made in memory that call malloc, and their names in
 * /tmp/perf-PID.map, as such compilers write them for perf.
 *
 *	jitted [--no-map] [--keep]
 *
 * Prints "ready PID" and goes on with every line of standard input:
 *
 *	1. calls FUNCTIONS functions, the n-th one n times, with a size of its own each
 *	2. puts another function in the place of the first one and calls that
 *	3. adds one more, calls it and ends at once
 *
 * Prints "call NAME SIZE COUNT" for all of them. Without --keep the file is removed at the end.
 * --no-map: somebody else makes the file, and "code START SIZE" is printed for each function.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUNCTIONS 20
#define ROOM      64    /* bytes for one */
#define FIRST     10000 /* sizes that nothing else asks for */

typedef void *(*allocate_fn)(size_t size);

static char *code;
static FILE *map;

/* NAME at place n: calls malloc with what it was called with. */
static void make(int n, const char *name)
{
	uint64_t target = (uint64_t)(uintptr_t)malloc;
	char *at = code + n * ROOM;
#if defined(__x86_64__)
	static const unsigned char before[] = {0x48, 0x83, 0xec, 0x08, 0x48, 0xb8};
	static const unsigned char after[] = {0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3};
#else
	/* stp x29, x30, [sp, #-16]!; ldr x9, .+16; blr x9; ldp x29, x30, [sp], #16; ret */
	static const unsigned char before[] = {0xfd, 0x7b, 0xbf, 0xa9, 0x89, 0x00, 0x00,
					       0x58, 0x20, 0x01, 0x3f, 0xd6, 0xfd, 0x7b,
					       0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6};
	static const unsigned char after[] = {0};
#endif

	if (mprotect(code, 4096, PROT_READ | PROT_WRITE))
		abort();
	memcpy(at, before, sizeof(before));
	memcpy(at + sizeof(before), &target, sizeof(target));
	memcpy(at + sizeof(before) + sizeof(target), after, sizeof(after));
	if (mprotect(code, 4096, PROT_READ | PROT_EXEC))
		abort();
	__builtin___clear_cache(at, at + ROOM);
	if (!map) {
		printf("code %lx %x\n", (unsigned long)(uintptr_t)at, ROOM);
		return;
	}
	fprintf(map, "%lx %x %s\n", (unsigned long)(uintptr_t)at, ROOM, name);
	fflush(map);
}

static void call(int n, const char *name, int size, int count)
{
	allocate_fn allocate = (allocate_fn)(uintptr_t)(code + n * ROOM);

	for (int i = 0; i < count; i++)
		free(allocate((size_t)size));
	printf("call %s %d %d\n", name, size, count);
	fflush(stdout);
}

static void wait_line(void)
{
	char line[16];

	if (!fgets(line, sizeof(line), stdin))
		exit(EXIT_FAILURE);
}

static void name_of(int n, char name[64])
{
	snprintf(name, 64, "LazyCompile:*fn_%d /srv/app.js:%d", n, n + 1);
}

int main(int argc, char **argv)
{
	int with_map = 1, keep = 0;
	char path[64], name[64];

	for (int i = 1; i < argc; i++) {
		with_map &= strcmp(argv[i], "--no-map") != 0;
		keep |= !strcmp(argv[i], "--keep");
	}
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map = with_map ? fopen(path, "w") : NULL;
	if (code == MAP_FAILED || (with_map && !map))
		return EXIT_FAILURE;
	for (int n = 0; n < FUNCTIONS; n++) {
		name_of(n, name);
		make(n, name);
	}
	printf("ready %d\n", getpid());
	fflush(stdout);
	wait_line();
	for (int n = 0; n < FUNCTIONS; n++) {
		name_of(n, name);
		call(n, name, FIRST + n, n + 1);
	}
	wait_line();
	make(0, "replaced");
	call(0, "replaced", FIRST + 100, 7);
	wait_line();
	make(FUNCTIONS, "last one");
	call(FUNCTIONS, "last one", FIRST + 200, 9);
	if (map && !keep)
		unlink(path);
	_exit(EXIT_SUCCESS);
}
