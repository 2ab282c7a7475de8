/* SPDX-License-Identifier: MIT */
/* Calls by hand at sites by number, and the profile that they are applied to. */
#ifndef TESTS_UNIT_PROFILED_H
#define TESTS_UNIT_PROFILED_H

#include "calls.h"

#include "core/profile.h"

enum { SITE_A, SITE_B, SITE_C, POOL_SITE };

#define THREAD 7

static struct profile profile;

static inline int setup_profile(void **state)
{
	int err = setup(state);

	profile_init(&profile, &heap, 1000, 1);
	return err;
}

static inline int teardown_profile(void **state)
{
	profile_fini(&profile);
	return teardown(state);
}

static inline void call_at(struct event e, uint32_t site, uint32_t tid, uint64_t begin,
			   uint64_t end)
{
	e.tid = tid;
	e.ts_ns = event_is_pool(&e) ? end : begin;
	e.latency_ns = end - begin;
	e.measured = true;
	if (heap_apply(&heap, &e, &note))
		profile_apply(&profile, &e, &note, site);
	assert_int_equal(profile.all.live.blocks, heap.live.blocks);
	assert_int_equal(profile.all.live.bytes, heap.live.bytes);
}

/* One after the other, 10 ns apart, of 5 ns. */
static inline void call(struct event e, uint32_t site, uint32_t tid)
{
	now += 10;
	call_at(e, site, tid, now - 10, now - 5);
}

static inline void take(uint64_t addr, uint64_t size, uint32_t site)
{
	call(alloc_of(PID, addr, size), site, THREAD);
}

static inline void release(uint64_t addr)
{
	call(free_of(PID, addr), 99, THREAD);
}

static inline const struct profile_site *at(uint32_t site)
{
	assert_true(site < profile.count);
	return &profile.sites[site];
}

static inline void assert_counts(const struct profile_counts *c, uint64_t blocks, uint64_t bytes)
{
	assert_int_equal(c->blocks, blocks);
	assert_int_equal(c->bytes, bytes);
}

#define PROFILED(function) \
	cmocka_unit_test_setup_teardown(function, setup_profile, teardown_profile)

#endif
