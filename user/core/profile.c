// SPDX-License-Identifier: MIT
/*
 * What is live changes in two places: a call hands a block out, and the heap tells that one goes.
 * What a block had been is counted with the call that took it back, whose note has it even when the
 * heap had set the block aside before.
 *
 * What belongs to no site is in the sums all the same.
 */
#include "core/profile.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM  256
#define MAX_THREADS (1 << 20)
#define NO_SITE     UINT32_MAX

/* Calls of one thread so far: its own, and those of pools, which lie in between. */
struct thread_calls {
	uint32_t kin, pool;
};

static struct profile_site *site_at(struct profile *p, uint32_t site)
{
	return site < p->count ? &p->sites[site] : NULL;
}

/* NULL: it cannot be had. */
static struct profile_site *make_site(struct profile *p, uint32_t site)
{
	struct profile_site *sites;
	uint32_t room = p->room ? p->room : FIRST_ROOM;

	if (site < p->count)
		return &p->sites[site];
	if (site >= PROFILE_MAX_SITES)
		return NULL;
	while (room <= site)
		room *= 2;
	if (room > p->room) {
		sites = realloc(p->sites, room * sizeof(*sites));
		if (!sites)
			return NULL;
		p->sites = sites;
		p->room = room;
	}
	memset(&p->sites[p->count], 0, (site + 1 - p->count) * sizeof(*p->sites));
	p->count = site + 1;
	return &p->sites[site];
}

static void add(struct profile_counts *c, uint64_t bytes)
{
	c->blocks++;
	c->bytes += bytes;
}

static void take(struct profile_counts *c, uint64_t bytes)
{
	c->blocks--;
	c->bytes -= bytes;
}

/* Of what is live, what a process that runs has: the others' memory is gone with them. */
static struct profile_counts held(const struct profile_site *site)
{
	return (struct profile_counts){site->live.blocks - site->ended.blocks,
				       site->live.bytes - site->ended.bytes};
}

/* Before what the site holds changes: it may be what it had at the peak. */
static void keep_peak(const struct profile *p, struct profile_site *site)
{
	if (site->moment == p->all.moment)
		return;
	site->at_peak = held(site);
	site->moment = p->all.moment;
}

static uint64_t span(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

/* ---- a block goes ---- */

/* Its process has ended. */
static void end_block(const struct profile *p, struct profile_site *s, const struct heap_gone *gone)
{
	add(&s->ended, gone->size);
	if (span(gone->since_ns, p->heap->findings.now_ns) >= p->older_ns)
		add(&s->old, gone->size);
	if (!s->oldest_ns || gone->since_ns < s->oldest_ns)
		s->oldest_ns = gone->since_ns;
}

static void on_gone(void *context, const struct heap_gone *gone)
{
	struct profile *p = context;
	struct profile_site *site = site_at(p, gone->mark.site);
	bool ended = gone->end == HEAP_ENDED;

	if (site) {
		keep_peak(p, site);
		if (ended)
			end_block(p, site, gone);
		else
			take(&site->live, gone->size);
	}
	if (gone->of_pool)
		return;
	if (ended) {
		end_block(p, &p->all, gone);
		return;
	}
	take(&p->all.live, gone->size);
	take(&p->sizes[profile_size_class(gone->size)].live, gone->size);
}

void profile_init(struct profile *p, struct heap *heap, uint64_t older_ns, uint32_t within)
{
	*p = (struct profile){.heap = heap, .older_ns = older_ns, .within = within};
	table_init(&p->calls, sizeof(uint64_t), sizeof(struct thread_calls), MAX_THREADS);
	heap->on_gone = on_gone;
	heap->gone_context = p;
}

void profile_fini(struct profile *p)
{
	if (p->heap)
		p->heap->on_gone = NULL;
	free(p->sites);
	table_fini(&p->calls);
	*p = (struct profile){0};
}

/* ---- calls ---- */

/* The number of this call among those of its thread; 0: unknown. */
static uint32_t count_call(struct profile *p, const struct event *e)
{
	uint64_t key = e->tid;
	struct thread_calls *calls;
	bool fresh;

	calls = table_insert(&p->calls, &key, &fresh);
	if (!calls)
		return 0;
	return event_is_pool(e) ? ++calls->pool : ++calls->kin;
}

/* What is known of a block that a call takes back. */
struct life {
	uint64_t ns;
	bool temporary, elsewhere;
};

static struct life life_of(const struct profile *p, const struct event *e,
			   const struct heap_note *note, uint32_t call)
{
	bool elsewhere = e->tid != note->old_tid;

	return (struct life){
		.ns = span(note->old_since_ns, event_begin_ns(e)),
		.elsewhere = elsewhere,
		.temporary = call && note->old_mark.call && !elsewhere &&
			     call - note->old_mark.call <= p->within,
	};
}

static unsigned int decade_of(uint64_t ns)
{
	unsigned int decade = 0;

	while (decade < PROFILE_LIFETIMES - 1 && ns >= profile_lifetime_limit(decade))
		decade++;
	return decade;
}

static void count_life(struct profile_site *s, const struct life *life, unsigned int decade)
{
	s->freed++;
	s->temporary += life->temporary;
	s->freed_elsewhere += life->elsewhere;
	s->lifetime_ns += life->ns;
	if (life->ns > s->longest_ns)
		s->longest_ns = life->ns;
	s->lifetimes[decade]++;
}

static void apply_old(struct profile *p, const struct event *e, const struct heap_note *note,
		      uint32_t call)
{
	struct profile_site *site = site_at(p, note->old_mark.site);
	struct life life = life_of(p, e, note, call);
	unsigned int decade = decade_of(life.ns);
	struct profile_size *size = &p->sizes[profile_size_class(note->old_size)];

	if (site)
		count_life(site, &life, decade);
	if (event_is_pool(e))
		return;
	count_life(&p->all, &life, decade);
	size->freed++;
	size->temporary += life.temporary;
	size->lifetime_ns += life.ns;
}

static void count_handed_out(struct profile_site *s, const struct event *e, bool followed)
{
	if (!s->allocated.blocks || e->size < s->smallest)
		s->smallest = e->size;
	if (!s->allocated.blocks || e->size > s->largest)
		s->largest = e->size;
	if (!s->allocated.blocks || e->ts_ns < s->first_ns)
		s->first_ns = e->ts_ns;
	if (!s->allocated.blocks || e->ts_ns > s->last_ns)
		s->last_ns = e->ts_ns;
	add(&s->allocated, e->size);
	if (followed)
		add(&s->live, e->size);
	if (!e->measured)
		return;
	s->latency_count++;
	s->latency_ns += e->latency_ns;
	if (e->latency_ns > s->latency_max)
		s->latency_max = e->latency_ns;
}

static void count_realloc(struct profile_site *s, const struct event *e,
			  const struct heap_note *note, uint32_t chain)
{
	s->reallocs++;
	if (chain > s->chain)
		s->chain = chain;
	if (e->addr == e->old_addr)
		return;
	s->moved++;
	s->moved_bytes += note->old_size < e->size ? note->old_size : e->size;
}

/* More is held than ever before. */
static void look_for_peak(struct profile *p, const struct event *e)
{
	struct profile_counts now = held(&p->all);

	if (now.bytes <= p->all.at_peak.bytes)
		return;
	p->all.moment++;
	p->all.at_peak = now;
	p->peak_ns = event_end_ns(e);
}

static void apply_new(struct profile *p, const struct event *e, const struct heap_note *note,
		      struct profile_site *site)
{
	struct profile_size *size = &p->sizes[profile_size_class(e->size)];

	if (site) {
		keep_peak(p, site);
		count_handed_out(site, e, note->mark);
	} else {
		p->refused++;
	}
	if (event_is_pool(e))
		return;
	count_handed_out(&p->all, e, note->mark);
	add(&size->allocated, e->size);
	if (!note->mark)
		return;
	add(&size->live, e->size);
	look_for_peak(p, e);
}

static void apply_failed(struct profile *p, const struct event *e, struct profile_site *site)
{
	if (site)
		site->failed++;
	if (!event_is_pool(e))
		p->all.failed++;
}

/* Of the block that the event hands out: so often it has been moved by then. */
static uint32_t chain_of(const struct event *e, const struct heap_note *note)
{
	if (e->kind != EVENT_REALLOC)
		return 0;
	return note->old_mark.chain + (e->addr != e->old_addr);
}

static void apply_allocation(struct profile *p, const struct event *e, const struct heap_note *note,
			     uint32_t number)
{
	struct profile_site *site = make_site(p, number);
	uint32_t call, chain = chain_of(e, note);

	if (e->failed) {
		apply_failed(p, e, site);
		return;
	}
	call = count_call(p, e);
	if (note->old_known)
		apply_old(p, e, note, call);
	if (e->kind == EVENT_REALLOC) {
		count_realloc(&p->all, e, note, chain);
		if (site)
			count_realloc(site, e, note, chain);
	}
	if (note->mark) {
		note->mark->site = site ? number : NO_SITE;
		note->mark->call = call;
		note->mark->chain = chain;
	}
	if (e->addr && !e->new_unsampled)
		apply_new(p, e, note, site);
}

void profile_apply(struct profile *p, const struct event *e, const struct heap_note *note,
		   uint32_t site)
{
	uint32_t call;

	if (e->kind == EVENT_ALLOC || e->kind == EVENT_REALLOC || e->kind == EVENT_POOL_ALLOC) {
		apply_allocation(p, e, note, site);
	} else if ((e->kind == EVENT_FREE || e->kind == EVENT_POOL_FREE) && e->addr) {
		call = count_call(p, e);
		if (note->old_known)
			apply_old(p, e, note, call);
	}
}

struct profile_counts profile_at_peak(const struct profile *p, const struct profile_site *site)
{
	return site->moment == p->all.moment ? site->at_peak : held(site);
}

/* ---- what is left ---- */

struct leak_walk {
	const struct profile *profile;
	struct profile_leak *leaks;
	uint64_t now_ns;
};

static void add_leak(void *context, const struct heap_gone *block)
{
	struct leak_walk *w = context;
	struct profile_leak *leak;

	if (block->mark.site >= w->profile->count)
		return;
	leak = &w->leaks[block->mark.site];
	if (span(block->since_ns, w->now_ns) >= w->profile->older_ns)
		add(&leak->old, block->size);
	if (!leak->oldest_ns || block->since_ns < leak->oldest_ns)
		leak->oldest_ns = block->since_ns;
}

struct profile_leak *profile_leaks(const struct profile *p, uint64_t now_ns)
{
	struct profile_leak *leaks = p->count ? calloc(p->count, sizeof(*leaks)) : NULL;
	struct leak_walk w = {.profile = p, .leaks = leaks, .now_ns = now_ns};

	if (!leaks)
		return NULL;
	for (uint32_t i = 0; i < p->count; i++)
		leaks[i] = (struct profile_leak){.old = p->sites[i].old,
						 .oldest_ns = p->sites[i].oldest_ns};
	heap_each_live(p->heap, add_leak, &w);
	return leaks;
}

/* ---- classes ---- */

uint64_t profile_lifetime_limit(unsigned int decade)
{
	static const uint64_t limits[PROFILE_LIFETIMES] = {
		1000ULL,         10000ULL,         100000ULL,         1000000ULL,
		10000000ULL,     100000000ULL,     1000000000ULL,     10000000000ULL,
		100000000000ULL, 1000000000000ULL, 10000000000000ULL, UINT64_MAX,
	};

	return limits[decade];
}

unsigned int profile_size_class(uint64_t size)
{
	unsigned int class;

	if (size < 2)
		return (unsigned int)size;
	class = 65 - (unsigned int)__builtin_clzll(size - 1);
	return class < PROFILE_SIZES ? class : PROFILE_SIZES - 1;
}

uint64_t profile_size_limit(unsigned int class)
{
	if (!class)
		return 0;
	return class < PROFILE_SIZES - 1 ? 1ULL << (class - 1) : UINT64_MAX;
}
