/* SPDX-License-Identifier: MIT */
/*
 * Recordings in memory: written record by record, read out of a block of exactly their length, so
 * that the address sanitizer sees one byte too many, and records held against one another.
 */
#ifndef TESTS_UNIT_RECORDING_FILE_H
#define TESTS_UNIT_RECORDING_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recording/reader.h"
#include "recording/writer.h"

struct file {
	char *bytes;
	size_t size;
	FILE *stream;
	struct writer *writer;
};

static inline void file_begin(struct file *f)
{
	*f = (struct file){0};
	f->stream = open_memstream(&f->bytes, &f->size);
	assert_non_null(f->stream);
	f->writer = writer_new(f->stream);
	assert_non_null(f->writer);
}

static inline void file_put(struct file *f, const struct record *r)
{
	assert_int_equal(writer_put(f->writer, r), 0);
}

static inline void file_put_event(struct file *f, enum record_kind kind, const struct event *e)
{
	struct record r = {.kind = kind, .event = e};

	file_put(f, &r);
}

/* What every recording begins with: RECORD_START, and 64 functions. */
static inline void file_start(struct file *f)
{
	static struct record_function rows[EVENT_MAX_FUNCTIONS];
	struct record start = {.kind = RECORD_START,
			       .start = {.version = "0.1.0",
					 .kernel = "6.1.0",
					 .command = "alloctrace -- true",
					 .only_pool = ""}};
	struct record functions = {.kind = RECORD_FUNCTIONS,
				   .functions = {rows, EVENT_MAX_FUNCTIONS}};

	for (size_t i = 0; i < EVENT_MAX_FUNCTIONS; i++)
		rows[i] = (struct record_function){.name = "malloc", .traced = true};
	file_put(f, &start);
	file_put(f, &functions);
}

static inline void file_close(struct file *f)
{
	writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(fclose(f->stream), 0);
	f->stream = NULL;
}

static inline void file_finish(struct file *f)
{
	assert_int_equal(writer_finish(f->writer), 0);
	assert_int_equal(writer_bytes(f->writer), f->size);
	file_close(f);
}

static inline void file_free(struct file *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

/* A recording that is being read. */
struct reading {
	FILE *stream;
	char *block;
	struct recording *r;
	struct record record;
	int err;
	char why[128];
};

/* Of `size` bytes; r is NULL if it is none. */
static inline void reading_begin(struct reading *in, const char *bytes, size_t size)
{
	*in = (struct reading){.block = malloc(size ? size : 1)};
	assert_non_null(in->block);
	memcpy(in->block, bytes, size);
	in->stream = size ? fmemopen(in->block, size, "rb") : fopen("/dev/null", "rbe");
	assert_non_null(in->stream);
	in->r = recording_open(in->stream, &in->err, in->why, sizeof(in->why));
}

static inline int reading_next(struct reading *in)
{
	memset(&in->record, 0xa5, sizeof(in->record));
	return recording_next(in->r, &in->record);
}

static inline const struct record *reading_expect(struct reading *in, enum record_kind kind)
{
	assert_int_equal(reading_next(in), 1);
	assert_int_equal(in->record.kind, kind);
	return &in->record;
}

/* Passes over what file_start has written. */
static inline void reading_start(struct reading *in)
{
	reading_expect(in, RECORD_START);
	reading_expect(in, RECORD_FUNCTIONS);
}

static inline void reading_end(struct reading *in, enum reader_end end)
{
	assert_int_equal(reading_next(in), 0);
	assert_int_equal(recording_end(in->r), end);
	assert_int_equal(reading_next(in), 0);
}

static inline void reading_close(struct reading *in)
{
	recording_close(in->r);
	assert_int_equal(fclose(in->stream), 0);
	free(in->block);
}

/* ---- comparing */

static inline void same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(!a && !b);
}

static inline void same_event(const struct event *a, const struct event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->function, b->function);
	assert_int_equal(a->level, b->level);
	assert_int_equal(a->failed, b->failed);
	assert_int_equal(a->by_realloc, b->by_realloc);
	assert_int_equal(a->measured, b->measured);
	assert_int_equal(a->otel, b->otel);
	assert_int_equal(a->old_unsampled, b->old_unsampled);
	assert_int_equal(a->new_unsampled, b->new_unsampled);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->tid, b->tid);
	assert_int_equal(a->ns_pid, b->ns_pid);
	assert_int_equal(a->ns_tid, b->ns_tid);
	assert_int_equal(a->ts_ns, b->ts_ns);
	assert_int_equal(a->latency_ns, b->latency_ns);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->align, b->align);
	assert_int_equal(a->addr, b->addr);
	assert_int_equal(a->old_addr, b->old_addr);
	assert_int_equal(a->pool, b->pool);
	assert_int_equal(a->weighted_bytes, b->weighted_bytes);
	assert_int_equal(a->base, b->base);
	assert_int_equal(a->chunk_size, b->chunk_size);
	assert_int_equal(a->chunk_count, b->chunk_count);
	assert_string_equal(a->comm, b->comm);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->grade, b->grade);
	assert_int_equal(a->why, b->why);
	assert_int_equal(a->stack_id, b->stack_id);
	assert_int_equal(a->layout, b->layout);
	assert_int_equal(a->frames, b->frames);
	for (unsigned int i = 0; i < a->frames; i++)
		assert_int_equal(a->stack[i], b->stack[i]);
}

static inline void same_start(const struct record_start *a, const struct record_start *b)
{
	same_text(a->version, b->version);
	same_text(a->kernel, b->kernel);
	same_text(a->command, b->command);
	same_text(a->only_pool, b->only_pool);
	assert_int_equal(a->start_ns, b->start_ns);
	assert_int_equal(a->wall_ns, b->wall_ns);
	assert_int_equal(a->target_count, b->target_count);
	for (uint32_t i = 0; i < a->target_count; i++)
		assert_int_equal(a->targets[i], b->targets[i]);
	assert_int_equal(a->sample_bytes, b->sample_bytes);
	assert_int_equal(a->stacks, b->stacks);
	assert_int_equal(a->live_known, b->live_known);
	assert_int_equal(a->checks, b->checks);
	assert_int_equal(a->partial, b->partial);
	assert_int_equal(a->partial_threads, b->partial_threads);
	assert_int_equal(a->whole_life, b->whole_life);
	assert_int_equal(a->names, b->names);
}

static inline void same_functions(const struct record_functions *a,
				  const struct record_functions *b)
{
	assert_int_equal(a->count, b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		same_text(a->at[i].name, b->at[i].name);
		assert_int_equal(a->at[i].family, b->at[i].family);
		assert_int_equal(a->at[i].traced, b->at[i].traced);
		assert_int_equal(a->at[i].frees, b->at[i].frees);
		assert_int_equal(a->at[i].own, b->at[i].own);
	}
}

static inline void same_module(const struct record_module *a, const struct record_module *b)
{
	same_text(a->path, b->path);
	assert_int_equal(a->build_id_size, b->build_id_size);
	assert_memory_equal(a->build_id, b->build_id, a->build_id_size);
	assert_int_equal(a->size, b->size);
}

static inline void same_space(const struct record_space *a, const struct record_space *b)
{
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->fresh, b->fresh);
	assert_int_equal(a->count, b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		assert_int_equal(a->mappings[i].start, b->mappings[i].start);
		assert_int_equal(a->mappings[i].end, b->mappings[i].end);
		assert_int_equal(a->mappings[i].offset, b->mappings[i].offset);
		assert_int_equal(a->mappings[i].module, b->mappings[i].module);
	}
}

static inline void same_names(const struct record_names *a, const struct record_names *b)
{
	assert_int_equal(a->module, b->module);
	assert_int_equal(a->address, b->address);
	assert_int_equal(a->is_return, b->is_return);
	assert_int_equal(a->count, b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct record_frame *x = &a->frames[i], *y = &b->frames[i];

		same_text(x->function, y->function);
		same_text(x->file, y->file);
		assert_int_equal(x->line, y->line);
		assert_int_equal(x->column, y->column);
		assert_int_equal(x->offset, y->offset);
		assert_int_equal(x->module_offset, y->module_offset);
		assert_int_equal(x->inlined, y->inlined);
	}
}

static inline void same_books(const struct record_books *a, const struct record_books *b)
{
	assert_int_equal(a->final, b->final);
	assert_int_equal(a->elapsed_ns, b->elapsed_ns);
	assert_memory_equal(a->counters, b->counters, sizeof(a->counters));
	assert_memory_equal(a->unsent, b->unsent, sizeof(a->unsent));
	assert_int_equal(a->pool_count, b->pool_count);
	for (uint32_t i = 0; i < a->pool_count; i++)
		assert_memory_equal(&a->pools[i], &b->pools[i], sizeof(a->pools[i]));
	assert_int_equal(a->malformed, b->malformed);
	assert_int_equal(a->in_flight, b->in_flight);
	assert_int_equal(a->late, b->late);
	assert_int_equal(a->late_ns, b->late_ns);
	assert_int_equal(a->stacks_unknown, b->stacks_unknown);
	assert_int_equal(a->stacks_refused, b->stacks_refused);
	same_text(a->fate, b->fate);
}

static inline void same_code(const struct record_code *a, const struct record_code *b)
{
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->anew, b->anew);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->bytes, b->bytes, a->size);
}

static inline void same_small(const struct record *a, const struct record *b)
{
	switch (a->kind) {
	case RECORD_LIFE:
		assert_int_equal(a->life.what, b->life.what);
		assert_int_equal(a->life.pid, b->life.pid);
		assert_int_equal(a->life.parent, b->life.parent);
		assert_int_equal(a->life.ts_ns, b->life.ts_ns);
		break;
	case RECORD_PRESSURE:
		assert_int_equal(a->pressure.level, b->pressure.level);
		assert_int_equal(a->pressure.ts_ns, b->pressure.ts_ns);
		assert_int_equal(a->pressure.counted, b->pressure.counted);
		break;
	case RECORD_SETTLE:
	case RECORD_DOUBT:
		assert_int_equal(a->ns, b->ns);
		break;
	case RECORD_SHARED:
		assert_int_equal(a->shared.pid, b->shared.pid);
		assert_int_equal(a->shared.addr, b->shared.addr);
		assert_int_equal(a->shared.shared, b->shared.shared);
		break;
	case RECORD_MEMORY:
		assert_int_equal(a->memory.pid, b->memory.pid);
		assert_int_equal(a->memory.ts_ns, b->memory.ts_ns);
		assert_int_equal(a->memory.mapped, b->memory.mapped);
		assert_int_equal(a->memory.resident, b->memory.resident);
		assert_int_equal(a->memory.rss, b->memory.rss);
		break;
	default:
		assert_int_equal(a->kind, RECORD_MISSED);
	}
}

static inline void same_record(const struct record *a, const struct record *b)
{
	assert_int_equal(a->kind, b->kind);
	switch (a->kind) {
	case RECORD_START:
		same_start(&a->start, &b->start);
		break;
	case RECORD_FUNCTIONS:
		same_functions(&a->functions, &b->functions);
		break;
	case RECORD_MODULE:
		same_module(&a->module, &b->module);
		break;
	case RECORD_SPACE:
		same_space(&a->space, &b->space);
		break;
	case RECORD_CODE:
		same_code(&a->code, &b->code);
		break;
	case RECORD_NAMES:
		same_names(&a->names, &b->names);
		break;
	case RECORD_STACK:
	case RECORD_EVENT:
		same_event(a->event, b->event);
		break;
	case RECORD_BOOKS:
		same_books(&a->books, &b->books);
		break;
	default:
		same_small(a, b);
	}
}

#endif
