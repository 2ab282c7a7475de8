/* SPDX-License-Identifier: MIT */
/*
 * Time that a workload spends on purpose, and the counter that it measures itself by: the
 * processor's own, which steps finer than the clock does. Its rate is taken from CLOCK_MONOTONIC,
 * the clock of the traced side, so that both speak of the same nanosecond.
 */
#ifndef SPIN_H
#define SPIN_H

#include <stdint.h>
#include <time.h>

#define SPIN_RATE_NS 50000000u
#define SPIN_TRIALS  41
#define SPIN_TRIAL   20000u
#define SPIN_WARM_UP 50000000u
#define SPIN_INLINE  static inline __attribute__((always_inline, unused))

#if defined(__x86_64__)
/* The fences keep what is timed from running before or after (Intel SDM, RDTSC). */
SPIN_INLINE uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/*
 * A turn: four multiplications, each of which needs the one before it, so that its length is theirs
 * (12 cycles) however the loop's branch is guessed and whatever runs beside it.
 */
#define SPIN_STEP(reg) "imul " reg ", " reg "\n\t"
#define SPIN_TURN(reg) SPIN_STEP(reg) SPIN_STEP(reg) SPIN_STEP(reg) SPIN_STEP(reg)

/* Nothing that follows begins before all is done. */
#define SPIN_FENCE() __asm__ volatile("lfence" : : : "memory")

SPIN_INLINE void spin(uint64_t turns)
{
	if (turns)
		__asm__ volatile("1:\t" SPIN_TURN("%%rdx") "dec %0\n\tjnz 1b"
				 : "+r"(turns)
				 :
				 : "rdx", "cc");
}
#else
#define SPIN_FENCE() __asm__ volatile("" : : : "memory")

SPIN_INLINE uint64_t ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

SPIN_INLINE void spin(uint64_t turns)
{
	for (; turns; turns--)
		__asm__ volatile("" : : : "memory");
}
#endif

SPIN_INLINE uint64_t spin_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline __attribute__((unused)) double ticks_per_ns(void)
{
	uint64_t began = spin_clock_ns(), from = ticks(), now;

	while ((now = spin_clock_ns()) - began < SPIN_RATE_NS)
		;
	return (double)(ticks() - from) / (double)(now - began);
}

/* Sorts them (Shell's way: qsort would call malloc). */
static inline __attribute__((unused)) double median(double *values, int count)
{
	for (int gap = count / 2; gap > 0; gap /= 2) {
		for (int i = gap; i < count; i++) {
			double value = values[i];
			int at = i;

			for (; at >= gap && values[at - gap] > value; at -= gap)
				values[at] = values[at - gap];
			values[at] = value;
		}
	}
	return values[count / 2];
}

/* How long a turn takes; the processor is warm afterwards. */
static inline __attribute__((unused)) double ns_per_turn(double rate)
{
	double trials[SPIN_TRIALS];

	spin(SPIN_WARM_UP);
	for (int i = 0; i < SPIN_TRIALS; i++) {
		uint64_t from = ticks();

		spin(SPIN_TRIAL);
		trials[i] = (double)(ticks() - from) / rate / SPIN_TRIAL;
	}
	return median(trials, SPIN_TRIALS);
}

#endif
