/* SPDX-License-Identifier: MIT */
/*
 * Unwind rules that are kept on disk between runs, all of them in one file:
 *
 *	record, its rules, record, its rules, ...        (as they lie in memory)
 *
 * It is opened, and made if need be, before alloctrace gives up its privileges, and written to
 * through that descriptor alone: afterwards no file can be created, renamed or removed, and none
 * has to be. New rules are appended. When the file would become too large, it begins anew.
 *
 * One run at a time writes; others that go on meanwhile read what was there when they began. What
 * does not check is not believed: rules are made anew then.
 */
#ifndef ALLOCTRACE_SYM_KEPT_H
#define ALLOCTRACE_SYM_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/unwind.h"

#define KEPT_MAX_BYTES (256ULL << 20)
#define KEPT_NAME      "unwind" /* of the file */

struct kept;

/* What tells a file from all others, and from what it was before it was changed. */
struct kept_key {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns; /* st_mtim, st_ctim */
};

/* `dir` is borrowed for the call; the file has `most` bytes at most. NULL: nothing can be kept
 * there.
 */
struct kept *kept_open(int dir, uint64_t most);
void kept_close(struct kept *k); /* NULL is allowed */

/*
 * Whether the rules of this file may be kept, and its key: nobody else than root and we can have
 * written it or told the times of its changes, and it has not been changed just now. That is left
 * to where the kernel believes it too: not on file systems mounted "nosuid".
 */
bool kept_identify(int fd, struct kept_key *key);

/* Fills `rules`, in whose memory they go if they fit. 0 or a negative errno: -ENOENT, there are
 * none; -EBADMSG, they are damaged, and are forgotten; -ENOMEM. */
int kept_read(struct kept *k, const struct kept_key *key, struct unwind_rules *rules,
	      uint64_t *end);

/* 0 or a negative errno: -EROFS, another run writes; -EFBIG; -EIO, -ENOMEM.
 */
int kept_write(struct kept *k, const struct kept_key *key, const struct unwind_rules *rules,
	       uint64_t end);

#endif
