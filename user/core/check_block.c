// SPDX-License-Identifier: MIT
/*
 * The checks of blocks of malloc's kin: freed twice, freed although no block, freed by another
 * allocator. Why a free too many can be told at once stands in finding.h; what is refused here is
 * what only looks like one:
 *
 * A child inherits its parent's blocks, so what a forked process frees is not judged. A function
 * that frees by calling another one (operator delete, free) shows as two frees of one thread by two
 * functions. Between such calls nothing is told, nor where a late record has claimed a block, since
 * then the last free at that address is not known.
 *
 * What was freed is remembered by address until it is freed again: an allocation need not look it
 * up, since a block that is in use is found first. Of too many the older half is forgotten.
 */
#include "core/check_parts.h"

#include <string.h>

static uint8_t family_of(const struct heap *h, unsigned int function)
{
	return function < EVENT_MAX_FUNCTIONS ? h->findings.families[function] : 0;
}

static bool checks_block(const struct heap *h, const struct heap_process *p, const struct event *e)
{
	return checks_history(h, e) && !p->forked && family_of(h, e->function);
}

/* ---- what was freed ---- */

static void forget(struct heap *h, struct heap_process *p, uint64_t addr)
{
	if (p->freed.count && table_remove(&p->freed, &addr))
		h->findings.freed--;
}

static bool is_older(const void *key, void *value, void *context)
{
	(void)key;
	return ((const struct freed_block *)value)->serial <= *(const uint64_t *)context;
}

static bool make_room(struct heap *h, struct heap_process *p)
{
	uint64_t until = p->freed_serial - p->freed.count / 2;
	size_t before = p->freed.count;

	if (before < CHECK_MAX_FREED && h->findings.freed < CHECK_ALL_FREED)
		return true;
	table_sweep(&p->freed, is_older, &until);
	h->findings.freed -= before - p->freed.count;
	h->findings.forgotten += before - p->freed.count;
	return h->findings.freed < CHECK_ALL_FREED;
}

static void remember(struct heap *h, struct heap_process *p, const struct event *e, uint64_t addr,
		     const struct heap_block *block)
{
	struct freed_block *freed = NULL;
	bool fresh;

	if (make_room(h, p))
		freed = table_insert(&p->freed, &addr, &fresh);
	if (!freed) {
		forget(h, p, addr);
		h->findings.forgotten++;
		return;
	}
	h->findings.freed += fresh;
	*freed = (struct freed_block){
		.size = block->size,
		.made_ns = block->since_ns,
		.made_site = block->site,
		.made_tid = block->tid,
		.made_function = block->pool_row,
		.freed_ns = e->ts_ns,
		.freed_site = e->frames ? e->stack[0] : 0,
		.freed_tid = e->tid,
		.freed_function = (uint16_t)e->function,
		.serial = ++p->freed_serial,
		.by_free = e->kind == EVENT_FREE && !e->by_realloc,
	};
}

void check_block_late(struct heap *h, struct heap_process *p, uint64_t addr)
{
	forget(h, p, addr);
}

/* ---- findings ---- */

/* This side: the call. */
static struct finding found_block(const struct event *e, uint64_t addr, enum finding_check check)
{
	struct finding f = {
		.check = check,
		.function = e->function,
		.other_function = FINDING_NO_FUNCTION,
		.made_function = FINDING_NO_FUNCTION,
		.pid = e->pid,
		.tid = e->tid,
		.ts_ns = e->ts_ns,
		.addr = addr,
		.stack = e->stack,
		.frames = e->frames,
	};

	memcpy(f.comm, e->comm, sizeof(f.comm));
	return f;
}

/* The other side: where a block was handed out. */
static void set_maker(struct finding *f, const struct heap_block *block)
{
	f->size = block->size;
	f->other_function = block->pool_row;
	set_other(f, block);
}

static void tell_if_sound(struct heap *h, struct heap_process *p, const struct finding *f,
			  uint64_t since_ns)
{
	if (!doubt_was_told(h, p, f) && doubt_block_is_sound(h, p, f, since_ns))
		doubt_tell(h, p, f);
}

static void check_mismatched(struct heap *h, struct heap_process *p, const struct event *e,
			     uint64_t addr, const struct heap_block *block)
{
	struct finding f = found_block(e, addr, FINDING_MISMATCHED);

	set_maker(&f, block);
	tell_if_sound(h, p, &f, block->since_ns);
}

void check_block_freed(struct heap *h, struct heap_process *p, const struct event *e, uint64_t addr,
		       const struct heap_block *block)
{
	uint8_t maker = family_of(h, block->pool_row);

	if (!checks_block(h, p, e) || !maker ||
	    (e->kind == EVENT_REALLOC && e->addr == e->old_addr)) {
		forget(h, p, addr);
		if (!checks_block(h, p, e) || !maker)
			return;
	} else {
		remember(h, p, e, addr, block);
	}
	if (maker != family_of(h, e->function))
		check_mismatched(h, p, e, addr, block);
}

/* One allocator did all three, and not one of its functions through another. */
static bool is_plain_double(const struct heap *h, const struct event *e,
			    const struct freed_block *freed)
{
	uint8_t family = family_of(h, e->function);
	bool by_free = e->kind == EVENT_FREE && !e->by_realloc;

	if (family != family_of(h, freed->made_function) ||
	    family != family_of(h, freed->freed_function))
		return false;
	return e->function == freed->freed_function || e->tid != freed->freed_tid || !by_free ||
	       !freed->by_free;
}

static void check_double(struct heap *h, struct heap_process *p, const struct event *e,
			 uint64_t addr, const struct freed_block *freed)
{
	struct finding f = found_block(e, addr, FINDING_DOUBLE_FREE);

	f.size = freed->size;
	f.other_site = freed->freed_site;
	f.other_tid = freed->freed_tid;
	f.other_ns = freed->freed_ns;
	f.other_function = freed->freed_function;
	f.made_site = freed->made_site;
	f.made_tid = freed->made_tid;
	f.made_ns = freed->made_ns;
	f.made_function = freed->made_function;
	if (is_plain_double(h, e, freed))
		tell_if_sound(h, p, &f, freed->freed_ns);
}

/* A block in use, and whether an address lies within. */
struct inside_search {
	uint64_t addr, begin;
	const struct heap_block *block;
};

static bool is_around(const void *key, void *value, void *context)
{
	const struct heap_key *at = key;
	const struct heap_block *block = value;
	struct inside_search *s = context;

	if (!at->pool && !block->gone && s->addr > at->addr && s->addr - at->addr < block->size) {
		s->begin = at->addr;
		s->block = block;
	}
	return false;
}

/* Once for each place that is told: what the address lies in is worth a look at all blocks. */
static void tell_invalid(struct heap *h, struct heap_process *p, struct finding *f)
{
	struct inside_search s = {.addr = f->addr};

	table_sweep(&p->blocks, is_around, &s);
	if (s.block) {
		set_maker(f, s.block);
		f->other_addr = s.begin;
		f->other_size = s.block->size;
		f->size = 0;
	}
	doubt_tell(h, p, f);
}

/* The chunk of a pool that has its memory from elsewhere than malloc. */
static bool check_chunk(struct heap *h, struct heap_process *p, const struct event *e,
			uint64_t addr)
{
	struct finding f = found_block(e, addr, FINDING_MISMATCHED);
	struct pool_state *state;
	struct heap_block *block;

	block = check_owner(p, addr, 0, &state, &f.pool_addr);
	if (!block)
		return false;
	set_maker(&f, block);
	f.other_function = FINDING_NO_FUNCTION;
	f.other_pool = h->pool_rows[state->row].name;
	tell_if_sound(h, p, &f, 0);
	return true;
}

static void check_invalid(struct heap *h, struct heap_process *p, const struct event *e,
			  uint64_t addr)
{
	struct finding f = found_block(e, addr, FINDING_INVALID_FREE);

	if (!h->findings.whole_life || check_chunk(h, p, e, addr))
		return;
	if (!doubt_was_told(h, p, &f) && doubt_block_is_sound(h, p, &f, 0))
		tell_invalid(h, p, &f);
}

/* Where a block is known at the address after all, the clocks of two CPUs disagree. */
void check_block_unknown(struct heap *h, struct heap_process *p, const struct event *e,
			 uint64_t addr)
{
	const struct freed_block *freed;

	if (!checks_block(h, p, e) || block_at(p, 0, addr))
		return;
	freed = table_find(&p->freed, &addr);
	if (freed)
		check_double(h, p, e, addr, freed);
	else
		check_invalid(h, p, e, addr);
}
