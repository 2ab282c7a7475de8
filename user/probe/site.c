// SPDX-License-Identifier: MIT
/* Decodes with Zydis from the entry on, and moves to the first emulated instruction that the rules
 * allow. */
#include "probe/site.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)

#include <Zydis/Zydis.h>

#define MAX_SKIPPED \
	8 /* a prologue that has no cheap instruction by then has none worth looking for */
#define NR_UPROBE 336

struct instruction {
	ZydisDecodedInstruction info;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const ZydisDecoder *decoder, const unsigned char *code, size_t size,
		   struct instruction *i)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, code, size, &i->info, i->operands));
}

static void start(ZydisDecoder *decoder)
{
	ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

static bool is_cond_jump(unsigned char opcode)
{
	return opcode >= 0x70 && opcode <= 0x7f;
}

/*
 * What the kernel emulates, on all kernels that have uprobes with BPF cookies. A 66 prefix makes it
 * refuse. push takes a REX prefix that names r8 to r15 and nothing else.
 */
static bool is_emulated(const unsigned char *code, size_t length)
{
	if (length == 1)
		return code[0] == 0x90 || (code[0] >= 0x50 && code[0] <= 0x57);
	if (length == 2 && code[0] == 0x41)
		return code[1] >= 0x50 && code[1] <= 0x57;
	if (length == 2)
		return code[0] == 0xeb || is_cond_jump(code[0]);
	if (length == 5)
		return code[0] == 0xe9 || code[0] == 0xe8;
	return length == 6 && code[0] == 0x0f && is_cond_jump(code[1] - 0x10);
}

/* In whatever encoding: the kernel that patches 5-byte nops patches them all. */
static bool is_nop5(const struct instruction *i)
{
	return i->info.mnemonic == ZYDIS_MNEMONIC_NOP && i->info.length == 5;
}

/*
 * What uprobes do not take at all (arch/x86/kernel/uprobes.c: is_prefix_bad, the tables of good
 * instructions, and a 66 prefix on a jump or call): a lock or a segment prefix, interrupts, port
 * input and output, hlt and its like.
 */
static bool is_refused(const struct instruction *i)
{
	for (ZyanU8 k = 0; k < i->info.raw.prefix_count; k++) {
		ZyanU8 prefix = i->info.raw.prefixes[k].value;

		if (prefix == 0xf0 || prefix == 0x26 || prefix == 0x2e || prefix == 0x36 ||
		    prefix == 0x3e)
			return true;
		if (prefix == 0x66 && i->info.attributes & ZYDIS_ATTRIB_IS_RELATIVE &&
		    i->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return true;
	}
	switch (i->info.meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
		return true;
	default:
		return i->info.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED;
	}
}

/* The registers that carry arguments of the functions that are probed, and the stack pointer. */
static bool is_needed(ZydisRegister reg)
{
	switch (ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) {
	case ZYDIS_REGISTER_RDI:
	case ZYDIS_REGISTER_RSI:
	case ZYDIS_REGISTER_RDX:
	case ZYDIS_REGISTER_RCX:
	case ZYDIS_REGISTER_R8:
	case ZYDIS_REGISTER_R9:
	case ZYDIS_REGISTER_RSP:
		return true;
	default:
		return false;
	}
}

static bool is_straight(const ZydisDecodedInstruction *i)
{
	switch (i->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_STRINGOP: /* they move rsi and rdi, which are not among their operands
					 here */
	case ZYDIS_CATEGORY_IOSTRINGOP:
		return false;
	default:
		return !(i->attributes &
			 (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE));
	}
}

/* Nothing behind it runs. */
static bool is_trap(const ZydisDecodedInstruction *i)
{
	return i->mnemonic == ZYDIS_MNEMONIC_UD0 || i->mnemonic == ZYDIS_MNEMONIC_UD1 ||
	       i->mnemonic == ZYDIS_MNEMONIC_UD2;
}

/* Whether a probe behind this instruction sees what one before it would have seen. */
static bool may_skip(const struct instruction *i)
{
	/* endbr64 counts as CET, a multi-byte nop has a memory operand that it does not touch. */
	if (i->info.mnemonic == ZYDIS_MNEMONIC_ENDBR64 || i->info.mnemonic == ZYDIS_MNEMONIC_NOP)
		return true;
	if (!is_straight(&i->info) || is_trap(&i->info))
		return false;
	for (size_t k = 0; k < i->info.operand_count; k++) {
		const ZydisDecodedOperand *o = &i->operands[k];

		if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && is_needed(o->reg.value))
			return false;
	}
	return true;
}

/* The offset that a relative jump or call at `at` leads to; false for other instructions. */
static bool branch_target(const struct instruction *i, uint64_t at, uint64_t *target)
{
	return i->info.attributes & ZYDIS_ATTRIB_IS_RELATIVE &&
	       i->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i->info, &i->operands[0], at, target));
}

/* Whether anything in the function jumps behind its entry and not beyond the site. Undecodable
 * bytes count as a yes. */
static bool is_jumped_into(const ZydisDecoder *decoder, const unsigned char *code, size_t size,
			   uint64_t site)
{
	struct instruction i;
	uint64_t target;

	for (size_t at = 0; at < size; at += i.info.length) {
		if (!decode(decoder, code + at, size - at, &i))
			return true;
		if (branch_target(&i, at, &target) && target > 0 && target <= site)
			return true;
	}
	return false;
}

static void describe(struct site *site, const struct instruction *i)
{
	ZydisFormatter formatter;

	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
		    &formatter, &i->info, i->operands, i->info.operand_count_visible,
		    site->instruction, sizeof(site->instruction), site->skip, NULL)))
		snprintf(site->instruction, sizeof(site->instruction), "?");
}

static enum calibration_class class_of(const struct instruction *i)
{
	switch (i->info.meta.category) {
	case ZYDIS_CATEGORY_PUSH:
		return CALIBRATION_PUSH;
	case ZYDIS_CATEGORY_COND_BR:
		return CALIBRATION_JCC;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return CALIBRATION_JMP;
	case ZYDIS_CATEGORY_CALL:
		return CALIBRATION_CALL;
	default:
		return CALIBRATION_NOP;
	}
}

static void choose(struct site *site, uint64_t skip, const struct instruction *i,
		   enum site_cost cost, const char *why)
{
	site->skip = skip;
	site->cost = cost;
	site->class = cost == SITE_EMULATED ? class_of(i) : CALIBRATION_STEPPED;
	snprintf(site->why, sizeof(site->why), "%s", why);
	describe(site, i);
}

/* The first emulated instruction that may be reached by skipping; false, with the reason in `why`,
 * when there is none. */
static bool find_cheaper(struct site *site, const ZydisDecoder *decoder, const unsigned char *code,
			 size_t size, const char **why)
{
	struct instruction i;
	uint64_t at = 0;

	*why = "no emulated instruction near the entry";
	for (int n = 0; n <= MAX_SKIPPED && at < size; n++, at += i.info.length) {
		if (!decode(decoder, code + at, size - at, &i)) {
			*why = "the code behind the entry cannot be decoded";
			return false;
		}
		if (is_emulated(code + at, i.info.length)) {
			if (is_jumped_into(decoder, code, size, at)) {
				*why = "a jump leads to the cheaper instruction or before it";
				return false;
			}
			choose(site, at, &i, SITE_EMULATED, "the first emulated instruction");
			return true;
		}
		if (!may_skip(&i)) {
			*why = "an instruction before the cheaper one changes what the probe must "
			       "see";
			return false;
		}
	}
	return false;
}

void site_find(struct site *site, const unsigned char *code, size_t size, bool whole,
	       bool nop5_hazard)
{
	const char *why = "the end of the function is unknown";
	struct instruction first;
	ZydisDecoder decoder;

	*site = (struct site){
		.cost = SITE_STEPPED, .instruction = "?", .why = "the code cannot be decoded"};
	start(&decoder);
	if (!decode(&decoder, code, size, &first))
		return;
	if (is_emulated(code, first.info.length))
		choose(site, 0, &first, SITE_EMULATED, "the entry is emulated");
	else if (whole && find_cheaper(site, &decoder, code, size, &why))
		return;
	else if (nop5_hazard && is_nop5(&first))
		choose(site, 0, &first, SITE_REFUSED,
		       "a 5-byte nop, which this kernel patches unsafely");
	else if (is_refused(&first))
		choose(site, 0, &first, SITE_REFUSED,
		       "an instruction that the kernel does not probe");
	else
		choose(site, 0, &first, SITE_STEPPED, why);
}

bool site_nop5_hazard(void)
{
	return syscall(NR_UPROBE) == -1 && errno == ENXIO;
}

#else /* other machines: the entry, always */

void site_find(struct site *site, const unsigned char *code, size_t size, bool whole,
	       bool nop5_hazard)
{
	(void)code;
	(void)whole;
	(void)size;
	(void)nop5_hazard;
	*site = (struct site){.cost = SITE_STEPPED,
			      .instruction = "?",
			      .why = "the entry (x86-64 alone is decoded)"};
}

bool site_nop5_hazard(void)
{
	return false;
}

#endif
