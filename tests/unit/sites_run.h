/* SPDX-License-Identifier: MIT */
/* Calls along stacks that are told as letters, through what the reports on the heap keep of them.
 */
#ifndef TESTS_UNIT_SITES_RUN_H
#define TESTS_UNIT_SITES_RUN_H

#include <stdio.h>
#include <string.h>

#include "core/heap.h"
#include "hist_values.h"
#include "out/sites.h"

#define PID    7
#define OTHER  8
#define START  1000000
#define PLACES 12

/* ---- a symbolizer: code of the two processes lies 0x100000 apart, and is the same ---- */

#define BASE_OF(pid) (0x400000 + 0x100000ULL * ((pid) == OTHER))

static const char names[PLACES][8] = {"a", "b", "c", "d", "e", "f",
				      "g", "h", "i", "j", "k", "main"};
static struct sym_frame frames[PLACES][2];
static uint64_t serial, questions;

uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	(void)s;
	return serial + (uint64_t)pid;
}

struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	static const struct sym_frame nowhere = {.module = "[unknown]"};
	uint64_t place = address - BASE_OF(pid);

	(void)s, (void)is_return;
	questions++;
	if (place >= PLACES)
		return (struct sym_stack){1, &nowhere};
	return (struct sym_stack){frames[place][1].module ? 2 : 1, frames[place]};
}

/* ---- runs ---- */

static struct heap heap;
static struct run_info info;
static struct sink sink;
static struct sites *all;
static struct report report;
static uint64_t clock_ns;

static inline int begin(void **state)
{
	(void)state;
	memset(frames, 0, sizeof(frames));
	for (int i = 0; i < PLACES; i++)
		frames[i][0] = (struct sym_frame){
			.function = names[i], .file = "x.c", .line = i + 1, .module = "/x"};
	serial = 100;
	questions = 0;
	clock_ns = START;
	info = (struct run_info){.heap = &heap, .stacks = true, .within = 1, .start_ns = START};
	assert_int_equal(heap_init(&heap), 0);
	assert_int_equal(sink_init(&sink, &text_leaks_sink, &info, stdout), 0);
	all = sink.state;
	report = (struct report){.heap = &heap, .calls = heap.calls};
	sites_start(&sink);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	sink_fini(&sink);
	heap_fini(&heap);
	return 0;
}

static inline int restart(void **state)
{
	return end(state) || begin(state);
}

/* The places of a stack as letters, the innermost first; "m" is main. */
static inline struct event event_of(enum event_kind kind, uint32_t pid, const char *path)
{
	struct event e = {.kind = kind, .pid = pid, .tid = pid, .grade = EVENT_COMPLETE};

	for (; *path; path++)
		e.stack[e.frames++] =
			BASE_OF(pid) + (*path == 'm' ? PLACES - 1 : (uint64_t)(*path - 'a'));
	return e;
}

static inline void tell(struct event *e)
{
	struct heap_note note;

	e->ts_ns = ++clock_ns;
	assert_true(heap_apply(&heap, e, &note));
	sites_event(&sink, e, &note);
}

static inline void get(uint32_t pid, const char *path, uint64_t id, uint64_t addr, uint64_t size)
{
	struct event e = event_of(EVENT_ALLOC, pid, path);

	e.stack_id = id;
	e.addr = addr;
	e.size = size;
	tell(&e);
}

static inline void put(uint32_t pid, uint64_t addr)
{
	struct event e = event_of(EVENT_FREE, pid, "m");

	e.addr = addr;
	tell(&e);
}

static inline struct site_row *rows_of(const char *name, size_t *count)
{
	report.elapsed_ns = clock_ns - START;
	return sites_rows(all, &sink, &report, name, count);
}

/* The path of a row, as event_of takes it. */
static inline const char *path_of(const struct site_row *row)
{
	static char path[EVENT_MAX_FRAMES + 1];
	size_t n = 0;

	for (uint32_t node = row->place->node; node; node = all->tree.nodes[node].parent)
		path[n++] = all->tree.nodes[node].frame.function[0];
	path[n] = '\0';
	return path;
}

/* "PATH POOL|…" of all rows. */
static inline const char *order_of(const char *name)
{
	static char text[1024];
	size_t count, used = 0;
	struct site_row *rows = rows_of(name, &count);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s|",
					 path_of(&rows[i]), rows[i].pool ? " " : "",
					 rows[i].pool ? rows[i].pool : "");
	free(rows);
	return text;
}

#endif
