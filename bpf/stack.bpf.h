/* SPDX-License-Identifier: MIT */
/*
 * Where a call came from.
 *
 * The caller is the word at the stack pointer on entry (x86-64) or the link register (arm64):
 * exact, where the kernel's own walk leaves it out unless the function happens to begin with `push
 * %rbp`. What lies above is found by the rules of the files (unwind.bpf.h), frame by frame:
 *
 *	address -> rule -> where the frame begins (CFA) -> return address, caller's frame pointer
 *
 * up to the function that nobody called. Every stack says how far it is to be believed, and why it
 * ends (event.h). Where a file has no rule, the frame pointer is followed, which is a guess.
 */
#ifndef ALLOCTRACE_STACK_BPF_H
#define ALLOCTRACE_STACK_BPF_H

#if defined(__TARGET_ARCH_x86)
#define RETURN_SP_DELTA 8 /* `ret` takes the return address off the stack */
#else
#define RETURN_SP_DELTA 0
#endif

/* The kernel's return trampoline is the first byte of a page. */
#define TRAMPOLINE_MASK 0xfffULL

struct stack_frame {
	__u64 next;
	__u64 ret;
};

static __always_inline bool stack_caller(struct pt_regs *ctx, __u64 *caller)
{
#if defined(__TARGET_ARCH_x86)
	return bpf_probe_read_user(caller, sizeof(*caller), (void *)PT_REGS_SP(ctx)) == 0;
#else
	*caller = PT_REGS_RET(ctx);
	return true;
#endif
}

/* What a step gets: it may only keep what the verifier need not know in memory of a map. */
struct stack_steps {
	struct call *call;
	struct unwind_layout *layout;
};

#define MAX_FRAME_BYTES (16ULL << 20)

/* Where the registers of the interrupted code are, in what `rt_sigreturn` takes (ucontext). */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

/*
 * In code without frame pointers the register holds anything. Reading through a value that is no
 * place on this stack would take a page fault, the dearest thing that can happen here, and yield
 * garbage.
 */
static __always_inline bool is_frame(const struct stack_walk *walk)
{
	return walk->fp >= walk->sp && walk->fp - walk->sp < MAX_FRAME_BYTES && !(walk->fp & 7);
}

static __always_inline bool read_word(__u64 *word, __u64 address)
{
	return !bpf_probe_read_user(word, sizeof(*word), (void *)address);
}

#define END_WALK 1

static __always_inline long end_walk(struct stack_walk *walk, __u8 why)
{
	walk->why = why;
	return END_WALK;
}

static __always_inline __u64 mix(__u64 hash)
{
	hash *= 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* One word more, and the number of the stack with it; the words before the awaited one do not
 * count. */
static __always_inline long add_word(struct call *call, __u64 word)
{
	struct stack_walk *walk = &call->walk;
	__u32 slot = walk->depth;

	if (walk->awaited) {
		if (word != walk->awaited)
			return 0;
		walk->awaited = 0;
		slot = 0;
	}
	if (slot >= WIRE_MAX_FRAMES || slot >= config_max_stack)
		return end_walk(walk, WIRE_WHY_DEPTH);
	call->stack[slot] = word;
	walk->depth = slot + 1;
	walk->hash_below = walk->hash;
	walk->hash = mix(walk->hash ^ word);
	return 0;
}

/* By frame pointer: the chain ends with the first frame that is none. */
static __always_inline long step_by_frame(struct call *call)
{
	struct stack_walk *walk = &call->walk;
	struct stack_frame frame;

	if (!walk->fp && walk->guessed) /* so the ABI has it begin */
		return end_walk(walk, WIRE_WHY_NONE);
	if (walk->fp_lost || !is_frame(walk))
		return end_walk(walk, WIRE_WHY_NO_INFO);
	if (bpf_probe_read_user(&frame, sizeof(frame), (void *)walk->fp))
		return end_walk(walk, WIRE_WHY_UNREADABLE);
	if (!frame.ret)
		return end_walk(walk, WIRE_WHY_NONE);
	walk->guessed = walk->doubtful = 1;
	walk->sp = walk->fp + sizeof(frame);
	walk->fp = frame.next;
	walk->pc = frame.ret;
	walk->exact = 0;
	return add_word(call, frame.ret);
}

/* The index comes from the kernel as an unknown number, so that the verifier looks at one step and
 * not at 127 different ones. */
static long stack_step_by_frame(__u32 index, struct stack_steps *steps)
{
	return step_by_frame(steps->call);
}

#if defined(__TARGET_ARCH_x86)

/* A return address that a return probe has replaced: the kernel knows what it was. */
#define MAX_RETURN_PROBES 16

static __always_inline __u64 replaced_address(__u64 at, __u64 found)
{
	struct return_instance *r;
	struct task_struct *task = bpf_get_current_task_btf();

	r = BPF_CORE_READ(task, utask, return_instances);
	for (int i = 0; i < MAX_RETURN_PROBES && r; i++) {
		if (BPF_CORE_READ(r, stack) == at)
			return BPF_CORE_READ(r, orig_ret_vaddr);
		r = BPF_CORE_READ(r, next);
	}
	return found;
}

static __always_inline long step_out_of_signal(struct call *call)
{
	struct stack_walk *walk = &call->walk;
	__u64 context = walk->sp;

	if (!read_word(&walk->fp, context + UCONTEXT_RBP) ||
	    !read_word(&walk->sp, context + UCONTEXT_RSP) ||
	    !read_word(&walk->pc, context + UCONTEXT_RIP))
		return end_walk(walk, WIRE_WHY_UNREADABLE);
	walk->exact = 1;
	walk->fp_lost = 0;
	return add_word(call, walk->pc | WIRE_EXACT);
}

/* Where the frame begins: above all that belongs to it. */
static __always_inline bool find_cfa(const struct stack_walk *walk, const struct unwind_rule *rule,
				     __u64 *cfa)
{
	__s64 offset = (__s64)rule->cfa_words * 8;

	switch (UNWIND_CFA(rule->kind)) {
	case UNWIND_SP:
		*cfa = walk->sp + offset;
		return true;
	case UNWIND_FP:
		*cfa = walk->fp + offset;
		return !walk->fp_lost;
	case UNWIND_AT_SP:
		return read_word(cfa, walk->sp + offset);
	case UNWIND_AT_FP:
		return !walk->fp_lost && read_word(cfa, walk->fp + offset);
	case UNWIND_PLT:
		*cfa = walk->sp + 8 + ((walk->pc & 15) >= rule->cfa_words ? 8 : 0);
		return true;
	default:
		return false;
	}
}

/* The return address, which lies below the CFA, and the caller's frame pointer. */
static __always_inline bool read_frame(struct stack_walk *walk, const struct unwind_rule *rule,
				       __u64 cfa, struct stack_frame *frame)
{
	__s64 offset = (__s64)rule->fp_words * 8;

	frame->next = walk->fp;
	switch (UNWIND_RULE_FP(rule->kind)) {
	case UNWIND_FP_AT_CFA:
		if (rule->fp_words == -2) /* side by side */
			return !bpf_probe_read_user(frame, sizeof(*frame), (void *)(cfa - 16));
		walk->fp_lost = !read_word(&frame->next, cfa + offset);
		break;
	case UNWIND_FP_AT_FP:
		walk->fp_lost |= !read_word(&frame->next, walk->fp + offset);
		break;
	case UNWIND_FP_UNKNOWN:
		walk->fp_lost = 1;
		break;
	}
	return read_word(&frame->ret, cfa - 8);
}

static __always_inline long step_by_rule(struct call *call, const struct unwind_rule *rule)
{
	struct stack_walk *walk = &call->walk;
	__u64 cfa = 0;
	struct stack_frame frame = {0};

	if (UNWIND_CFA(rule->kind) == UNWIND_OUTERMOST) {
		walk->over = 1;
		return END_WALK;
	}
	if (UNWIND_CFA(rule->kind) == UNWIND_NONE)
		return step_by_frame(call);
	walk->doubtful = 0;
	if (UNWIND_CFA(rule->kind) == UNWIND_SIGNAL)
		return step_out_of_signal(call);
	if (!find_cfa(walk, rule, &cfa))
		return end_walk(walk, WIRE_WHY_NO_RULE);
	if (cfa <= walk->sp)
		return end_walk(walk, WIRE_WHY_NO_GROWTH);
	if (UNWIND_RULE_FP(rule->kind) == UNWIND_FP_AT_CFA)
		walk->fp_lost = 0;
	if (!read_frame(walk, rule, cfa, &frame))
		return end_walk(walk, WIRE_WHY_UNREADABLE);
	if (!(frame.ret & TRAMPOLINE_MASK) && frame.ret)
		frame.ret = replaced_address(cfa - 8, frame.ret);
	/* So may end a thread or a coroutine that is made by hand, but also a walk that went
	 * astray. */
	if (!frame.ret)
		return end_walk(walk, WIRE_WHY_NO_MAPPING);
	walk->pc = frame.ret;
	walk->exact = 0;
	walk->sp = cfa;
	walk->fp = frame.next;
	return add_word(call, frame.ret);
}

/* An address that was had by guessing, and lies in no code, was no address of a frame. */
static __always_inline long end_without_map(struct stack_walk *walk)
{
	if (walk->doubtful && walk->depth > 1) {
		walk->depth--;
		walk->hash = walk->hash_below;
		return end_walk(walk, WIRE_WHY_NO_INFO);
	}
	return end_walk(walk,
			walk->pc & TRAMPOLINE_MASK ? WIRE_WHY_NO_MAPPING : WIRE_WHY_TRAMPOLINE);
}

static long stack_step_by_rule(__u32 index, struct stack_steps *steps)
{
	struct call *call = steps->call;
	struct stack_walk *walk = &call->walk;
	__u64 address = walk->pc - !walk->exact; /* the call, not what comes after it */
	const struct unwind_map *map = unwind_map_at(steps->layout, address, &walk->hint);
	const struct unwind_rule *rule;

	if (!map)
		return end_without_map(walk);
	if (map->table == UNWIND_NO_TABLE)
		return end_walk(walk, WIRE_WHY_NO_TABLE);
	if (map->table == UNWIND_NO_RULES)
		return step_by_frame(call);
	rule = unwind_rule_at(map, address - map->base);
	if (!rule)
		return end_walk(walk, WIRE_WHY_NO_TABLE);
	return step_by_rule(call, rule);
}

/*
 * The layout may be replaced while it is read, and its memory be another's: then its number is not
 * what it was, and nothing of the walk is believed.
 */
static __always_inline void walk_by_rules(struct call *call)
{
	__u32 tgid = call->event.tgid;
	struct unwind_layout *layout = bpf_map_lookup_elem(&layouts, &tgid);
	struct stack_steps steps = {call, layout};
	struct stack_walk *walk = &call->walk;
	__u64 serial;

	if (!layout) {
		walk->why = WIRE_WHY_NO_LAYOUT;
		return;
	}
	serial = *(volatile __u64 *)&layout->serial;
	/* Its memory may have become another process's before the number was read. */
	if (bpf_map_lookup_elem(&layouts, &tgid) != layout) {
		walk->why = WIRE_WHY_NO_LAYOUT;
		return;
	}
	walk->known_ns = layout->known_ns;
	bpf_loop(WIRE_MAX_FRAMES + 1, stack_step_by_rule, &steps, 0);
	if (*(volatile __u64 *)&layout->serial == serial)
		return;
	walk->depth = 0;
	walk->over = walk->guessed = 0;
	walk->known_ns = 0;
	walk->why = WIRE_WHY_NO_LAYOUT;
}

#endif

static __always_inline void walk_by_frames(struct call *call)
{
	struct stack_steps steps = {call, NULL};

	bpf_loop(WIRE_MAX_FRAMES, stack_step_by_frame, &steps, 0);
}

static __always_inline __u8 walk_grade(const struct stack_walk *walk)
{
	if (walk->guessed)
		return WIRE_GUESSED;
	if (walk->over)
		return WIRE_COMPLETE;
	return walk->depth > 1 ? WIRE_TRUNCATED : WIRE_CALL_SITE;
}

/* The state of the thread in the function that was called, or is to be left, by the caller that is
 * in stack[0]; or, with `inside`, at a probe within a function somewhere below that caller. */
static __always_inline void walk_begin(struct call *call, struct pt_regs *ctx, __u64 sp,
				       bool inside)
{
	__u64 caller = call->stack[0];

	call->walk = (struct stack_walk){
		.pc = inside ? PT_REGS_IP(ctx) : caller,
		.sp = sp,
		.fp = PT_REGS_FP(ctx),
		.awaited = caller,
		.exact = inside,
		/* Mixed before the first word, or that could make up for another process. */
		.hash = mix(mix(config_stack_seed) ^ call->event.tgid),
	};
	if (!inside || caller == PT_REGS_IP(ctx) + 1) /* the probe itself stands for it */
		add_word(call, caller);
}

/*
 * Fills what lies above the caller, which is already in stack[0], and grades it. The number of
 * words there are; the stack's hash is left in the walk.
 */
static __always_inline __u32 stack_walk(struct call *call, struct pt_regs *ctx, __u64 sp,
					bool inside)
{
	struct stack_walk *walk = &call->walk;
	__u64 caller = call->stack[0];

	if (config_max_stack <= 1)
		return 1;
	walk_begin(call, ctx, sp, inside);
#if defined(__TARGET_ARCH_x86)
	if (config_by_rules)
		walk_by_rules(call);
	else
#endif
		walk_by_frames(call);
	if (walk->awaited || !walk->depth) { /* the caller was not among them */
		walk->depth = 1;
		walk->over = 0;
		call->stack[0] = caller;
	}
	call->event.grade = walk_grade(walk);
	call->event.why = walk->over ? WIRE_WHY_NONE : walk->why;
	walk->hash ^= walk->known_ns << 8 ^ call->event.grade;
	return walk->depth;
}

#endif
