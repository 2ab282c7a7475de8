/*
 * Hides ELF and libdwfl. Runs in the helper process alone. The decisions:
 *
 * - The file is read, never mapped into memory: the owner of a mapped file could end the process
 *   with SIGBUS by truncating it. Separate debug files, which libdwfl reads by itself, are mapped.
 * - libdwfl is given the open file and its own addresses, so that nothing is relocated and no
 *   process is attached. Only the build-id and the program headers are read before the first
 *   lookup.
 * - DWARF is asked first, then the symbols, for the functions DWARF does not know.
 * - The libraries check offsets and sizes against the file, so a damaged one yields no names. They
 *   do not defend against a file made to be slow or large: the process has limits for that.
 */
#include "sym/image.h"

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

struct image {
	const char *path;
	struct names *names;
	bool plain; /* no debug information */
	image_want_fn want;
	void *context;
	int fd;
	Elf *elf;
	struct image_facts facts;

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
	const struct image_segment *x = a, *y = b;

	if (x->executable != y->executable)
		return x->executable ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

/* A file with more segments than are kept is none that a linker has made. */
static void read_segments(struct image *m)
{
	struct image_facts *f = &m->facts;
	size_t count = 0;
	GElf_Phdr p;

	if (elf_getphdrnum(m->elf, &count))
		return;
	for (size_t i = 0; i < count && f->segment_count < IMAGE_MAX_SEGMENTS; i++)
		if (gelf_getphdr(m->elf, (int)i, &p) && p.p_type == PT_LOAD)
			f->segments[f->segment_count++] = (struct image_segment){
				.offset = p.p_offset,
				.file_size = p.p_filesz,
				.address = p.p_vaddr,
				.memory_size = p.p_memsz,
				.executable = p.p_flags & PF_X,
			};
	qsort(f->segments, f->segment_count, sizeof(f->segments[0]), segment_order);
}

static void open_elf(struct image *m)
{
	const void *id;
	struct stat st;
	ssize_t length;

	if (fstat(m->fd, &st))
		return;
	m->facts.size = (uint64_t)st.st_size;
	elf_version(EV_CURRENT);
	m->elf = elf_begin(m->fd, ELF_C_READ, NULL);
	if (!m->elf || elf_kind(m->elf) != ELF_K_ELF) {
		elf_end(m->elf);
		m->elf = NULL;
		return;
	}
	length = dwelf_elf_gnu_build_id(m->elf, &id);
	if (length > 0 && length <= IMAGE_MAX_BUILD_ID) {
		memcpy(m->facts.build_id, id, (size_t)length);
		m->facts.build_id_length = (size_t)length;
	}
	read_segments(m);
}

struct image *image_new(int fd, const char *path, struct names *names, bool plain,
			image_want_fn want, void *context)
{
	struct image *m = calloc(1, sizeof(*m));

	if (!m) {
		close(fd);
		return NULL;
	}
	m->path = path;
	m->names = names;
	m->plain = plain;
	m->want = want;
	m->context = context;
	m->fd = fd;
	open_elf(m);
	return m;
}

void image_free(struct image *m)
{
	if (!m)
		return;
	symtab_free(m->symtab);
	debuginfo_free(m->debuginfo);
	if (m->dwfl)
		dwfl_end(m->dwfl);
	elf_end(m->elf);
	close(m->fd);
	free(m);
}

const struct image_facts *image_facts(const struct image *m)
{
	return &m->facts;
}

int image_want(const struct image *m, const char *path)
{
	return m->want ? m->want(m->context, path) : -1;
}

/* ---- loading ---- */

/* Hands our open file to libdwfl, which ends its own reference to it. */
static int give_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct image *m = *userdata;

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
	const struct image *m = ctx;

	address -= m->dwarf_shift;
	for (size_t i = 0; i < m->facts.segment_count && m->facts.segments[i].executable; i++)
		if (address - m->facts.segments[i].address < m->facts.segments[i].memory_size)
			return 1;
	return 0;
}

/* The addresses the file takes up. */
static void image_extent(const struct image *m, uint64_t *low, uint64_t *high)
{
	*low = UINT64_MAX;
	*high = 0;
	for (size_t i = 0; i < m->facts.segment_count; i++) {
		const struct image_segment *s = &m->facts.segments[i];

		if (s->address < *low)
			*low = s->address;
		if (s->address + s->memory_size > *high)
			*high = s->address + s->memory_size;
	}
}

static Dwfl_Module *report_module(struct image *m)
{
	uint64_t low, high;
	Dwfl_Module *mod;
	void **userdata;

	m->dwfl = dwfl_begin(&callbacks);
	if (!m->dwfl)
		return NULL;
	image_extent(m, &low, &high);
	dwfl_report_begin(m->dwfl);
	/* Page-aligned, as the linker lays it out: then libdwfl moves nothing. */
	mod = dwfl_report_module(m->dwfl, m->path, low & ~(uint64_t)4095, high);
	if (!mod || !dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		return NULL;
	*userdata = m;
	return dwfl_report_end(m->dwfl, NULL, NULL) ? NULL : mod;
}

static void image_load(struct image *m)
{
	GElf_Addr bias = 0;
	Dwarf_Addr dwarf_bias = 0;
	Dwfl_Module *mod;
	Dwarf *dwarf;

	if (m->loaded)
		return;
	m->loaded = true;
	if (!m->facts.segment_count)
		return;
	mod = report_module(m);
	if (!mod || !dwfl_module_getelf(mod, &bias))
		return;
	/* Whatever the segments look like, libdwfl says by how much it has moved them. */
	m->symbol_shift = bias;
	dwarf = m->plain ? NULL : dwfl_module_getdwarf(mod, &dwarf_bias);
	m->dwarf_shift = bias - dwarf_bias;
	if (dwarf)
		m->debuginfo = debuginfo_new(dwarf, m->names, is_code, m);
	m->symtab = symtab_new(mod);
}

/* ---- answering ---- */

/* The readable name, without a version as in "malloc@@GLIBC_2.2.5"; *mangled: it was a C++ or Rust
 * name. */
static const char *symbol_name(const struct image *m, const char *symbol, bool *mangled)
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
static void name_by_symbol(const struct image *m, uint64_t at, struct sym_frame *f, uint64_t *start)
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

size_t image_frames(struct image *m, uint64_t address, bool is_return,
		    struct sym_frame frames[DEBUGINFO_FRAMES_MAX])
{
	uint64_t at = address - is_return, start = 0;
	struct sym_frame *last;
	size_t count = 0;

	image_load(m);
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
