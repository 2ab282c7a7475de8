// SPDX-License-Identifier: MIT
/*
 * Four threads that fight for one arena. One of them asks again and again how the heap is doing,
 *for which glibc holds the arena's lock and walks over all free blocks; the others want small
 *blocks.
 *
 *	slow_lock [--wait] [MS]
 *
 *	ready PID                with --wait: goes on at a line or the end of stdin
 *	truth fight calls=N      mallocs of the three in that function, after "ready"
 *
 * It runs itself once more with no cache per thread, which would keep the small blocks from the
 * arena. The threads are there before "ready", and end only with the program.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "spin.h"
#include "tally.h"

#define TUNABLE  "glibc.malloc.tcache_count=0"
#define FIGHTERS 3
#define PIECES   100000 /* every other one is free */
#define PAUSE_NS 50000

static pthread_barrier_t start, done;
static atomic_int over;
static long calls[FIGHTERS + 1];

static void pause_for(uint64_t ns)
{
	uint64_t from = spin_clock_ns();

	while (spin_clock_ns() - from < ns)
		;
}

TRACED static void fight(void)
{
	volatile char *block = malloc(64);

	*block = 1;
	free((void *)block);
	pause_for(PAUSE_NS);
}

static void hog(void)
{
	mallinfo2();
	pause_for(PAUSE_NS);
}

static void *work(void *arg)
{
	long *mine = arg;

	pthread_barrier_wait(&start);
	while (!over) {
		if (mine == calls)
			hog();
		else
			fight();
		++*mine;
	}
	pthread_barrier_wait(&done);
	for (;;)
		pause();
	return NULL;
}

/* Small ones that are freed beside ones that are not are kept one by one. */
static void break_heap(void)
{
	static void *pieces[PIECES];

	for (int i = 0; i < PIECES; i++)
		pieces[i] = malloc(200);
	for (int i = 0; i < PIECES; i += 2)
		free(pieces[i]);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

int main(int argc, char **argv)
{
	const char *tunables = getenv("GLIBC_TUNABLES");
	long fights = 0;

	if (!tunables || strcmp(tunables, TUNABLE) != 0) {
		setenv("GLIBC_TUNABLES", TUNABLE, 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	buffer_output();
	mallopt(M_ARENA_MAX, 1);
	break_heap();
	pthread_barrier_init(&start, NULL, FIGHTERS + 2);
	pthread_barrier_init(&done, NULL, FIGHTERS + 2);
	for (int i = 0; i <= FIGHTERS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, &calls[i]))
			return 1;
	}
	wait_if_asked(&argc, &argv);
	pthread_barrier_wait(&start);
	sleep_ms(argc > 1 ? atol(argv[1]) : 1000);
	over = 1;
	pthread_barrier_wait(&done);
	for (int i = 1; i <= FIGHTERS; i++)
		fights += calls[i];
	printf("truth fight calls=%ld\n", fights);
	return fflush(stdout) ? 1 : 0;
}
