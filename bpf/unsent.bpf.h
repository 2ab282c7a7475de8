/* SPDX-License-Identifier: MIT */
/*
 * What does not get into the ring, be it full or filling, adds itself to the books here in the same
 * moment: calls = records in the ring + these. So the books are exact whatever is lost, and a run
 * that loses nothing pays nothing.
 *
 * The books before the counter of the cause, and the reader the other way round: when the counters
 * say that all calls are accounted for, the books have them.
 */
#ifndef ALLOCTRACE_UNSENT_BPF_H
#define ALLOCTRACE_UNSENT_BPF_H

static const struct wire_pool_totals pool_totals_zero;

/* As the user side's heap adds up events. */
static __always_inline void unsent_add(struct wire_totals *t, const struct wire_event *e)
{
	__sync_fetch_and_add(&t->count, 1);
	if (e->kind == WIRE_FREE || e->kind == WIRE_POOL_FREE) {
		if (!e->addr)
			__sync_fetch_and_add(&t->null, 1);
		if (e->flags & WIRE_BY_REALLOC)
			__sync_fetch_and_add(&t->freed, 1);
	} else if (e->flags & WIRE_FAILED) {
		__sync_fetch_and_add(&t->failed, 1);
	} else {
		__sync_fetch_and_add(&t->bytes, e->size);
	}
}

static __always_inline struct wire_pool_totals *unsent_pool(const struct wire_event *e)
{
	struct sample_key where = {.addr = e->pool, .tgid = e->tgid};
	struct wire_pool_key key = {.tgid = e->tgid, .pool = e->pool};
	__u64 *birth_ns = bpf_map_lookup_elem(&births, &where);
	struct wire_pool_totals *t;

	if (birth_ns)
		key.birth_ns = *birth_ns;
	t = bpf_map_lookup_elem(&unsent_pools, &key);
	if (t)
		return t;
	bpf_map_update_elem(&unsent_pools, &key, &pool_totals_zero, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&unsent_pools, &key);
	if (!t)
		count(WIRE_UNCOUNTED);
	return t;
}

static __always_inline void unsent_pool_add(const struct wire_event *e)
{
	struct wire_pool_totals *t = unsent_pool(e);

	if (!t)
		return;
	unsent_add(e->kind == WIRE_POOL_ALLOC ? &t->alloc : &t->free, e);
	if (!e->weighted_bytes || e->flags & WIRE_FAILED)
		return;
	__sync_fetch_and_add(&t->weighted_bytes, e->weighted_bytes);
	__sync_fetch_and_add(&t->weighted_thousandths,
			     e->weighted_bytes * 1000 / (e->size ? e->size : 1));
}

/* The call of this record will not be in the ring. Creations and destructions are in no books. */
static __always_inline void unsent_count(const struct wire_event *e)
{
	struct wire_totals *t;

	if (e->kind == WIRE_POOL_ALLOC || e->kind == WIRE_POOL_FREE) {
		unsent_pool_add(e);
		return;
	}
	if (e->kind > WIRE_REALLOC || config_sample_bytes)
		return; /* totals_enter has counted it */
	t = totals_of(e->function);
	if (t)
		unsent_add(t, e);
}

/* A pool is made: what is counted at its address from now on is its own. */
static __always_inline void unsent_birth(const struct wire_event *e)
{
	struct sample_key where = {.addr = e->pool, .tgid = e->tgid};
	__u64 ts_ns = e->ts_ns;

	if (!config_lanes)
		bpf_map_update_elem(&births, &where, &ts_ns, BPF_ANY);
}

static __always_inline void unsent_death(const struct wire_event *e)
{
	struct sample_key where = {.addr = e->pool, .tgid = e->tgid};

	if (!config_lanes)
		bpf_map_delete_elem(&births, &where);
}

#endif
