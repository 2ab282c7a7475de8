// SPDX-License-Identifier: MIT
/*
 * A library as a distribution with control-flow enforcement builds it: every function begins with
 * endbr64. Each has another prologue, and each may be called with any six numbers: none follows an
 * argument. What no compiler writes is written in assembly at the end.
 */
#include <stdint.h>

#define ARGUMENTS uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f
#define ALL       a, b, c, d, e, f
#define UNUSED    ((void)a, (void)b, (void)c, (void)d, (void)e, (void)f)
#define CET(name) uint64_t cet_##name(ARGUMENTS)
#define HIDDEN    __attribute__((noinline, noclone, visibility("hidden")))

static volatile uint64_t cell;
static __thread volatile uint64_t own_cell;

HIDDEN uint64_t cet_mix(ARGUMENTS)
{
	return a ^ b << 1 ^ c << 2 ^ d << 3 ^ e << 4 ^ f << 5 ^ cell;
}

HIDDEN __attribute__((cold)) uint64_t cet_rare(ARGUMENTS)
{
	cell++;
	return cet_mix(f, e, d, c, b, a);
}

/* What each does is in its name; the result depends on the arguments where that is easy. */

CET(empty)
{
	UNUSED;
	return 0;
}
CET(constant)
{
	UNUSED;
	return 0x1234567890;
}
CET(first)
{
	UNUSED;
	return a;
}
CET(sum)
{
	return a + b + c + d + e + f;
}
CET(compare)
{
	UNUSED;
	return a > 1000 ? cell : b;
}
CET(test)
{
	UNUSED;
	return a ? cet_mix(ALL) : 0;
}
CET(test_narrow)
{
	UNUSED;
	return (unsigned char)a ? cet_mix(ALL) : b;
}

CET(null_out)
{
	UNUSED;
	if (!a || !b)
		return 0;
	cell += a;
	return cet_mix(b, a, c, d, e, f) + a;
}

CET(tail_call)
{
	return cet_mix(ALL);
}
CET(call_through)
{
	return cet_mix(ALL) + 1;
}

CET(keeps_all)
{
	uint64_t x = cet_mix(ALL), y = cet_mix(f, e, d, c, b, a);

	return x + y + cet_mix(x, y, a, b, c, d) + a + b + c + d + e + f;
}

CET(frame)
{
	volatile uint64_t kept[4] = {a, b, c, d};

	return cet_mix(kept[3], kept[2], kept[1], kept[0], e, f);
}

CET(big_frame)
{
	volatile unsigned char kept[20000];

	kept[a % sizeof(kept)] = (unsigned char)b;
	return cet_mix(kept[a % sizeof(kept)], b, c, d, e, f);
}

CET(red_zone)
{
	volatile uint64_t kept[8];

	UNUSED;
	kept[a % 8] = b;
	kept[c % 8] = d;
	return kept[a % 8] ^ e;
}

CET(variable_frame)
{
	volatile unsigned char kept[a % 64 + 1];

	kept[0] = (unsigned char)b;
	return cet_mix(kept[0], b, c, d, e, f);
}

CET(aligned_frame)
{
	_Alignas(64) volatile uint64_t kept[8];

	kept[a % 8] = b;
	return cet_mix(kept[a % 8], b, c, d, e, f);
}

CET(loop)
{
	uint64_t x = 0;

	UNUSED;
	for (uint64_t i = 0; i < a % 32; i++)
		x = x * 31 + (cell ^ b);
	return x;
}

CET(loop_to_entry)
{
	UNUSED;
	do
		b += cell;
	while (a >>= 1);
	return b;
}

CET(recursive)
{
	return a % 4 ? cet_mix(ALL) + cet_mix(b, a, c, d, e, f) : f;
}

CET(switch)
{
	switch (a % 8) {
	case 0:
		return cet_mix(ALL);
	case 1:
		return b;
	case 2:
		return c * 3;
	case 3:
		return cell;
	case 4:
		return d / 7;
	case 5:
		return e << 4;
	case 6:
		return cet_rare(ALL);
	default:
		return f;
	}
}

CET(cold_part)
{
	if (__builtin_expect(a % 8 == 7, 0))
		return cet_rare(ALL) + cet_rare(b, a, c, d, e, f);
	return a + cell;
}

CET(global)
{
	UNUSED;
	return cell + a;
}

CET(thread_local)
{
	UNUSED;
	own_cell += a;
	return own_cell;
}

CET(divide)
{
	UNUSED;
	return a / (b | 1) + c % (d | 1);
}
CET(shift)
{
	UNUSED;
	return a << (b & 63) | c >> (d & 63);
}
CET(floating)
{
	UNUSED;
	return (uint64_t)((double)(a >> 32) * 1.5 + (double)(b >> 32));
}

typedef uint64_t pair __attribute__((vector_size(16)));

CET(vector)
{
	pair x = {a, b}, y = {c, d};

	UNUSED;
	x = (x ^ y) + x;
	return x[0] + x[1];
}

__attribute__((optimize("stack-protector-all"))) CET(guarded)
{
	volatile char kept[32];

	kept[a % 32] = (char)b;
	return cet_mix((uint64_t)kept[a % 32], b, c, d, e, f);
}

__attribute__((patchable_function_entry(5))) CET(patchable)
{
	return cet_mix(ALL) * 3;
}

CET(through_pointer)
{
	static uint64_t (*volatile to)(ARGUMENTS) = cet_mix;

	return to(ALL) + a;
}

CET(byte_argument)
{
	UNUSED;
	return (uint64_t)(signed char)a * (unsigned short)b;
}
CET(overwrites_first)
{
	UNUSED;
	return cet_mix(b, b, c, d, e, f);
}

/* FUNCTION name body: the bytes of it, exported. */
#define FUNCTION(name, body)                                                              \
	__asm__(".pushsection .text\n.balign 16\n.globl cet_" name "\n.type cet_" name    \
		", @function\ncet_" name ":\n" body "\n.size cet_" name ", . - cet_" name \
		"\n.popsection");
#define NOP5 ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"

FUNCTION("nop5_frame", NOP5 "sub $8, %rsp\n add $8, %rsp\n mov %rdi, %rax\n ret")
FUNCTION("other_nop5_frame",
	 ".byte 0x66, 0x0f, 0x1f, 0x40, 0x00\n sub $8, %rsp\n add $8, %rsp\n mov %rdi, %rax\n ret")
FUNCTION("nop5_push", NOP5 "push %rbp\n pop %rbp\n mov %rdi, %rax\n ret")
FUNCTION("endbr_nop5_push", "endbr64\n" NOP5 "push %rbp\n pop %rbp\n mov %rdi, %rax\n ret")
FUNCTION("endbr_nop5_frame", "endbr64\n" NOP5 "sub $8, %rsp\n add $8, %rsp\n mov %rdi, %rax\n ret")
/* A loop whose head is the cheap instruction, and one whose head was skipped. */
FUNCTION("jump_to_site", "endbr64\n xor %eax, %eax\n1: push %rbx\n pop %rbx\n inc %eax\n"
			 "cmp $3, %eax\n jb 1b\n ret")
FUNCTION("jump_to_skipped", "endbr64\n mov $3, %eax\n1: test %eax, %eax\n je 2f\n dec %eax\n"
			    "jmp 1b\n2: mov %rsi, %rax\n ret")
FUNCTION("counted_loop", "endbr64\n mov $3, %ecx\n1: loop 1b\n mov %rdx, %rax\n ret")
FUNCTION("jrcxz", "endbr64\n jrcxz 1f\n mov %rcx, %rax\n ret\n1: mov %rdi, %rax\n ret")
FUNCTION("push_number", "endbr64\n push $5\n pop %rax\n ret")
FUNCTION("push_memory", "endbr64\n push (%rsp)\n pop %rax\n mov %rdi, %rax\n ret")
FUNCTION("wide_push", "endbr64\n .byte 0x48, 0x53\n pop %rax\n ret")
FUNCTION("long_nops", "endbr64\n nopw (%rax, %rax)\n xchg %ax, %ax\n push %r12\n pop %r12\n"
		      "mov %rdi, %rax\n ret")
FUNCTION("upper_bytes", "endbr64\n mov %al, %ah\n mov %al, %r10b\n push %rbx\n pop %rbx\n ret")
FUNCTION("narrow_write", "endbr64\n mov %al, %dh\n push %rbx\n pop %rbx\n mov %rdx, %rax\n ret")
