/* SPDX-License-Identifier: MIT */
/*
 * Where events end: a format is one file and one row of the table in sink.c. A sink is told that
 * the run starts, every event, what a pool did wrong, how much is shown from here on, now and then
 * an interim report, and the end. A NULL slot means not interested. Slots never fail by themselves:
 * they write to `out`, and the run looks at ferror(out).
 */
#ifndef ALLOCTRACE_OUT_SINK_H
#define ALLOCTRACE_OUT_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "core/event.h"
#include "core/heap.h"
#include "core/lane.h"
#include "core/memory.h"
#include "core/pressure.h"
#include "core/stack.h"
#include "sym/symbolizer.h"

/* What does not change during a run. All of it is borrowed and outlives the sink. */
struct run_info {
	const char *version;  /* of alloctrace */
	const char *kernel;   /* release */
	const pid_t *targets; /* none: the whole system */
	size_t target_count;
	const char *const *functions; /* their names; an event's `function` is the index */
	size_t function_count;
	uint64_t traced;       /* bit i: functions[i] has been found, and is traced */
	uint64_t frees;        /* bit i: functions[i] is a free */
	uint64_t start_ns;     /* CLOCK_MONOTONIC when the gate opened */
	uint64_t wall_ns;      /* the same moment by CLOCK_REALTIME; 0: not known */
	bool stacks;           /* whole stacks are wanted */
	uint64_t sample_bytes; /* one sample in so many bytes on average; 0: every call */
	bool live_known;       /* allocations and frees are both traced, and all sizes */
	bool adds_up;          /* calls are not looked at one by one: latency, compare */
	enum lane_by by;       /* latency: how calls are told apart … */
	bool why;              /* … and that what they spent their time on is asked for */
	size_t top;            /* rows of --by site; 0: all */
	const char *svg;       /* compare: the file for its picture; NULL: none */
	/* Of the reports on the heap: */
	struct heap *heap;   /* that the events are applied to, for a profile beside it */
	uint64_t older_ns;   /* leaks: only blocks of that age; 0: all */
	unsigned int within; /* temporary: freed within so many calls of its thread */
	/* Of text for a terminal: */
	unsigned int columns; /* 0: it is none, or its width is not known */
	bool color;
	struct symbolizer *symbolizer;
};

/* The state of the books at one moment. */
struct report {
	const struct heap *heap;
	const struct event_totals *calls; /* of each function, all calls counted */
	const struct lanes *lanes; /* of latency and compare, in which `heap` knows pools alone */
	const struct calibration *calibration;
	uint64_t events; /* calls that were seen: one by one, or added up */
	uint64_t elapsed_ns;
	uint64_t counters[EVENT_NR_COUNTERS];
	const struct pressure *pressure; /* of trace; NULL: none */
	const struct memory *memory;     /* of the targets, over time; NULL: not known */
	const struct stacks *stacks;     /* of trace, where whole ones are asked for; else NULL */
	uint64_t malformed;              /* records that could not be decoded: lost, too */
	uint64_t in_flight;              /* calls that had begun and not returned */
	uint64_t late;    /* files that were probed when they had been mapped already … */
	uint64_t late_ns; /* … so long before at most: calls of that time are not counted */
	const char *fate; /* of the command; NULL: none */
	bool final;
};

uint64_t report_lost(const struct report *r);

/* Lost calls that are in no totals: how they ended is not known. Calls are in the totals that the
 * kernel side keeps of all as soon as they begin. */
uint64_t report_unknown(const struct report *r, const struct run_info *info);

/* Whether calls that hand out or take back blocks are missing among the events: what is live is not
 * exact then. */
bool report_live_is_exact(const struct report *r);

/* The part of the live blocks that nobody can free any more: their process has ended, others live.
 */
static inline bool report_has_ended(const struct report *r)
{
	return r->heap->ended.blocks && r->heap->ended.blocks != r->heap->live.blocks;
}

/* All calls, those included that sampling left out. */
uint64_t report_calls(const struct report *r, const struct run_info *info);

/* Whether calls are missing whose number nobody knows. */
bool report_is_blind(const struct report *r);

struct sink;

struct sink_ops {
	const char *command; /* the command and the format that this sink serves */
	const char *format;
	size_t state_size;
	void (*start)(struct sink *s);
	void (*event)(struct sink *s, const struct event *e, const struct heap_note *note);
	void (*finding)(struct sink *s, const struct finding *f);
	void (*pressure)(struct sink *s, const struct pressure_change *c);
	void (*tick)(struct sink *s, const struct report *r);
	void (*finish)(struct sink *s, const struct report *r);
	void (*fini)(struct sink *s); /* frees what the state owns */
};

struct sink {
	const struct sink_ops *ops;
	const struct run_info *info;
	FILE *out; /* borrowed */
	void *state;
};

extern const struct sink_ops text_trace_sink, json_trace_sink, csv_trace_sink, chrome_trace_sink;
extern const struct sink_ops text_latency_sink, json_latency_sink;
extern const struct sink_ops text_compare_sink, json_compare_sink;
extern const struct sink_ops text_leaks_sink, json_leaks_sink, csv_leaks_sink, folded_leaks_sink;
extern const struct sink_ops text_hot_sink, json_hot_sink, csv_hot_sink, folded_hot_sink;
extern const struct sink_ops text_temporary_sink, json_temporary_sink, csv_temporary_sink,
	folded_temporary_sink;
extern const struct sink_ops text_peak_sink, json_peak_sink, csv_peak_sink, folded_peak_sink;
extern const struct sink_ops pprof_leaks_sink, pprof_hot_sink, pprof_temporary_sink;
extern const struct sink_ops pprof_peak_sink;
extern const struct sink_ops text_sizes_sink, json_sizes_sink, csv_sizes_sink;
extern const struct sink_ops text_diff_sink, json_diff_sink;

/* The sink of a command in a format, or NULL. Which formats a command has, as "text, json"; lives
 * until the next call. */
const struct sink_ops *sink_find(const char *command, const char *format);
const char *sink_formats(const char *command);

/* -ENOMEM or 0. */
int sink_init(struct sink *s, const struct sink_ops *ops, const struct run_info *info, FILE *out);
void sink_fini(struct sink *s);

/* What an event is called: the function's name, or "POOL:alloc". Returns buf or a constant. */
const char *sink_call_name(const struct sink *s, const struct event *e,
			   const struct heap_note *note, char *buf, size_t len);

/* What kind of call it is, in one word for programs: "alloc", "free", "realloc", "create" or
 * "destroy" (of pools). A constant. */
const char *sink_kind_name(const struct event *e);

/* Bytes that the allocation stands for, be it that we sample or its maker does; 0: itself alone. */
uint64_t sink_weight(const struct sink *s, const struct event *e);

/*
 * How many words of a stack are to be believed that may be a guess. A walk by frame pointers
 * through code that has none ends in garbage: what follows the first word that is no code of the
 * process is not shown.
 */
unsigned int sink_depth(const struct sink *s, uint32_t pid, const uint64_t *stack,
			unsigned int frames);

/* As much of an event's stack as is shown, and why there is no more of it. */
struct sink_extent {
	unsigned int depth; /* words */
	enum event_why why;
};

struct sink_extent sink_extent(const struct sink *s, const struct event *e);

/* The frames of one word of a stack of that process. Word 0 of a pool that names no caller is the
 * probe itself. */
struct sym_stack sink_frames(const struct sink *s, uint32_t pid, uint64_t word);

/* The same of word `i` of a stack, which knows what stands beside it: what a handler returns to is
 * not what called it. */
struct sym_stack sink_frames_at(const struct sink *s, uint32_t pid, const uint64_t *stack,
				unsigned int frames, unsigned int i);

/* Word `i` of a stack as it is to be looked up: what a handler returns to is not what called it. */
static inline uint64_t sink_word_at(const uint64_t *stack, unsigned int frames, unsigned int i)
{
	return i + 1 < frames && !event_word_is_return(stack[i + 1]) ? stack[i] | EVENT_EXACT
								     : stack[i];
}

/* Whether a signal came there: the word below it belongs to the handler's way back. */
static inline bool sink_is_interrupted(const uint64_t *stack, unsigned int i)
{
	return i && !event_word_is_return(stack[i]);
}

#endif
