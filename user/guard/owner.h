/* SPDX-License-Identifier: MIT */
/*
 * Whose file it is, for who has one worker read the files of one owner and no others: so that a
 * file made by somebody cannot change what is said of the files of somebody else.
 */
#ifndef ALLOCTRACE_GUARD_OWNER_H
#define ALLOCTRACE_GUARD_OWNER_H

#include <stdbool.h>
#include <stdint.h>

/* A container's root is another than ours, and has other mounts. All zero is nobody's. */
struct owner {
	uint32_t uid;
	uint64_t mount;
	bool known; /* nobody else may write it: otherwise it is like no other file */
};

struct owner owner_of(int fd);

/* Both files can have been made by the same hands alone. */
bool owner_same(const struct owner *a, const struct owner *b);

#endif
