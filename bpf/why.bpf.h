/* SPDX-License-Identifier: MIT */
/*
 * What a slow call was doing: with --why, system calls and switches are looked at, but only of
 * threads that are inside a traced call; all others pay for one look into their storage. Page
 * faults need no program, the thread counts its own.
 */
#ifndef ALLOCTRACE_WHY_BPF_H
#define ALLOCTRACE_WHY_BPF_H

/* The thread's slot while it is inside a traced call, else NULL. */
static __always_inline struct call *why_open(struct task_struct *task)
{
	struct call *call = bpf_task_storage_get(&calls, task, NULL, 0);

	return call && call->sp && !call->muted ? call : NULL;
}

static __always_inline __u8 why_of_syscall(__u64 number)
{
	for (int cause = WIRE_FUTEX; cause < WIRE_OFF_CPU; cause++) {
		for (int i = 0; i < 3; i++) {
			if (number == config_syscalls[cause][i])
				return cause;
		}
	}
	return 0;
}

static __always_inline int why_syscall_enter(__u64 number)
{
	__u8 cause = why_of_syscall(number);
	struct call *call;

	if (!cause)
		return 0;
	call = why_open(bpf_get_current_task_btf());
	if (!call)
		return 0;
	call->cause = cause;
	call->cause_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int why_syscall_exit(void)
{
	struct call *call = why_open(bpf_get_current_task_btf());
	__u8 cause;

	if (!call)
		return 0;
	cause = call->cause;
	if (cause == 0 || cause >= WIRE_NR_CAUSES)
		return 0;
	call->times[cause]++;
	call->ns[cause] += bpf_ktime_get_ns() - call->cause_ns;
	call->cause = 0;
	return 0;
}

/* Time off the CPU inside a system call is that call's. */
static __always_inline int why_switch(struct task_struct *from, struct task_struct *to)
{
	struct call *call = why_open(from);

	if (call && !call->cause) {
		call->times[WIRE_OFF_CPU]++;
		call->off_ns = bpf_ktime_get_ns();
	}
	call = why_open(to);
	if (call && call->off_ns) {
		call->ns[WIRE_OFF_CPU] += bpf_ktime_get_ns() - call->off_ns;
		call->off_ns = 0;
	}
	return 0;
}

#endif
