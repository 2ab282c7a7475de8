// SPDX-License-Identifier: MIT
/*
 * What malloc/free pairs cost this process, for the benchmark to trace meanwhile.
 *
 *	pairs N DEPTH           N pairs of 16 bytes, DEPTH frames deep, as fast as they go:
 *	                        "ready PID", "5.7 ns/pair"
 *	pairs N DEPTH SECONDS   N pairs a second, a batch every millisecond beside other work:
 *	                        "ready PID", "begun", "pairs 20000 wall 2.000 cpu 0.213"
 *
 * It starts when its input gives a byte or ends; paced, it stays until the input ends.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_NS = 1000000,
	TICKS_PER_SECOND = 1000,
	WARM_TICKS = 300,
	WARM_PAIRS = 1000,
	WORK = 10000, /* steps of other work a tick: some 20 us */
};

static double clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
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

static void other_work(void)
{
	static uint32_t state = 1;

	for (int i = 0; i < WORK; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		__asm__ volatile("" : "+r"(state));
	}
}

static void sleep_until(double ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / 1e9),
		.tv_nsec = (long)(ns - (double)(time_t)(ns / 1e9) * 1e9),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* So many ticks, or fewer when they take longer than they should; the pairs that were done. */
static long pace(long rate, int depth, long ticks)
{
	double began = clock_ns(CLOCK_MONOTONIC);
	double end = began + (double)ticks * TICK_NS;
	long done = 0;

	for (long tick = 1; tick <= ticks && clock_ns(CLOCK_MONOTONIC) < end; tick++) {
		long due = rate * tick / TICKS_PER_SECOND;

		other_work();
		descend(depth, due - done);
		done = due;
		sleep_until(began + (double)tick * TICK_NS);
	}
	return done;
}

static void await_byte(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) < 0)
		;
}

static void run_paced(long rate, int depth, double seconds)
{
	double wall, cpu;
	long done;

	pace(rate, depth, WARM_TICKS);
	puts("begun");
	fflush(stdout);
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	done = pace(rate, depth, (long)(seconds * TICKS_PER_SECOND));
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	printf("pairs %ld wall %.6f cpu %.6f\n", done, wall / 1e9, cpu / 1e9);
	fflush(stdout);
	await_byte();
}

static void run_fast(long n, int depth)
{
	double began;

	descend(depth, WARM_PAIRS);
	began = clock_ns(CLOCK_MONOTONIC);
	descend(depth, n);
	printf("%.1f ns/pair\n", (clock_ns(CLOCK_MONOTONIC) - began) / (double)n);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
	int depth = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 12;

	printf("ready %d\n", getpid());
	fflush(stdout);
	await_byte();
	if (argc > 3)
		run_paced(n, depth, strtod(argv[3], NULL));
	else
		run_fast(n, depth);
	return 0;
}
