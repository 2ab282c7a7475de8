// SPDX-License-Identifier: MIT
/*
 * A program with an allocator of its own, and in it a hook that may never come back.
 *
 *	hooked [--wait] jump|deep|signal|exit|cancel COUNT
 *
 *	ready PID           with --wait: goes on at the end of standard input
 *	truth calls=300     of malloc, calloc, realloc and free, after "ready"
 *	truth left=100      of these, those that did not return
 *	truth wrong=0       blocks whose bytes were not what had been written
 *
 * jump: every third malloc is left by longjmp, to where it was called from. deep: the same, and the
 * calls that follow come from deeper in the stack than the one that was left. signal: a handler
 * jumps out of whatever malloc it happens to interrupt. exit: a thread ends by pthread_exit inside
 * of malloc. cancel: it is cancelled there.
 *
 * Blocks come from a region that is never given back: no lock can be left behind.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "victim.h"

#define REGION_BYTES (64UL << 20)

static _Alignas(16) char region[REGION_BYTES];
/* No two threads call at a time; and a probe cannot lie on an instruction with a lock. */
static volatile size_t used;
static volatile uint64_t calls, left, wrong;
static void (*volatile hook)(void);

static __thread struct {
	sigjmp_buf landing;
	volatile sig_atomic_t inside; /* of malloc: may be left */
} here;

static void *take(size_t size)
{
	size_t bytes = (size + 31) & ~(size_t)15;
	size_t at = used;

	if (bytes < size || at + bytes > REGION_BYTES)
		return NULL;
	used = at + bytes;
	memcpy(region + at, &size, sizeof(size));
	return region + at + 16;
}

__attribute__((noipa)) void *malloc(size_t size)
{
	void *block;

	calls++;
	block = take(size);
	if (hook)
		hook();
	return block;
}

__attribute__((noipa)) void *calloc(size_t n, size_t size)
{
	calls++;
	return take(n * size); /* zeros from the start, and used once */
}

__attribute__((noipa)) void *realloc(void *old, size_t size)
{
	void *block;
	size_t had;

	calls++;
	block = take(size);
	if (!old || !block)
		return block;
	memcpy(&had, (char *)old - 16, sizeof(had));
	return memcpy(block, old, had < size ? had : size);
}

__attribute__((noipa)) void free(void *block)
{
	(void)block;
	calls++;
}

/* ---- out of the hook */

static void leave_third(void)
{
	static unsigned int n;

	if (++n % 3)
		return;
	left++;
	siglongjmp(here.landing, 1);
}

static void fill(unsigned char *block, unsigned char byte)
{
	memset(block, byte, 64);
	for (int i = 0; i < 64; i++)
		wrong += block[i] != byte;
}

__attribute__((noinline, noclone)) static void call_once(void)
{
	unsigned char *block = malloc(64);

	fill(block, 0x5a);
	free(block);
}

/* The frame takes the place of those that a jump has left. */
__attribute__((noinline, noclone)) static void call_deep(void)
{
	volatile char room[4096];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 1;
	call_once();
	room[0] = 2;
}

static void do_jump(long count)
{
	hook = leave_third;
	for (volatile long i = 0; i < count; i++) {
		if (!sigsetjmp(here.landing, 0))
			call_once();
	}
}

/* The one that is left is called by this function itself, the others further down. */
static void do_deep(long count)
{
	for (volatile long i = 0; i < count; i++) {
		hook = leave_third;
		while (!sigsetjmp(here.landing, 0))
			fill(malloc(64), 0x33);
		hook = NULL;
		call_deep();
		call_deep();
	}
}

static void on_alarm(int number)
{
	(void)number;
	if (!here.inside)
		return;
	here.inside = 0;
	left++;
	siglongjmp(here.landing, 1);
}

/* As long as an allocator that is out of memory might take. */
static void dawdle(void)
{
	here.inside = 1;
	for (volatile int i = 0; i < 3000; i++)
		;
	here.inside = 0;
}

static void do_signal(long count)
{
	struct itimerval timer = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
	struct sigaction action = {.sa_handler = on_alarm};

	hook = dawdle;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (left < (uint64_t)count) {
		if (!sigsetjmp(here.landing, 1))
			call_once();
	}
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

/* ---- the end of a thread */

static __thread bool ends, cancelled;
static pthread_barrier_t inside;

static void end_thread(void)
{
	if (!ends)
		return;
	ends = false;
	left++;
	if (!cancelled)
		pthread_exit(NULL);
	pthread_barrier_wait(&inside);
	for (;;)
		pause();
}

static void *call_and_end(void *cancel)
{
	for (int i = 0; i < 10; i++)
		call_once();
	cancelled = cancel != NULL;
	ends = true;
	call_once();
	return NULL;
}

/* glibc opens libgcc_s when the first thread ends in this way: before anybody looks. */
static void run_thread(bool cancel)
{
	pthread_t thread;

	hook = end_thread;
	pthread_create(&thread, NULL, call_and_end, cancel ? &thread : NULL);
	if (cancel) {
		pthread_barrier_wait(&inside);
		pthread_cancel(thread);
	}
	pthread_join(thread, NULL);
}

static void do_threads(long count, bool cancel)
{
	while (count--)
		run_thread(cancel);
}

int main(int argc, char **argv)
{
	bool wait = argc > 1 && !strcmp(argv[1], "--wait");
	const char *way = argc == 3 + wait ? argv[1 + wait] : "";
	long count = way[0] ? atol(argv[2 + wait]) : 0;

	pthread_barrier_init(&inside, NULL, 2);
	run_thread(false);
	run_thread(true);
	hook = NULL;
	say("ready %d\n", getpid());
	if (wait)
		await_eof();
	calls = left = 0;
	if (!strcmp(way, "jump"))
		do_jump(count);
	else if (!strcmp(way, "deep"))
		do_deep(count);
	else if (!strcmp(way, "signal"))
		do_signal(count);
	else if (!strcmp(way, "exit") || !strcmp(way, "cancel"))
		do_threads(count, way[0] == 'c');
	else
		return 2;
	hook = NULL;
	say("truth calls=%" PRIu64 "\ntruth left=%" PRIu64 "\ntruth wrong=%" PRIu64 "\n", calls,
	    left, wrong);
	_exit(0);
}
