/*
 * Hides DWARF. libdw reads the sections; the search is done here, for three reasons:
 *
 * - libdw finds units by .debug_aranges, which clang and rustc leave out. The ranges in the units
 *   themselves are always there.
 * - Its walk to the scopes at an address does not enter namespaces and types. Rust and C++ keep
 *   functions there.
 * - It starts at the top of the unit every time. Here a unit is walked once, when the first
 *   address in it is asked for, and leaves a table of its functions.
 *
 * An answer is put together from two sources. The line table knows the line of the innermost frame;
 * each inlined call, an entry in the tree below its function, knows the line it was called from,
 * which is the line of the next frame out:
 *
 *	function main                                   main.c:30  <- call line of parse
 *	  inlined parse, called from main.c:30          parse.c:7  <- call line of next
 *	    inlined next, called from parse.c:7         lex.h:12   <- line table
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif

#include "sym/debuginfo.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/table.h"
#include "sym/demangle.h"
#include "sym/names.h"
#include "sym/ranges.h"
#include "sym/strings.h"

/* Deeper trees are not made by compilers, but by those who want a tracer to run out of stack. */
#define DEPTH_MAX 256

#define MAX_KEPT (1 << 20) /* names that are not read anew */

struct unit {
	Dwarf_Die die;           /* has the line table */
	bool indexed;            /* functions are read */
	struct ranges functions; /* values are indexes of `dies` */
	Dwarf_Die *dies;
	size_t count, capacity;
};

struct debuginfo {
	Dwarf *dwarf;
	struct names *names;
	debuginfo_is_code_fn is_code;
	const void *ctx;
	struct unit *units;
	size_t count, capacity;
	struct ranges ranges; /* values are indexes of units */
	struct strings strings;
	struct table function_names; /* struct name_key -> const char * */
	struct table source_paths;   /* the same */
};

/* Where libdw has it: an entry, or a path and the unit whose directory completes that. */
struct name_key {
	uint64_t at;
	uint64_t unit;
};

/* ---- names ---- */

/* libdw looks where a name begins, but not whether it ends. It may lie in the file that others
 * share, which dwz has made. */
static bool name_ends(struct debuginfo *d, Dwarf *dwarf, const char *name)
{
	Dwarf *shared;

	if (strings_end(&d->strings, dwarf_getelf(dwarf), strings_of_debug, name))
		return true;
	shared = dwarf_getalt(dwarf);
	return shared && strings_end(&d->strings, dwarf_getelf(shared), strings_of_debug, name);
}

static const char *die_string(struct debuginfo *d, Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;
	const char *text;

	/* "integrate": also from the declaration and the abstract instance it refers to. */
	text = dwarf_formstring(dwarf_attr_integrate(die, name, &attr));
	return text && name_ends(d, dwarf_cu_getdwarf(attr.cu), text) ? text : NULL;
}

/* ---- building the tables ---- */

/* Adds the ranges of `die` that begin in code to `to`; how many there were, or -ENOMEM. */
static int add_ranges(const struct debuginfo *d, Dwarf_Die *die, struct ranges *to, size_t value)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;
	int found = 0;

	while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
		if (!d->is_code(start, d->ctx))
			continue;
		if (ranges_add(to, start, end, value))
			return -ENOMEM;
		found++;
	}
	return found;
}

static int add_function(const struct debuginfo *d, struct unit *u, Dwarf_Die *die)
{
	int found;

	if (u->count == u->capacity) {
		size_t capacity = u->capacity ? u->capacity * 2 : 16;
		Dwarf_Die *dies = reallocarray(u->dies, capacity, sizeof(*dies));

		if (!dies)
			return -ENOMEM;
		u->dies = dies;
		u->capacity = capacity;
	}
	found = add_ranges(d, die, &u->functions, u->count);
	if (found > 0)
		u->dies[u->count++] = *die;
	return found < 0 ? found : 0;
}

/* Entries in which no function can lie, among the frequent ones. */
static bool is_leaf(int tag)
{
	switch (tag) {
	case DW_TAG_inlined_subroutine:
	case DW_TAG_call_site:
	case DW_TAG_GNU_call_site:
	case DW_TAG_formal_parameter:
	case DW_TAG_variable:
	case DW_TAG_member:
	case DW_TAG_base_type:
	case DW_TAG_array_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_subroutine_type:
	case DW_TAG_variant_part:
		return true;
	default:
		return false;
	}
}

static int add_functions_below(const struct debuginfo *d, struct unit *u, Dwarf_Die *parent,
			       int depth)
{
	Dwarf_Die die;
	int err = 0, more;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die))
		return 0;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram)
			err = add_function(d, u, &die);
		if (!err && !is_leaf(tag) && dwarf_haschildren(&die) > 0)
			err = add_functions_below(d, u, &die, depth + 1);
		more = dwarf_siblingof(&die, &die);
	} while (!err && !more);
	return err;
}

static int unit_index(struct debuginfo *d, struct unit *u)
{
	int err;

	if (u->indexed)
		return 0;
	err = add_functions_below(d, u, &u->die, 0);
	ranges_seal(&u->functions);
	u->indexed = true;
	return err;
}

/* Some compilers give a unit no ranges of its own: then it is where its functions are. */
static int add_ranges_of_functions(struct debuginfo *d, size_t index)
{
	struct unit *u = &d->units[index];
	int err = unit_index(d, u);

	for (size_t i = 0; i < u->functions.count && !err; i++)
		err = ranges_add(&d->ranges, u->functions.at[i].start, u->functions.at[i].end,
				 index);
	return err;
}

static int add_unit(struct debuginfo *d, Dwarf_Die *die)
{
	int found;

	if (d->count == d->capacity) {
		size_t capacity = d->capacity ? d->capacity * 2 : 64;
		struct unit *units = reallocarray(d->units, capacity, sizeof(*units));

		if (!units)
			return -ENOMEM;
		d->units = units;
		d->capacity = capacity;
	}
	d->units[d->count++] = (struct unit){.die = *die};
	found = add_ranges(d, die, &d->ranges, d->count - 1);
	return found ? (found < 0 ? found : 0) : add_ranges_of_functions(d, d->count - 1);
}

struct debuginfo *debuginfo_new(Dwarf *dwarf, struct names *names, debuginfo_is_code_fn is_code,
				const void *ctx)
{
	struct debuginfo *d = calloc(1, sizeof(*d));
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	if (!d || strings_open_table(dwarf_getelf(dwarf))) {
		free(d);
		return NULL;
	}
	d->dwarf = dwarf;
	d->names = names;
	d->is_code = is_code;
	d->ctx = ctx;
	table_init(&d->function_names, sizeof(struct name_key), sizeof(const char *), MAX_KEPT);
	table_init(&d->source_paths, sizeof(struct name_key), sizeof(const char *), MAX_KEPT);
	/* A damaged unit ends the walk; the ones before it are kept. */
	while (!dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL)) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		if (dwarf_tag(&die) == DW_TAG_partial_unit)
			continue;
		if (add_unit(d, &die)) {
			debuginfo_free(d);
			return NULL;
		}
	}
	ranges_seal(&d->ranges);
	return d;
}

void debuginfo_free(struct debuginfo *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++) {
		ranges_fini(&d->units[i].functions);
		free(d->units[i].dies);
	}
	ranges_fini(&d->ranges);
	table_fini(&d->function_names);
	table_fini(&d->source_paths);
	free(d->units);
	free(d);
}

/* ---- answering ---- */

/* The place for what belongs to the key; *fresh: nothing is there yet. NULL: it cannot be kept. */
static const char **remember(struct table *t, const void *at, const void *unit, bool *fresh)
{
	const struct name_key key = {(uintptr_t)at, (uintptr_t)unit};

	return table_insert(t, &key, fresh);
}

/*
 * The linkage name says more than the plain one: it has the namespaces. In C it is seldom there,
 * and then it is an assembler name, which nobody has written.
 */
static const char *read_function(struct debuginfo *d, Dwarf_Die *die)
{
	const char *linkage = die_string(d, die, DW_AT_linkage_name);
	const char *name;
	char *readable;

	if (!linkage)
		linkage = die_string(d, die, DW_AT_MIPS_linkage_name);
	readable = linkage ? demangle_symbol(linkage) : NULL;
	if (readable) {
		name = names_intern(d->names, readable);
		free(readable);
		return name;
	}
	name = die_string(d, die, DW_AT_name);
	return names_intern(d->names, name ? name : linkage);
}

/* Small functions are inlined in thousands of places, and to read a name of C++ takes ten times as
 * long as to find it again. */
static const char *die_function(struct debuginfo *d, Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Die origin;
	bool fresh = true;
	const char **kept;

	/* Only these are nothing but their origin: a constructor out of line has a name of its own.
	 */
	if (dwarf_tag(die) != DW_TAG_inlined_subroutine ||
	    !dwarf_formref_die(dwarf_attr(die, DW_AT_abstract_origin, &attr), &origin))
		origin = *die;
	kept = remember(&d->function_names, origin.addr, NULL, &fresh);
	if (!kept)
		return read_function(d, die);
	if (fresh)
		*kept = read_function(d, die);
	return *kept;
}

/*
 * A source path. libdw leaves it relative where the compiler did; the unit's directory completes
 * it, unless that is relative too, for then the build has rewritten its paths (glibc of Debian:
 * "./malloc" and "./malloc/malloc.c") and the two do not add up.
 */
static const char *join_path(struct debuginfo *d, Dwarf_Die *unit, const char *path)
{
	const char *dir = path[0] != '/' ? die_string(d, unit, DW_AT_comp_dir) : NULL;
	const char *name;
	char *joined;

	if (!dir || dir[0] != '/')
		return names_intern(d->names, path);
	if (asprintf(&joined, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", path) < 0)
		return NULL;
	name = names_intern(d->names, joined);
	free(joined);
	return name;
}

static const char *source_path(struct debuginfo *d, Dwarf_Die *unit, const char *path)
{
	bool fresh = true;
	const char **kept;

	if (!path)
		return NULL;
	kept = remember(&d->source_paths, path, unit->addr, &fresh);
	if (!kept)
		return join_path(d, unit, path);
	if (fresh)
		*kept = join_path(d, unit, path);
	return *kept;
}

static int die_number(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, name, &attr), &value) || value > INT32_MAX)
		return 0;
	return (int)value;
}

/* Where the inlined entry was called from. */
static void call_site(struct debuginfo *d, struct unit *u, Dwarf_Die *inlined, struct sym_frame *f)
{
	size_t index = (size_t)die_number(inlined, DW_AT_call_file);
	Dwarf_Half version = 0;
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	Dwarf_Die unit;
	size_t count;

	f->file = NULL;
	f->line = die_number(inlined, DW_AT_call_line);
	f->column = die_number(inlined, DW_AT_call_column);
	if (!dwarf_attr(inlined, DW_AT_call_file, &attr) ||
	    !dwarf_diecu(inlined, &unit, NULL, NULL) ||
	    dwarf_cu_info(unit.cu, &version, NULL, NULL, NULL, NULL, NULL, NULL) ||
	    dwarf_getsrcfiles(&unit, &files, &count) || index >= count)
		return;
	/* Before version 5 files were counted from 1, and 0 said "none". */
	if (index || version >= 5)
		f->file = source_path(d, &u->die, dwarf_filesrc(files, index, NULL, NULL));
}

static void line_at(struct debuginfo *d, struct unit *u, uint64_t address, struct sym_frame *f)
{
	Dwarf_Line *line = dwarf_getsrc_die(&u->die, address);

	f->file = NULL;
	f->line = f->column = 0;
	if (!line)
		return;
	f->file = source_path(d, &u->die, dwarf_linesrc(line, NULL, NULL));
	if (dwarf_lineno(line, &f->line) || f->line < 0)
		f->line = 0;
	if (dwarf_linecol(line, &f->column) || f->column < 0)
		f->column = 0;
}

static bool is_scope(int tag)
{
	return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_try_block || tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

/* A function and the calls inlined into it and into each other, outermost first. */
struct chain {
	Dwarf_Die at[DEBUGINFO_FRAMES_MAX];
	size_t count;
};

/*
 * Follows the scopes that hold the address below the end of `way`, and leaves the longest chain of
 * inlined calls in `best`. All of them are followed: the optimizer lets the ranges of neighbouring
 * blocks overlap, and the first may be a dead end.
 */
static void follow_scopes(Dwarf_Die *scope, uint64_t address, struct chain *way, struct chain *best,
			  int depth)
{
	Dwarf_Die child;

	if (way->count > best->count)
		*best = *way;
	if (depth > DEPTH_MAX || dwarf_child(scope, &child))
		return;
	do {
		int tag = dwarf_tag(&child);
		bool inlined = tag == DW_TAG_inlined_subroutine;

		if (!is_scope(tag) || dwarf_haspc(&child, address) <= 0)
			continue;
		if (inlined && way->count == DEBUGINFO_FRAMES_MAX)
			continue;
		if (inlined)
			way->at[way->count++] = child;
		follow_scopes(&child, address, way, best, depth + 1);
		way->count -= inlined;
	} while (!dwarf_siblingof(&child, &child));
}

size_t debuginfo_frames(struct debuginfo *d, uint64_t address,
			struct sym_frame frames[DEBUGINFO_FRAMES_MAX], uint64_t *start)
{
	const struct range *r = ranges_find(&d->ranges, address);
	struct chain way = {.count = 1}, best = {.count = 0};
	struct unit *u;

	if (!r)
		return 0;
	u = &d->units[r->value];
	if (unit_index(d, u))
		return 0;
	line_at(d, u, address, &frames[0]);
	frames[0].function = NULL;
	frames[0].inlined = false;
	r = ranges_find(&u->functions, address);
	if (!r)
		return 1;
	*start = r->start;
	way.at[0] = u->dies[r->value];
	follow_scopes(&u->dies[r->value], address, &way, &best, 0);
	for (size_t i = 0; i < best.count; i++) {
		Dwarf_Die *die = &best.at[best.count - 1 - i];

		frames[i].function = die_function(d, die);
		frames[i].inlined = i + 1 < best.count;
		if (frames[i].inlined)
			call_site(d, u, die, &frames[i + 1]);
	}
	return best.count;
}
