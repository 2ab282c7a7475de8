// SPDX-License-Identifier: MIT
/*
 * A process whose memory grows, in one of the ways in which it can:
 *
 *	grower live     blocks that are never freed
 *	grower kept     blocks that are all freed, but for a few that keep the heap from shrinking
 *	grower other    pages of a file
 *	grower steady   blocks that come and go, as many as before
 *
 *	ready PID               goes on at a line of standard input
 *	truth live=1048576      bytes that are live, of those after "ready"
 *	truth rss-kib=2048      what the kernel says is resident
 *
 * Then it waits for the end of standard input.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STEPS  30
#define BLOCKS 1000
#define SIZE   1000

static char *blocks[STEPS][BLOCKS];
static uint64_t live;

static void *take(void)
{
	char *block = malloc(SIZE);

	if (!block)
		abort();
	memset(block, 1, SIZE);
	live += SIZE;
	return block;
}

static void give(char **block)
{
	free(*block);
	*block = NULL;
	live -= SIZE;
}

static void fill(int step)
{
	for (int i = 0; i < BLOCKS; i++)
		blocks[step][i] = take();
}

/* All but the last one, which lies at the top. */
static void drain(int step)
{
	for (int i = 0; i < BLOCKS - 1; i++)
		give(&blocks[step][i]);
}

static void pause_ms(long ms)
{
	struct timespec ts = {.tv_nsec = ms * 1000000};

	nanosleep(&ts, NULL);
}

/* Private pages of a file, which are no heap, wherever they lie. */
static void map_file(size_t bytes)
{
	FILE *file = tmpfile();
	char *pages;

	if (!file || ftruncate(fileno(file), (off_t)bytes))
		abort();
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	if (pages == MAP_FAILED)
		abort();
	memset(pages, 1, bytes);
}

static void grow(const char *how)
{
	for (int step = 0; step < STEPS; step++) {
		if (!strcmp(how, "other")) {
			map_file((size_t)BLOCKS * SIZE);
		} else {
			fill(step);
			if (!strcmp(how, "steady"))
				for (int i = 0; i < BLOCKS; i++)
					give(&blocks[step][i]);
		}
		pause_ms(20);
	}
	for (int step = 0; step < STEPS && !strcmp(how, "kept"); step++)
		drain(step);
}

static unsigned long resident_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "VmRSS: %lu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib;
}

int main(int argc, char **argv)
{
	static char buffer[BUFSIZ];

	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	printf("ready %d\n", getpid());
	if (argc != 2 || getchar() == EOF)
		return EXIT_FAILURE;
	grow(argv[1]);
	printf("truth live=%lu\n", (unsigned long)live);
	printf("truth rss-kib=%lu\n", resident_kib());
	while (getchar() != EOF)
		;
	_exit(EXIT_SUCCESS);
}
