/* SPDX-License-Identifier: MIT */
/*
 * Sampling by bytes: every thread lets a random number of bytes go by, exponentially distributed
 * with the mean config_sample_bytes (R), and samples the allocation in which they run out. So a
 * block of S bytes is sampled with the probability 1 - e^(-S/R), whatever came before it, and each
 * sample stands for S / (1 - e^(-S/R)) bytes: no bias against any size or pattern (the method of
 * tcmalloc's and jemalloc's heap profilers). Frees are events only for blocks that were sampled.
 *
 * All calls are counted in `totals`, so that the books stay exact.
 */
#ifndef ALLOCTRACE_SAMPLE_BPF_H
#define ALLOCTRACE_SAMPLE_BPF_H

#define LN2_Q26 46516320ULL /* ln 2, 26 bits behind the point */

/* floor(log2(x)), x > 0: BPF has no instruction for it. */
static __always_inline __u32 log2_floor(__u32 x)
{
	__u32 n = 0;

	for (__u32 shift = 16; shift; shift >>= 1) {
		if (x >> shift) {
			n += shift;
			x >>= shift;
		}
	}
	return n;
}

/*
 * log2(x) with 32 bits behind the point: from the table, and linear in between. Close to 2^32 the
 * result is as good in relation to its distance from 32, which is what small blocks depend on.
 */
static __always_inline __u64 log2_q32(__u32 x)
{
	__u32 whole = log2_floor(x);
	__u64 mantissa = ((__u64)x << (32 - whole)) & 0xffffffff; /* 32 bits behind the point */
	__u32 step = mantissa >> 22 & (LOG2_STEPS - 1);
	__u64 rest = mantissa & ((1 << 22) - 1);
	__u64 low = config_log2[step], high = config_log2[step + 1];

	return ((__u64)whole << 32) + low + ((high - low) * rest >> 22);
}

/* Bytes until the next sample: -ln(u) * R, rounded up. */
static __always_inline __s64 sample_draw(void)
{
	__u32 u = bpf_get_prandom_u32();
	__u64 bits = (32ULL << 32) - log2_q32(u ? u : 1); /* -log2(u / 2^32) */
	__u64 nats = (bits >> 6) * LN2_Q26 >> 20;         /* 32 bits behind the point */

	return config_sample_bytes * (nats >> 32) +
	       (config_sample_bytes * (nats & 0xffffffff) >> 32) + 1;
}

static __always_inline bool sample_takes(struct call *call, __u64 size)
{
	if (!call->seeded) {
		call->seeded = 1;
		call->until_sample = sample_draw();
	}
	if (size < (__u64)call->until_sample) {
		call->until_sample -= size;
		return false;
	}
	call->until_sample = sample_draw();
	return true;
}

static __always_inline struct sample_key sample_key_of(__u32 tgid, __u64 addr)
{
	return (struct sample_key){.addr = addr, .tgid = (__u64)program_stamp() << 32 | tgid};
}

static __always_inline void sample_remember(const struct wire_event *e, __u64 addr)
{
	struct sample_key key = sample_key_of(e->tgid, addr);
	__u8 yes = 1;

	if (bpf_map_update_elem(&sampled, &key, &yes, BPF_ANY))
		count(WIRE_UNTRACKED);
}

/* Whether the block was sampled; it is not any more. */
static __always_inline bool sample_forget(__u64 pid_tgid, __u64 addr)
{
	struct sample_key key = sample_key_of(pid_tgid >> 32, addr);

	return addr && !bpf_map_delete_elem(&sampled, &key);
}

static __always_inline struct wire_totals *totals_of(__u32 function)
{
	return bpf_map_lookup_elem(&totals, &function);
}

/* At entry, as if it will succeed. */
static __always_inline void totals_enter(__u32 function, __u64 size, bool null)
{
	struct wire_totals *t = totals_of(function);

	if (!t)
		return;
	__sync_fetch_and_add(&t->count, 1);
	__sync_fetch_and_add(&t->bytes, size);
	if (null)
		__sync_fetch_and_add(&t->null, 1);
}

/* On return: what did not succeed is taken back. */
static __always_inline void totals_settle(__u32 function, const struct wire_event *e)
{
	struct wire_totals *t;

	if (!(e->flags & (WIRE_FAILED | WIRE_BY_REALLOC)))
		return;
	t = totals_of(function);
	if (!t)
		return;
	if (e->flags & WIRE_BY_REALLOC) {
		__sync_fetch_and_add(&t->freed, 1);
		return;
	}
	__sync_fetch_and_add(&t->failed, 1);
	__sync_fetch_and_add(&t->bytes, -e->size);
}

#endif
