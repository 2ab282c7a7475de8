// SPDX-License-Identifier: MIT
/*
 * Hides what has been written already. What a process has mapped is written whole whenever it has
 * changed: some dozens of lines, which the next ones repeat and zstd makes small.
 */
#include "cmd/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "out/sink.h"
#include "sym/module.h"
#include "sym/restore.h"
#include "sym/space.h"

#define FLUSH_NS      1000000000ULL
#define MAX_MODULES   (1u << 20)
#define MAX_PROCESSES (1u << 20)
#define MAX_NAMED     (1u << 22)

struct named_key {
	uint64_t place; /* module and whether it is a return address */
	uint64_t address;
};

struct stack_key {
	uint64_t pid, id;
};

static void on_code(void *context, pid_t pid, bool anew, const char *bytes, size_t size)
{
	struct record record = {.kind = RECORD_CODE,
				.code = {(uint32_t)pid, anew, (uint32_t)size, bytes}};

	recorder_put(context, &record);
}

int recorder_begin(struct recorder *r, const struct record_start *start,
		   struct symbolizer *symbolizer)
{
	struct record record = {.kind = RECORD_START, .start = *start};

	r->writer = writer_new(r->output.file);
	if (!r->writer)
		return -ENOMEM;
	r->symbolizer = symbolizer;
	r->names = start->names;
	table_init(&r->modules, sizeof(uint64_t), sizeof(uint64_t), MAX_MODULES);
	table_init(&r->spaces, sizeof(uint64_t), sizeof(uint64_t), MAX_PROCESSES);
	table_init(&r->ended, sizeof(uint64_t), 0, MAX_PROCESSES);
	table_init(&r->named, sizeof(struct named_key), 0, MAX_NAMED);
	table_init(&r->stacks, sizeof(struct stack_key), 0, MAX_NAMED);
	survey_on_code(symbolizer, on_code, r);
	recorder_put(r, &record);
	return r->error;
}

void recorder_fini(struct recorder *r)
{
	writer_free(r->writer);
	table_fini(&r->modules);
	table_fini(&r->spaces);
	table_fini(&r->ended);
	table_fini(&r->named);
	table_fini(&r->stacks);
	output_close(&r->output);
	r->writer = NULL;
}

void recorder_put(struct recorder *r, const struct record *record)
{
	int err = r->writer ? writer_put(r->writer, record) : 0;

	if (err && !r->error)
		r->error = err;
}

void recorder_event(struct recorder *r, enum record_kind kind, const struct event *e)
{
	struct record record = {.kind = kind, .event = e};
	struct event whole;

	if (!r->writer)
		return;
	/* What was cut is not the stack of that number any more. */
	if (kind == RECORD_EVENT && e->stack_id && e->why == EVENT_WHY_CHANGED) {
		whole = *e;
		whole.stack_id = 0;
		record.event = &whole;
	}
	recorder_put(r, &record);
}

void recorder_ns(struct recorder *r, enum record_kind kind, uint64_t ns)
{
	struct record record = {.kind = kind, .ns = ns};

	recorder_put(r, &record);
}

void recorder_doubt(struct recorder *r, uint64_t since_ns)
{
	if (since_ns == r->doubt_ns)
		return;
	r->doubt_ns = since_ns;
	recorder_ns(r, RECORD_DOUBT, since_ns);
}

/* ---- what addresses mean ---- */

static uint32_t number_of(struct recorder *r, const struct module *m)
{
	uint64_t id = module_id(m), *number;
	struct record record = {.kind = RECORD_MODULE};
	struct sym_file file;
	bool fresh;

	number = table_insert(&r->modules, &id, &fresh);
	if (!number) {
		r->error = -ENOMEM;
		return 0;
	}
	if (!fresh)
		return (uint32_t)*number;
	*number = r->modules.count - 1;
	survey_file(m, &file);
	record.module.path = file.path;
	record.module.size = file.size;
	record.module.build_id_size = (uint32_t)file.build_id_size;
	memcpy(record.module.build_id, file.build_id, file.build_id_size);
	recorder_put(r, &record);
	return (uint32_t)*number;
}

static void write_space(struct recorder *r, uint32_t pid, bool fresh, const struct space *space)
{
	struct record_mapping *mappings =
		calloc(space->count ? space->count : 1, sizeof(*mappings));
	struct record record = {.kind = RECORD_SPACE,
				.space = {.pid = pid,
					  .fresh = fresh,
					  .count = (uint32_t)space->count,
					  .mappings = mappings}};

	if (!mappings) {
		r->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < space->count; i++) {
		const struct space_mapping *m = &space->at[i];

		mappings[i] = (struct record_mapping){m->start, m->end, m->offset,
						      number_of(r, m->module)};
	}
	recorder_put(r, &record);
	free(mappings);
}

static void note_space(struct recorder *r, uint32_t pid)
{
	uint64_t key = pid, serial, *written;
	const struct space *space = survey_space(r->symbolizer, (pid_t)pid, &serial);
	bool fresh;

	written = space ? table_insert(&r->spaces, &key, &fresh) : NULL;
	if (!written || (!fresh && *written == serial))
		return;
	*written = serial;
	write_space(r, pid, table_remove(&r->ended, &key), space);
}

/* A child inherits what its parent has mapped: that comes first. */
void recorder_life(struct recorder *r, const struct record_life *life)
{
	struct record record = {.kind = RECORD_LIFE, .life = *life};
	uint64_t pid = life->pid;
	bool fresh;

	if (!r->writer)
		return;
	if (life->what == RECORD_FORK) {
		note_space(r, life->parent);
		table_remove(&r->ended, &pid);
	} else if (life->what == RECORD_END) {
		table_insert(&r->ended, &pid, &fresh);
	}
	recorder_put(r, &record);
}

static void write_names(struct recorder *r, uint32_t number, const struct sym_address *at,
			struct sym_stack answer)
{
	struct record_frame *frames = calloc(answer.count, sizeof(*frames));
	struct record record = {
		.kind = RECORD_NAMES,
		.names = {number, at->address, at->is_return, (uint32_t)answer.count, frames}};

	if (!frames) {
		r->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < answer.count; i++) {
		const struct sym_frame *f = &answer.frames[i];

		frames[i] =
			(struct record_frame){f->function, f->file,          f->line,   f->column,
					      f->offset,   f->module_offset, f->inlined};
	}
	recorder_put(r, &record);
	free(frames);
}

/* Whether the names at a place in a file are still to be written. */
static bool is_unnamed(struct recorder *r, uint32_t module, const struct sym_address *at)
{
	struct named_key key = {(uint64_t)module << 1 | at->is_return, at->address};
	bool fresh;

	return r->names && table_insert(&r->named, &key, &fresh) && fresh;
}

/* Code that has no file is asked about as well: that reads what the process has written of it. */
static void note_word(struct recorder *r, uint32_t pid, uint64_t word)
{
	struct sym_address at;
	struct sym_stack answer;
	uint32_t module = 0;
	uint64_t id, *number;
	bool in_file = survey_locate(r->symbolizer, (pid_t)pid, word, &module, &at);

	if (in_file && !is_unnamed(r, module, &at))
		return;
	answer = symbolizer_resolve(r->symbolizer, (pid_t)pid, event_word_address(word),
				    event_word_is_return(word));
	id = module;
	number = in_file ? table_find(&r->modules, &id) : NULL;
	if (number)
		write_names(r, (uint32_t)*number, &at, answer);
}

/* Whether the words of that stack were looked at before; one without a number always is new. */
static bool is_noted(struct recorder *r, const struct event *e)
{
	struct stack_key key = {e->pid, e->stack_id};
	bool fresh;

	return e->stack_id && table_insert(&r->stacks, &key, &fresh) && !fresh;
}

void recorder_prepare(struct recorder *r, const struct event *e)
{
	if (!r->writer)
		return;
	symbolizer_serial(r->symbolizer, (pid_t)e->pid); /* what is new of generated code is read */
	note_space(r, e->pid);
	if (is_noted(r, e))
		return;
	if (r->names)
		symbolizer_prepare(r->symbolizer, (pid_t)e->pid, e->stack, e->frames);
	for (unsigned int i = 0; i < e->frames; i++)
		note_word(r, e->pid, sink_word_at(e->stack, e->frames, i));
}

/* ---- the file ---- */

void recorder_tick(struct recorder *r, uint64_t now_ns)
{
	if (!r->writer || now_ns < r->next_flush_ns)
		return;
	r->next_flush_ns = now_ns + FLUSH_NS;
	writer_flush(r->writer);
	output_flush(&r->output);
}

bool recorder_finish(struct recorder *r)
{
	int err = r->writer ? writer_finish(r->writer) : 0;

	if (err && !r->error)
		r->error = err;
	return (!r->writer || output_flush(&r->output)) && !r->error;
}
