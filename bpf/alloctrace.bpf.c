// SPDX-License-Identifier: MIT
/*
 * Entry points only. One program serves all functions of one argument shape; the attach cookie says
 * which function it is (user/probe/functions.c is the table). The way of an event: filter,
 * inflight, stack, emit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

#include "event.h"
#include "config.bpf.h"
#include "filter.bpf.h"
#include "stack.bpf.h"
#include "emit.bpf.h"
#include "inflight.bpf.h"
#include "pool.bpf.h"
#include "thread.bpf.h"

/* Part of the object: the kernel takes task storage only from GPL-compatible programs. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ~0 on overflow. The barrier hides the idiom from clang, which would make it a 128-bit product. */
static __always_inline __u64 product(__u64 a, __u64 b)
{
	__u64 limit = b ? ~0ULL / b : ~0ULL;

	barrier_var(limit);
	return a > limit ? ~0ULL : a * b;
}

SEC("uprobe") /* f(size) */
int enter_size(struct pt_regs *ctx)
{
	struct request req = {.kind = WIRE_ALLOC, .size = PT_REGS_PARM1(ctx)};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(count, size) */
int enter_count_size(struct pt_regs *ctx)
{
	struct request req = {.kind = WIRE_ALLOC,
			      .size = product(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx))};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(align, size) */
int enter_align_size(struct pt_regs *ctx)
{
	struct request req = {
		.kind = WIRE_ALLOC, .align = PT_REGS_PARM1(ctx), .size = PT_REGS_PARM2(ctx)};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(size, align) */
int enter_size_align(struct pt_regs *ctx)
{
	struct request req = {
		.kind = WIRE_ALLOC, .size = PT_REGS_PARM1(ctx), .align = PT_REGS_PARM2(ctx)};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(memptr, align, size) */
int enter_memptr(struct pt_regs *ctx)
{
	struct request req = {.kind = WIRE_ALLOC,
			      .memptr = PT_REGS_PARM1(ctx),
			      .align = PT_REGS_PARM2(ctx),
			      .size = PT_REGS_PARM3(ctx)};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(block, size) */
int enter_realloc(struct pt_regs *ctx)
{
	struct request req = {
		.kind = WIRE_REALLOC, .old_addr = PT_REGS_PARM1(ctx), .size = PT_REGS_PARM2(ctx)};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(block, count, size) */
int enter_reallocarray(struct pt_regs *ctx)
{
	struct request req = {.kind = WIRE_REALLOC,
			      .old_addr = PT_REGS_PARM1(ctx),
			      .size = product(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx))};
	return call_enter(ctx, &req);
}

SEC("uprobe") /* f(block) */
int enter_free(struct pt_regs *ctx)
{
	return call_free(ctx, PT_REGS_PARM1(ctx));
}

SEC("uretprobe")
int leave(struct pt_regs *ctx)
{
	return call_leave(ctx);
}

SEC("usdt")
int pool_create(struct pt_regs *ctx)
{
	return pool_created(ctx);
}

SEC("usdt")
int pool_alloc(struct pt_regs *ctx)
{
	return pool_allocated(ctx);
}

SEC("usdt")
int pool_free(struct pt_regs *ctx)
{
	return pool_freed(ctx);
}

SEC("usdt")
int pool_destroy(struct pt_regs *ctx)
{
	return pool_destroyed(ctx);
}

SEC("raw_tp/sched_process_exit")
int thread_exit(void *ctx)
{
	(void)ctx;
	return thread_exits();
}
