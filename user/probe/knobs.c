// SPDX-License-Identifier: MIT
#include "probe/knobs.h"

#include <math.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NO_SYSCALL UINT32_MAX

/* For the sampler's exponential numbers. */
void knobs_logarithms(uint64_t *table, size_t steps)
{
	for (size_t i = 0; i <= steps; i++)
		table[i] = (uint64_t)llround(ldexp(log2(1 + (double)i / (double)steps), 32));
}

const uint32_t knobs_syscalls[LANE_NR_CAUSES][3] = {
	[LANE_OWN_CODE] = {NO_SYSCALL, NO_SYSCALL, NO_SYSCALL},
	[LANE_PAGE_FAULTS] = {NO_SYSCALL, NO_SYSCALL, NO_SYSCALL},
	[LANE_FUTEX] = {SYS_futex, NO_SYSCALL, NO_SYSCALL},
	[LANE_MMAP] = {SYS_mmap, SYS_munmap, SYS_mremap},
	[LANE_BRK] = {SYS_brk, NO_SYSCALL, NO_SYSCALL},
	[LANE_MADVISE] = {SYS_madvise, NO_SYSCALL, NO_SYSCALL},
	[LANE_OFF_CPU] = {NO_SYSCALL, NO_SYSCALL, NO_SYSCALL},
};

uint64_t knobs_random(void)
{
	uint64_t number = 0;

	/* Early in a boot there may be none yet; the clock is as good as it gets then. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15;
	return number;
}

uint32_t knobs_ring_bytes(uint64_t wanted)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	while (bytes < wanted && bytes < 1ULL << 30)
		bytes *= 2;
	return (uint32_t)bytes;
}
