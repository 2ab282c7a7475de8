// SPDX-License-Identifier: MIT
/* The least that probes can cost: programs that do nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("uprobe")
int nothing(void *ctx)
{
	(void)ctx;
	return 0;
}
