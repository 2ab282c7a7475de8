/* SPDX-License-Identifier: MIT */
/*
 * The content of the frame that is being read: the other side of out.h. Whatever the bytes are,
 * what comes out has been checked, and memory is bounded by the counts of format.h and record.h.
 */
#ifndef ALLOCTRACE_RECORDING_IN_H
#define ALLOCTRACE_RECORDING_IN_H

#include "recording/bytes.h"
#include "recording/check.h"
#include "recording/format.h"
#include "recording/record.h"

struct in_shape;
struct in_thread;
struct in_stack;

struct in {
	struct cursor columns[FORMAT_NR_COLUMNS];
	/* Of the file. */
	struct check check;
	struct in_stack *stacks; /* by number */
	size_t stack_count, stack_room;
	/* Of the frame. */
	struct in_shape *shapes; /* by number less 2 */
	size_t shape_count, shape_room;
	struct in_thread *threads; /* by number less 1 */
	size_t thread_count, thread_room;
	uint64_t *places; /* the addresses of its calls: FORMAT_MAX_PLACES */
	size_t place_count;
	uint64_t calls, end_ns;
	/* Of the record that was handed out last. */
	struct event event;
	void *array;       /* its functions, mappings, frames or pools */
	size_t array_size; /* bytes */
	bool no_memory;
};

int in_init(struct in *in); /* 0 or -ENOMEM */
void in_fini(struct in *in);

/* Begins the content of `size` bytes at `raw`, which are borrowed until the next one begins. 0 or
 * -EBADMSG. */
int in_begin(struct in *in, const unsigned char *raw, size_t size);

/* The next record, which lives until the next call. 1; 0: there is no more; -EBADMSG: these bytes
 * are no content of a frame; -ENOMEM. */
int in_next(struct in *in, struct record *r);

/* ---- between in.c and body_get.c */

/* The fields of the record of that kind, which is neither a call nor a stack. */
void in_other(struct in *in, struct cursor *rest, struct record *r);
/* Memory for `count` of something, until the next record; NULL: there is none, or no `count`. */
void *in_array(struct in *in, size_t count, size_t size);

#endif
