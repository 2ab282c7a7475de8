/* SPDX-License-Identifier: MIT */
/*
 * What was found out about files, kept on disk between runs: records, all of them in one file, each
 * under the key of the file it tells of. What is in a record is the caller's matter.
 *
 *	head, bytes, head, bytes, ...
 *
 * The file is opened, and made if need be, before alloctrace gives up its privileges, and written
 * through that descriptor alone: no file is created, renamed or removed afterwards. New records are
 * appended. When it would become too large it begins anew. One run at a time writes; others that go
 * on meanwhile read what was there when they began. A record that is damaged is none.
 */
#ifndef ALLOCTRACE_SYM_STORE_H
#define ALLOCTRACE_SYM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_NAME      "names" /* of the file */
#define STORE_MAX_BYTES (64u << 20)

struct store;

/* What tells a file from all others, and from what it was before it was changed. */
struct store_key {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns; /* st_mtim, st_ctim */
};

/* `dir` is borrowed for the call. NULL: nothing can be kept there. */
struct store *store_open(int dir);
void store_close(struct store *s); /* NULL is allowed */

/*
 * The key of an open file. False: what is found out about it may not be kept. Nobody else than root
 * and we can have written it or told the times of its changes, and it was not changed just now.
 * Whom the kernel does not believe on file systems mounted "nosuid" is not believed here either.
 */
bool store_identify(int fd, struct store_key *key);
bool store_key_equal(const struct store_key *a, const struct store_key *b);

typedef void (*store_take_fn)(void *context, const void *bytes, size_t n);

/* Every record under that key, the oldest first; the bytes are there until `take` returns. */
void store_each(const struct store *s, const struct store_key *key, store_take_fn take,
		void *context);

/* 0 or a negative errno: -EROFS, another run writes; -EFBIG, -ENOMEM, or one of write(2). */
int store_append(struct store *s, const struct store_key *key, const void *bytes, size_t n);

#endif
