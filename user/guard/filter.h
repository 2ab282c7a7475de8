/* SPDX-License-Identifier: MIT */
/*
 * What a process may still ask of the kernel from now on: a table of system calls, made into a
 * seccomp filter. It binds the caller, all its threads, and whatever it starts, for good.
 *
 *	static const struct filter_call calls[] = {
 *		FILTER_ALLOW("pread64"),
 *		FILTER_ALLOW("openat", FILTER_WITHOUT(2, O_ACCMODE | O_CREAT | O_TRUNC)),
 *		FILTER_ALLOW("ioctl", FILTER_IS(1, TCGETS)),
 *	};
 *	err = filter_install(calls, sizeof(calls) / sizeof(calls[0]));
 *
 * - Arguments are counted from 0, as the system call has them, not the function of the C library
 *   (openat's flags are argument 2). A row may have two tests, and both must hold. Several rows
 *   with one name: any of them is enough.
 * - To the table is added what every program needs that only computes: memory without PROT_EXEC,
 *   read and write on what it has open, close, locks, clocks, its own signals, its own end.
 *   filter.c has the list. It needs neither to be repeated nor can it be taken away.
 * - Name what other versions of the C library call as well ("fstat" and "newfstatat", "poll" and
 *   "ppoll"): a name that this machine or this libseccomp does not have is passed over.
 * - What is not allowed fails with EPERM and does no harm. Calls that came with Linux 5.1 or later,
 *   clone3 among them, fail with ENOSYS instead, so that libraries fall back to the older ones.
 * - The sanitizers are not taken into account. Their leak check at the end wants more (clone,
 *   ptrace): whoever goes on to exit() in such a build has to allow that (__SANITIZE_ADDRESS__),
 *   or to leave by _exit().
 */
#ifndef ALLOCTRACE_GUARD_FILTER_H
#define ALLOCTRACE_GUARD_FILTER_H

#include <stddef.h>
#include <stdint.h>

#define FILTER_MAX_TESTS 2

/* Holds when (argument & mask) == value; a mask of 0 is no test. */
struct filter_test {
	unsigned int argument;
	uint64_t mask, value;
};

struct filter_call {
	const char *name; /* of the system call, as syscalls(2) lists it */
	struct filter_test tests[FILTER_MAX_TESTS];
};

/* clang-format off */
#define FILTER_ALLOW(call, ...) {.name = (call), .tests = {__VA_ARGS__}}

/* An int has this value: the kernel does not look at the upper half of the register. */
#define FILTER_IS(n, v) {.argument = (n), .mask = UINT32_MAX, .value = (uint32_t)(v)}
#define FILTER_IS_NULL(n) {.argument = (n), .mask = UINT64_MAX, .value = 0}
/* All of these bits are set; none of them is. */
#define FILTER_WITH(n, bits) {.argument = (n), .mask = (bits), .value = (bits)}
#define FILTER_WITHOUT(n, bits) {.argument = (n), .mask = (bits), .value = 0}
/* clang-format on */

/*
 * Sets no_new_privs and the filter, neither of which can be undone. Needs no privileges. A negative
 * errno: then no filter was set.
 */
int filter_install(const struct filter_call *calls, size_t count);

/*
 * The same in two steps, for who starts many alike: to make a filter takes a hundred times as long
 * as to set it. It binds the calling thread, which should be the only one, and abort() ends by a
 * fault instead of its signal. Never freed.
 */
struct filter_code {
	void *bytes; /* owned */
	size_t size;
};

int filter_compile(struct filter_code *code, const struct filter_call *calls, size_t count);
int filter_apply(const struct filter_code *code);

#endif
