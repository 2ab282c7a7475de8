// SPDX-License-Identifier: MIT
/* Stacks, and what a pool did wrong or who freed what must not be, as JSON: all sides resolved. */
#include "out/json.h"

json_t *json_stack(const struct sink *s, uint32_t pid, const uint64_t *stack, unsigned int depth)
{
	json_t *all = json_array();

	for (unsigned int i = 0; i < depth; i++) {
		size_t innermost = json_array_size(all);

		json_append_frames(all, sink_frames_at(s, pid, stack, depth, i));
		if (sink_is_interrupted(stack, i))
			json_object_set_new(json_array_get(all, innermost), "signal", json_true());
	}
	return all;
}

/* The region that the pool announced when it was made. */
static json_t *region(const struct finding *f)
{
	return json_pack("{s:o,s:o,s:o}", "base", json_address(f->base), "bytes",
			 json_count(f->bytes), "chunk_size", json_count(f->chunk_size));
}

static void set_chunk(json_t *o, const struct finding *f)
{
	json_object_set_new(o, "addr", json_address(f->addr));
	if (f->chunks) {
		json_object_set_new(o, "chunks", json_count(f->chunks));
		json_object_set_new(o, "bytes", json_count(f->chunk_bytes));
	} else if (f->check != FINDING_INVALID_FREE) {
		json_object_set_new(o, "size", json_count(f->size));
	}
	if (f->align)
		json_object_set_new(o, "align", json_count(f->align));
	if (f->base)
		json_object_set_new(o, "region", region(f));
}

static void set_function(json_t *o, const struct sink *s, const char *key, unsigned int function)
{
	if (function < s->info->function_count)
		json_object_set_new(o, key, json_text(s->info->functions[function]));
}

/* The third side: where a block that was freed twice had been handed out. */
static void set_made(json_t *o, const struct sink *s, const struct finding *f)
{
	set_function(o, s, "made_function", f->made_function);
	if (f->made_tid)
		json_object_set_new(o, "made_tid", json_count(f->made_tid));
	if (f->made_ns)
		json_object_set_new(o, "made_ts_ns", json_count(f->made_ns));
	if (f->made_site)
		json_object_set_new(o, "made_stack", json_stack(s, f->pid, &f->made_site, 1));
}

static void set_other(json_t *o, const struct sink *s, const struct finding *f)
{
	if (f->other_pool)
		json_object_set_new(o, "other_pool", json_text(f->other_pool));
	if (f->other_addr) {
		json_object_set_new(o, "other_addr", json_address(f->other_addr));
		json_object_set_new(o, "other_size", json_count(f->other_size));
	}
	set_function(o, s, "other_function", f->other_function);
	if (f->other_tid)
		json_object_set_new(o, "other_tid", json_count(f->other_tid));
	if (f->other_ns)
		json_object_set_new(o, "other_ts_ns", json_count(f->other_ns));
	if (f->other_site)
		json_object_set_new(o, "other_stack", json_stack(s, f->pid, &f->other_site, 1));
}

json_t *json_of_finding(const struct sink *s, const struct finding *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string("finding"));
	json_object_set_new(o, "check", json_string(finding_name(f->check)));
	if (f->pool)
		json_object_set_new(o, "pool", json_text(f->pool));
	if (f->pool || f->pool_addr)
		json_object_set_new(o, "pool_addr", json_address(f->pool_addr));
	set_function(o, s, "call", f->function);
	json_object_set_new(o, "ts_ns", json_count(f->ts_ns));
	json_object_set_new(o, "pid", json_count(f->pid));
	json_object_set_new(o, "tid", json_count(f->tid));
	json_object_set_new(o, "comm", json_text(f->comm));
	set_chunk(o, f);
	if (f->frames && f->stack[0])
		json_object_set_new(o, "stack",
				    json_stack(s, f->pid, f->stack,
					       sink_depth(s, f->pid, f->stack, f->frames)));
	set_other(o, s, f);
	set_made(o, s, f);
	return o;
}

void json_finding(struct sink *s, const struct finding *f)
{
	json_line(s->out, json_of_finding(s, f));
}
