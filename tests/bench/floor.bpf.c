// SPDX-License-Identifier: MIT
/* The least that probes can cost: programs that do nothing, or nothing but take the stack. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("uprobe")
int nothing(void *ctx)
{
	(void)ctx;
	return 0;
}

#define MAX_FRAMES 127

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[MAX_FRAMES]);
} stacks SEC(".maps");

SEC("uprobe")
int stack(void *ctx)
{
	__u32 zero = 0;
	__u64 *frames = bpf_map_lookup_elem(&stacks, &zero);

	if (frames)
		bpf_get_stack(ctx, frames, MAX_FRAMES * sizeof(*frames), BPF_F_USER_STACK);
	return 0;
}
