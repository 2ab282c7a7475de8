/* SPDX-License-Identifier: MIT */
/*
 * What a return probe may do to a sandboxed target, asked of the kernel by trying.
 *
 * Since "uprobe: Add uretprobe syscall to speed up return probe" (kernel 6.11, x86-64) a probed
 * function returns through system call 335, which the kernel puts into the process behind its back.
 * A seccomp filter that does not know the call refuses it: the process is killed at once, or
 * crashes in the kernel's trampoline when the filter answered with an errno. "seccomp: passthrough
 * uretprobe systemcall without filtering" (6.14-rc2, 6.12.14 and other stable kernels) exempts the
 * call. Its twin 336, for entry probes on 5-byte nops, has been exempt from the start.
 */
#ifndef ALLOCTRACE_PROBE_HAZARD_H
#define ALLOCTRACE_PROBE_HAZARD_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether return probes may kill or break a process that has a seccomp filter. Costs a short
 * process: ask once. */
bool hazard_seccomp(void);

/* Whether the kernel has this system call and a seccomp filter decides about it. A short process,
 * in our memory, makes the call, with zeros, before and after it has taken a filter that refuses
 * it. */
bool hazard_filter_sees(long number);

/* Whether a thread of the process runs under seccomp, in whatever mode. False when it is gone. */
bool hazard_process_is_sandboxed(pid_t pid);

#endif
