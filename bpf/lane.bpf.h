/* SPDX-License-Identifier: MIT */
/*
 * Adds calls up where nobody wants to see each: a map of what they have in common and how long they
 * took, per CPU. No record, no reader that could fall behind, and so nothing that could be lost but
 * for want of memory, which is counted.
 *
 * The buckets are those of core/hist.c: exact below 64, and 64 to every power of two above.
 */
#ifndef ALLOCTRACE_LANE_BPF_H
#define ALLOCTRACE_LANE_BPF_H

#define SLICE_SHIFT 23 /* a turn of time is 2^23 ns = 8.4 ms: 256 of them last 2.1 s */

static const struct wire_lane lane_zero;

static __always_inline __u32 log2_floor64(__u64 x)
{
	return x >> 32 ? 32 + log2_floor(x >> 32) : log2_floor(x);
}

static __always_inline __u32 lane_bucket(__u64 value)
{
	__u32 octave;

	if (value < 1 << WIRE_BUCKET_BITS)
		return value;
	octave = log2_floor64(value) - WIRE_BUCKET_BITS;
	return ((octave + 1) << WIRE_BUCKET_BITS) + (value >> octave) - (1 << WIRE_BUCKET_BITS);
}

/* n: above 2^(n-1) up to 2^n. */
static __always_inline __u8 lane_size_class(__u64 size)
{
	return size > 1 ? log2_floor64(size - 1) + 1 : 0;
}

/* The largest value of this CPU: another program may have preempted us in between, so try again. */
static __always_inline void lane_max(struct wire_lane *lane, __u64 value)
{
	for (int i = 0; i < 4; i++) {
		__u64 seen = lane->max;

		if (value <= seen || __sync_val_compare_and_swap(&lane->max, seen, value) == seen)
			return;
	}
}

static __always_inline struct wire_lane *lane_get(struct wire_lane_key *key)
{
	struct wire_lane *lane = bpf_map_lookup_elem(&lanes, key);

	if (lane)
		return lane;
	bpf_map_update_elem(&lanes, key, &lane_zero, BPF_NOEXIST);
	lane = bpf_map_lookup_elem(&lanes, key);
	/* The calibrator's calls are in no books: one that finds no room is no loss. */
	if (!lane && !is_calibrator((__u64)key->tgid << 32))
		count(WIRE_LOST_MAP_FULL);
	return lane;
}

/* One more of the key's kind, which took `value`. NULL: it is lost, and counted as such. */
static __always_inline struct wire_lane *lane_add(struct wire_lane_key *key, __u64 value,
						  __u64 bytes)
{
	struct wire_lane *lane;

	key->bucket = lane_bucket(value);
	lane = lane_get(key);
	if (!lane)
		return NULL;
	__sync_fetch_and_add(&lane->count, 1);
	__sync_fetch_and_add(&lane->sum, value);
	__sync_fetch_and_add(&lane->bytes, bytes);
	lane_max(lane, value);
	return lane;
}

static __always_inline __u8 lane_slice(__u64 now)
{
	return config_slices ? now >> SLICE_SHIFT & 255 : 0;
}

/* ---- calls of functions */

/* The header of a record that is never sent: what lane_leave asks for. */
static __always_inline void lane_begin(struct wire_event *e, __u64 pid_tgid, __u8 kind,
				       __u8 function)
{
	e->kind = kind;
	e->function = function;
	e->flags = 0;
	e->tgid = pid_tgid >> 32;
	e->addr = 0;
}

/* The last thing before the clock is read: what the thread has been through until now. */
static __always_inline void lane_enter(struct call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();

	call->cpu = bpf_get_smp_processor_id();
	call->switches = task->nvcsw + task->nivcsw;
	if (!config_why)
		return;
	call->faults = task->min_flt + task->maj_flt;
	call->cause = 0;
	call->off_ns = 0;
	__builtin_memset(call->times, 0, sizeof(call->times));
	__builtin_memset(call->ns, 0, sizeof(call->ns));
}

/*
 * Memory that has just been mapped must be touched to be used: the one or two faults of a call that
 * maps some are part of the mapping's price, and those of a call that fills it are not.
 */
static __always_inline bool lane_maps(const struct call *call, int cause, __u64 faults)
{
	return call->times[cause] && faults <= 2 * call->times[cause];
}

/* What most of the window went into, the probe's own share left out. */
static __always_inline __u8 lane_cause(struct call *call, __u64 latency)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 faults = task->min_flt + task->maj_flt - call->faults;
	__u8 cause = faults ? WIRE_PAGE_FAULTS : WIRE_OWN_CODE;
	__u64 rest = latency, most;

	call->times[WIRE_PAGE_FAULTS] = faults;
	for (int i = WIRE_FUTEX; i < WIRE_NR_CAUSES; i++)
		rest -= call->ns[i] < rest ? call->ns[i] : rest;
	most = probe_cost[call->class & 15] < rest ? rest - probe_cost[call->class & 15] : 0;
	if (faults && lane_maps(call, WIRE_MMAP, faults))
		cause = WIRE_MMAP;
	else if (faults && lane_maps(call, WIRE_BRK, faults))
		cause = WIRE_BRK;
	for (int i = WIRE_FUTEX; i < WIRE_NR_CAUSES; i++) {
		if (call->ns[i] > most) {
			most = call->ns[i];
			cause = i;
		}
	}
	return cause;
}

static __always_inline void lane_why(struct wire_lane *lane, const struct call *call)
{
	for (int i = WIRE_PAGE_FAULTS; i < WIRE_NR_CAUSES; i++) {
		if (!call->times[i])
			continue;
		__sync_fetch_and_add(&lane->times[i], call->times[i]);
		__sync_fetch_and_add(&lane->ns[i], call->ns[i]);
	}
}

/* The open call has returned: its record says what it was, and how long it took. */
static __always_inline void lane_leave(struct call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct wire_event *e = &call->event;
	struct wire_lane_key key = {
		.op = WIRE_LANE_CALL,
		.function = e->function,
		.class = call->class,
		.size_class = config_by_size && e->kind != WIRE_FREE ? lane_size_class(e->size)
								     : WIRE_ALL_SIZES,
		.slice = lane_slice(e->ts_ns),
		.failed = e->flags & WIRE_FAILED ? 1 : 0,
		.disturbed = call->cpu != bpf_get_smp_processor_id() ||
			     call->switches != task->nvcsw + task->nivcsw,
	};
	__u64 latency = e->latency_ns;
	bool calibrates = is_calibrator((__u64)e->tgid << 32);
	struct wire_lane *lane;

	if (!(classes_seen >> (call->class & 15) & 1) && !calibrates)
		__sync_fetch_and_or(&classes_seen, 1U << (call->class & 15));
	if (calibrates) {
		key.tgid = e->tgid;
		key.failed = 0; /* it returns anything */
		key.slice = calibration_phase;
	} else if (config_by_site) {
		key.tgid = e->tgid;
		key.site = call->stack[0];
	}
	if (config_why)
		key.cause = lane_cause(call, latency);
	if (call->class == WIRE_CLASS_STEPPED || key.failed) {
		latency = 0;
		key.disturbed = 0;
		key.cause = 0;
	}
	lane = lane_add(&key, latency, e->size);
	if (lane && config_why)
		lane_why(lane, call);
}

/* ---- pools: timed inside the process */

static __always_inline void lane_pool(__u8 op, __u64 pool, bool failed, __u64 ns, __u64 bytes)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct wire_lane_key key = {
		.op = op,
		.class = WIRE_CLASS_CLOCK,
		.size_class = config_by_size && op == WIRE_LANE_POOL_ALLOC ? lane_size_class(bytes)
									   : WIRE_ALL_SIZES,
		.slice = lane_slice(bpf_ktime_get_ns()),
		.failed = failed,
		.disturbed = !ns, /* tracing began in between: it counts, and has no latency */
		.tgid = pid_tgid >> 32,
		.pool = pool,
	};

	if (failed) {
		ns = 0;
		key.disturbed = 0;
	}
	lane_add(&key, ns, bytes);
}

/* The entries of one alloctrace:timed, which the thread's slot holds. */
struct timed {
	struct wire_lane_key key;
	struct call *call;
	__u32 count;
};

#define TIMED_UNIT 1000 /* picoseconds of one operation */

static long timed_step(__u32 index, struct timed *t)
{
	const __u32 *ns = (const __u32 *)t->call->stack;

	if (index >= t->count || index >= WIRE_MAX_TIMED || !t->key.group)
		return 1;
	lane_add(&t->key, (__u64)ns[index] * TIMED_UNIT / t->key.group, 0);
	return 0;
}

#endif
