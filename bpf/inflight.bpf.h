/* SPDX-License-Identifier: MIT */
/*
 * Pairs an entry with its return, per thread, and lets only the outermost call be an event.
 *
 * No depth is counted, the stack pointer tells: a thread's stack grows down, so
 *
 *	entry below the open call's sp: nested, ignored; unless the return trampoline has gone from
 *		the open call's frame (x86-64), which then was left as well
 *	entry at the same sp: a tail call out of the open function when the word at sp is the
 *		kernel's return trampoline (a page's first byte), else as above it
 *	entry above it: the open call was left by longjmp or an exception and will never return;
 *		counted as unpaired, and forgotten
 *	return at sp + 8: the open call ends; any other return is a nested one's
 *
 * A counter of depth would stay wrong for ever after the first longjmp; this heals at the next
 * call.
 */
#ifndef ALLOCTRACE_INFLIGHT_BPF_H
#define ALLOCTRACE_INFLIGHT_BPF_H

/* The thread's slot, whatever is in it; NULL, and counted as lost, when there is no memory for one.
 */
static __always_inline struct call *call_slot(void)
{
	struct call *call = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
						 BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!call)
		scene_miss();
	if (!call && !is_calibrator(bpf_get_current_pid_tgid())) {
		count(WIRE_ENTERED);
		count(WIRE_LOST_MAP_FULL);
	}
	return call;
}

/* What was open on this thread will never return. */
static __always_inline void call_abandon(struct call *call)
{
	if (call->sp && !call->muted && !call->silent) {
		count(WIRE_LOST_UNPAIRED);
		scene_miss();
	}
	call->sp = 0;
}

/*
 * Whether the open call will return: every one has a return probe, and so the trampoline's address
 * for its own. Whoever was called after a jump out of it has put something else there, or nothing
 * yet; then it is found out later. A word that cannot be read tells nothing.
 */
static __always_inline bool call_will_return(const struct call *call)
{
#if defined(__TARGET_ARCH_x86)
	__u64 word = 0;

	return bpf_probe_read_user(&word, sizeof(word), (void *)call->sp) ||
	       !(word & TRAMPOLINE_MASK);
#else
	return true;
#endif
}

static __always_inline bool call_is_nested(struct call *call, __u64 sp, __u64 caller)
{
	if (!call->sp || sp > call->sp)
		return false;
	if (sp < call->sp)
		return call_will_return(call);
	return caller != call->stack[0] && !(caller & TRAMPOLINE_MASK);
}

/* Blocks that are handed out inside of a call are in no event: whoever judges calls must know. */
static __always_inline void call_note_nested(const struct call *call, const struct request *req)
{
	if (!config_checks || req->kind == WIRE_FREE || call->muted)
		return;
	note_nested(call->event.function, req->function);
	scene_nested(call->event.function, req->function);
}

/*
 * Whether this free was jumped to by the one before it (jemalloc's operator delete is nothing but
 * `jmp free`): there is no return probe that would tell, but the stack pointer, the return address
 * and the block are the same, and the function is not. free_ip stays the first of a chain: what
 * comes there again is a new call, if of the same block.
 */
static __always_inline bool free_is_tail(struct call *call, struct pt_regs *ctx, __u64 addr,
					 __u64 caller)
{
	return call->free_sp == PT_REGS_SP(ctx) && call->free_ip != PT_REGS_IP(ctx) &&
	       call->event.kind == WIRE_FREE && call->event.addr == addr &&
	       call->stack[0] == caller;
}

/* With sampling: which blocks of the call are followed, and whether it is an event at all. */
static __always_inline void call_sample(struct call *call, const struct request *req,
					__u64 pid_tgid)
{
	call->silent = 0;
	if (config_lanes && !is_calibrator(pid_tgid))
		totals_enter(req->function, req->kind == WIRE_FREE ? 0 : req->size,
			     req->kind == WIRE_FREE && !req->addr);
	if (!config_sample_bytes)
		return;
	call->sampled = req->kind != WIRE_FREE && sample_takes(call, req->size);
	call->old_sampled =
		sample_forget(pid_tgid, req->kind == WIRE_FREE ? req->addr : req->old_addr);
	call->silent = !call->sampled && !call->old_sampled;
	totals_enter(req->function, req->kind == WIRE_FREE ? 0 : req->size,
		     req->kind == WIRE_FREE && !req->addr);
}

/*
 * The thread's slot, open, when this call is an outermost one; NULL when it is nested, filtered out
 * or could not be stored. The caller's address is in stack[0] then, and the record has its header.
 * A call that the size filter drops stays open, muted: what it calls inside is no event either.
 */
static __always_inline struct call *call_open(struct pt_regs *ctx, const struct request *req)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u64 sp = PT_REGS_SP(ctx), caller = 0;
	struct call *call;
	bool readable;

	if (!filter_task(pid_tgid))
		return NULL;
	call = call_slot();
	if (!call)
		return NULL;
	readable = stack_caller(ctx, &caller);
	if (call_is_nested(call, sp, caller)) {
		call_note_nested(call, req);
		return NULL;
	}
	if (req->kind == WIRE_FREE && free_is_tail(call, ctx, req->addr, caller))
		return NULL;
	call_abandon(call);
	call->sp = sp;
	call->muted = !filter_size(req->size) && !is_calibrator(pid_tgid);
	if (call->muted)
		return NULL;
	call_sample(call, req, pid_tgid);
	scene_enter(pid_tgid, req->function, req->kind == WIRE_FREE ? req->addr : req->old_addr,
		    caller);
	call->class = req->class;
	if (config_lanes) {
		lane_begin(&call->event, pid_tgid, req->kind, req->function);
	} else {
		event_begin(&call->event, pid_tgid, req->kind, req->function);
	}
	call->event.size = req->size;
	call->event.align = req->align;
	call->event.old_addr = req->old_addr;
	call->memptr = req->memptr;
	call->returns_size = req->returns_size;
	call->stack[0] = caller;
	if (call->silent || is_calibrator(pid_tgid))
		return call;
	count(WIRE_ENTERED);
	if (!readable) {
		call->event.flags |= WIRE_NO_CALLER;
		count(WIRE_UNREADABLE_STACK);
	}
	return call;
}

/* The allocating half: remember, and read the clock as the very last thing. */
static __always_inline int call_enter(struct pt_regs *ctx)
{
	struct request req;
	struct call *call;

	request_read(&req, ctx);
	call = call_open(ctx, &req);
	if (!call)
		return 0;
	if (config_lanes)
		lane_enter(call);
	call->event.ts_ns = bpf_ktime_get_ns();
	return 0;
}

/* A free that is added up: it has a return probe when its time was asked for. */
static __always_inline int call_free_added(struct call *call, const struct request *req)
{
	call->event.addr = req->addr;
	if (!req->paired) {
		call->sp = 0;
		return 0;
	}
	lane_enter(call);
	call->event.ts_ns = bpf_ktime_get_ns();
	return 0;
}

/* free has no return probe: sent at entry, so that a reuse of the address always comes later. */
static __always_inline int call_free(struct pt_regs *ctx)
{
	struct request req;
	struct call *call;

	request_read_free(&req, ctx);
	call = call_open(ctx, &req);
	if (!call)
		return 0;
	if (config_lanes) {
		call->event.size = 0;
		call->free_sp = PT_REGS_SP(ctx);
		call->free_ip = PT_REGS_IP(ctx);
		return call_free_added(call, &req);
	}
	if (req.paired)
		call->muted = 1; /* open until it returns, and what it calls is no event */
	else
		call->sp = 0;
	call->free_sp = PT_REGS_SP(ctx);
	call->free_ip = PT_REGS_IP(ctx);
	call->event.size = 0;
	call->event.addr = req.addr;
	if (call->silent)
		return 0;
	call->event.flags |= WIRE_NOT_MEASURED;
	call->event.ts_ns = bpf_ktime_get_ns();
	emit_with_stack(call, ctx, PT_REGS_SP(ctx) + RETURN_SP_DELTA, false);
	return 0;
}

/*
 * posix_memalign returns an error number and leaves the block in *memptr; xallocx returns the size
 * that it could make of the block, which stays where it is.
 */
static __always_inline __u64 call_result(struct call *call, __u64 ret)
{
	__u64 addr = 0;

	if (call->returns_size)
		return ret < call->event.size ? 0 : call->event.old_addr;
	if (!call->memptr)
		return ret;
	if (ret == 0)
		bpf_probe_read_user(&addr, sizeof(addr), (void *)call->memptr);
	return addr;
}

/*
 * realloc is three calls in one: of NULL it allocates, to size 0 it may free (glibc does, and
 * returns NULL), and a failure leaves the old block alive.
 */
static __always_inline void call_settle(struct wire_event *e, __u64 addr)
{
	e->addr = addr;
	if (e->kind == WIRE_REALLOC && !e->old_addr)
		e->kind = WIRE_ALLOC;
	if (e->kind == WIRE_REALLOC && !e->size && !addr) {
		e->kind = WIRE_FREE;
		e->flags |= WIRE_BY_REALLOC;
		e->addr = e->old_addr;
		e->old_addr = 0;
		return;
	}
	if (!addr)
		e->flags |= WIRE_FAILED;
}

/* With sampling: what the books and the map of followed blocks make of the outcome. */
static __always_inline void call_follow(struct call *call)
{
	struct wire_event *e = &call->event;
	bool failed = e->flags & WIRE_FAILED;

	totals_settle(e->function, e);
	if (failed && call->old_sampled)
		sample_remember(e, e->old_addr);
	if (!failed && e->kind != WIRE_FREE && call->sampled)
		sample_remember(e, e->addr);
	if (failed || e->kind != WIRE_REALLOC)
		return;
	if (!call->old_sampled)
		e->flags |= WIRE_OLD_UNSAMPLED;
	if (!call->sampled)
		e->flags |= WIRE_NEW_UNSAMPLED;
}

static __always_inline int call_leave(struct pt_regs *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct call *call;

	call = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL, 0);
	if (!call || !call->sp || PT_REGS_SP(ctx) != call->sp + RETURN_SP_DELTA)
		return 0;
	call->sp = 0;
	if (call->muted)
		return 0;
	call->event.latency_ns = now - call->event.ts_ns;
	if (call->event.kind != WIRE_FREE)
		call_settle(&call->event, call_result(call, PT_REGS_RC(ctx)));
	if (config_lanes) {
		if (!is_calibrator(bpf_get_current_pid_tgid()))
			totals_settle(call->event.function, &call->event);
		lane_leave(call);
		return 0;
	}
	if (call->class == WIRE_CLASS_STEPPED)
		call->event.flags |= WIRE_NOT_MEASURED; /* the step lies inside the window */
	if (config_sample_bytes)
		call_follow(call);
	scene_leave(&call->event);
	if (!call->silent)
		emit_with_stack(call, ctx, PT_REGS_SP(ctx), false);
	return 0;
}

#endif
