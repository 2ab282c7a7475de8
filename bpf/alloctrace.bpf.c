// SPDX-License-Identifier: MIT
/*
 * Entry points only. One program serves all functions that hand out blocks, one those that take
 * them back; the attach cookie says which function it is and where its arguments lie
 * (user/probe/functions.c is the table). The way of an event: filter, inflight, sample, pressure,
 * stack, emit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

#include "event.h"
#include "unwind.h"
#include "config.bpf.h"
#include "task.bpf.h"
#include "filter.bpf.h"
#include "unwind.bpf.h"
#include "stack.bpf.h"
#include "sample.bpf.h"
#include "unsent.bpf.h"
#include "pressure.bpf.h"
#include "emit.bpf.h"
#include "lane.bpf.h"
#include "arguments.bpf.h"
#include "scene.bpf.h"
#include "share.bpf.h"
#include "inflight.bpf.h"
#include "pool.bpf.h"
#include "thread.bpf.h"
#include "why.bpf.h"

/* Part of the object: the kernel takes task storage only from GPL-compatible programs. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("uprobe")
int enter(struct pt_regs *ctx)
{
	return call_enter(ctx);
}

SEC("uprobe")
int enter_free(struct pt_regs *ctx)
{
	return call_free(ctx);
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

SEC("usdt")
int pool_timed(struct pt_regs *ctx)
{
	return pool_reported(ctx);
}

SEC("usdt")
int otel_alloc(struct pt_regs *ctx)
{
	return otel_allocated(ctx);
}

SEC("usdt")
int otel_free(struct pt_regs *ctx)
{
	return otel_freed(ctx);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	return process_forks(parent, child);
}

SEC("raw_tp/sys_enter")
int syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	return why_syscall_enter(ctx->args[1]);
}

SEC("raw_tp/sys_exit")
int syscall_exit(void *ctx)
{
	(void)ctx;
	return why_syscall_exit();
}

SEC("tp_btf/sched_switch")
int BPF_PROG(task_switch, bool preempt, struct task_struct *from, struct task_struct *to)
{
	(void)preempt;
	return why_switch(from, to);
}

SEC("raw_tp/sched_process_exit")
int process_exit(void *ctx)
{
	(void)ctx;
	return process_exits();
}

SEC("raw_tp/sched_process_exit")
int thread_exit(void *ctx)
{
	(void)ctx;
	return thread_exits();
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(share_fork, struct task_struct *parent, struct task_struct *child)
{
	return share_forks(parent, child);
}

SEC("raw_tp/sched_process_exec")
int share_exec(void *ctx)
{
	(void)ctx;
	return share_ends(true);
}

SEC("raw_tp/sched_process_exit")
int share_exit(void *ctx)
{
	(void)ctx;
	return share_ends(false);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(layout_fork, struct task_struct *parent, struct task_struct *child)
{
	return layout_forks(parent, child);
}

SEC("raw_tp/sched_process_exec")
int layout_exec(void *ctx)
{
	(void)ctx;
	return layout_ends(true);
}

SEC("raw_tp/sched_process_exit")
int layout_exit(void *ctx)
{
	(void)ctx;
	return layout_ends(false);
}
