/*
 * Hides the choice among symbols. libdwfl has a search of its own, but it walks all symbols on
 * every call: half a millisecond in a large library. Here they are sorted once. The decisions:
 *
 * - Only symbols that can name code: functions, and untyped ones in executable sections, which
 *   hand-written assembly has.
 * - Of several at one address: typed before untyped, global before weak before local, fewer
 *   leading underscores, then the shorter and the alphabetically first. So malloc wins over
 *   __libc_malloc.
 * - A symbol without a size reaches to the next symbol or the end of its section, and counts only
 *   where no sized one holds the address: a label inside a function must not cut it in two.
 */
#include "sym/symtab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sym/ranges.h"
#include "sym/strings.h"

struct symbol {
	uint64_t start, size, section_end;
	const char *name;
	int rank; /* smaller is better */
};

struct symtab {
	struct symbol *symbols; /* sorted by address, then by preference */
	size_t count;
	struct ranges sized, unsized; /* values are indexes of symbols */
};

static bool is_string_table(Elf *elf, const GElf_Shdr *shdr)
{
	(void)elf;
	return shdr->sh_type == SHT_STRTAB;
}

static int symbol_rank(const GElf_Sym *sym, const char *name)
{
	int bind = GELF_ST_BIND(sym->st_info);
	int rank = GELF_ST_TYPE(sym->st_info) == STT_NOTYPE ? 1000 : 0;

	rank += bind == STB_GLOBAL ? 0 : bind == STB_WEAK ? 100 : 200;
	return rank + (int)strspn(name, "_") % 100;
}

/* Fills *s unless the symbol cannot name code. */
static int symbol_read(Dwfl_Module *mod, int index, struct strings *strings, struct symbol *s)
{
	GElf_Word shndx;
	GElf_Shdr shdr;
	GElf_Addr bias;
	GElf_Sym sym;
	Elf *elf;
	int type;

	s->name = dwfl_module_getsym_info(mod, index, &sym, &s->start, &shndx, &elf, &bias);
	if (!s->name || !elf || shndx == SHN_UNDEF)
		return -1;
	if (!strings_end(strings, elf, is_string_table, s->name) || !s->name[0])
		return -1;
	type = GELF_ST_TYPE(sym.st_info);
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return -1;
	s->size = sym.st_size;
	s->section_end = s->start;
	s->rank = symbol_rank(&sym, s->name);
	if (gelf_getshdr(elf_getscn(elf, shndx), &shdr)) {
		if (!(shdr.sh_flags & SHF_EXECINSTR))
			return -1;
		s->section_end = shdr.sh_addr + bias + shdr.sh_size;
	} else if (type == STT_NOTYPE) {
		return -1;
	}
	return 0;
}

static int symbol_order(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	size_t m = strlen(x->name), n = strlen(y->name);

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (m != n)
		return m < n ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int index_symbols(struct symtab *t)
{
	int err = 0;

	/* Backwards, so that `next` is the address of the nearest symbol further up. */
	uint64_t next = UINT64_MAX, here = UINT64_MAX;

	for (size_t i = t->count; i-- > 0 && !err;) {
		const struct symbol *s = &t->symbols[i];
		uint64_t end = s->section_end;

		if (s->start != here) {
			next = here;
			here = s->start;
		}
		if (s->size)
			err = ranges_add(&t->sized, s->start, s->start + s->size, i);
		else
			err = ranges_add(&t->unsized, s->start, next < end ? next : end, i);
	}
	ranges_seal(&t->sized);
	ranges_seal(&t->unsized);
	return err;
}

struct symtab *symtab_new(Dwfl_Module *mod)
{
	int count = dwfl_module_getsymtab(mod);
	struct strings strings = {NULL, NULL};
	struct symtab *t;

	if (count <= 0)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->symbols = calloc((size_t)count, sizeof(*t->symbols));
	if (!t->symbols)
		goto out;
	for (int i = 0; i < count; i++)
		if (!symbol_read(mod, i, &strings, &t->symbols[t->count]))
			t->count++;
	qsort(t->symbols, t->count, sizeof(*t->symbols), symbol_order);
	if (!index_symbols(t))
		return t;
out:
	symtab_free(t);
	return NULL;
}

void symtab_free(struct symtab *t)
{
	if (!t)
		return;
	ranges_fini(&t->sized);
	ranges_fini(&t->unsized);
	free(t->symbols);
	free(t);
}

const char *symtab_find(const struct symtab *t, uint64_t address, uint64_t *start)
{
	const struct range *r;

	if (!t)
		return NULL;
	r = ranges_find(&t->sized, address);
	if (!r)
		r = ranges_find(&t->unsized, address);
	if (!r)
		return NULL;
	*start = t->symbols[r->value].start;
	return t->symbols[r->value].name;
}
