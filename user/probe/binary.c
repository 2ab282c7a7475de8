// SPDX-License-Identifier: MIT
/* Reading ELF files by libelf. */
#include "probe/binary.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* sys/sdt.h: name "stapsdt", descriptor: three addresses, then provider, probe and arguments, each
 * with its zero. */
#define STAPSDT_NAME      "stapsdt"
#define STAPSDT_NOTE_TYPE 3
#define MAX_INSTRUCTION   15
#define MAX_CODE          (1 << 20) /* bytes of one function that are looked at */

struct binary {
	int fd;
	Elf *elf;
	unsigned char *code; /* room for MAX_CODE bytes, taken when needed */
};

/* Whether the file ends before what its headers speak of. */
static bool is_cut(Elf *elf, int fd)
{
	size_t programs = 0;
	struct stat st;
	GElf_Ehdr header;
	GElf_Phdr p;

	if (fstat(fd, &st) || !gelf_getehdr(elf, &header) || elf_getphdrnum(elf, &programs))
		return true;
	if (header.e_shoff > (uint64_t)st.st_size ||
	    (uint64_t)header.e_shnum * header.e_shentsize > (uint64_t)st.st_size - header.e_shoff)
		return true;
	for (size_t i = 0; i < programs; i++) {
		if (!gelf_getphdr(elf, (int)i, &p))
			return true;
		if (p.p_type == PT_LOAD && (p.p_offset > (uint64_t)st.st_size ||
					    p.p_filesz > (uint64_t)st.st_size - p.p_offset))
			return true;
	}
	return false;
}

struct binary *binary_new(int fd, int *err)
{
	struct binary *b = calloc(1, sizeof(*b));

	*err = -ENOMEM;
	if (!b)
		return NULL;
	b->fd = fd;
	elf_version(EV_CURRENT);
	b->elf = elf_begin(fd, ELF_C_READ, NULL);
	*err = 0;
	if (b->elf && elf_kind(b->elf) == ELF_K_ELF && gelf_getclass(b->elf) == ELFCLASS64 &&
	    !is_cut(b->elf, fd))
		return b;
	*err = -ENOEXEC;
	binary_free(b);
	return NULL;
}

void binary_free(struct binary *b)
{
	if (!b)
		return;
	elf_end(b->elf);
	free(b->code);
	free(b);
}

/* The file offset of a virtual address of an executable segment; false when no segment holds it. */
static bool file_offset(Elf *elf, uint64_t vaddr, uint64_t *offset)
{
	size_t count;
	GElf_Phdr p;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		if (vaddr >= p.p_vaddr && vaddr - p.p_vaddr < p.p_filesz) {
			*offset = vaddr - p.p_vaddr + p.p_offset;
			return true;
		}
	}
	return false;
}

static bool is_function(const GElf_Sym *sym)
{
	return GELF_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_UNDEF &&
	       sym->st_value;
}

static bool is_exported(const GElf_Sym *sym)
{
	int bind = GELF_ST_BIND(sym->st_info);

	return bind == STB_GLOBAL || bind == STB_WEAK;
}

static int visit_symbols(struct binary *b, Elf_Scn *section, const GElf_Shdr *header,
			 binary_function_fn visit, void *context)
{
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Sym sym;
	int err = 0;

	for (size_t i = 0; data && i < count && !err; i++) {
		struct binary_function f;

		if (!gelf_getsym(data, (int)i, &sym) || !is_function(&sym))
			continue;
		f.name = elf_strptr(b->elf, header->sh_link, sym.st_name);
		f.size = sym.st_size;
		f.exported = is_exported(&sym);
		f.has_code = file_offset(b->elf, sym.st_value, &f.entry);
		if (f.name)
			err = visit(context, &f);
	}
	return data ? err : -ENOEXEC;
}

int binary_each_function(struct binary *b, binary_function_fn visit, void *context)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int err = 0;

	while (!err && (section = elf_nextscn(b->elf, section))) {
		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB))
			err = visit_symbols(b, section, &header, visit, context);
	}
	return err;
}

bool binary_is_go(struct binary *b)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(b->elf, &names))
		return false;
	while ((section = elf_nextscn(b->elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(b->elf, names, header.sh_name);
		if (name && (!strcmp(name, ".gopclntab") || !strcmp(name, ".go.buildinfo")))
			return true;
	}
	return false;
}

static bool is_note_of(const char *descriptor, size_t size, const char *provider, const char *probe)
{
	size_t skip = 3 * sizeof(uint64_t), want = strlen(provider) + 1;
	size_t more = probe ? strlen(probe) + 1 : 0;

	return size >= skip + want + more && !memcmp(descriptor + skip, provider, want) &&
	       (!probe || !memcmp(descriptor + skip + want, probe, more));
}

static bool section_has_probe(Elf_Scn *section, const char *provider, const char *probe)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t at = 0, name, descriptor;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &descriptor)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type == STAPSDT_NOTE_TYPE && note.n_namesz == sizeof(STAPSDT_NAME) &&
		    !memcmp(bytes + name, STAPSDT_NAME, sizeof(STAPSDT_NAME)) &&
		    is_note_of(bytes + descriptor, note.n_descsz, provider, probe))
			return true;
	}
	return false;
}

bool binary_has_probe(struct binary *b, const char *provider, const char *probe)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(b->elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOTE &&
		    section_has_probe(section, provider, probe))
			return true;
	}
	return false;
}

int binary_find_site(struct binary *b, const struct binary_function *f, bool nop5_hazard,
		     struct site *site)
{
	bool whole = f->size && f->size <= MAX_CODE;
	ssize_t n;

	if (!b->code)
		b->code = malloc(MAX_CODE);
	if (!b->code)
		return -ENOMEM;
	n = pread(b->fd, b->code, whole ? f->size : MAX_INSTRUCTION, (off_t)f->entry);
	site_find(site, b->code, n > 0 ? (size_t)n : 0, whole && n == (ssize_t)f->size,
		  nop5_hazard);
	return 0;
}
