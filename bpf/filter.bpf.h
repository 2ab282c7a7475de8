/* SPDX-License-Identifier: MIT */
/* Decides, before any costly step, whether a call is looked at. */
#ifndef ALLOCTRACE_FILTER_BPF_H
#define ALLOCTRACE_FILTER_BPF_H

static __always_inline bool filter_comm(void)
{
	char comm[WIRE_COMM_LEN] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	for (int i = 0; i < WIRE_COMM_LEN; i++) {
		if (comm[i] != config_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

static __always_inline bool filter_followed(__u32 tgid)
{
	return bpf_map_lookup_elem(&followed, &tgid);
}

static __always_inline bool is_calibrator(__u64 pid_tgid)
{
	return config_calibrator && (__u32)(pid_tgid >> 32) == config_calibrator;
}

static __always_inline bool is_helper(__u32 tgid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 parent = task->real_parent->tgid;

	for (int i = 0; i < 5; i++) {
		if (config_helpers[i] && (tgid == config_helpers[i] || parent == config_helpers[i]))
			return true;
	}
	return false;
}

static __always_inline bool filter_task(__u64 pid_tgid)
{
	if (is_calibrator(pid_tgid))
		return true;
	if (!gate_open || (__u32)(pid_tgid >> 32) == config_own_tgid)
		return false;
	if (config_helpers[0] && is_helper(pid_tgid >> 32))
		return false;
	if (config_follow && !filter_followed(pid_tgid >> 32))
		return false;
	if (config_by_uid && (__u32)bpf_get_current_uid_gid() != config_uid)
		return false;
	if (config_by_cgroup &&
	    bpf_get_current_ancestor_cgroup_id(config_cgroup_level) != config_cgroup)
		return false;
	return !config_by_comm || filter_comm();
}

static __always_inline bool filter_size(__u64 size)
{
	return size >= config_min_size && size <= config_max_size;
}

#endif
