/* SPDX-License-Identifier: MIT */
/*
 * --stop-on-error: the process is stopped at the very call that frees what is not in use, so that a
 * debugger finds it there. The signal is sent by the probe at the call's entry, and is taken before
 * the function does anything.
 *
 * Every block of that process is in a map from the return of the call that hands it out, before its
 * caller has it, to the entry of the one that frees it. realloc takes its block out at entry, since
 * another thread may be given the address before it returns, and puts it back if the block is still
 * there. So what is not in the map is not in use, as long as no hand-out goes by unseen: one call
 * inside another of the same function, a call that never returned, no room in a map, or a child on
 * the process's memory end the judging for good; so does another program in the process. Of the
 * allocator's own file no call is judged (user/probe/company.h).
 */
#ifndef ALLOCTRACE_SCENE_BPF_H
#define ALLOCTRACE_SCENE_BPF_H

#define SIGNAL_STOP 19 /* SIGSTOP, of x86-64 and arm64 */

static __always_inline bool scene_applies(__u32 tgid)
{
	return config_stop_on_error && scene_tgid && tgid == scene_tgid;
}

static __always_inline void scene_put(__u32 tgid, __u64 addr)
{
	struct sample_key key = sample_key_of(tgid, addr);
	__u8 yes = 1;

	if (bpf_map_update_elem(&live_blocks, &key, &yes, BPF_ANY))
		scene_lost = true;
}

static __always_inline void scene_stop(__u64 pid_tgid, __u32 function, __u64 addr, __u64 caller)
{
	if (bpf_send_signal(SIGNAL_STOP))
		return;
	scene.tgid = pid_tgid >> 32;
	scene.tid = (__u32)pid_tgid;
	scene.function = function;
	scene.addr = addr;
	scene.caller = caller;
	__sync_fetch_and_add(&scene.stops, 1);
}

/* At the entry of an outermost call: the block that it is given. */
static __always_inline void scene_enter(__u64 pid_tgid, __u32 function, __u64 addr, __u64 caller)
{
	struct sample_key key;

	if (!addr || !scene_applies(pid_tgid >> 32))
		return;
	key = sample_key_of(pid_tgid >> 32, addr);
	if (!bpf_map_delete_elem(&live_blocks, &key) || !scene_armed || scene_lost)
		return;
	if (caller && (caller < scene_begin || caller >= scene_end))
		scene_stop(pid_tgid, function, addr, caller);
}

/* At the return of a call that is no plain free. */
static __always_inline void scene_leave(const struct wire_event *e)
{
	__u64 addr = e->flags & WIRE_FAILED ? e->old_addr : e->addr;

	if (e->kind != WIRE_FREE && addr && scene_applies(e->tgid))
		scene_put(e->tgid, addr);
}

/* One that hands out blocks was called inside of an open one. */
static __always_inline void scene_nested(__u32 outer, __u32 inner)
{
	if (config_stop_on_error && (outer == inner || config_leaves >> (outer & 63) & 1))
		scene_lost = true;
}

/* The process becomes another program. */
static __always_inline void scene_exec(__u32 tgid)
{
	if (scene_applies(tgid))
		scene_lost = true;
}

static __always_inline void scene_miss(void)
{
	if (config_stop_on_error)
		scene_lost = true;
}

#endif
