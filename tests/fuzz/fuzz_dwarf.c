// SPDX-License-Identifier: MIT
/*
 * A file that a traced process maps, as the symbolizer reads it: segments, symbols, debug
 * information, where that is compressed or lies elsewhere. It is asked at the borders and in the
 * middle of its segments and at places that its last bytes choose. elfutils itself is not
 * instrumented: what it does wrong shows only when it crashes or damages a block.
 */
#include "fuzz.h"

#include <elf.h>

#include "sym/image.h"
#include "sym/names.h"

#define PATH     "/nowhere/input"
#define SEGMENTS 8 /* whose borders are asked for */

static void check_frames(const struct sym_frame *frames, size_t count)
{
	size_t bytes = 0;

	fuzz_check(count >= 1 && count <= DEBUGINFO_FRAMES_MAX,
		   "there is a frame, and no more than fit");
	for (size_t i = 0; i < count; i++) {
		const struct sym_frame *f = &frames[i];

		fuzz_check(f->inlined == (i + 1 < count), "all but the last are inlined");
		fuzz_check(!f->inlined || !f->offset, "an inlined frame has no start");
		fuzz_check(f->line >= 0 && f->column >= 0, "lines count from 0");
		/* Reads the strings to their ends. */
		bytes += (f->function ? strlen(f->function) : 0) + (f->file ? strlen(f->file) : 0);
	}
	fuzz_check(bytes < SIZE_MAX / 2, "names end");
}

/* ---- the one place that knows how a file is read ---- */

struct reader {
	struct names *names;
	struct image *image;
};

static void reader_open(struct reader *r, const uint8_t *data, size_t size)
{
	r->names = names_new();
	if (!r->names)
		abort();
	r->image = image_new(fuzz_file(data, size), names_intern(r->names, PATH), r->names, false,
			     NULL, NULL);
	if (!r->image)
		abort();
}

static void reader_close(struct reader *r)
{
	image_free(r->image);
	names_free(r->names);
}

static void ask_address(struct reader *r, uint64_t address)
{
	struct sym_frame frames[DEBUGINFO_FRAMES_MAX];

	check_frames(frames, image_frames(r->image, address, false, frames));
	check_frames(frames, image_frames(r->image, address, true, frames));
}

static void ask_offset(struct reader *r, uint64_t offset)
{
	const struct image_facts *facts = image_facts(r->image);

	fuzz_check(facts->segment_count <= IMAGE_MAX_SEGMENTS, "no more segments than fit");
	fuzz_check(facts->build_id_length <= IMAGE_MAX_BUILD_ID, "a build-id fits");
	for (size_t i = 0; i < facts->segment_count; i++) {
		const struct image_segment *s = &facts->segments[i];

		if (offset >= s->offset && offset - s->offset < s->file_size)
			ask_address(r, offset - s->offset + s->address);
	}
}

/* ---- where to ask ---- */

static void ask_segment(struct reader *r, const Elf64_Phdr *p)
{
	ask_address(r, p->p_vaddr);
	ask_address(r, p->p_vaddr + p->p_memsz / 2);
	ask_address(r, p->p_vaddr + p->p_memsz);
	ask_offset(r, p->p_offset);
	ask_offset(r, p->p_offset + p->p_filesz - 1);
}

static void ask_segments(struct reader *r, const uint8_t *data, size_t size)
{
	Elf64_Ehdr header;
	Elf64_Phdr p;

	if (size < sizeof(header))
		return;
	memcpy(&header, data, sizeof(header));
	ask_address(r, header.e_entry);
	if (header.e_phoff > size)
		return;
	for (size_t i = 0; i < header.e_phnum && i < SEGMENTS; i++) {
		size_t at = header.e_phoff + i * sizeof(p);

		if (at + sizeof(p) > size)
			return;
		memcpy(&p, data + at, sizeof(p));
		if (p.p_type == PT_LOAD && p.p_flags & PF_X)
			ask_segment(r, &p);
	}
}

static void ask_chosen(struct reader *r, const uint8_t *data, size_t size)
{
	uint16_t offsets[8];

	if (size < sizeof(offsets))
		return;
	memcpy(offsets, data + size - sizeof(offsets), sizeof(offsets));
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		ask_offset(r, offsets[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r;

	reader_open(&r, data, size);
	ask_segments(&r, data, size);
	ask_chosen(&r, data, size);
	for (size_t offset = 0; offset < size; offset += 1 + size / 16)
		ask_offset(&r, offset);
	reader_close(&r);
	return 0;
}
