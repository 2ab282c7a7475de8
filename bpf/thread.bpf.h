/* SPDX-License-Identifier: MIT */
/*
 * A probe that a perf event scopes to a process is tied to the address space of its main thread.
 * When that leaves by pthread_exit, the kernel drops the probe, although other threads go on
 * calling, and nothing tells. This does. Multi links do not have the problem, and then this is not
 * loaded.
 */
#ifndef ALLOCTRACE_THREAD_BPF_H
#define ALLOCTRACE_THREAD_BPF_H

#define SIGNAL_GROUP_EXIT 4 /* linux/sched/signal.h: the whole process ends */

struct signal_struct {
	struct {
		int counter;
	} live; /* threads that have not begun to exit */
	unsigned int flags;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	struct signal_struct *signal;
} __attribute__((preserve_access_index));

/* In do_exit, behind the decrement of `live`. Only threads that were traced have storage. */
static __always_inline int thread_exits(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->pid != task->tgid || task->signal->flags & SIGNAL_GROUP_EXIT ||
	    !task->signal->live.counter)
		return 0;
	if (bpf_task_storage_get(&calls, task, NULL, 0))
		count(WIRE_MAIN_LEFT);
	return 0;
}

#endif
