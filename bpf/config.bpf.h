/* SPDX-License-Identifier: MIT */
/*
 * Every knob and every map of the kernel side. Knobs are constants to the verifier: what a run does
 * not use is dead code that the kernel removes at load.
 */
#ifndef ALLOCTRACE_CONFIG_BPF_H
#define ALLOCTRACE_CONFIG_BPF_H

const volatile __u32 config_own_tgid;      /* alloctrace itself, never traced */
const volatile __u32 config_max_stack = 1; /* stack words an event carries, 1..WIRE_MAX_FRAMES */
const volatile bool config_by_comm, config_by_uid, config_by_cgroup;
const volatile char config_comm[WIRE_COMM_LEN]; /* zero-padded, as the kernel has it */
const volatile __u32 config_uid;
const volatile __u64 config_cgroup; /* id of a cgroup; those below it count */
const volatile __u32 config_cgroup_level;
const volatile __u64 config_min_size;
const volatile __u64 config_max_size = ~0ULL;

/*
 * The gate: closed until every probe is in its place, and again before the final report, so that a
 * run has one first and one last moment whatever the order in which probes come and go.
 */
bool gate_open;

/*
 * One open call of one thread, and at the same time the record that it becomes: what the entry
 * learns is written in its place, the return fills the rest, and the bytes go to the ring as they
 * lie.
 */
struct call {
	__u64 sp;     /* stack pointer at entry of the open outermost call; 0: none is open */
	__u64 memptr; /* posix_memalign's first argument */
	__u64 muted;  /* the open call is filtered out */
	__u64 free_sp, free_ip; /* of the last free, which `event` and `stack` still hold */
	struct wire_event event;
	__u64 stack[WIRE_MAX_FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WIRE_NR_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/*
 * Atomic although per CPU: a uprobe's program may be preempted by another one on the same CPU
 * between the load and the store, and the books must be exact.
 */
static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &what);

	if (n)
		__sync_fetch_and_add(n, 1);
}

#endif
