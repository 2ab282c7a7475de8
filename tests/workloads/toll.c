// SPDX-License-Identifier: MIT
/*
 * Threads that call malloc and free as fast as they can, and a file that says at any moment how
 * often: it outlives the process, however that ends.
 *
 *	toll FILE THREADS [COUNT]
 *
 * Each thread makes COUNT pairs, or goes on until the end of standard input.
 *
 *	ready PID           goes on at a line, or the end of standard input
 *	truth calls=1024    of all threads, after "ready"; not when it was killed
 *
 * FILE is an array of 64-bit words, one in 64 bytes for each thread: its calls that have returned.
 * The threads are there before "ready", and end only with the program: no other calls are made.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_THREADS 1024
#define STACK_BYTES (64 << 10)

struct lane {
	volatile uint64_t calls;
	uint64_t rest[7];
};

static struct lane *lanes;
static long count; /* 0: until `over` */
static volatile bool over;
static pthread_barrier_t start, done;

static void *work(void *arg)
{
	struct lane *mine = arg;

	pthread_barrier_wait(&start);
	for (long i = 0; count ? i < count : !over; i++) {
		volatile char *p = malloc((size_t)(16 + i % 512));

		mine->calls++;
		*p = 1;
		free((void *)p);
		mine->calls++;
	}
	pthread_barrier_wait(&done);
	for (;;)
		pause();
	return NULL;
}

static struct lane *map_lanes(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *at = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)bytes))
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return at == MAP_FAILED ? NULL : at;
}

static bool start_threads(long threads)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_barrier_init(&start, NULL, (unsigned int)threads + 1);
	pthread_barrier_init(&done, NULL, (unsigned int)threads + 1);
	for (long i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &attr, work, &lanes[i]))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static char output[4096];
	long threads = argc > 2 ? atol(argv[2]) : 0;
	uint64_t sum = 0;
	char byte = 0;

	if (threads < 1 || threads > MAX_THREADS)
		return 2;
	count = argc > 3 ? atol(argv[3]) : 0;
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	lanes = map_lanes(argv[1], (size_t)threads * sizeof(*lanes));
	if (!lanes || !start_threads(threads))
		return 1;
	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
	pthread_barrier_wait(&start);
	while (!count && read(STDIN_FILENO, &byte, 1) > 0)
		;
	over = true;
	pthread_barrier_wait(&done);
	for (long i = 0; i < threads; i++)
		sum += lanes[i].calls;
	printf("truth calls=%lu\n", (unsigned long)sum);
	return fflush(stdout) ? 1 : 0;
}
