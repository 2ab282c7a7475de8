/* SPDX-License-Identifier: MIT */
/* What is read of the kernel's own structures: found by BTF at load, whatever their layout. */
#ifndef ALLOCTRACE_TASK_BPF_H
#define ALLOCTRACE_TASK_BPF_H

#define SIGNAL_GROUP_EXIT 4 /* linux/sched/signal.h: the whole process ends */
#define PID_OF_PROCESS    1 /* linux/pid_types.h: PIDTYPE_TGID */

struct upid {
	int nr;
} __attribute__((preserve_access_index));

struct pid {
	unsigned int level; /* of its PID namespace; 0: the initial one */
	struct upid numbers[1];
} __attribute__((preserve_access_index));

struct signal_struct {
	struct {
		int counter;
	} live; /* threads that have not begun to exit */
	unsigned int flags;
	struct pid *pids[4];
} __attribute__((preserve_access_index));

/* One function that a return probe waits for, the innermost first. */
struct return_instance {
	unsigned long stack;          /* where the return address lies … */
	unsigned long orig_ret_vaddr; /* … and what it was */
	struct return_instance *next;
} __attribute__((preserve_access_index));

struct uprobe_task {
	struct return_instance *return_instances;
} __attribute__((preserve_access_index));

struct mm_struct;

struct task_struct {
	struct mm_struct *mm; /* NULL: a thread of the kernel's own */
	int pid;
	int tgid;
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	struct signal_struct *signal;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	unsigned long long start_time;
	struct uprobe_task *utask;
	unsigned int self_exec_id; /* one more with every program that is executed */
} __attribute__((preserve_access_index));

/*
 * What tells programs apart that run under one process number, one after the other: a number can
 * be another's at once, and an address then means something else.
 */
static __always_inline __u32 program_stamp(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return (__u32)(task->group_leader->start_time >> 10) ^ task->self_exec_id << 24;
}

/* The number by which the innermost namespace knows it. */
static __always_inline __u32 pid_inside(struct pid *pid, unsigned int level)
{
	unsigned long at = bpf_core_field_offset(struct pid, numbers) +
			   level * bpf_core_type_size(struct upid) +
			   bpf_core_field_offset(struct upid, nr);
	__u32 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), (void *)((unsigned long)pid + at));
	return number;
}

#endif
