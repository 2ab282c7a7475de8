/*
 * Hides ELF and libdwfl. The decisions:
 *
 * - The file is read, never mapped into memory: the owner of a mapped file could end the tracer
 *   with SIGBUS by truncating it. Separate debug files, which libdwfl opens by itself, are mapped.
 * - libdwfl is given the open file and its own addresses, so that nothing is relocated and no
 *   process is attached. Only the build-id and the program headers are read before the first
 *   lookup.
 * - DWARF is asked first, then the symbols, for the functions DWARF does not know.
 * - The libraries check offsets and sizes against the file, so a damaged one yields no names. They
 *   do not defend against a file made to be slow: a lookup costs what its author likes.
 */
#include "sym/module.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>

#include "sym/demangle.h"
#include "sym/names.h"
#include "sym/separate.h"
#include "sym/symtab.h"

#define BUILD_ID_MAX 64

struct segment {
	uint64_t offset, file_size;    /* in the file */
	uint64_t address, memory_size; /* in memory */
	bool executable;
};

struct module {
	unsigned int users;
	uint32_t id;
	const char *path;
	struct names *names;

	int fd;
	Elf *elf;
	uint64_t size; /* of the file */
	unsigned char build_id[BUILD_ID_MAX];
	size_t build_id_length;
	struct segment *segments; /* executable ones first */
	size_t segment_count;

	/* From the first lookup on. */
	bool loaded;
	Dwfl *dwfl;
	struct debuginfo *debuginfo;
	struct symtab *symtab;
	uint64_t symbol_shift, dwarf_shift; /* from an ELF address to one of symtab, debuginfo */
};

/* ---- opening ---- */

static int segment_order(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	if (x->executable != y->executable)
		return x->executable ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

static int read_segments(struct module *m)
{
	size_t count = 0;
	GElf_Phdr p;

	if (elf_getphdrnum(m->elf, &count) || !count)
		return 0;
	m->segments = calloc(count, sizeof(*m->segments));
	if (!m->segments)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(m->elf, (int)i, &p) && p.p_type == PT_LOAD)
			m->segments[m->segment_count++] = (struct segment){
				.offset = p.p_offset,
				.file_size = p.p_filesz,
				.address = p.p_vaddr,
				.memory_size = p.p_memsz,
				.executable = p.p_flags & PF_X,
			};
	qsort(m->segments, m->segment_count, sizeof(*m->segments), segment_order);
	return 0;
}

static int open_elf(struct module *m)
{
	const void *id;
	struct stat st;
	ssize_t length;

	if (m->fd < 0 || fstat(m->fd, &st))
		return 0;
	m->size = (uint64_t)st.st_size;
	elf_version(EV_CURRENT);
	m->elf = elf_begin(m->fd, ELF_C_READ, NULL);
	if (!m->elf || elf_kind(m->elf) != ELF_K_ELF) {
		elf_end(m->elf);
		m->elf = NULL;
		return 0;
	}
	length = dwelf_elf_gnu_build_id(m->elf, &id);
	if (length > 0 && length <= BUILD_ID_MAX) {
		memcpy(m->build_id, id, (size_t)length);
		m->build_id_length = (size_t)length;
	}
	return read_segments(m);
}

struct module *module_new(int fd, const char *path, struct names *names, uint32_t id)
{
	struct module *m = calloc(1, sizeof(*m));

	if (!m) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	m->users = 1;
	m->id = id;
	m->path = path;
	m->names = names;
	m->fd = fd;
	if (open_elf(m)) {
		module_unref(m);
		return NULL;
	}
	return m;
}

struct module *module_ref(struct module *m)
{
	m->users++;
	return m;
}

void module_unref(struct module *m)
{
	if (!m || --m->users)
		return;
	symtab_free(m->symtab);
	debuginfo_free(m->debuginfo);
	if (m->dwfl)
		dwfl_end(m->dwfl);
	elf_end(m->elf);
	if (m->fd >= 0)
		close(m->fd);
	free(m->segments);
	free(m);
}

bool module_is_shared(const struct module *m)
{
	return m->users > 1;
}

uint32_t module_id(const struct module *m)
{
	return m->id;
}

const char *module_path(const struct module *m)
{
	return m->path;
}

bool module_is_open(const struct module *m)
{
	return m->fd >= 0;
}

bool module_is_same(const struct module *a, const struct module *b)
{
	return a->build_id_length && a->build_id_length == b->build_id_length &&
	       !memcmp(a->build_id, b->build_id, a->build_id_length) && a->path == b->path &&
	       a->size == b->size;
}

bool module_address(const struct module *m, uint64_t offset, uint64_t *address)
{
	/* Segments may share bytes of the file; code is looked for in the executable ones first. */
	for (size_t i = 0; i < m->segment_count; i++) {
		const struct segment *s = &m->segments[i];

		if (offset >= s->offset && offset - s->offset < s->file_size) {
			*address = offset - s->offset + s->address;
			return true;
		}
	}
	return false;
}

/* ---- loading ---- */

/* Hands our open file to libdwfl, which ends its own reference to it. */
static int give_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct module *m = *userdata;

	(void)mod;
	(void)name;
	(void)base;
	*elf = elf_begin(m->fd, ELF_C_READ, m->elf);
	*file_name = strdup(m->path);
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = give_elf,
	.find_debuginfo = separate_find,
	.section_address = dwfl_offline_section_address,
};

/* In the address space of the DWARF. */
static int is_code(uint64_t address, const void *ctx)
{
	const struct module *m = ctx;

	address -= m->dwarf_shift;
	for (size_t i = 0; i < m->segment_count && m->segments[i].executable; i++)
		if (address - m->segments[i].address < m->segments[i].memory_size)
			return 1;
	return 0;
}

/* The addresses the file takes up. */
static void module_extent(const struct module *m, uint64_t *low, uint64_t *high)
{
	*low = UINT64_MAX;
	*high = 0;
	for (size_t i = 0; i < m->segment_count; i++) {
		const struct segment *s = &m->segments[i];

		if (s->address < *low)
			*low = s->address;
		if (s->address + s->memory_size > *high)
			*high = s->address + s->memory_size;
	}
}

static Dwfl_Module *report_module(struct module *m)
{
	uint64_t low, high;
	Dwfl_Module *mod;
	void **userdata;

	m->dwfl = dwfl_begin(&callbacks);
	if (!m->dwfl)
		return NULL;
	module_extent(m, &low, &high);
	dwfl_report_begin(m->dwfl);
	/* Page-aligned, as the linker lays it out: then libdwfl moves nothing. */
	mod = dwfl_report_module(m->dwfl, m->path, low & ~(uint64_t)4095, high);
	if (!mod || !dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		return NULL;
	*userdata = m;
	return dwfl_report_end(m->dwfl, NULL, NULL) ? NULL : mod;
}

static void module_load(struct module *m)
{
	GElf_Addr bias = 0;
	Dwarf_Addr dwarf_bias = 0;
	Dwfl_Module *mod;
	Dwarf *dwarf;

	if (m->loaded)
		return;
	m->loaded = true;
	if (!m->segment_count)
		return;
	mod = report_module(m);
	if (!mod || !dwfl_module_getelf(mod, &bias))
		return;
	/* Whatever the segments look like, libdwfl says by how much it has moved them. */
	m->symbol_shift = bias;
	dwarf = dwfl_module_getdwarf(mod, &dwarf_bias);
	m->dwarf_shift = bias - dwarf_bias;
	if (dwarf)
		m->debuginfo = debuginfo_new(dwarf, m->names, is_code, m);
	m->symtab = symtab_new(mod);
}

/* ---- answering ---- */

/* The readable name, without a version as in "malloc@@GLIBC_2.2.5"; *mangled: it was a C++ or Rust
 * name. */
static const char *symbol_name(const struct module *m, const char *symbol, bool *mangled)
{
	char *plain = strndup(symbol, strcspn(symbol, "@"));
	char *readable = plain ? demangle_symbol(plain) : NULL;
	const char *name = names_intern(m->names, readable ? readable : plain);

	*mangled = readable;
	free(readable);
	free(plain);
	return name;
}

/* Has a namespace or a class before its name; those among template arguments do not count. */
static bool is_qualified(const char *name)
{
	const char *colons = strstr(name, "::");

	return colons && (size_t)(colons - name) < strcspn(name, "<");
}

/*
 * Names the function from the symbols, when debug information has no name for it, or has none with
 * its namespaces: compilers leave the linkage name out for templates over local types. `at` is the
 * ELF address, *start that of the function DWARF knows, if `f` has a name.
 */
static void name_by_symbol(const struct module *m, uint64_t at, struct sym_frame *f,
			   uint64_t *start)
{
	uint64_t symbol_start;
	const char *symbol, *name;
	bool mangled;

	if (f->function && is_qualified(f->function))
		return;
	symbol = symtab_find(m->symtab, at + m->symbol_shift, &symbol_start);
	if (!symbol)
		return;
	symbol_start -= m->symbol_shift;
	name = symbol_name(m, symbol, &mangled);
	if (!name || (f->function && (!mangled || symbol_start != *start)))
		return;
	f->function = name;
	*start = symbol_start;
}

size_t module_frames(struct module *m, uint64_t address, bool is_return,
		     struct sym_frame frames[DEBUGINFO_FRAMES_MAX])
{
	uint64_t at = address - is_return, start = 0;
	struct sym_frame *last;
	size_t count = 0;

	module_load(m);
	frames[0] = (struct sym_frame){0};
	if (m->debuginfo)
		count = debuginfo_frames(m->debuginfo, at + m->dwarf_shift, frames, &start);
	start -= m->dwarf_shift;
	if (!count)
		count = 1;
	last = &frames[count - 1];
	name_by_symbol(m, at, last, &start);
	for (size_t i = 0; i < count; i++) {
		frames[i].module = m->path;
		frames[i].offset = 0;
	}
	last->offset = last->function ? address - start : address;
	return count;
}
