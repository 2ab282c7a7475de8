/* SPDX-License-Identifier: MIT */
/* The smallest ELF file that has call frame information: one executable segment, and sections of
 * given bytes. */
#ifndef TESTS_UNIT_FRAME_FILE_H
#define TESTS_UNIT_FRAME_FILE_H

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAME_CODE         0x10000ULL /* where the segment begins … */
#define FRAME_CODE_SIZE    0x8000ULL
#define FRAME_EH_ADDRESS   0x400000ULL /* … and the sections */
#define FRAME_DEBUG_OFFSET 0x100000ULL /* in the file, where .debug_frame begins */

struct frame_file {
	const void *eh, *debug; /* .eh_frame, .debug_frame; NULL: not there */
	size_t eh_size, debug_size;
	Elf64_Ehdr *header; /* NULL: a plain one */
};

struct frame_layout {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[4];
	char names[40];
};

static const char frame_names[] = "\0.eh_frame\0.debug_frame\0.shstrtab";

static inline void frame_write(int fd, const void *from, size_t size, uint64_t offset)
{
	if (pwrite(fd, from, size, (off_t)offset) != (ssize_t)size) {
		perror("memfd");
		abort();
	}
}

static inline Elf64_Ehdr frame_header(void)
{
	return (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = offsetof(struct frame_layout, segment),
		.e_shoff = offsetof(struct frame_layout, sections),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 4,
		.e_shstrndx = 3,
	};
}

/* A descriptor of it, which the caller closes. */
static inline int frame_file(const struct frame_file *f)
{
	struct frame_layout l = {
		.header = f->header ? *f->header : frame_header(),
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_vaddr = FRAME_CODE,
			    .p_memsz = FRAME_CODE_SIZE},
		.sections = {{0},
			     {.sh_name = 1,
			      .sh_type = f->eh ? SHT_PROGBITS : SHT_NOBITS,
			      .sh_flags = SHF_ALLOC,
			      .sh_addr = FRAME_EH_ADDRESS,
			      .sh_offset = sizeof(l),
			      .sh_size = f->eh_size},
			     {.sh_name = 11,
			      .sh_type = f->debug ? SHT_PROGBITS : SHT_NOBITS,
			      .sh_offset = FRAME_DEBUG_OFFSET,
			      .sh_size = f->debug_size},
			     {.sh_name = 24,
			      .sh_type = SHT_STRTAB,
			      .sh_offset = offsetof(struct frame_layout, names),
			      .sh_size = sizeof(frame_names)}},
	};
	int fd = memfd_create("frames", MFD_CLOEXEC);

	memcpy(l.names, frame_names, sizeof(frame_names));
	frame_write(fd, &l, sizeof(l), 0);
	if (f->eh)
		frame_write(fd, f->eh, f->eh_size, sizeof(l));
	if (f->debug)
		frame_write(fd, f->debug, f->debug_size, FRAME_DEBUG_OFFSET);
	return fd;
}

#endif
