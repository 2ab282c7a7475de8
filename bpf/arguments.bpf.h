/* SPDX-License-Identifier: MIT */
/* What an entry program finds in the argument registers, as the attach cookie directs. */
#ifndef ALLOCTRACE_ARGUMENTS_BPF_H
#define ALLOCTRACE_ARGUMENTS_BPF_H

#ifndef PT_REGS_PARM6 /* libbpf before 1.2 */
#if defined(__TARGET_ARCH_x86)
#define PT_REGS_PARM6(ctx) ((ctx)->r9)
#else
#define PT_REGS_PARM6(ctx) (((struct user_pt_regs *)(ctx))->regs[5])
#endif
#endif

/* Arguments by their numbers, from 1; [0] and [7] are 0: for the cookie's 0, and for the mask. */
struct arguments {
	__u64 cookie;
	__u64 values[8];
};

static __always_inline void arguments_read(struct arguments *a, struct pt_regs *ctx)
{
	a->cookie = bpf_get_attach_cookie(ctx);
	a->values[0] = a->values[7] = 0;
	a->values[1] = PT_REGS_PARM1(ctx);
	a->values[2] = PT_REGS_PARM2(ctx);
	a->values[3] = PT_REGS_PARM3(ctx);
	a->values[4] = PT_REGS_PARM4(ctx);
	a->values[5] = PT_REGS_PARM5(ctx);
	a->values[6] = PT_REGS_PARM6(ctx);
}

static __always_inline __u64 argument(const struct arguments *a, enum wire_arg what)
{
	return a->values[WIRE_COOKIE_NUMBER(a->cookie, what) & 7];
}

/* ~0 on overflow. The barrier hides the idiom from clang, which would make it a 128-bit product. */
static __always_inline __u64 product(__u64 a, __u64 b)
{
	__u64 limit = b ? ~0ULL / b : ~0ULL;

	barrier_var(limit);
	return a > limit ? ~0ULL : a * b;
}

/* A call as its entry shows it. */
struct request {
	__u8 kind;
	__u8 function;
	__u8 class; /* of the instruction under the probe */
	bool returns_size;
	bool paired; /* free: its return will be seen */
	__u64 size;
	__u64 align;
	__u64 old_addr;
	__u64 memptr;
	__u64 addr; /* free */
};

static __always_inline void request_read(struct request *req, struct pt_regs *ctx)
{
	struct arguments a;
	__u64 flags;

	arguments_read(&a, ctx);
	flags = argument(&a, WIRE_ARG_FLAGS) & 63;
	req->kind = WIRE_COOKIE_NUMBER(a.cookie, WIRE_ARG_PTR) ? WIRE_REALLOC : WIRE_ALLOC;
	req->function = WIRE_COOKIE_FUNCTION(a.cookie);
	req->class = WIRE_COOKIE_NUMBER(a.cookie, WIRE_ARG_CLASS);
	req->returns_size = WIRE_COOKIE_NUMBER(a.cookie, WIRE_ARG_RETURNS_SIZE);
	req->size = argument(&a, WIRE_ARG_SIZE);
	if (WIRE_COOKIE_NUMBER(a.cookie, WIRE_ARG_COUNT))
		req->size = product(req->size, argument(&a, WIRE_ARG_COUNT));
	req->align = flags ? 1ULL << flags : argument(&a, WIRE_ARG_ALIGN);
	req->old_addr = argument(&a, WIRE_ARG_PTR);
	req->memptr = argument(&a, WIRE_ARG_OUT);
	req->addr = 0;
	req->paired = false;
}

static __always_inline void request_read_free(struct request *req, struct pt_regs *ctx)
{
	struct arguments a;

	arguments_read(&a, ctx);
	*req = (struct request){
		.kind = WIRE_FREE,
		.function = WIRE_COOKIE_FUNCTION(a.cookie),
		.class = WIRE_COOKIE_NUMBER(a.cookie, WIRE_ARG_CLASS),
		.size = config_min_size, /* frees of all sizes pass the filter */
		.addr = argument(&a, WIRE_ARG_PTR),
		.paired = WIRE_COOKIE_NUMBER(a.cookie, WIRE_ARG_PAIRED),
	};
}

#endif
