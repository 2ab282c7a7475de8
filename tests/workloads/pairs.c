// SPDX-License-Identifier: MIT
/*
 * What one malloc/free pair costs this process: `pairs N DEPTH` says "ready PID", waits for its
 * standard input to end, runs N pairs of 16 bytes DEPTH frames deep, and prints its own ns per
 * pair. The benchmark traces it meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static __attribute__((noinline)) void pairs(long n)
{
	for (long i = 0; i < n; i++) {
		void *block = malloc(16);

		__asm__ volatile("" : : "r"(block) : "memory");
		free(block);
	}
}

/* The barrier behind the call keeps it from becoming a jump. */
static __attribute__((noinline)) void descend(int depth, long n)
{
	if (depth > 1)
		descend(depth - 1, n);
	else
		pairs(n);
	__asm__ volatile("" : : : "memory");
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
	int depth = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 12;
	double began;
	char byte;

	printf("ready %d\n", getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	pairs(1000);
	began = now_ns();
	descend(depth, n);
	printf("%.1f ns/pair\n", (now_ns() - began) / (double)n);
	return 0;
}
