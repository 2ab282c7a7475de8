/* SPDX-License-Identifier: MIT */
/*
 * Less is sent when the ring fills, in steps, so that its room goes to what tells most:
 *
 *	level	  begins when the ring is	what is sent
 *	whole	  below 1/8, and 100 ms later	every call
 *	sampled	  3/4 full			the calls of one block in 16
 *	counts	  7/8 full			none; below 1/2 it is sampled again
 *
 * What is not sent is counted (unsent.bpf.h). Every change leaves a record at its place in the
 * ring: room for that is taken before the level is changed, and when there is none, it is not. A
 * level lasts 100 ms before it is whole again, since a ring that was emptied a moment ago says
 * nothing about the next moment.
 *
 * The level is one word for all CPUs, changed by compare-and-swap: who changes it sends the record.
 * A call that looked at the level just before the change behaves as before it.
 */
#ifndef ALLOCTRACE_PRESSURE_BPF_H
#define ALLOCTRACE_PRESSURE_BPF_H

#define PRESSURE_REST_NS 100000000LL
#define PRESSURE_SHIFT   60 /* of a hash of 64 bits: one in 16 */

static __always_inline __u64 pressure_next(__u64 word, __u64 fill)
{
	__u64 level = word & WIRE_PRESSURE_LEVEL;
	__s64 lasted = bpf_ktime_get_ns() - (word & ~WIRE_PRESSURE_LEVEL);

	if (fill >= config_ring_bytes / 8 * 7)
		return WIRE_COUNTS;
	if (fill >= config_ring_bytes / 4 * 3)
		return level == WIRE_WHOLE ? WIRE_SAMPLED : level;
	if (fill < config_ring_bytes / 8 && lasted > PRESSURE_REST_NS)
		return WIRE_WHOLE;
	return level == WIRE_COUNTS && fill < config_ring_bytes / 2 ? WIRE_SAMPLED : level;
}

/* Takes room for the record first: with none, the level stays. The word as it is afterwards. */
static __always_inline __u64 pressure_change(__u64 word, __u64 level)
{
	struct wire_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	__u64 now = bpf_ktime_get_ns() & ~WIRE_PRESSURE_LEVEL, seen;

	if (!e)
		return word;
	__builtin_memset(e, 0, sizeof(*e));
	e->version = WIRE_VERSION;
	e->kind = WIRE_PRESSURE;
	e->wire_pressure_level = level;
	e->ts_ns = now;
	seen = __sync_val_compare_and_swap(&pressure, word, now | level);
	if (seen != word) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return seen;
	}
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return now | level;
}

/*
 * Whether the calls of the block are among those that are shown: the same answer for its allocation
 * and its release. Other blocks each time, for `word` has the time of the change: a program that
 * has the same block again and again is shown or not by turns.
 */
static __always_inline bool pressure_picks(__u64 word, __u64 addr)
{
	return !((addr ^ word) * 0x9e3779b97f4a7c15ULL >> PRESSURE_SHIFT);
}

/*
 * A reallocation is two blocks' call: shown for either, and what the other one's flag says is that
 * its other calls are not to be looked for.
 */
static __always_inline bool pressure_samples(struct wire_event *e, __u64 word)
{
	bool picked = pressure_picks(word, e->addr ? e->addr : e->ts_ns), old;

	if (e->kind != WIRE_REALLOC || e->flags & WIRE_FAILED)
		return picked;
	old = pressure_picks(word, e->old_addr);
	if (!picked && !old)
		return false;
	if (!picked)
		e->flags |= WIRE_NEW_UNSAMPLED;
	if (!old)
		e->flags |= WIRE_OLD_UNSAMPLED;
	return true;
}

/* Whether the record is to be sent; pools' creations and ends always are. */
static __always_inline bool pressure_admits(struct wire_event *e)
{
	__u64 word = *(volatile __u64 *)&pressure;
	__u64 fill = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA), level;

	if (!(word & WIRE_PRESSURE_LEVEL) && fill < config_ring_bytes / 4 * 3)
		return true;
	level = pressure_next(word, fill);
	if (level != (word & WIRE_PRESSURE_LEVEL))
		word = pressure_change(word, level);
	level = word & WIRE_PRESSURE_LEVEL;
	if (level == WIRE_WHOLE || e->kind == WIRE_POOL_DESTROY)
		return true;
	return level == WIRE_SAMPLED && pressure_samples(e, word);
}

#endif
