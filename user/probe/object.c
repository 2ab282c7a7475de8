// SPDX-License-Identifier: MIT
/*
 * Finds allocators by what a file defines, not by what it is called: glibc, a preloaded jemalloc
 * and a static program with its own malloc all look the same from here. Symbols are taken from
 * .dynsym and, for programs that carry their allocator inside, from .symtab.
 */
#include "probe/object.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/functions.h"

#define STAPSDT_NOTE_TYPE \
	3 /* sys/sdt.h: name "stapsdt", descriptor: 3 addresses, provider, probe, args */
#define MAX_CODE      (1 << 20) /* bytes of one function */
#define POOL_PROVIDER "alloctrace"

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

static void add_site(struct object *o, uint64_t entry, uint64_t size, unsigned int function)
{
	for (size_t i = 0; i < o->site_count; i++) {
		if (o->sites[i].entry != entry)
			continue;
		if (function < o->sites[i].function)
			o->sites[i].function = function;
		return;
	}
	if (o->site_count < OBJECT_MAX_SITES)
		o->sites[o->site_count++] =
			(struct object_site){.entry = entry, .size = size, .function = function};
}

static bool is_exported_function(const GElf_Sym *sym)
{
	int bind = GELF_ST_BIND(sym->st_info);

	return GELF_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_UNDEF &&
	       sym->st_value && (bind == STB_GLOBAL || bind == STB_WEAK);
}

static void read_symbol(struct object *o, Elf *elf, const GElf_Sym *sym, const char *name)
{
	uint64_t offset;

	for (unsigned int i = 0; i < function_count; i++) {
		if (!strcmp(name, functions[i].name) && file_offset(elf, sym->st_value, &offset))
			add_site(o, offset, sym->st_size, i);
	}
}

static void read_symbols(struct object *o, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 0; data && i < count; i++) {
		const char *name;

		if (!gelf_getsym(data, (int)i, &sym) || !is_exported_function(&sym))
			continue;
		name = elf_strptr(elf, header->sh_link, sym.st_name);
		if (name)
			read_symbol(o, elf, &sym, name);
	}
}

/* Whether the descriptor of a stapsdt note names our provider. */
static bool is_pool_note(const char *descriptor, size_t size)
{
	size_t skip = 3 * sizeof(uint64_t), want = sizeof(POOL_PROVIDER);

	return size >= skip + want && !memcmp(descriptor + skip, POOL_PROVIDER, want);
}

static void read_notes(struct object *o, Elf_Scn *section)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t at = 0, name, descriptor;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &descriptor)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type == STAPSDT_NOTE_TYPE && note.n_namesz == sizeof("stapsdt") &&
		    !memcmp(bytes + name, "stapsdt", sizeof("stapsdt")) &&
		    is_pool_note(bytes + descriptor, note.n_descsz))
			o->has_pools = true;
	}
}

static void read_sections(struct object *o, Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB)
			read_symbols(o, elf, section, &header);
		else if (header.sh_type == SHT_NOTE)
			read_notes(o, section);
	}
}

static bool defines(const struct object *o, const char *name)
{
	for (size_t i = 0; i < o->site_count; i++) {
		if (!strcmp(functions[o->sites[i].function].name, name))
			return true;
	}
	return false;
}

/* Reads each function's code and decides where in it the probe goes. */
static int find_sites(struct object *o)
{
	bool hazard = site_nop5_hazard();
	unsigned char *code = malloc(MAX_CODE);

	if (!code)
		return -ENOMEM;
	for (size_t i = 0; i < o->site_count; i++) {
		struct object_site *s = &o->sites[i];
		ssize_t n = 0;

		if (s->size && s->size <= MAX_CODE)
			n = pread(o->fd, code, s->size, (off_t)s->entry);
		site_find(&s->site, code, n == (ssize_t)s->size ? s->size : 0, hazard);
	}
	free(code);
	return 0;
}

int object_init(struct object *o, int fd, const char *path)
{
	struct stat st;
	Elf *elf = NULL;
	int err = 0;

	*o = (struct object){.fd = fd, .path = strdup(path)};
	if (!o->path || fstat(fd, &st)) {
		err = -ENOMEM;
		goto out;
	}
	o->device = st.st_dev;
	o->inode = st.st_ino;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF || gelf_getclass(elf) != ELFCLASS64) {
		err = -ENOEXEC;
		goto out;
	}
	read_sections(o, elf);
	if (!defines(o, "malloc") || !defines(o, "free"))
		o->site_count = 0;
	err = find_sites(o);
out:
	elf_end(elf);
	if (err)
		object_fini(o);
	return err;
}

void object_fini(struct object *o)
{
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	*o = (struct object){.fd = -1};
}

const char *object_fd_path(const struct object *o, char *buf, size_t len)
{
	snprintf(buf, len, "/proc/self/fd/%d", o->fd);
	return buf;
}
