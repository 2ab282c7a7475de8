// SPDX-License-Identifier: MIT
/*
 * Hides where a file keeps its call frame information. The decisions:
 *
 * - All functions are listed first and sorted, and then executed in that order: linkers do not keep
 *   them in the order of their addresses.
 * - .eh_frame is what the program itself unwinds by, so it is believed first; .debug_frame fills
 * what it says nothing of. Of functions that overlap, the later one ends the one before.
 * - Only functions in executable segments count: what a linker has thrown away stays in
 * .debug_frame with addresses of nothing.
 * - A file without section headers still has the header that its loader finds .eh_frame by.
 */
#include "sym/unwind.h"

#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "sym/cfi.h"

#define MAX_SEGMENTS 16

struct segment {
	uint64_t start, end;
};

struct cie {
	uint64_t offset; /* in the section */
	struct cfi_cie cie;
};

struct function {
	struct cfi_fde fde;
	uint32_t cie; /* index */
	bool debug;   /* of .debug_frame */
};

struct listing {
	Elf *elf;
	struct segment segments[MAX_SEGMENTS];
	size_t segment_count;
	struct cfi_section sections[2]; /* .eh_frame, .debug_frame; data NULL: not there */
	struct cie *cies;
	size_t cie_count, cie_capacity,
		section_cies; /* those from section_cies on are this section's */
	struct function *functions;
	size_t count, capacity;
};

/* ---- finding the sections ---- */

static void list_segments(struct listing *l)
{
	size_t count = 0;
	GElf_Phdr p;

	if (elf_getphdrnum(l->elf, &count))
		return;
	for (size_t i = 0; i < count && l->segment_count < MAX_SEGMENTS; i++)
		if (gelf_getphdr(l->elf, (int)i, &p) && p.p_type == PT_LOAD && p.p_flags & PF_X &&
		    p.p_memsz && p.p_vaddr <= UINT64_MAX - p.p_memsz)
			l->segments[l->segment_count++] =
				(struct segment){p.p_vaddr, p.p_vaddr + p.p_memsz};
}

/* The end of the segment that the address lies in, 0: in none. */
static uint64_t code_end(const struct listing *l, uint64_t address)
{
	for (size_t i = 0; i < l->segment_count; i++)
		if (address >= l->segments[i].start && address < l->segments[i].end)
			return l->segments[i].end;
	return 0;
}

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *shdr)
{
	Elf_Scn *scn = NULL;
	const char *found;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, shdr) || shdr->sh_type == SHT_NOBITS)
			continue;
		found = elf_strptr(elf, names, shdr->sh_name);
		if (found && !strcmp(found, name))
			return scn;
	}
	return NULL;
}

static void open_section(struct listing *l, struct cfi_section *s, const char *name)
{
	GElf_Shdr shdr;
	Elf_Scn *scn = find_section(l->elf, name, &shdr);

	if (!scn)
		return;
	if (shdr.sh_flags & SHF_COMPRESSED && elf_compress(scn, 0, 0) < 0)
		return;
	s->address = shdr.sh_addr;
	s->data = elf_getdata(scn, NULL);
	if (s->data && (!s->data->d_buf || !s->data->d_size))
		s->data = NULL;
}

/* Where that address lies in the file, and how many bytes of its segment are left from there. */
static bool file_range(Elf *elf, uint64_t address, uint64_t *offset, uint64_t *left)
{
	size_t count = 0;
	GElf_Phdr p;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD && address >= p.p_vaddr &&
		    address - p.p_vaddr < p.p_filesz) {
			*offset = p.p_offset + (address - p.p_vaddr);
			*left = p.p_filesz - (address - p.p_vaddr);
			return true;
		}
	return false;
}

/* .eh_frame by the header in PT_GNU_EH_FRAME, which says how far away it begins: to the end of its
 * segment, or to the zero that ends it. */
static void open_by_header(struct listing *l, struct cfi_section *s)
{
	uint64_t header = 0, offset, left;
	size_t count = 0;
	Elf_Data *data;
	int32_t away;
	GElf_Phdr p;

	if (elf_getphdrnum(l->elf, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(l->elf, (int)i, &p) && p.p_type == PT_GNU_EH_FRAME)
			header = p.p_vaddr;
	if (!header || !file_range(l->elf, header, &offset, &left) || left < 8)
		return;
	data = elf_getdata_rawchunk(l->elf, (int64_t)offset, 8, ELF_T_BYTE);
	if (!data || memcmp(data->d_buf, (uint8_t[]){1, DW_EH_PE_pcrel | DW_EH_PE_sdata4}, 2) != 0)
		return;
	memcpy(&away, (uint8_t *)data->d_buf + 4, sizeof(away));
	s->address = header + 4 + (uint64_t)(int64_t)away;
	if (file_range(l->elf, s->address, &offset, &left))
		s->data = elf_getdata_rawchunk(l->elf, (int64_t)offset, left, ELF_T_BYTE);
}

static void open_sections(struct listing *l)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(l->elf, NULL);

	l->sections[0] = (struct cfi_section){.ident = ident, .eh = true};
	l->sections[1] = (struct cfi_section){.ident = ident};
	open_section(l, &l->sections[0], ".eh_frame");
	if (!l->sections[0].data)
		open_by_header(l, &l->sections[0]);
	open_section(l, &l->sections[1], ".debug_frame");
}

/* ---- listing ---- */

static int grow(void **at, size_t *capacity, size_t count, size_t size)
{
	size_t wanted = *capacity ? 2 * *capacity : 256;
	void *larger;

	if (count < *capacity)
		return 0;
	larger = reallocarray(*at, wanted, size);
	if (!larger)
		return -ENOMEM;
	*at = larger;
	*capacity = wanted;
	return 0;
}

static int list_cie(struct listing *l, const struct cfi_section *s, uint64_t offset,
		    const Dwarf_CIE *entry)
{
	struct cie *cie;

	if (grow((void **)&l->cies, &l->cie_capacity, l->cie_count, sizeof(*l->cies)))
		return -ENOMEM;
	cie = &l->cies[l->cie_count];
	cie->offset = offset;
	if (!cfi_read_cie(s, entry, &cie->cie))
		l->cie_count++;
	return 0;
}

/* Its index; cie_count: there is none. They were listed in the order of their offsets. */
static size_t find_cie(const struct listing *l, uint64_t offset)
{
	size_t low = l->section_cies, high = l->cie_count;

	if (low < high && l->cies[high - 1].offset == offset)
		return high - 1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->cies[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->cie_count && l->cies[low].offset == offset ? low : l->cie_count;
}

static int list_function(struct listing *l, const struct cfi_section *s, const Dwarf_FDE *entry)
{
	size_t cie = find_cie(l, entry->CIE_pointer);
	struct cfi_fde fde;
	uint64_t end;

	if (cie == l->cie_count || cfi_read_fde(s, &l->cies[cie].cie, entry, &fde))
		return 0;
	end = code_end(l, fde.start);
	if (!fde.start || fde.end <= fde.start || !end)
		return 0;
	if (fde.end > end)
		fde.end = end;
	if (grow((void **)&l->functions, &l->capacity, l->count, sizeof(*l->functions)))
		return -ENOMEM;
	l->functions[l->count++] = (struct function){fde, (uint32_t)cie, !s->eh};
	return 0;
}

/* All entries of one kind. A zero length ends .eh_frame; linkers may leave more behind it. */
static int list_entries(struct listing *l, const struct cfi_section *s, bool cies)
{
	Dwarf_Off offset = 0, next;
	Dwarf_CFI_Entry entry;
	int err = 0, said;

	while (!err && offset < s->data->d_size) {
		next = offset;
		said = dwarf_next_cfi(s->ident, s->data, s->eh, offset, &next, &entry);
		if (said == 1 && s->eh)
			next = offset + 4;
		else if (said == 1 || next <= offset)
			break;
		else if (!said && dwarf_cfi_cie_p(&entry) && cies)
			err = list_cie(l, s, offset, &entry.cie);
		else if (!said && !dwarf_cfi_cie_p(&entry) && !cies)
			err = list_function(l, s, &entry.fde);
		offset = next;
	}
	return err;
}

/* By address; of two at one, the one that was listed first: it lies lower in its section. */
static int function_order(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->fde.start != y->fde.start)
		return x->fde.start < y->fde.start ? -1 : 1;
	if (x->debug != y->debug)
		return x->debug ? 1 : -1;
	return (x->fde.code > y->fde.code) - (x->fde.code < y->fde.code);
}

/* Sorted, one at an address. */
static void sort_functions(struct listing *l)
{
	size_t kept = 0;

	if (l->count)
		qsort(l->functions, l->count, sizeof(*l->functions), function_order);
	for (size_t i = 0; i < l->count; i++)
		if (!i || l->functions[i].fde.start != l->functions[kept - 1].fde.start)
			l->functions[kept++] = l->functions[i];
	l->count = kept;
}

/* Leaves out those of .debug_frame that overlap one of the first `known`, which are sorted. */
static void drop_known(struct listing *l, size_t known)
{
	size_t kept = known;

	for (size_t i = known; i < l->count; i++) {
		const struct cfi_fde *f = &l->functions[i].fde;
		size_t low = 0, high = known;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (l->functions[middle].fde.start < f->end)
				low = middle + 1;
			else
				high = middle;
		}
		if (!low || l->functions[low - 1].fde.end <= f->start)
			l->functions[kept++] = l->functions[i];
	}
	l->count = kept;
}

static int list_section(struct listing *l, const struct cfi_section *s)
{
	size_t known = l->count;
	int err;

	if (!s->data)
		return 0;
	l->section_cies = l->cie_count;
	err = list_entries(l, s, true);
	if (!err)
		err = list_entries(l, s, false);
	if (err)
		return err;
	if (!s->eh)
		drop_known(l, known);
	sort_functions(l);
	return 0;
}

/* ---- rules ---- */

static int add_end(struct unwind_rules *rules, uint64_t address)
{
	struct unwind_rule none = {.address = (uint32_t)(address - rules->base)};

	return unwind_add(rules, &none);
}

/* How far a function is believed: to the next one, and as far as rules have addresses. */
static uint64_t function_end(const struct listing *l, size_t i, uint64_t base)
{
	uint64_t end = l->functions[i].fde.end;

	if (i + 1 < l->count && l->functions[i + 1].fde.start < end)
		end = l->functions[i + 1].fde.start;
	return end - base > UINT32_MAX ? base + UINT32_MAX : end;
}

static int make_rules(const struct listing *l, struct unwind_rules *rules)
{
	uint64_t end = 0;
	int err = 0;

	if (!l->count)
		return 0;
	rules->base = l->functions[0].fde.start;
	for (size_t i = 0; i < l->count && !err; i++) {
		const struct function *f = &l->functions[i];

		if (f->fde.start - rules->base >= UINT32_MAX)
			break;
		if (i && end < f->fde.start)
			err = add_end(rules, end);
		end = function_end(l, i, rules->base);
		if (!err)
			err = cfi_run(&l->sections[f->debug], &l->cies[f->cie].cie, &f->fde, end,
				      rules);
	}
	/* Behind the file's code nothing needs an end. */
	if (!err && code_end(l, end))
		err = add_end(rules, end);
	return err;
}

static bool is_ours(Elf *elf)
{
	GElf_Ehdr e;

	return elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &e) &&
	       e.e_machine == EM_X86_64 && e.e_ident[EI_CLASS] == ELFCLASS64 &&
	       e.e_ident[EI_DATA] == ELFDATA2LSB && (e.e_type == ET_DYN || e.e_type == ET_EXEC);
}

int unwind_read(Elf *elf, struct unwind_rules *rules, uint64_t *end)
{
	struct listing l = {.elf = elf};
	int err;

	*end = 0;
	if (!is_ours(elf))
		return -EINVAL;
	list_segments(&l);
	for (size_t i = 0; i < l.segment_count; i++)
		if (l.segments[i].end > *end)
			*end = l.segments[i].end;
	open_sections(&l);
	err = list_section(&l, &l.sections[0]);
	if (!err)
		err = list_section(&l, &l.sections[1]);
	if (!err)
		err = make_rules(&l, rules);
	if (err)
		unwind_rules_fini(rules);
	free(l.cies);
	free(l.functions);
	return err;
}
