/* SPDX-License-Identifier: MIT */
/*
 * What goes on beside the events and could make a right call look wrong: functions that hand out
 * blocks and call others inside, whose blocks are in no event, and children that run on their
 * parent's memory (vfork, posix_spawn, CLONE_VM) and may call malloc there. Noted only where
 * somebody judges calls (config_checks); user/probe/seen.c reads it.
 */
#ifndef ALLOCTRACE_SHARE_BPF_H
#define ALLOCTRACE_SHARE_BPF_H

/* The function `inner` was called inside of `outer`; both hand out blocks. */
static __always_inline void note_nested(__u32 outer, __u32 inner)
{
	__u64 bit = 1ULL << (inner & 63);

	if (!(nested[outer & 63] & bit))
		__sync_fetch_and_or(&nested[outer & 63], bit);
}

static __always_inline void share_begins(__u32 tgid)
{
	struct sharing fresh = {.children = 1, .last_ns = bpf_ktime_get_ns()}, *s;

	if (!bpf_map_update_elem(&sharing, &tgid, &fresh, BPF_NOEXIST))
		return;
	s = bpf_map_lookup_elem(&sharing, &tgid);
	if (s)
		__sync_fetch_and_add(&s->children, 1);
	else
		sharing_unknown = true;
}

/* Before the child runs. A child of such a child shares the memory of both: not followed. */
static __always_inline int share_forks(struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;

	if (from == to || !parent->mm || parent->mm != child->mm)
		return 0;
	if (config_stop_on_error && from == scene_tgid)
		scene_lost = true;
	share_begins(from);
	if (bpf_map_lookup_elem(&sharers, &from) ||
	    bpf_map_update_elem(&sharers, &to, &from, BPF_ANY))
		sharing_unknown = true;
	return 0;
}

/* It has memory of its own, or has ended. */
static __always_inline int share_ends(bool by_exec)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = task->tgid, from;
	struct sharing *s;
	__u32 *parent;

	if (!by_exec && task->signal->live.counter)
		return 0;
	if (by_exec)
		scene_exec(tgid);
	parent = bpf_map_lookup_elem(&sharers, &tgid);
	if (!parent)
		return 0;
	from = *parent;
	s = bpf_map_lookup_elem(&sharing, &from);
	if (s) {
		s->last_ns = bpf_ktime_get_ns();
		__sync_fetch_and_add(&s->children, -1);
	}
	bpf_map_delete_elem(&sharers, &tgid);
	return 0;
}

#endif
