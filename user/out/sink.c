// SPDX-License-Identifier: MIT
/* The table of formats, and what all of them share. */
#include "out/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_FUNCTIONS "alloctrace_"

/* All that happens goes into a file of its own. */
static const struct sink_ops record_sink = {.command = "record", .format = "text"};

static const struct sink_ops *const sinks[] = {
	&record_sink,
	&text_trace_sink,
	&json_trace_sink,
	&csv_trace_sink,
	&chrome_trace_sink,
	&text_latency_sink,
	&json_latency_sink,
	&text_compare_sink,
	&json_compare_sink,
	/* the reports on the heap */
	&text_leaks_sink,
	&json_leaks_sink,
	&csv_leaks_sink,
	&folded_leaks_sink,
	&pprof_leaks_sink,
	&text_hot_sink,
	&json_hot_sink,
	&csv_hot_sink,
	&folded_hot_sink,
	&pprof_hot_sink,
	&text_temporary_sink,
	&json_temporary_sink,
	&csv_temporary_sink,
	&folded_temporary_sink,
	&pprof_temporary_sink,
	&text_peak_sink,
	&json_peak_sink,
	&csv_peak_sink,
	&folded_peak_sink,
	&pprof_peak_sink,
	&text_sizes_sink,
	&json_sizes_sink,
	&csv_sizes_sink,
	&text_diff_sink,
	&json_diff_sink,
};

#define NR_SINKS (sizeof(sinks) / sizeof(sinks[0]))

const struct sink_ops *sink_find(const char *command, const char *format)
{
	for (size_t i = 0; i < NR_SINKS; i++) {
		if (!strcmp(sinks[i]->command, command) && !strcmp(sinks[i]->format, format))
			return sinks[i];
	}
	return NULL;
}

const char *sink_formats(const char *command)
{
	static char names[128];
	size_t used = 0;

	names[0] = '\0';
	for (size_t i = 0; i < NR_SINKS && used < sizeof(names); i++) {
		if (!strcmp(sinks[i]->command, command))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used ? ", " : "", sinks[i]->format);
	}
	return names;
}

int sink_init(struct sink *s, const struct sink_ops *ops, const struct run_info *info, FILE *out)
{
	*s = (struct sink){.ops = ops, .info = info, .out = out};
	s->state = calloc(1, ops->state_size ? ops->state_size : 1);
	return s->state ? 0 : -ENOMEM;
}

void sink_fini(struct sink *s)
{
	if (s->state && s->ops->fini)
		s->ops->fini(s);
	free(s->state);
	s->state = NULL;
}

const char *sink_call_name(const struct sink *s, const struct event *e,
			   const struct heap_note *note, char *buf, size_t len)
{
	static const char *const verbs[] = {
		[EVENT_POOL_CREATE] = "create",
		[EVENT_POOL_ALLOC] = "alloc",
		[EVENT_POOL_FREE] = "free",
		[EVENT_POOL_DESTROY] = "destroy",
	};

	if (!event_is_pool(e))
		return e->function < s->info->function_count ? s->info->functions[e->function]
							     : "?";
	snprintf(buf, len, "%s:%s", note->pool ? note->pool->name : "?", verbs[e->kind]);
	return buf;
}

const char *sink_kind_name(const struct event *e)
{
	switch (e->kind) {
	case EVENT_ALLOC:
	case EVENT_POOL_ALLOC:
		return "alloc";
	case EVENT_FREE:
	case EVENT_POOL_FREE:
		return "free";
	case EVENT_REALLOC:
		return "realloc";
	case EVENT_POOL_CREATE:
		return "create";
	default:
		return "destroy";
	}
}

struct sym_stack sink_frames(const struct sink *s, uint32_t pid, uint64_t word)
{
	struct sym_stack stack =
		symbolizer_resolve(s->info->symbolizer, (pid_t)pid, event_word_address(word),
				   event_word_is_return(word));

	/* A probe's own address is inside the functions of alloctrace/pool.h: whose they are in
	 * is meant. */
	while (stack.count > 1 && stack.frames[0].inlined && stack.frames[0].function &&
	       !strncmp(stack.frames[0].function, PROBE_FUNCTIONS, strlen(PROBE_FUNCTIONS))) {
		stack.frames++;
		stack.count--;
	}
	return stack;
}

struct sym_stack sink_frames_at(const struct sink *s, uint32_t pid, const uint64_t *stack,
				unsigned int frames, unsigned int i)
{
	return sink_frames(s, pid, sink_word_at(stack, frames, i));
}

uint64_t sink_weight(const struct sink *s, const struct event *e)
{
	if (e->failed)
		return 0;
	if (e->weighted_bytes)
		return e->weighted_bytes;
	if (!s->info->sample_bytes || event_is_pool(e) || e->kind == EVENT_FREE || e->new_unsampled)
		return 0;
	return (uint64_t)(heap_weighted_bytes(e->size, s->info->sample_bytes) + 0.5);
}

unsigned int sink_depth(const struct sink *s, uint32_t pid, const uint64_t *stack,
			unsigned int frames)
{
	unsigned int depth = frames ? 1 : 0;

	while (depth < frames &&
	       strcmp(sink_frames_at(s, pid, stack, frames, depth).frames[0].module, "[unknown]"))
		depth++;
	return depth;
}

struct sink_extent sink_extent(const struct sink *s, const struct event *e)
{
	struct sink_extent extent = {e->frames, e->why};

	if (e->grade == EVENT_COMPLETE || e->grade == EVENT_TRUNCATED)
		return extent;
	extent.depth = sink_depth(s, e->pid, e->stack, e->frames);
	if (extent.depth < e->frames)
		extent.why = EVENT_WHY_NO_MAPPING;
	return extent;
}

bool report_is_blind(const struct report *r)
{
	return r->counters[EVENT_MAIN_LEFT] || r->counters[EVENT_UNFOLLOWED];
}

uint64_t report_calls(const struct report *r, const struct run_info *info)
{
	uint64_t calls = 0;

	for (size_t i = 0; i < info->function_count; i++)
		calls += r->calls[i].count;
	for (size_t i = 0; i < r->heap->pool_count; i++)
		calls += heap_pool_allocs(&r->heap->pool_rows[i]).count +
			 heap_pool_frees(&r->heap->pool_rows[i]).count;
	return calls;
}

uint64_t report_unknown(const struct report *r, const struct run_info *info)
{
	if (info->adds_up || info->sample_bytes)
		return r->counters[EVENT_LOST_MAP_FULL];
	return report_lost(r) - r->counters[EVENT_LOST_RING_FULL];
}

bool report_live_is_exact(const struct report *r)
{
	return report_lost(r) == r->counters[EVENT_LOST_UNPAIRED] &&
	       !r->counters[EVENT_COUNTED_ONLY];
}

uint64_t report_lost(const struct report *r)
{
	return r->counters[EVENT_LOST_RING_FULL] + r->counters[EVENT_LOST_MAP_FULL] +
	       r->counters[EVENT_LOST_UNPAIRED] + r->malformed;
}
