// SPDX-License-Identifier: MIT
/*
 * The place of a probe in any bytes that pose as the code of a function. A byte of settings, then
 * the code. Where the probe goes is checked with a decoder of this file's own.
 */
#include "fuzz.h"

#include <Zydis/Zydis.h>

#include "probe/site.h"

/* Whether an instruction begins at `skip` when the code is decoded from its first byte on. */
static bool is_boundary(const uint8_t *code, size_t size, uint64_t skip)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;
	uint64_t at = 0;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	while (at < skip &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, size - at, &i, operands)))
		at += i.length;
	return at == skip;
}

/* The kernel emulates these by their first byte, or the two of a REX prefix or 0f. */
static bool looks_emulated(const uint8_t *code, size_t left)
{
	if (code[0] == 0x41 || code[0] == 0x0f)
		return left >= 2;
	return code[0] == 0x90 || (code[0] >= 0x50 && code[0] <= 0x57) ||
	       (code[0] >= 0x70 && code[0] <= 0x7f) || code[0] == 0xeb || code[0] == 0xe9 ||
	       code[0] == 0xe8;
}

static void check_site(const struct site *s, const uint8_t *code, size_t size, bool whole)
{
	fuzz_check(s->cost <= SITE_REFUSED, "the cost is one of three");
	fuzz_check(s->class < CALIBRATION_CLOCK, "the class is one of an instruction");
	fuzz_check((s->cost == SITE_EMULATED) == (s->class != CALIBRATION_STEPPED),
		   "what is emulated has a class of its own");
	fuzz_check(memchr(s->instruction, 0, sizeof(s->instruction)) && s->instruction[0],
		   "the instruction is written out");
	fuzz_check(memchr(s->why, 0, sizeof(s->why)) && s->why[0], "a reason is given");
	fuzz_check(!s->skip || whole, "the entry, unless all jumps are seen");
	fuzz_check(!s->skip || s->skip < size, "the site lies in the code");
	fuzz_check(!s->skip || s->cost == SITE_EMULATED, "later than the entry only to be cheaper");
	fuzz_check(is_boundary(code, size, s->skip), "an instruction begins there");
	fuzz_check(s->cost != SITE_EMULATED || looks_emulated(code + s->skip, size - s->skip),
		   "the kernel emulates it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t settings = fuzz_byte(&in);
	size_t length = in.left;
	uint8_t *code = fuzz_block(&in, &length);
	struct site site;

	site_find(&site, code, length, settings & 1, settings & 2);
	check_site(&site, code, length, settings & 1);
	free(code);
	return 0;
}
