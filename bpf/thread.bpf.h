/* SPDX-License-Identifier: MIT */
/*
 * Threads and processes that come and go.
 *
 * A probe that a perf event scopes to a process is tied to the address space of its main thread.
 * When that leaves by pthread_exit, the kernel drops the probe, although other threads go on
 * calling, and nothing tells: thread_exits does. Multi links do not have the problem, and then it
 * is not loaded.
 *
 * With config_follow a process is traced when its parent is: it is known before it runs.
 */
#ifndef ALLOCTRACE_THREAD_BPF_H
#define ALLOCTRACE_THREAD_BPF_H

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

static __always_inline int process_forks(struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	__u8 yes = 1;

	if (from == to || !bpf_map_lookup_elem(&followed, &from))
		return 0;
	if (bpf_map_update_elem(&followed, &to, &yes, BPF_ANY))
		count(WIRE_UNFOLLOWED);
	return 0;
}

/* Its last thread. */
static __always_inline int process_exits(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = task->tgid;

	if (!task->signal->live.counter)
		bpf_map_delete_elem(&followed, &tgid);
	return 0;
}

/*
 * A child begins with what its parent has mapped, a new program with nothing of the old one, and a
 * number that comes again with nothing at all: until the reader has told, stacks are not walked.
 */
static __always_inline int layout_forks(struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct unwind_layout *layout;
	__u64 serial;

	if (from == to)
		return 0;
	layout = bpf_map_lookup_elem(&layouts, &from);
	if (!layout) {
		bpf_map_delete_elem(&layouts, &to);
		return 0;
	}
	serial = *(volatile __u64 *)&layout->serial;
	/* The parent's may be replaced while it is copied: then the copy is a mixture. */
	if (bpf_map_update_elem(&layouts, &to, layout, BPF_ANY) ||
	    bpf_map_lookup_elem(&layouts, &from) != layout ||
	    *(volatile __u64 *)&layout->serial != serial)
		bpf_map_delete_elem(&layouts, &to);
	return 0;
}

static __always_inline int layout_ends(bool by_exec)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = task->tgid;

	if (by_exec || !task->signal->live.counter)
		bpf_map_delete_elem(&layouts, &tgid);
	return 0;
}

#endif
