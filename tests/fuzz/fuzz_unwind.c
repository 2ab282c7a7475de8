// SPDX-License-Identifier: MIT
/*
 * Call frame information that a file's maker has made up, as the rules are made of it; and rules
 * that a helper process, misled by a file, has sent. An input is an ELF file when it begins like
 * one. Or else its first byte says whether it is the call frame sections of a file, .eh_frame
 * alone, .debug_frame alone or half and half, or rules. Whatever they are, the rules are sorted,
 * and what the kernel side searches them by finds in its bounds what a search through the sorted
 * ones finds.
 */
#include "fuzz.h"

#include <fcntl.h>

#include "core/unwind.h"
#include "sym/unwind.h"
#include "tests/unit/frame_file.h"

static void check_piece(const struct unwind_piece *p)
{
	const uint32_t *words = p->blocks[0].directory;

	fuzz_check(p->start < p->end, "a piece is not empty");
	fuzz_check(p->block_count >= 2 && p->block_count <= UNWIND_MAX_BLOCKS,
		   "no more blocks than fit");
	fuzz_check((p->end - p->start - 1) >> p->shift < UNWIND_DIRECTORY - 1,
		   "the directory reaches the end");
	for (size_t b = 0; b + 1 < UNWIND_DIRECTORY; b++) {
		fuzz_check(words[b + 1] - words[b] < UNWIND_BLOCK_ROWS, "a bucket is small");
		fuzz_check(words[b + 1] < (p->block_count - 1) * UNWIND_BLOCK_ROWS,
			   "a bucket has rows");
	}
}

static const struct unwind_rule *search(const struct unwind_rules *r, uint64_t address)
{
	size_t at = 0;

	while (at + 1 < r->count && r->at[at + 1].address <= address)
		at++;
	return &r->at[at];
}

static void check_found(const struct unwind_rules *r, const struct unwind_piece *p,
			uint64_t address)
{
	const struct unwind_rule *want = search(r, address - r->base);
	const struct unwind_rule *got = unwind_find(p, address - p->start);

	fuzz_check(got->kind == want->kind && got->cfa_words == want->cfa_words &&
			   got->fp_words == want->fp_words,
		   "what is packed is found");
}

static void check_packed(const struct unwind_rules *r, uint64_t end)
{
	struct unwind_pieces pieces;

	if (unwind_pack(&pieces, r, end))
		return;
	for (size_t i = 0; i < pieces.count; i++) {
		const struct unwind_piece *p = &pieces.at[i];

		check_piece(p);
		fuzz_check(!i || p->start == p[-1].end, "there is no gap");
		for (uint64_t k = 0; k < 64; k++)
			check_found(r, p, p->start + (p->end - 1 - p->start) / 63 * k);
		check_found(r, p, p->end - 1);
	}
	for (size_t i = 0; i < r->count; i += 1 + r->count / 64)
		for (size_t k = 0; k < pieces.count; k++)
			if (r->base + r->at[i].address - pieces.at[k].start <
			    pieces.at[k].end - pieces.at[k].start)
				check_found(r, &pieces.at[k], r->base + r->at[i].address);
	unwind_pieces_fini(&pieces);
}

static void take_file(int fd)
{
	struct unwind_rules rules = {0};
	uint64_t end;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!unwind_read(elf, &rules, &end)) {
		fuzz_check(unwind_rules_valid(&rules), "what is made is valid");
		if (rules.count)
			fuzz_check(rules.base + rules.at[rules.count - 1].address < end,
				   "rules end before the code does");
		check_packed(&rules, end);
	} else {
		fuzz_check(!rules.count && !rules.at, "of what cannot be read nothing is left");
	}
	unwind_rules_fini(&rules);
	elf_end(elf);
	close(fd);
}

static void take_sections(struct fuzz_input *in, uint8_t how)
{
	size_t eh_size = how & 2 ? how & 4 ? in->left / 2 : 0 : in->left, debug_size;
	uint8_t *eh = fuzz_block(in, &eh_size), *debug;
	struct frame_file file = {0};

	debug_size = in->left;
	debug = fuzz_block(in, &debug_size);
	if (eh_size)
		file = (struct frame_file){.eh = eh, .eh_size = eh_size};
	if (debug_size) {
		file.debug = debug;
		file.debug_size = debug_size;
	}
	take_file(frame_file(&file));
	free(eh);
	free(debug);
}

static void take_rules(struct fuzz_input *in)
{
	struct unwind_rules rules = {.base = fuzz_word(in)};
	uint64_t end = fuzz_word(in);

	rules.count = in->left / sizeof(*rules.at);
	rules.at = calloc(rules.count + 1, sizeof(*rules.at));
	if (!rules.at)
		abort();
	fuzz_take(in, rules.at, rules.count * sizeof(*rules.at));
	if (unwind_rules_valid(&rules))
		check_packed(&rules, end);
	unwind_rules_fini(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t how;

	if (size && data[0] == 0x7f) {
		take_file(fuzz_file(data, size));
		return 0;
	}
	how = fuzz_byte(&in);
	if (how & 1)
		take_rules(&in);
	else
		take_sections(&in, how);
	return 0;
}
