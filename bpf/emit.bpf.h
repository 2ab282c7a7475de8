/* SPDX-License-Identifier: MIT */
/* Puts a finished record into the ring, or counts what is not there and why. */
#ifndef ALLOCTRACE_EMIT_BPF_H
#define ALLOCTRACE_EMIT_BPF_H

/* A process in a PID namespace of its own has a second pair of numbers. */
static __always_inline void event_inside(struct wire_event *e)
{
	struct task_struct *task = bpf_get_current_task_btf();
	unsigned int level = task->thread_pid->level;

	if (!level)
		return;
	e->ns_tid = pid_inside(task->thread_pid, level);
	e->ns_tgid = pid_inside(task->signal->pids[PID_OF_PROCESS], level);
}

static __always_inline void event_begin(struct wire_event *e, __u64 pid_tgid, __u8 kind,
					__u8 function)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->version = WIRE_VERSION;
	e->kind = kind;
	e->function = function;
	e->tgid = pid_tgid >> 32;
	e->tid = (__u32)pid_tgid;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	event_inside(e);
}

/*
 * No wake-up: the reader comes by on a timer, because waking it costs the traced program more than
 * all the rest of an event. `bytes` is bounded by the caller.
 */
static __always_inline void emit(struct call *call, __u64 bytes)
{
	if (!bpf_ringbuf_output(&events, &call->event, bytes, BPF_RB_NO_WAKEUP))
		return;
	unsent_count(&call->event);
	count(WIRE_LOST_RING_FULL);
}

/*
 * Whether the reader knows the stack's number: told now, if it is new. The record of a stack is
 * that of its call with another kind, a number, and all its words.
 */
static __always_inline bool tell_stack(struct call *call, __u32 frames)
{
	struct wire_event *e = &call->event;
	__u64 id = call->walk.hash | 1, size = e->size, bytes;
	__u8 kind = e->kind, known = 1;
	bool told;

	if (bpf_map_lookup_elem(&stacks, &id)) {
		e->stack_id = id;
		return true;
	}
	if (stacks_full) {
		e->stack_id = call->walk.known_ns;
		return false;
	}
	e->kind = WIRE_STACK;
	e->wire_stack_layout = call->walk.known_ns;
	e->stack_id = id;
	bytes = sizeof(*e) + frames * sizeof(__u64);
	told = !bpf_ringbuf_output(&events, e, bytes, BPF_RB_NO_WAKEUP);
	if (told && bpf_map_update_elem(&stacks, &id, &known, BPF_ANY))
		stacks_full = true;
	e->kind = kind;
	e->size = size;
	e->stack_id = told ? id : call->walk.known_ns;
	return told;
}

/*
 * Sends the record with its caller and, where asked for, the frames above, or counts the call.
 * `sp` is the thread's stack pointer outside of the function; with `inside`, at the probe in it.
 */
static __always_inline void emit_with_stack(struct call *call, struct pt_regs *ctx, __u64 sp,
					    bool inside)
{
	__u32 frames;

	if (!pressure_admits(&call->event)) {
		unsent_count(&call->event);
		count(WIRE_COUNTED_ONLY);
		return;
	}
	frames = stack_walk(call, ctx, sp, inside);
	if (frames > WIRE_MAX_FRAMES)
		frames = WIRE_MAX_FRAMES;
	call->event.frames = frames;
	if (frames > 1 && tell_stack(call, frames)) {
		call->event.frames = frames = 1;
		call->event.grade = call->event.why = 0;
	}
	emit(call, sizeof(call->event) + frames * sizeof(__u64));
}

#endif
