// SPDX-License-Identifier: MIT
/*
 * Truth about blocks that a sampler reports by OpenTelemetry's probes, otel_memory:alloc(ptr, size,
 * weighted_bytes) and otel_memory:free(ptr). The sampler is deterministic and knows all.
 *
 *	otel [--wait] [--bytes] [ROUNDS]
 *
 * Every EVERYth block of a size is sampled, and stands for EVERY blocks of that size: when ROUNDS
 * is a multiple of EVERY, the weights add up to what was allocated, to the byte and to the block.
 * With --bytes a block is sampled when INTERVAL bytes have passed, and stands for these. A free is
 * told of a sampled block only. All blocks are malloc's, apart from one sample of gigabytes.
 *
 *	truth otel_memory:alloc.count=25    and bytes, weighted_bytes; weighted_count.low and .high:
 *	                                    the sum of weight/size, each rounded down, or up
 *	truth otel_memory:free.count=20
 *	truth sampled.blocks=5              and sampled.bytes: samples that are not freed
 *	truth total.count=200               and total.bytes: of all blocks, sampled or not
 *
 * and the books of malloc and free (tally.h). With SEMAPHORES nothing is sampled before a tracer
 * has come: the probes have semaphores. With LIBRARY this is a library: run_library(ROUNDS).
 */
#ifdef SEMAPHORES
#define _SDT_HAS_SEMAPHORES 1
#endif
#include <sys/sdt.h>

#include "tally.h"

#define EVERY    8
#define INTERVAL 4096
#define SIZES    6

#ifdef SEMAPHORES
#define SEMAPHORE __attribute__((section(".probes"), used)) volatile unsigned short
SEMAPHORE otel_memory_alloc_semaphore;
SEMAPHORE otel_memory_free_semaphore;
#define IS_WATCHED (otel_memory_alloc_semaphore && otel_memory_free_semaphore)
#else
#define IS_WATCHED 1
#endif

static const size_t sizes[SIZES] = {1, 24, 100, 512, 4096, 20000};

static struct {
	long count, bytes, weighted_bytes, low, high, frees, blocks, live_bytes;
} sampled;
static long total_count, total_bytes, since, by_bytes;

struct kept {
	struct block block;
	int is_sampled;
};

static struct kept kept[SLOTS];

/* More than one place has the probe, and the arguments lie differently: in registers, constants,
 * of four bytes, in memory. */
TRACED static void tell_sample(void *ptr, size_t size, size_t weight)
{
	STAP_PROBE3(otel_memory, alloc, ptr, size, weight);
}

TRACED static void tell_sample_of_512(void *const *ptr, const unsigned int *weight)
{
	STAP_PROBE3(otel_memory, alloc, *ptr, 512, *weight);
}

TRACED static void tell_free(void *ptr)
{
	STAP_PROBE1(otel_memory, free, ptr);
}

static void sample(void *ptr, size_t size, size_t weight)
{
	sampled.count++;
	sampled.bytes += (long)size;
	sampled.weighted_bytes += (long)weight;
	sampled.low += (long)(weight / size);
	sampled.high += (long)((weight + size - 1) / size);
	sampled.blocks++;
	sampled.live_bytes += (long)size;
	if (size == 512) {
		unsigned int narrow = (unsigned int)weight;

		tell_sample_of_512(&ptr, &narrow);
	} else {
		tell_sample(ptr, size, weight);
	}
}

/* What a new block stands for; 0: it is not sampled. */
static size_t weight_of(size_t i)
{
	static long passed[SIZES];
	size_t weight;

	if (!by_bytes)
		return ++passed[i] % EVERY ? 0 : EVERY * sizes[i];
	since += (long)sizes[i];
	if (since < INTERVAL)
		return 0;
	weight = (size_t)since;
	since = 0;
	return weight;
}

static void keep(struct block b, int is_sampled)
{
	struct kept *k = &kept[next_random() % SLOTS];

	if (next_random() % LEAK_EVERY == 0)
		return;
	if (k->block.ptr && k->is_sampled) {
		sampled.frees++;
		sampled.blocks--;
		sampled.live_bytes -= (long)k->block.size;
		tell_free(k->block.ptr);
	}
	if (k->block.ptr)
		free(k->block.ptr), gone("free", __LINE__, k->block);
	*k = (struct kept){b, is_sampled};
}

static void allocate(size_t i)
{
	size_t weight = IS_WATCHED ? weight_of(i) : 0;
	struct block b;
	void *p;

	p = malloc(sizes[i]), b = made("malloc", __LINE__, sizes[i], p);
	total_count++;
	total_bytes += (long)sizes[i];
	if (weight)
		sample(p, sizes[i], weight);
	keep(b, weight != 0);
}

/* Beyond 32 bits, and no block of malloc's. */
static void allocate_gigabytes(void)
{
	static char mapped;

	if (!IS_WATCHED)
		return;
	total_count += 3;
	total_bytes += 3 * (5L << 30);
	sample(&mapped, (size_t)5 << 30, (size_t)15 << 30);
}

static void run(long rounds)
{
	allocate_gigabytes();
	for (long i = 0; i < rounds; i++) {
		for (size_t k = 0; k < SIZES; k++)
			allocate(k);
	}
	printf("truth otel_memory:alloc.count=%ld\ntruth otel_memory:alloc.bytes=%ld\n",
	       sampled.count, sampled.bytes);
	printf("truth otel_memory:alloc.weighted_bytes=%ld\n", sampled.weighted_bytes);
	printf("truth weighted_count.low=%ld\ntruth weighted_count.high=%ld\n", sampled.low,
	       sampled.high);
	printf("truth otel_memory:free.count=%ld\n", sampled.frees);
	printf("truth sampled.blocks=%ld\ntruth sampled.bytes=%ld\n", sampled.blocks,
	       sampled.live_bytes);
	printf("truth total.count=%ld\ntruth total.bytes=%ld\n", total_count, total_bytes);
	tally_print(__FILE__);
}

#ifdef LIBRARY

void run_library(long rounds);
void run_library(long rounds)
{
	run(rounds);
}

#else

int main(int argc, char **argv)
{
	buffer_output();
	wait_if_asked(&argc, &argv);
	by_bytes = take_switch(&argc, &argv, "--bytes");
	run(argc > 1 ? atol(argv[1]) : 80);
	return fflush(stdout) ? 1 : 0;
}

#endif
