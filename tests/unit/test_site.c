// SPDX-License-Identifier: MIT
/*
 * Where a probe goes, on functions spelt out byte by byte. Every function lies in memory of just
 * its size, so that the sanitizer sees a byte read too far. Linked with user/probe/site.c and
 * Zydis.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/site.h"

#if defined(__x86_64__)

#define ENDBR64 "\xf3\x0f\x1e\xfa"
#define NOP5    "\x0f\x1f\x44\x00\x00"
#define PUSH    "\x55"
#define RET     "\xc3"

static struct site found;

static void find(const char *code, size_t size, bool hazard)
{
	unsigned char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, code, size);
	memset(&found, '#', sizeof(found));
	site_find(&found, copy, size, true, hazard);
	free(copy);
	assert_non_null(memchr(found.why, '\0', sizeof(found.why)));
	assert_non_null(memchr(found.instruction, '\0', sizeof(found.instruction)));
	assert_true(found.why[0] != '\0');
}

static void expect_site(const char *what, const char *code, size_t size, bool hazard,
			enum site_cost cost, uint64_t skip)
{
	find(code, size, hazard);
	if (found.cost != cost || found.skip != skip)
		fail_msg("%s: +%llu, cost %d, '%s' (%s); expected +%llu, cost %d", what,
			 (unsigned long long)found.skip, (int)found.cost, found.instruction,
			 found.why, (unsigned long long)skip, (int)cost);
}

/* The hazard of 5-byte nops must not matter. */
static void expect_both(const char *what, const char *code, size_t size, enum site_cost cost,
			uint64_t skip)
{
	expect_site(what, code, size, false, cost, skip);
	expect_site(what, code, size, true, cost, skip);
}

#define EMULATED(bytes, skip) expect_both(#bytes, bytes, sizeof(bytes) - 1, SITE_EMULATED, skip)
#define STEPPED(bytes)        expect_both(#bytes, bytes, sizeof(bytes) - 1, SITE_STEPPED, 0)
/* The instruction is dear itself, and a cheap one behind it is out of reach. */
#define BARRIER(bytes)                           \
	do {                                     \
		STEPPED(bytes PUSH RET);         \
		STEPPED(ENDBR64 bytes PUSH RET); \
	} while (0)
/* The kernel takes no probe there, and a cheap instruction behind it is out of reach. */
#define UNPROBED(bytes)                                                                           \
	do {                                                                                      \
		expect_both(#bytes, bytes PUSH RET, sizeof(bytes PUSH RET) - 1, SITE_REFUSED, 0); \
		STEPPED(ENDBR64 bytes PUSH RET);                                                  \
	} while (0)
/* The instruction is dear itself, and a cheap one behind it takes the probe. */
#define SKIPPED(bytes)                                               \
	do {                                                         \
		EMULATED(bytes PUSH RET, sizeof(bytes) - 1);         \
		EMULATED(ENDBR64 bytes PUSH RET, 3 + sizeof(bytes)); \
	} while (0)

static void expect_why(const char *part)
{
	if (!strstr(found.why, part))
		fail_msg("'%s' does not say '%s'", found.why, part);
}

/* ---- what the kernel emulates ---- */

static void test_push_of_register(void **state)
{
	(void)state;
	for (unsigned char reg = 0; reg < 8; reg++) {
		const char low[] = {(char)(0x50 + reg), (char)0xc3};
		const char high[] = {0x41, (char)(0x50 + reg), (char)0xc3};

		expect_both("push, low", low, sizeof(low), SITE_EMULATED, 0);
		expect_both("push, high", high, sizeof(high), SITE_EMULATED, 0);
	}
	assert_string_equal(found.instruction, "push r15");
	EMULATED(ENDBR64 PUSH RET, 4);
	assert_string_equal(found.instruction, "push rbp");
	EMULATED(ENDBR64 "\x41\x57" RET, 4);
	EMULATED(PUSH, 0);
}

/* Any prefix but the one that names r8 to r15 makes the kernel step, and so does the long form. */
static void test_other_pushes(void **state)
{
	(void)state;
	BARRIER("\x48\x50");             /* REX.W */
	BARRIER("\x49\x54");             /* REX.WB */
	BARRIER("\x40\x55");             /* REX that says nothing */
	BARRIER("\x66\x50");             /* push ax */
	BARRIER("\x6a\x01");             /* push 1 */
	BARRIER("\x68\x01\x02\x03\x04"); /* push 0x4030201 */
	BARRIER("\xff\x37");             /* push qword [rdi] */
	BARRIER("\xff\xf0");             /* push rax, the long form */
	BARRIER("\x0f\xa0");             /* push fs */
	BARRIER("\x9c");                 /* pushfq */
}

static void test_jumps_and_calls(void **state)
{
	(void)state;
	for (unsigned char c = 0; c < 16; c++) {
		const char at_once[] = {(char)(0x70 + c), 0x10, (char)0xc3};
		const char near_form[] = {0x0f, (char)(0x80 + c), 0x10, 0, 0, 0, (char)0xc3};
		const char later[] = {0x48, (char)0x85, (char)0xff, (char)(0x70 + c), 0x10};

		expect_both("jcc", at_once, sizeof(at_once), SITE_EMULATED, 0);
		expect_both("jcc near", near_form, sizeof(near_form), SITE_EMULATED, 0);
		expect_both("test, jcc", later, sizeof(later), SITE_EMULATED, 3);
	}
	EMULATED("\xeb\x10", 0);
	EMULATED("\xe9\x10\x00\x00\x00", 0);
	EMULATED("\xe8\x10\x00\x00\x00" RET, 0);
	EMULATED(ENDBR64 "\xe9\x10\x00\x00\x00", 4);
	EMULATED(ENDBR64 "\xe8\x10\x00\x00\x00" RET, 4);
	EMULATED("\x48\x85\xff\x0f\x84\x10\x00\x00\x00" RET, 3);
	EMULATED("\x90" RET, 0);
	EMULATED(ENDBR64 "\x90" RET, 4);
}

static void test_other_transfers(void **state)
{
	(void)state;
	BARRIER("\xe0\x10");                 /* loopne */
	BARRIER("\xe1\x10");                 /* loope */
	BARRIER("\xe2\x10");                 /* loop */
	BARRIER("\xe3\x10");                 /* jrcxz */
	BARRIER("\x67\xe3\x10");             /* jecxz */
	BARRIER("\xff\xe0");                 /* jmp rax */
	BARRIER("\xff\xd0");                 /* call rax */
	BARRIER("\xff\x25\x10\x00\x00\x00"); /* jmp [rip] */
	BARRIER("\xff\x15\x10\x00\x00\x00"); /* call [rip] */
	BARRIER(RET);                        /* ret */
	BARRIER("\xf3\xc3");                 /* rep ret */
	BARRIER("\xc2\x08\x00");             /* ret 8 */
	UNPROBED("\xcc");                    /* int3 */
	UNPROBED("\xcd\x80");                /* int 0x80 */
	BARRIER("\x0f\x05");                 /* syscall */
	UNPROBED("\xf4");                    /* hlt */
	BARRIER("\xc7\xf8\x10\x00\x00\x00"); /* xbegin */
}

/* The kernel refuses a jump or a call with this prefix and steps the push; the nop has two names.
 */
static void test_operand_size_prefix(void **state)
{
	(void)state;
	UNPROBED("\x66\xe8\x10\x00\x00\x00");
	UNPROBED("\x66\xe9\x10\x00\x00\x00");
	UNPROBED("\x66\xeb\x10");
	UNPROBED("\x66\x74\x10");
	UNPROBED("\x66\x66\x48\xe8\x10\x00\x00\x00");
	SKIPPED("\x66\x90");
	STEPPED("\x66\x90\x48\x83\xec\x08" RET);
}

/* ---- what may be skipped ---- */

static void test_reading_is_harmless(void **state)
{
	(void)state;
	SKIPPED("\x48\x85\xff");                         /* test rdi, rdi */
	SKIPPED("\x48\x39\x37");                         /* cmp [rdi], rsi */
	SKIPPED("\x48\x8b\x07");                         /* mov rax, [rdi] */
	SKIPPED("\x48\x8b\x05\x10\x00\x00\x00");         /* mov rax, [rip + 0x10] */
	SKIPPED("\x64\x48\x8b\x04\x25\x28\x00\x00\x00"); /* mov rax, fs:[0x28] */
	SKIPPED("\x48\x8d\x44\x24\x08");                 /* lea rax, [rsp + 8] */
	SKIPPED("\x66\x48\x0f\x6e\xc7");                 /* movq xmm0, rdi */
	SKIPPED("\x31\xc0");                             /* xor eax, eax */
	SKIPPED("\x48\x0f\x44\xc7");                     /* cmovz rax, rdi */
	SKIPPED("\x0f\x94\xc0");                         /* setz al */
	SKIPPED("\x48\x0f\xa3\xf7");                     /* bt rdi, rsi */
	SKIPPED("\x0f\x1f\x00");                         /* nop [rax] */
	SKIPPED("\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"); /* nop word [rax + rax] */
	SKIPPED("\x0f\x18\x07");                         /* prefetchnta [rdi] */
	SKIPPED("\xf3\x48\x0f\xbd\xc7");                 /* lzcnt rax, rdi */
	SKIPPED("\x98");                                 /* cwde: eax alone */
	SKIPPED("\x49\x89\xe3");                         /* mov r11, rsp */
}

/* rcx, rdx, rsp, rsi, rdi, r8, r9, by the numbers that instructions have for them. */
#define NEEDED (1 << 1 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9)

/* A move into the register, as wide as `size` bytes, then a push. */
static void write_register(unsigned int number, int size)
{
	bool needed = NEEDED >> number & 1;
	unsigned char code[8];
	size_t n = 0;

	if (size == 2)
		code[n++] = 0x66;
	/* REX: W for 64 bits, B for r8 and on; for bytes always, or 4 to 7 were ah to bh. */
	code[n++] = (unsigned char)(0x40 | (size == 8 ? 8 : 0) | number >> 3);
	code[n++] = size == 1 ? 0x88 : 0x89;
	code[n++] = (unsigned char)(0xc0 | (number & 7)); /* from rax */
	code[n] = 0x53;
	expect_both("mov", (const char *)code, n + 1, needed ? SITE_STEPPED : SITE_EMULATED,
		    needed ? 0 : n);
	if (needed)
		expect_why("changes what the probe must see");
}

static void test_each_register_in_each_width(void **state)
{
	(void)state;
	for (unsigned int number = 0; number < 16; number++) {
		for (int size = 1; size <= 8; size *= 2)
			write_register(number, size);
	}
	BARRIER("\x88\xc6"); /* mov dh, al */
	BARRIER("\x88\xc5"); /* mov ch, al */
	SKIPPED("\x88\xc4"); /* mov ah, al */
	SKIPPED("\x88\xc7"); /* mov bh, al */
}

static void test_other_writes_of_registers(void **state)
{
	(void)state;
	BARRIER("\x48\x83\xec\x08");     /* sub rsp, 8 */
	BARRIER("\x48\x8d\x64\x24\xf8"); /* lea rsp, [rsp - 8] */
	BARRIER("\x5b");                 /* pop rbx */
	BARRIER("\xc9");                 /* leave */
	BARRIER("\x89\xff");             /* mov edi, edi: the upper half goes */
	BARRIER("\x31\xd2");             /* xor edx, edx */
	BARRIER("\x48\x0f\x44\xf8");     /* cmovz rdi, rax */
	BARRIER("\x0f\x94\xc1");         /* setz cl */
	BARRIER("\x99");                 /* cdq */
	BARRIER("\x48\xf7\xe1");         /* mul rcx */
	BARRIER("\x48\xf7\xf9");         /* idiv rcx */
	BARRIER("\x48\x97");             /* xchg rdi, rax */
	BARRIER("\x41\x90");             /* xchg r8d, eax: no nop */
	BARRIER("\x0f\xa2");             /* cpuid */
	BARRIER("\xc4\xe2\xfb\xf6\xd3"); /* mulx rdx, rax, rbx */
	BARRIER("\x66\x48\x0f\x7e\xc7"); /* movq rdi, xmm0 */
}

static void test_writes_of_memory(void **state)
{
	(void)state;
	BARRIER("\x48\x89\x07");         /* mov [rdi], rax */
	BARRIER("\x48\x89\x44\x24\xf8"); /* mov [rsp - 8], rax */
	BARRIER("\xc6\x00\x00");         /* mov byte [rax], 0 */
	UNPROBED("\xf0\x48\xff\x00");    /* lock inc [rax] */
	BARRIER("\x48\x01\x07");         /* add [rdi], rax */
	BARRIER("\x48\x87\x03");         /* xchg [rbx], rax */
	BARRIER("\x48\x0f\xb1\x1f");     /* cmpxchg [rdi], rbx */
	BARRIER("\xdd\x18");             /* fstp [rax] */
	BARRIER("\xaa");                 /* stosb */
	BARRIER("\x66\x0f\xf7\xc1");     /* maskmovdqu */
	BARRIER("\x0f\xae\x5c\x24\xfc"); /* stmxcsr [rsp - 4] */
}

static void test_repeated_instructions(void **state)
{
	(void)state;
	BARRIER("\xf3\xaa");     /* rep stosb */
	BARRIER("\xf3\x48\xa5"); /* rep movsq */
	BARRIER("\xf3\xa6");     /* repe cmpsb */
	BARRIER("\xf2\xae");     /* repne scasb */
}

/* Each moves rsi, rdi or both on. */
static void test_string_instructions(void **state)
{
	(void)state;
	BARRIER("\xac");     /* lodsb */
	BARRIER("\xa6");     /* cmpsb */
	BARRIER("\x48\xa7"); /* cmpsq */
	BARRIER("\xae");     /* scasb */
	BARRIER("\x48\xaf"); /* scasq */
	UNPROBED("\x6e");    /* outsb */
}

/* Nothing behind these is ever reached. */
static void test_traps(void **state)
{
	(void)state;
	BARRIER("\x0f\x0b");     /* ud2 */
	BARRIER("\x0f\xb9\xc0"); /* ud1 */
}

static void test_search_ends(void **state)
{
	static const char test[] = "\x48\x85\xff";
	char code[9 * 3 + 1];

	(void)state;
	for (int i = 0; i < 9; i++)
		memcpy(code + 3 * i, test, 3);
	code[24] = 0x55;
	expect_both("eight skipped", code, 25, SITE_EMULATED, 24);
	code[24] = 0x48;
	code[27] = 0x55;
	expect_both("nine skipped", code, 28, SITE_STEPPED, 0);
	expect_why("no emulated instruction");
	STEPPED(ENDBR64);
	STEPPED(ENDBR64 "\x48\x85\xff");
}

/* ---- jumps into the span ---- */

/* endbr64; test; je +2; then, at 9, a jump of two bytes that leads to `target`. */
static void jump_to(unsigned char opcode, int target, bool allowed)
{
	char code[] = ENDBR64 "\x48\x85\xff\x74\x02\xeb\x00" RET;

	code[9] = (char)opcode;
	code[10] = (char)(target - 11);
	expect_both("short", code, sizeof(code) - 1, allowed ? SITE_EMULATED : SITE_STEPPED,
		    allowed ? 7 : 0);
	if (!allowed)
		expect_why("a jump leads to the cheaper instruction");
}

/* The same with four bytes of distance, as a jump or a call. */
static void jump_far_to(unsigned char opcode, int target, bool allowed)
{
	char code[] = ENDBR64 "\x48\x85\xff\x74\x02\xe9\x00\x00\x00\x00" RET;
	int32_t distance = target - 14;

	code[9] = (char)opcode;
	memcpy(code + 10, &distance, sizeof(distance));
	expect_both("near", code, sizeof(code) - 1, allowed ? SITE_EMULATED : SITE_STEPPED,
		    allowed ? 7 : 0);
}

static void test_jumps_of_all_kinds(void **state)
{
	static const unsigned char opcodes[] = {0xeb, 0x74, 0x7f, 0xe0, 0xe1, 0xe2, 0xe3};

	(void)state;
	for (int target = -3; target < 14; target++) {
		bool allowed = target <= 0 || target > 7;

		for (size_t i = 0; i < sizeof(opcodes); i++)
			jump_to(opcodes[i], target, allowed);
		jump_far_to(0xe9, target, allowed);
		jump_far_to(0xe8, target, allowed);
	}
	jump_far_to(0xe9, 0x100000, true);
	jump_far_to(0xe9, -0x100000, true);
}

static void test_jump_at_the_site(void **state)
{
	(void)state;
	STEPPED("\x48\x85\xff\x74\xfe" RET); /* to itself */
	expect_why("a jump leads to");
	STEPPED("\x48\x85\xff\x74\xfc" RET);     /* into what was skipped */
	EMULATED("\x48\x85\xff\x74\xfb" RET, 3); /* to the entry, as a probe there would see */
	EMULATED("\x48\x85\xff\x74\x00" RET, 3); /* to the next */
	/* A push has no target, but a later near jcc has. */
	STEPPED(ENDBR64 PUSH "\x0f\x85\xf9\xff\xff\xff" RET);
	EMULATED(ENDBR64 PUSH "\x0f\x85\xfa\xff\xff\xff" RET, 4);
	/* At an entry that is cheap itself, all jumps are welcome. */
	EMULATED(PUSH "\xeb\xfd" RET, 0);
}

/* ---- bytes that say nothing ---- */

static void test_undecodable(void **state)
{
	(void)state;
	STEPPED("\x06" PUSH RET);
	expect_why("cannot be decoded");
	assert_string_equal(found.instruction, "?");
	STEPPED(ENDBR64 "\x06" PUSH RET);
	expect_why("cannot be decoded");
	STEPPED(ENDBR64 PUSH "\x06" RET); /* jumps cannot be told behind it */
	EMULATED(PUSH "\x06", 0);
}

static void test_truncated(void **state)
{
	(void)state;
	STEPPED(ENDBR64 PUSH "\x48\x8b"); /* at the end, and it might be a jump */
	STEPPED(ENDBR64 "\xe9\x00\x00");  /* where the probe would be */
	STEPPED(ENDBR64 "\x48");          /* on the way */
	STEPPED("\xf3\x0f\x1e");          /* at once */
	STEPPED("\xe8\x10\x00\x00");
}

static void test_no_size(void **state)
{
	(void)state;
	expect_both("nothing", "", 0, SITE_STEPPED, 0);
	expect_why("cannot be decoded");
	site_find(&found, (const unsigned char *)"", 0, true, true);
	assert_int_equal(found.cost, SITE_STEPPED);
	assert_int_equal(found.skip, 0);
	/* Of a function whose end is unknown only the entry is judged. */
	site_find(&found, (const unsigned char *)ENDBR64 PUSH, 5, false, true);
	assert_int_equal(found.cost, SITE_STEPPED);
	expect_why("end of the function is unknown");
	site_find(&found, (const unsigned char *)NOP5, 5, false, true);
	assert_int_equal(found.cost, SITE_REFUSED);
}

/* ---- the nop that must not carry a probe ---- */

static void nop5_alone(const char *code, size_t size)
{
	expect_site("nop5, hazard", code, size, true, SITE_REFUSED, 0);
	expect_why("5-byte nop");
	expect_site("nop5, none", code, size, false, SITE_STEPPED, 0);
}

#define NOP5_ALONE(bytes) nop5_alone(bytes, sizeof(bytes) - 1)

static void test_nop5(void **state)
{
	(void)state;
	NOP5_ALONE(NOP5 "\x48\x83\xec\x08" RET);
	NOP5_ALONE(NOP5 RET);
	NOP5_ALONE(NOP5);
	NOP5_ALONE(NOP5 "\x06");
	NOP5_ALONE(NOP5 PUSH "\xeb\xfd" RET); /* a jump onto the push */
	EMULATED(NOP5 PUSH RET, 5);
	EMULATED(ENDBR64 NOP5 PUSH RET, 9);
	EMULATED(NOP5 "\x48\x85\xff\x74\x10", 8);
	STEPPED(ENDBR64 NOP5 "\x48\x83\xec\x08" RET); /* endbr64 itself bears a probe */
	STEPPED("\x0f\x1f\x00\x48\x83\xec\x08" RET);
	STEPPED("\x0f\x1f\x40\x00\x48\x83\xec\x08" RET);
	STEPPED("\x66\x0f\x1f\x44\x00\x00\x48\x83\xec\x08" RET);
}

/* The kernel goes by what an instruction does, not by the one form that compilers write. */
static void test_nop5_in_other_forms(void **state)
{
	(void)state;
	NOP5_ALONE("\x66\x0f\x1f\x40\x00\x48\x83\xec\x08" RET);
	NOP5_ALONE("\x66\x66\x0f\x1f\x00\x48\x83\xec\x08" RET);
	NOP5_ALONE("\x48\x0f\x1f\x40\x00\x48\x83\xec\x08" RET);
	NOP5_ALONE("\x0f\x1f\x44\x20\x01\x48\x83\xec\x08" RET);
	NOP5_ALONE("\x66\x66\x66\x66\x90\x48\x83\xec\x08" RET);
	EMULATED("\x66\x66\x66\x66\x90" PUSH RET, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_of_register),
		cmocka_unit_test(test_other_pushes),
		cmocka_unit_test(test_jumps_and_calls),
		cmocka_unit_test(test_other_transfers),
		cmocka_unit_test(test_operand_size_prefix),
		cmocka_unit_test(test_reading_is_harmless),
		cmocka_unit_test(test_each_register_in_each_width),
		cmocka_unit_test(test_other_writes_of_registers),
		cmocka_unit_test(test_writes_of_memory),
		cmocka_unit_test(test_repeated_instructions),
		cmocka_unit_test(test_string_instructions),
		cmocka_unit_test(test_traps),
		cmocka_unit_test(test_search_ends),
		cmocka_unit_test(test_jumps_of_all_kinds),
		cmocka_unit_test(test_jump_at_the_site),
		cmocka_unit_test(test_undecodable),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_no_size),
		cmocka_unit_test(test_nop5),
		cmocka_unit_test(test_nop5_in_other_forms),
	};

	return cmocka_run_group_tests_name("site", tests, NULL, NULL);
}

#else

int main(void)
{
	puts("1..0 # SKIP x86-64 alone is decoded");
	return 0;
}

#endif
