// SPDX-License-Identifier: MIT
/*
 * The checks of chunks that go, and of pools that do. What a freed chunk leaves behind lies among
 * the blocks, at the place where its next hand-out is looked for anyway: it costs no look-up, and
 * saves a removal.
 */
#include "core/check_parts.h"

#define MIN_PURGE  1024 /* so many are forgotten at once, or none */
#define MAX_SITES  4096 /* from which the chunks of one leaking pool came */
#define MAX_OWNERS 64   /* pools of a process among which a chunk's is looked for */

/* Every call of the pool since it was made has been seen. */
static bool is_complete(struct heap *h, const struct pool_state *state)
{
	return state->created_ns > h->findings.lost_ns && state->created_ns > doubt_known_since(h);
}

static bool forget_remembered(const void *key, void *value, void *context)
{
	(void)key;
	(void)context;
	return ((const struct heap_block *)value)->remembered;
}

/* When there are too many, those of the process at hand go, all at once. */
static void make_room(struct heap *h, struct heap_process *p)
{
	if (h->findings.remembered < CHECK_MAX_REMEMBERED || p->remembered < MIN_PURGE)
		return;
	h->findings.refused += p->remembered;
	h->findings.remembered -= p->remembered;
	p->remembered = 0;
	table_sweep(&p->blocks, forget_remembered, NULL);
}

void check_free(struct heap *h, struct heap_process *p, struct pool_state *state,
		const struct event *e)
{
	check_thread(p, e);
	if (state->suspects)
		doubt_acquit(h, state, e);
	make_room(h, p);
}

/* No free that was over before comes as late as this one. */
static bool is_long_after(const struct event *e, const struct heap_block *block)
{
	return event_begin_ns(e) > block->since_ns + DOUBT_LATE_NS;
}

bool check_remember(struct heap *h, struct heap_process *p, struct pool_state *state,
		    const struct event *e, struct heap_block *block)
{
	if (!checks_history(h, e))
		return false;
	if (state->starts.words)
		starts_remove(&state->starts, e->addr);
	if (block->since_ns <= state->since_ns)
		return false;
	if (h->findings.remembered >= CHECK_MAX_REMEMBERED) {
		h->findings.refused++;
		return false;
	}
	block->gone = block->remembered = true;
	block->sure_by_thread = e->tid == block->tid;
	block->sure_by_time = is_long_after(e, block);
	block->since_ns = event_end_ns(e);
	block->site = e->frames ? e->stack[0] : 0;
	block->tid = e->tid;
	p->remembered++;
	h->findings.remembered++;
	return true;
}

void check_forget(struct heap *h, struct heap_process *p, const struct heap_block *block)
{
	if (!block->remembered)
		return;
	p->remembered--;
	h->findings.remembered--;
}

/*
 * Each free comes after its own allocation, however late: one too many is one, when all was seen.
 * When the pool had begun before, one of the two may be the late one of a hand-out that was not
 * seen.
 */
static bool are_both_sure(const struct event *e, const struct heap_block *block)
{
	if (block->sure_by_time)
		return true;
	return block->sure_by_thread && (e->tid == block->tid || is_long_after(e, block));
}

static void check_twice_freed(struct heap *h, struct heap_process *p, struct pool_state *state,
			      const struct event *e, struct heap_block *block)
{
	struct finding f = check_found(h, state, e, e->pool, FINDING_TWICE_FREED);
	uint64_t since = block->since_ns;

	f.size = block->size;
	set_other(&f, block);
	block->excess = true;
	if (!is_complete(h, state)) {
		if (!are_both_sure(e, block))
			return;
		since = since > DOUBT_LATE_NS ? since - DOUBT_LATE_NS : 0;
	}
	if (doubt_is_sound(h, state, &f, since))
		doubt_tell(h, p, &f);
}

struct owner_search {
	const struct heap_process *process;
	uint64_t addr, not_pool;
	struct heap_block *block;
	struct pool_state *state;
	uint64_t pool;
};

static bool is_owner(const void *key, void *value, void *context)
{
	struct owner_search *s = context;
	uint64_t pool = *(const uint64_t *)key;
	struct heap_block *block;

	if (pool == s->not_pool)
		return false;
	block = block_at(s->process, pool, s->addr);
	if (!block || block->gone || !is_judged(value, block))
		return false;
	s->block = block;
	s->state = value;
	s->pool = pool;
	return false;
}

struct heap_block *check_owner(struct heap_process *p, uint64_t addr, uint64_t pool,
			       struct pool_state **state, uint64_t *owner)
{
	struct owner_search s = {.process = p, .addr = addr, .not_pool = pool};

	if (!p->pools.count || p->pools.count > MAX_OWNERS)
		return NULL;
	table_sweep(&p->pools, is_owner, &s);
	*state = s.state;
	*owner = s.pool;
	return s.block;
}

/* From now on the chunk is in the one pool and belongs to the other. */
static void move_away(struct heap *h, struct heap_process *p, const struct event *e,
		      struct heap_block *block)
{
	struct heap_key key = {.pool = e->pool, .addr = e->addr};
	uint64_t size = block->size;
	struct heap_block *here;
	bool fresh;

	block->away = true;
	if (h->findings.remembered >= CHECK_MAX_REMEMBERED)
		return;
	here = table_insert(&p->blocks, &key, &fresh);
	if (!here)
		return;
	if (fresh) {
		p->remembered++;
		h->findings.remembered++;
	}
	*here = (struct heap_block){
		.size = size,
		.since_ns = event_end_ns(e),
		.site = e->frames ? e->stack[0] : 0,
		.tid = e->tid,
		.gone = true,
		.remembered = true,
		.away = true,
	};
}

static bool check_other_pool(struct heap *h, struct heap_process *p, const struct event *e,
			     struct pool_state *state)
{
	struct finding f = check_found(h, state, e, e->pool, FINDING_OTHER_POOL);
	struct pool_state *owner;
	struct heap_block *block;
	uint64_t pool;

	if (state->bytes && is_inside(state, e))
		return false;
	block = check_owner(p, e->addr, e->pool, &owner, &pool);
	if (!block)
		return false;
	f.other_pool = h->pool_rows[owner->row].name;
	f.size = block->size;
	set_other(&f, block);
	if (!heap_pool_is_arena(h, owner) && doubt_is_sound(h, owner, &f, block->since_ns))
		doubt_tell(h, p, &f);
	move_away(h, p, e, block);
	return true;
}

/* A free in its region that nothing explains: allocations of this pool go by unseen (it lies under
 * a malloc that is traced). Then nothing is known of its chunks. */
void check_unmatched(struct heap *h, struct heap_process *p, struct pool_state *state,
		     const struct event *e)
{
	struct heap_block *block = block_at(p, e->pool, e->addr);

	if (!checks_history(h, e))
		return;
	if (block && is_judged(state, block)) {
		if (block->remembered)
			check_twice_freed(h, p, state, e, block);
		return;
	}
	if (check_other_pool(h, p, e, state) || !is_inside(state, e))
		return;
	if (is_complete(h, state) && !h->findings.refused)
		state->hidden = true;
}

/* ---- the end ---- */

/* Chunks in use that came from one place. */
struct leak {
	uint64_t chunks, bytes, addr, since_ns, tid;
};

struct leak_sweep {
	uint64_t pool, since_ns;
	struct table sites; /* return address -> struct leak */
};

static bool add_leak(const void *key, void *value, void *context)
{
	const struct heap_key *at = key;
	const struct heap_block *block = value;
	struct leak_sweep *s = context;
	struct leak *leak;
	bool fresh;

	if (at->pool != s->pool || block->gone || block->away || block->since_ns <= s->since_ns)
		return false;
	leak = table_insert(&s->sites, &block->site, &fresh);
	if (!leak)
		return false;
	leak->chunks++;
	leak->bytes += block->size;
	if (!fresh && leak->since_ns <= block->since_ns)
		return false;
	leak->addr = at->addr;
	leak->since_ns = block->since_ns;
	leak->tid = block->tid;
	return false;
}

struct leak_report {
	struct heap *heap;
	struct heap_process *process;
	struct pool_state *state;
	struct finding finding;
};

static bool tell_leak(const void *key, void *value, void *context)
{
	const struct leak *leak = value;
	struct leak_report *r = context;
	struct finding f = r->finding;

	f.other_site = *(const uint64_t *)key;
	f.other_tid = (uint32_t)leak->tid;
	f.other_ns = leak->since_ns;
	f.addr = leak->addr;
	f.chunks = leak->chunks;
	f.chunk_bytes = leak->bytes;
	if (doubt_is_sound(r->heap, r->state, &f, leak->since_ns))
		doubt_tell(r->heap, r->process, &f);
	return false;
}

/* The pool's chunks in use, by the place that they came from; those of which this is certain. */
static void sweep_leaks(struct heap *h, struct heap_process *p, const struct pool_state *state,
			uint64_t pool, struct leak_sweep *s)
{
	uint64_t known = doubt_known_since(h);

	*s = (struct leak_sweep){.pool = pool,
				 .since_ns = known > state->since_ns ? known : state->since_ns};
	table_init(&s->sites, sizeof(uint64_t), sizeof(struct leak), MAX_SITES);
	table_sweep(&p->blocks, add_leak, s);
	h->findings.refused += s->sites.refused;
}

static bool can_leak(const struct heap *h, const struct pool_state *state, const struct event *e)
{
	return checks_history(h, e) && state->live && !state->hidden &&
	       !heap_pool_is_arena(h, state);
}

static void check_leaks(struct heap *h, struct heap_process *p, struct pool_state *state,
			const struct event *e)
{
	struct leak_report r = {.heap = h, .process = p, .state = state};
	struct leak_sweep s;

	if (!can_leak(h, state, e))
		return;
	sweep_leaks(h, p, state, e->pool, &s);
	r.finding = check_found(h, state, e, e->pool, FINDING_LEAKED);
	table_sweep(&s.sites, tell_leak, &r);
	table_fini(&s.sites);
}

void check_destroy(struct heap *h, struct heap_process *p, struct pool_state *state,
		   const struct event *e)
{
	if (!checks_any(h, e))
		return;
	doubt_end_pool(h, state, e);
	check_leaks(h, p, state, e);
	check_start_anew(h, p, state, e);
}

static bool add_up(const void *key, void *value, void *context)
{
	const struct leak *leak = value;
	struct finding *f = context;

	f->chunks += leak->chunks;
	f->chunk_bytes += leak->bytes;
	if (f->other_ns && f->other_ns <= leak->since_ns)
		return false;
	f->other_site = *(const uint64_t *)key;
	f->other_tid = (uint32_t)leak->tid;
	f->other_ns = leak->since_ns;
	return false;
}

/* A realloc of what lay there before the pool, reported late, does not take its region. What the
 * user's own functions hand out and take back may be parts of it. */
void check_region_freed(struct heap *h, struct heap_process *p, const struct event *e,
			uint64_t addr)
{
	const uint64_t *holds = table_find(&p->held, &addr);
	uint64_t pool = holds ? *holds : 0;
	struct pool_state *state = holds ? table_find(&p->pools, &pool) : NULL;
	struct leak_sweep s;
	struct finding f;

	if (!state || e->ts_ns <= state->created_ns || h->own_functions >> e->function & 1)
		return;
	check_let_go(p, state, pool);
	if (!can_leak(h, state, e))
		return;
	sweep_leaks(h, p, state, pool, &s);
	f = check_found(h, state, e, pool, FINDING_REGION_FREED);
	f.addr = addr;
	table_sweep(&s.sites, add_up, &f);
	table_fini(&s.sites);
	if (f.chunks && doubt_is_sound(h, state, &f, UINT64_MAX))
		doubt_tell(h, p, &f);
	state->since_ns = e->ts_ns;
}
