/* SPDX-License-Identifier: MIT */
/* Decides, before any costly step, whether a call is looked at. */
#ifndef ALLOCTRACE_FILTER_BPF_H
#define ALLOCTRACE_FILTER_BPF_H

static __always_inline bool filter_task(__u64 pid_tgid)
{
	return gate_open && (__u32)(pid_tgid >> 32) != config_own_tgid;
}

static __always_inline bool filter_size(__u64 size)
{
	return size >= config_min_size && size <= config_max_size;
}

#endif
