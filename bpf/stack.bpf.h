/* SPDX-License-Identifier: MIT */
/*
 * Where a call came from.
 *
 * The caller is the word at the stack pointer on entry (x86-64) or the link register (arm64):
 * exact, where the kernel's own walk leaves it out unless the function happens to begin with `push
 * %rbp`. What lies above is walked by frame pointers: two words a step, ended by the first frame
 * that is not above the last one, so that a chain of garbage costs one failed read and not a page
 * fault.
 */
#ifndef ALLOCTRACE_STACK_BPF_H
#define ALLOCTRACE_STACK_BPF_H

#if defined(__TARGET_ARCH_x86)
#define RETURN_SP_DELTA 8 /* `ret` takes the return address off the stack */
#else
#define RETURN_SP_DELTA 0
#endif

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

struct stack_walk {
	struct call *call;
	__u64 fp;
	__u64 below; /* the frame pointer must lie above this, and not far */
	__u32 depth; /* words in call->stack */
};

#define MAX_FRAME_BYTES (16ULL << 20)

/*
 * In code without frame pointers the register holds anything. Reading through a value that is no
 * place on this stack would take a page fault, the dearest thing that can happen here, and yield
 * garbage.
 */
static __always_inline bool is_frame(const struct stack_walk *walk)
{
	return walk->fp > walk->below && walk->fp - walk->below < MAX_FRAME_BYTES &&
	       !(walk->fp & 7);
}

/*
 * Word 0 is the caller; step `index` fills word index + 1. The index comes from the kernel as an
 * unknown number, so that the verifier looks at one step and not at 127 different ones.
 */
static long stack_step(__u32 index, struct stack_walk *walk)
{
	__u32 slot = index + 1;
	struct stack_frame frame;

	if (slot >= WIRE_MAX_FRAMES || slot >= config_max_stack || !is_frame(walk))
		return 1;
	if (bpf_probe_read_user(&frame, sizeof(frame), (void *)walk->fp) || !frame.ret)
		return 1;
	walk->call->stack[slot] = frame.ret;
	walk->depth = slot + 1;
	walk->below = walk->fp;
	walk->fp = frame.next;
	return 0;
}

/* Fills what lies above the caller, which is already in stack[0]; the number of words there are. */
static __always_inline __u32 stack_walk(struct call *call, struct pt_regs *ctx)
{
	struct stack_walk walk = {
		.call = call, .fp = PT_REGS_FP(ctx), .below = PT_REGS_SP(ctx), .depth = 1};

	if (config_max_stack > 1)
		bpf_loop(WIRE_MAX_FRAMES, stack_step, &walk, 0);
	return walk.depth;
}

#endif
