// SPDX-License-Identifier: MIT
/*
 * What a live block costs: memory in the heap and the profile beside it, and time an event.
 *
 *	blocks [N …]
 *
 * N blocks are handed out, one by one; then as many events again take one of them back, by chance,
 * and hand a new one out. Standard output, a line for each N:
 * "blocks N bytes_a_block B peak_bytes_a_block B alloc_ns NS exchange_ns NS", the latter an event.
 * The addresses that the program itself remembers are not counted.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/heap.h"
#include "core/profile.h"

#define SITES   1000
#define THREADS 8

static struct heap heap;
static struct profile profile;
static uint64_t seed = 88172645463325252ULL, clock_ns = 1000, next_addr = 0x7f0000000000;

static uint64_t roll(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % sides;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* In kB, from /proc/self/status. */
static long status_of(const char *what)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, what, strlen(what)))
			kb = strtol(line + strlen(what), NULL, 10);
	}
	if (f)
		fclose(f);
	return kb;
}

static void apply(struct event *e)
{
	struct heap_note note;

	clock_ns += 100;
	e->pid = 1;
	e->tid = 1 + (uint32_t)roll(THREADS);
	e->ts_ns = clock_ns;
	e->latency_ns = 50;
	e->measured = true;
	heap_apply(&heap, e, &note);
	profile_apply(&profile, e, &note, (uint32_t)roll(SITES));
}

static uint64_t hand_out(struct event *e)
{
	e->kind = EVENT_ALLOC;
	e->function = 0;
	e->size = 1 + roll(160);
	e->addr = next_addr;
	next_addr += (e->size + 23) / 16 * 16;
	apply(e);
	return e->addr;
}

static void take_back(struct event *e, uint64_t addr)
{
	e->kind = EVENT_FREE;
	e->function = 1;
	e->addr = addr;
	apply(e);
}

static int measure(uint64_t n)
{
	static struct event e;
	uint64_t *addrs = malloc(n * sizeof(*addrs)), start, filled, done;
	long before, full, most;

	if (!addrs || heap_init(&heap))
		return 1;
	memset(addrs, 1, n * sizeof(*addrs));
	profile_init(&profile, &heap, 0, 1);
	before = status_of("VmRSS:");
	start = cpu_ns();
	for (uint64_t i = 0; i < n; i++)
		addrs[i] = hand_out(&e);
	filled = cpu_ns() - start;
	full = status_of("VmRSS:") - before;
	most = status_of("VmHWM:") - before;
	start = cpu_ns();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t *addr = &addrs[roll(n)];

		take_back(&e, *addr);
		*addr = hand_out(&e);
	}
	done = cpu_ns() - start;
	printf("blocks %" PRIu64 " bytes_a_block %.1f peak_bytes_a_block %.1f alloc_ns %.0f "
	       "exchange_ns %.0f\n",
	       n, (double)full * 1024 / (double)n, (double)most * 1024 / (double)n,
	       (double)filled / (double)n, (double)done / (double)n / 2);
	return heap.live.blocks != n || profile.all.live.blocks != n;
}

/* Each in a process of its own, which has no memory left over from another one. */
static bool measure_apart(uint64_t n)
{
	pid_t pid = fork();
	int status = 1;

	if (!pid) {
		int err = measure(n);

		fflush(stdout);
		_exit(err);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

int main(int argc, char **argv)
{
	static const char *const defaults[] = {"1000000", "1600000"};
	bool good = true;

	for (int i = 1; i < argc; i++)
		good &= measure_apart(strtoull(argv[i], NULL, 10));
	for (size_t i = 0; argc == 1 && i < sizeof(defaults) / sizeof(*defaults); i++)
		good &= measure_apart(strtoull(defaults[i], NULL, 10));
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
