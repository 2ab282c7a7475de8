/* SPDX-License-Identifier: MIT */
/*
 * The content of the frame that is being written: its columns, and what the calls in it have in
 * common with those before them (format.h tells how). Records have been checked.
 */
#ifndef ALLOCTRACE_RECORDING_OUT_H
#define ALLOCTRACE_RECORDING_OUT_H

#include "core/table.h"
#include "recording/bytes.h"
#include "recording/format.h"
#include "recording/record.h"

struct out_thread {
	uint32_t pid, tid, ns_pid, ns_tid;
	char comm[24]; /* what is behind its end is zero */
};

struct out {
	struct bytes columns[FORMAT_NR_COLUMNS];
	/* Of the file. */
	struct table stacks; /* id -> number, caller and layout of its RECORD_STACK */
	/* Of the frame. */
	struct table shapes, threads, places;
	uint64_t shape_count, thread_count, place_count;
	struct out_thread thread;          /* of the last record that has one … */
	uint64_t thread_number;            /* … and its number; 0: there was none */
	uint64_t end_ns;                   /* of the last call */
	uint64_t calls, first_ns, last_ns; /* ts_ns, the least and the greatest */
	bool others;                       /* it holds not only calls */
};

void out_init(struct out *o);
void out_fini(struct out *o);

/* Begins the next frame; the memory of the columns stays. */
void out_restart(struct out *o);

void out_call(struct out *o, const struct event *e);
void out_stack(struct out *o, const struct event *e);
/* Any other record. */
void out_other(struct out *o, const struct record *r);

/* Bytes of the content so far; 0: there is no record. */
size_t out_size(const struct out *o);
/* It should be closed before the next record. */
bool out_is_full(const struct out *o);
/* Memory was out: something is missing, and nothing is to be made of the frame. */
bool out_has_failed(const struct out *o);

#endif
