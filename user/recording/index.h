/* SPDX-License-Identifier: MIT */
/*
 * The index of a recording: where its frames are, and which time they tell of. It is as long as it
 * may be, however long the file is: neighbours are taken together then.
 */
#ifndef ALLOCTRACE_RECORDING_INDEX_H
#define ALLOCTRACE_RECORDING_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording/bytes.h"

#define INDEX_MAX 65536

/* The frames from its offset to that of the next entry, or to the index. */
struct index_entry {
	uint64_t offset;            /* bytes from the beginning of the recording */
	uint64_t first_ns, last_ns; /* ts_ns of their calls, the least and the greatest; 0: none */
	uint64_t calls;
	bool others; /* they hold not only calls */
};

/* All zero is an empty one. */
struct index {
	struct index_entry *entries; /* offsets ascend */
	size_t count, room;
	size_t run;     /* frames an entry, as many as it takes now; 0: 1 */
	size_t in_last; /* frames of the last one */
};

void index_fini(struct index *x);

/* The next frame. 0 or -ENOMEM. */
int index_add(struct index *x, const struct index_entry *frame);

/* As bytes, and from there. index_read: 0, -ENOMEM, or -EBADMSG: it is none of a recording whose
 * index is at `end`; x is empty then. */
void index_write(const struct index *x, struct bytes *b);
int index_read(struct index *x, struct cursor *c, uint64_t end);

/* The calls of all entries. */
uint64_t index_calls(const struct index *x);

/*
 * Where the next frame is from `offset` on that holds more than calls, or calls of that time:
 * `offset` itself, or what is to be skipped lies between. Beyond all entries it is `end`.
 */
uint64_t index_next(const struct index *x, uint64_t offset, uint64_t from_ns, uint64_t until_ns,
		    uint64_t end);

#endif
