#!/bin/bash
# tests/vm/features.sh: what this kernel has of the things that differ between kernels, a line each, found by trying and
# not by version. Runs as root from the top of the checkout, in the guest and on the machine itself.
set -uo pipefail

# What alloctrace finds out before it places its probes, in its own words.
build/alloctrace -v -e malloc -o /dev/null -- true 2>&1 >/dev/null |
	sed -nE 's/^alloctrace: (uprobes by .*|uprobes on 5-byte nops .*|return probes are .*)/\1/p'

# What latency --why and --follow attach to, by the types that the kernel has for the arguments.
missing=
for tracepoint in sys_enter sys_exit sched_switch sched_process_fork sched_process_exit; do
	grep -qa "btf_trace_$tracepoint" /sys/kernel/btf/vmlinux || missing+=" $tracepoint"
done
if [[ $missing ]]; then
	echo "tracepoints that are not there:$missing"
else
	echo "all tracepoints are there"
fi
