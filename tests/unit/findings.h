/* SPDX-License-Identifier: MIT */
/* A pool of a process, driven by hand, and what is found about it. */
#ifndef TESTS_UNIT_FINDINGS_H
#define TESTS_UNIT_FINDINGS_H

#include "calls.h"

#define T1         PID
#define T2         (PID + 1)
#define T3         (PID + 2)
#define BASE       0x10000ULL
#define BYTES      0x1000ULL
#define CHUNK      64
#define OTHER_POOL 0x9100
#define MS         1000000ULL
#define LATE       (100 * MS)
#define SITE_A     0xa000 /* allocates */
#define SITE_B     0xb000
#define SITE_F     0xf000 /* frees */
#define SITE_G     0xf100

#define MAX_FOUND 64

static struct {
	struct finding all[MAX_FOUND];
	size_t count;
	uint64_t known_since, asked;
	bool shared;
} found;

static inline void keep_finding(void *context, const struct finding *f)
{
	assert_ptr_equal(context, &found);
	assert_true(found.count < MAX_FOUND);
	found.all[found.count++] = *f;
}

static inline uint64_t tell_known_since(void *context)
{
	assert_ptr_equal(context, &found);
	found.asked++;
	return found.known_since;
}

static inline bool tell_shared(void *context, uint32_t pid, uint64_t addr)
{
	assert_ptr_equal(context, &found);
	assert_true(pid && addr);
	return found.shared;
}

static inline int setup_checks(void **state)
{
	int err = setup(state);

	memset(&found, 0, sizeof(found));
	heap.findings.on_finding = keep_finding;
	heap.findings.known_since = tell_known_since;
	heap.findings.is_shared = tell_shared;
	heap.findings.context = &found;
	now = 1000 * MS;
	return err;
}

/* One after the other, a microsecond each; the operation itself takes 50 ns. */
static inline void event_by(uint32_t pid, uint32_t tid, struct event e, uint64_t site)
{
	now += 1000;
	e.pid = pid;
	e.tid = tid;
	e.frames = site ? 1 : 0;
	e.stack[0] = site;
	apply(e, now - 50, now);
}

static inline void create_at(uint64_t pool, const char *name, uint64_t base, uint64_t bytes)
{
	struct event e = pool_named(pool, name);

	e.base = base;
	e.size = bytes;
	e.chunk_size = CHUNK;
	e.chunk_count = bytes / CHUNK;
	event_by(PID, T1, e, 0);
}

static inline void create(void)
{
	create_at(POOL, "pool", BASE, BYTES);
}

static inline void destroy(void)
{
	event_by(PID, T1, pool_event(EVENT_POOL_DESTROY, POOL, 0, 0), 0);
}

static inline void take_sized(uint32_t tid, uint64_t addr, uint64_t size, uint64_t site)
{
	event_by(PID, tid, pool_event(EVENT_POOL_ALLOC, POOL, addr, size), site);
}

static inline void take_by(uint32_t tid, uint64_t addr, uint64_t site)
{
	take_sized(tid, addr, CHUNK, site);
}

static inline void take(uint64_t addr)
{
	take_by(T1, addr, SITE_A);
}

static inline void give_by(uint32_t tid, uint64_t addr, uint64_t site)
{
	event_by(PID, tid, pool_event(EVENT_POOL_FREE, POOL, addr, 0), site);
}

static inline void give(uint64_t addr)
{
	give_by(T1, addr, SITE_F);
}

/* The operation was over long before its record is written. */
static inline void give_late(uint32_t tid, uint64_t addr, uint64_t began)
{
	struct event e = pool_event(EVENT_POOL_FREE, POOL, addr, 0);

	now += 1000;
	e.tid = tid;
	e.frames = 1;
	e.stack[0] = SITE_F;
	apply(e, began, now);
}

/* So that it is no arena. */
static inline void use_pool(void)
{
	take(BASE + BYTES - CHUNK);
	give(BASE + BYTES - CHUNK);
}

/* All that waits has waited long enough, and nothing more comes. */
static inline void settle(void)
{
	now += LATE;
	heap_settle_findings(&heap, now);
	heap_settle_findings(&heap, UINT64_MAX);
}

static inline void assert_none(void)
{
	settle();
	if (found.count)
		fail_msg("found: %s", finding_name(found.all[0].check));
}

/* Exactly one, of that kind. */
static inline const struct finding *assert_one(enum finding_check check)
{
	if (found.count != 1 || found.all[0].check != check)
		fail_msg("%d found, the first is %s", (int)found.count,
			 found.count ? finding_name(found.all[0].check) : "none");
	assert_int_equal(heap.findings.told[check], 1);
	return &found.all[0];
}

static inline void assert_sides(const struct finding *f, uint64_t site, uint64_t other_site)
{
	assert_int_equal(f->frames, site != 0);
	assert_int_equal(f->other_site, other_site);
	assert_string_equal(f->pool, "pool");
	assert_int_equal(f->pool_addr, POOL);
	assert_int_equal(f->pid, PID);
}

/* Two pools, one of which lies in a block of malloc's. */
static inline void begin_wrongs(void)
{
	event_by(PID, T1, alloc_of(PID, BASE, BYTES), SITE_A);
	create_at(OTHER_POOL, "other", 0x50000, BYTES);
	create();
	use_pool();
}

#define CHECK_TEST(function) cmocka_unit_test_setup_teardown(function, setup_checks, teardown)

#endif
