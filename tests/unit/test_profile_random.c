// SPDX-License-Identifier: MIT
/*
 * The profile under random calls of several threads and processes, late records, exec and exit
 * among them, against a model that remembers every block there ever was and adds up anew each time.
 * Linked with libcore.a alone.
 */
#include "calls.h"

#include "core/profile.h"

#define SITES     12
#define THREADS   5 /* thread t belongs to process t % PROCESSES */
#define PROCESSES 3
#define BLOCKS    4096
#define STEPS     6000
#define OLDER     3000
#define WITHIN    4 /* the most that is tried */

struct block {
	uint64_t addr, size, since_ns, chain;
	uint32_t site, thread;
	enum { LIVE, FREED, DROPPED, ENDED } state;
	bool temporary, elsewhere, was_old;
	uint64_t lifetime_ns;
};

/* What a site has at one moment, added up from the blocks. */
struct sums {
	struct profile_counts allocated, live, ended, old;
	uint64_t temporary, freed, elsewhere, lifetime_ns, chain;
};

static struct profile profile;
static struct block blocks[BLOCKS];
static size_t count;
static struct profile_counts peak[SITES + 1]; /* the last: of all */
static uint64_t seed, next_addr, old_blocks;  /* old_blocks: of ended processes, of all runs */
/* The blocks that the last calls of each thread handed out; NULL: they handed out none. */
static struct block *last[THREADS][WITHIN];

static uint64_t roll(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % sides;
}

static uint32_t pid_of(uint32_t thread)
{
	return 100 + thread % PROCESSES;
}

static bool is_live(const struct block *b)
{
	return b->state == LIVE || b->state == ENDED;
}

static void add(struct profile_counts *c, const struct block *b)
{
	c->blocks++;
	c->bytes += b->size;
}

/* Of a site; SITES: of all. */
static struct sums sums_of(uint32_t site)
{
	struct sums s = {.temporary = 0};

	for (const struct block *b = blocks; b < blocks + count; b++) {
		if (site != SITES && b->site != site)
			continue;
		add(&s.allocated, b);
		if (is_live(b))
			add(&s.live, b);
		if (b->state == ENDED)
			add(&s.ended, b);
		if (b->was_old)
			add(&s.old, b);
		s.freed += b->state == FREED;
		s.temporary += b->temporary;
		s.elsewhere += b->elsewhere;
		s.lifetime_ns += b->lifetime_ns;
		if (b->chain > s.chain)
			s.chain = b->chain;
	}
	return s;
}

/* What processes have that run. */
static struct profile_counts held(uint32_t site)
{
	struct sums s = sums_of(site);

	return (struct profile_counts){s.live.blocks - s.ended.blocks,
				       s.live.bytes - s.ended.bytes};
}

static void look_for_peak(void)
{
	if (held(SITES).bytes <= peak[SITES].bytes)
		return;
	for (uint32_t site = 0; site <= SITES; site++)
		peak[site] = held(site);
}

static void assert_counts(const struct profile_counts *a, const struct profile_counts *b)
{
	assert_int_equal(a->blocks, b->blocks);
	assert_int_equal(a->bytes, b->bytes);
}

static void compare_site(const struct profile_site *site, uint32_t number)
{
	struct profile_counts at_peak = profile_at_peak(&profile, site);
	struct sums s = sums_of(number);
	uint64_t lifetimes = 0;

	assert_counts(&site->allocated, &s.allocated);
	assert_counts(&site->live, &s.live);
	assert_counts(&site->ended, &s.ended);
	assert_counts(&site->old, &s.old);
	assert_counts(&at_peak, &peak[number]);
	assert_int_equal(site->temporary, s.temporary);
	assert_int_equal(site->freed, s.freed);
	assert_int_equal(site->freed_elsewhere, s.elsewhere);
	assert_int_equal(site->lifetime_ns, s.lifetime_ns);
	assert_int_equal(site->chain, s.chain);
	for (unsigned int i = 0; i < PROFILE_LIFETIMES; i++)
		lifetimes += site->lifetimes[i];
	assert_int_equal(lifetimes, s.freed);
}

static void compare_leaks(void)
{
	struct profile_leak *leaks = profile_leaks(&profile, now);

	for (uint32_t site = 0; site < profile.count; site++) {
		struct profile_counts old = {0};

		assert_non_null(leaks);
		for (const struct block *b = blocks; b < blocks + count; b++) {
			if (b->site == site &&
			    (b->was_old || (b->state == LIVE && now - b->since_ns >= OLDER)))
				add(&old, b);
		}
		assert_counts(&leaks[site].old, &old);
	}
	free(leaks);
}

static void compare(void)
{
	struct profile_counts sizes = {0};

	for (uint32_t site = 0; site < profile.count; site++)
		compare_site(&profile.sites[site], site);
	compare_site(&profile.all, SITES);
	for (unsigned int class = 0; class < PROFILE_SIZES; class ++) {
		sizes.blocks += profile.sizes[class].live.blocks;
		sizes.bytes += profile.sizes[class].live.bytes;
	}
	assert_counts(&sizes, &profile.all.live);
	compare_leaks();
}

/* ---- calls ---- */

static void send(struct event e, uint32_t thread, uint32_t site, uint64_t begin, uint64_t end)
{
	e.pid = pid_of(thread);
	e.tid = 1000 + thread;
	e.ts_ns = begin;
	e.latency_ns = end - begin;
	apply(e, begin, end);
	profile_apply(&profile, &e, &note, site);
}

static void send_now(struct event e, uint32_t thread, uint32_t site)
{
	now += 1 + roll(20);
	send(e, thread, site, now, now);
}

static uint64_t fresh_addr(void)
{
	return next_addr += 16;
}

static void remember_call(uint32_t thread, struct block *handed_out)
{
	memmove(&last[thread][1], &last[thread][0], sizeof(last[thread]) - sizeof(last[thread][0]));
	last[thread][0] = handed_out;
}

/* Before the call that does it is remembered itself. */
static void end_life(struct block *b, uint32_t thread, uint64_t begin)
{
	b->state = FREED;
	b->lifetime_ns = begin - b->since_ns;
	b->elsewhere = b->thread != thread;
	for (uint32_t i = 0; i < profile.within; i++)
		b->temporary |= last[thread][i] == b;
}

static struct block *begin_life(uint64_t addr, uint64_t size, uint32_t thread, uint32_t site,
				uint64_t since)
{
	struct block *b = &blocks[count++];

	*b = (struct block){
		.addr = addr, .size = size, .since_ns = since, .site = site, .thread = thread};
	return b;
}

static struct block *any_live(uint32_t thread)
{
	for (size_t tries = 0; count && tries < 30; tries++) {
		struct block *b = &blocks[count - 1 - roll(roll(2) ? count : count / 8 + 1)];

		if (b->state == LIVE && pid_of(b->thread) == pid_of(thread))
			return b;
	}
	return NULL;
}

static void allocate(uint32_t thread)
{
	uint64_t size = roll(4) ? roll(100) : roll(5000), addr = roll(20) ? fresh_addr() : 0;
	uint32_t site = (uint32_t)roll(SITES);

	send_now(alloc_of(0, addr, size), thread, site);
	if (addr)
		remember_call(thread, begin_life(addr, size, thread, site, now));
}

static void release(uint32_t thread)
{
	struct block *b = roll(20) ? any_live(thread) : NULL;

	send_now(free_of(0, b ? b->addr : 0), thread, 0);
	if (!b)
		return;
	end_life(b, thread, now);
	remember_call(thread, NULL);
}

static void resize(uint32_t thread)
{
	struct block *b = any_live(thread), *made;
	uint64_t size = roll(300), addr;
	uint32_t site = (uint32_t)roll(SITES);

	if (!b)
		return;
	addr = roll(2) ? b->addr : fresh_addr();
	if (!roll(10))
		addr = 0;
	send_now(realloc_of(0, b->addr, addr, size), thread, site);
	if (!addr)
		return;
	end_life(b, thread, now);
	made = begin_life(addr, size, thread, site, now);
	made->chain = b->chain + (addr != b->addr);
	remember_call(thread, made);
}

/* A realloc moves, and another thread of the process is given the old address and tells first. */
static void race(uint32_t thread)
{
	struct block *b = any_live(thread), *made;
	uint32_t other = (thread + PROCESSES) % (2 * PROCESSES), site = (uint32_t)roll(SITES);
	uint64_t begin = now + 1, addr = fresh_addr();

	if (!b || other >= THREADS)
		return;
	now += 5;
	send(alloc_of(0, b->addr, 50), other, site, now, now);
	b->state = DROPPED; /* so it is for now */
	remember_call(other, begin_life(b->addr, 50, other, site, now));
	look_for_peak();
	compare();
	now += 5;
	send(realloc_of(0, b->addr, addr, 60), thread, site, begin, now);
	end_life(b, thread, begin);
	made = begin_life(addr, 60, thread, site, now);
	made->chain = b->chain + 1;
	remember_call(thread, made);
}

static void leave(uint32_t thread)
{
	bool ends = roll(2);

	for (struct block *b = blocks; b < blocks + count; b++) {
		if (b->state != LIVE || pid_of(b->thread) != pid_of(thread))
			continue;
		b->state = ends ? ENDED : DROPPED;
		b->was_old = ends && b->since_ns + OLDER <= heap.findings.now_ns;
	}
	if (ends)
		heap_end_process(&heap, pid_of(thread));
	else
		heap_forget_process(&heap, pid_of(thread));
}

static void step(uint32_t n)
{
	uint32_t thread = (uint32_t)roll(THREADS), what = (uint32_t)roll(100);
	bool filling = n / 500 % 2;

	if (what < (filling ? 60 : 35))
		allocate(thread);
	else if (what < 85)
		release(thread);
	else if (what < 95)
		resize(thread);
	else if (what < 99)
		race(thread);
	else if (!roll(10))
		leave(thread);
	look_for_peak();
}

static void run(uint64_t start, uint32_t within)
{
	assert_int_equal(heap_init(&heap), 0);
	profile_init(&profile, &heap, OLDER, within);
	memset(peak, 0, sizeof(peak));
	memset(last, 0, sizeof(last));
	count = 0;
	seed = start;
	now = 1000;
	next_addr = 0x10000;
	for (uint32_t n = 0; n < STEPS && count + 2 < BLOCKS; n++) {
		step(n);
		if (n % 7 == 0)
			compare();
	}
	compare();
	assert_true(profile.peak_ns && profile.all.temporary > 20 &&
		    profile.all.freed_elsewhere > 100);
	old_blocks += profile.all.old.blocks;
	assert_int_equal(heap.superseded + heap.unmatched_frees, 0);
	profile_fini(&profile);
	heap_fini(&heap);
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 6; i++)
		run(i * 0x9e3779b97f4a7c15, i % 2 ? 1 : WITHIN);
	assert_true(old_blocks > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("profile: random calls", tests, NULL, NULL);
}
