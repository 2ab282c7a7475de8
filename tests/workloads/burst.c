// SPDX-License-Identifier: MIT
/*
 * As many calls as the machine can make: four threads, each COUNT times malloc and free.
 *
 *	burst [--wait] [COUNT]
 *
 *	ready PID           with --wait: goes on at a line or the end of stdin
 *	truth calls=80000   calls of malloc and free together, after "ready"
 *
 * The threads are there before "ready", and end only with the program: no other calls are made.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4

static pthread_barrier_t start, done;
static long count = 10000;
static long calls[THREADS];

static void *work(void *arg)
{
	long *mine = arg;

	pthread_barrier_wait(&start);
	for (long i = 0; i < count; i++) {
		volatile char *p = malloc((size_t)(16 + i % 512));

		*p = 1;
		free((void *)p);
		*mine += 2;
	}
	pthread_barrier_wait(&done);
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	static char output[4096];
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	long sum = 0;
	char byte = 0;

	if (argc > 1 + wait)
		count = atol(argv[1 + wait]);
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	pthread_barrier_init(&start, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, &calls[i]))
			return 1;
	}
	if (wait) {
		printf("ready %ld\n", (long)getpid());
		fflush(stdout);
		while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
			;
	}
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&done);
	for (int i = 0; i < THREADS; i++)
		sum += calls[i];
	printf("truth calls=%ld\n", sum);
	return fflush(stdout) ? 1 : 0;
}
