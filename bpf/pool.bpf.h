/* SPDX-License-Identifier: MIT */
/*
 * Pools that announce themselves: the USDT probes of include/alloctrace/pool.h. The probe fires
 * when the operation is over; its time was taken inside the process. The caller comes as the last
 * argument, since a probe in the middle of a function has no return address at the stack pointer; a
 * pool that leaves it out is shown at the probe itself.
 */
#ifndef ALLOCTRACE_POOL_BPF_H
#define ALLOCTRACE_POOL_BPF_H

static __always_inline __u64 pool_arg(struct pt_regs *ctx, __u64 n)
{
	long value = 0;

	if (bpf_usdt_arg(ctx, n, &value))
		return 0;
	return value;
}

/* The thread's record, unless the probe lies inside an open allocator call (a malloc made of a
 * pool). */
static __always_inline struct call *pool_begin(struct pt_regs *ctx, __u8 kind)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct call *call;

	if (!filter_task(pid_tgid))
		return NULL;
	call = call_slot();
	if (!call)
		return NULL;
	if (call->sp && PT_REGS_SP(ctx) < call->sp)
		return NULL;
	call_abandon(call);
	count(WIRE_ENTERED);
	event_begin(&call->event, pid_tgid, kind, 0);
	call->event.pool = pool_arg(ctx, 0);
	call->event.ts_ns = bpf_ktime_get_ns();
	return call;
}

static __always_inline int pool_end(struct pt_regs *ctx, struct call *call, __u64 ns, __u64 caller)
{
	call->event.latency_ns = ns;
	if (!ns)
		call->event.flags |= WIRE_NOT_MEASURED;
	call->stack[0] = caller ? caller : PT_REGS_IP(ctx) + 1;
	emit_with_stack(call, ctx, PT_REGS_SP(ctx), true);
	return 0;
}

static __always_inline int pool_created(struct pt_regs *ctx)
{
	struct call *call = pool_begin(ctx, WIRE_POOL_CREATE);

	if (!call)
		return 0;
	call->event.wire_pool_base = pool_arg(ctx, 2);
	call->event.wire_pool_bytes = pool_arg(ctx, 3);
	call->event.wire_pool_chunk_size = pool_arg(ctx, 4);
	call->event.wire_pool_chunk_count = pool_arg(ctx, 5);
	call->event.wire_pool_site = PT_REGS_IP(ctx) + 1;
	call->event.flags |= WIRE_NOT_MEASURED;
	__builtin_memset(call->stack, 0, WIRE_NAME_LEN);
	bpf_probe_read_user_str(call->stack, WIRE_NAME_LEN, (void *)pool_arg(ctx, 1));
	unsent_birth(&call->event);
	emit(call, sizeof(call->event) + WIRE_NAME_LEN);
	return 0;
}

/* With config_lanes: whether the operation is one to add up. What a pool does inside an open
 * allocator call is a part of that. */
static __always_inline bool pool_counts(struct pt_regs *ctx)
{
	struct call *call;

	if (!filter_task(bpf_get_current_pid_tgid()))
		return false;
	call = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL, 0);
	if (call && call->sp && PT_REGS_SP(ctx) < call->sp)
		return false;
	count(WIRE_ENTERED);
	return true;
}

static __always_inline int pool_allocated(struct pt_regs *ctx)
{
	__u64 size = pool_arg(ctx, 2);
	struct call *call;

	if (!filter_size(size))
		return 0;
	if (config_lanes) {
		if (pool_counts(ctx))
			lane_pool(WIRE_LANE_POOL_ALLOC, pool_arg(ctx, 0), !pool_arg(ctx, 1),
				  pool_arg(ctx, 4), size);
		return 0;
	}
	call = pool_begin(ctx, WIRE_POOL_ALLOC);
	if (!call)
		return 0;
	call->event.addr = pool_arg(ctx, 1);
	call->event.size = size;
	call->event.align = pool_arg(ctx, 3);
	if (!call->event.addr)
		call->event.flags |= WIRE_FAILED;
	return pool_end(ctx, call, pool_arg(ctx, 4), pool_arg(ctx, 5));
}

static __always_inline int pool_freed(struct pt_regs *ctx)
{
	struct call *call;

	if (config_lanes) {
		if (pool_counts(ctx))
			lane_pool(WIRE_LANE_POOL_FREE, pool_arg(ctx, 0), false, pool_arg(ctx, 2),
				  0);
		return 0;
	}
	call = pool_begin(ctx, WIRE_POOL_FREE);
	if (!call)
		return 0;
	call->event.addr = pool_arg(ctx, 1);
	return pool_end(ctx, call, pool_arg(ctx, 2), pool_arg(ctx, 3));
}

/*
 * Operations that the process has timed itself, some at a time: timed(pool, op, group, ns, count),
 * ns an array of 32-bit nanoseconds, each of `group` operations.
 */
static __always_inline int pool_reported(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct timed t = {0};
	struct call *call;

	if (!filter_task(pid_tgid))
		return 0;
	call = call_slot();
	if (!call)
		return 0;
	t.key.op = pool_arg(ctx, 1) & 3;
	if (!t.key.op || (call->sp && PT_REGS_SP(ctx) < call->sp))
		return 0;
	t.call = call;
	t.count = pool_arg(ctx, 4);
	if (t.count > WIRE_MAX_TIMED)
		t.count = WIRE_MAX_TIMED;
	t.key.class = WIRE_CLASS_CLOCK;
	t.key.size_class = WIRE_ALL_SIZES;
	t.key.slice = lane_slice(bpf_ktime_get_ns());
	t.key.tgid = pid_tgid >> 32;
	t.key.group = pool_arg(ctx, 2);
	t.key.pool = pool_arg(ctx, 0);
	if (bpf_probe_read_user(call->stack, t.count * sizeof(__u32), (void *)pool_arg(ctx, 3)))
		return 0;
	bpf_loop(WIRE_MAX_TIMED, timed_step, &t, 0);
	return 0;
}

/*
 * OpenTelemetry's pair (its eBPF profiler's design document 00003): otel_memory:alloc(ptr, size,
 * weighted_bytes) and otel_memory:free(ptr). The allocator samples by itself and says what each
 * sample stands for. One pool a process.
 */
static __always_inline struct call *otel_begin(struct pt_regs *ctx, __u8 kind)
{
	struct call *call = pool_begin(ctx, kind);

	if (!call)
		return NULL;
	call->event.addr = call->event.pool; /* the first argument */
	call->event.pool = WIRE_OTEL_POOL;
	call->event.flags |= WIRE_OTEL;
	return call;
}

static __always_inline int otel_allocated(struct pt_regs *ctx)
{
	__u64 size = pool_arg(ctx, 1);
	struct call *call;

	if (!filter_size(size))
		return 0;
	call = otel_begin(ctx, WIRE_POOL_ALLOC);
	if (!call)
		return 0;
	call->event.size = size;
	call->event.weighted_bytes = pool_arg(ctx, 2);
	if (!call->event.addr)
		call->event.flags |= WIRE_FAILED;
	return pool_end(ctx, call, 0, 0);
}

static __always_inline int otel_freed(struct pt_regs *ctx)
{
	struct call *call = otel_begin(ctx, WIRE_POOL_FREE);

	return call ? pool_end(ctx, call, 0, 0) : 0;
}

static __always_inline int pool_destroyed(struct pt_regs *ctx)
{
	struct call *call = pool_begin(ctx, WIRE_POOL_DESTROY);

	if (!call)
		return 0;
	pool_end(ctx, call, 0, 0);
	unsent_death(&call->event);
	return 0;
}

#endif
