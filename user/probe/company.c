// SPDX-License-Identifier: MIT
#include "probe/company.h"

#include <stdio.h>
#include <string.h>

#define KNOWN_PREFIXES 4 /* functions_init has them first */
#define PLAIN          1 /* the family of functions without a prefix */

static bool is_plain(const struct function *f)
{
	return !f->prefix && f->family <= FAMILY_ALLOCX;
}

static bool is_known(const struct function *f)
{
	return f->prefix && f->prefix <= KNOWN_PREFIXES;
}

static void note_plain(struct company *c, const struct proc_mapping *m)
{
	if (c->plain++)
		return;
	if (strlen(m->path) >= sizeof(c->path))
		c->incomplete = true;
	snprintf(c->path, sizeof(c->path), "%s", m->path);
	c->begin = m->start;
	c->end = m->end;
}

void company_note(struct company *c, const struct functions *f, uint64_t defined,
		  const struct proc_mapping *m)
{
	uint64_t prefixed = 0;
	unsigned int keys = 0;

	for (size_t i = 0; i < f->count && i < EVENT_MAX_FUNCTIONS; i++) {
		const struct function *row = &f->rows[i];

		if (!(defined >> i & 1))
			continue;
		if (row->prefix)
			prefixed |= 1ULL << i;
		else if (row->family == FAMILY_MALLOC)
			keys += row->key;
	}
	if (keys < 2)
		return;
	note_plain(c, m);
	c->beside |= prefixed;
}

/* The loader has an allocator of its own until libc's is there. */
bool company_is_inside(const struct company *c, const char *path)
{
	const char *name = strrchr(path, '/');

	return !strcmp(path, "[unknown]") || !strcmp(path, c->path) ||
	       (name && !strncmp(name, "/ld-", 4));
}

/* One of its functions lies in one file with malloc. */
static bool is_beside(const struct company *c, const struct functions *f, unsigned int prefix)
{
	for (size_t i = 0; i < f->count; i++) {
		if (c->beside >> i & 1 && f->rows[i].prefix == prefix)
			return true;
	}
	return false;
}

void company_families(const struct company *c, const struct functions *f,
		      uint8_t families[EVENT_MAX_FUNCTIONS])
{
	memset(families, 0, EVENT_MAX_FUNCTIONS);
	for (size_t i = 0; i < f->count; i++) {
		const struct function *row = &f->rows[i];

		if (is_plain(row) || (is_known(row) && is_beside(c, f, row->prefix)))
			families[i] = PLAIN;
		else if (is_known(row))
			families[i] = (uint8_t)(PLAIN + row->prefix);
	}
}

uint64_t company_leaves(const struct functions *f)
{
	static const char *const names[] = {"malloc", "operator new", "operator new(align)",
					    "mallocx"};
	uint64_t leaves = 0;

	for (size_t i = 0; i < f->count; i++) {
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			if (!f->rows[i].prefix && !strcmp(f->rows[i].name, names[k]))
				leaves |= 1ULL << i;
		}
	}
	return leaves;
}

/* jemalloc has no more functions than the catalogue. */
static bool has_whole_catalogue(const struct functions *f, const struct function *row)
{
	const char *prefix = row->prefix ? f->prefixes[row->prefix - 1] : "";

	return !row->prefix || (is_known(row) && strstr(prefix, "je"));
}

bool company_is_closed(const struct company *c, const struct functions *f, unsigned int function,
		       const uint64_t nested[EVENT_MAX_FUNCTIONS])
{
	const struct function *row = &f->rows[function];
	uint64_t leaves = company_leaves(f);

	if (function >= f->count || c->incomplete || f->refused || c->beside ||
	    !has_whole_catalogue(f, row) || (!row->prefix && c->plain != 1))
		return false;
	for (size_t i = 0; i < f->count; i++) {
		bool again = nested[i] >> i & 1, inside = leaves >> i & 1 && nested[i];

		if (f->rows[i].prefix == row->prefix && (again || inside))
			return false;
	}
	return company_is_independent(f, function, nested);
}

bool company_is_independent(const struct functions *f, unsigned int function,
			    const uint64_t nested[EVENT_MAX_FUNCTIONS])
{
	unsigned int prefix = function < f->count ? f->rows[function].prefix : 0;
	uint64_t others = 0;

	if (!prefix)
		return true;
	for (size_t i = 0; i < f->count; i++)
		others |= f->rows[i].prefix != prefix ? 1ULL << i : 0;
	for (size_t i = 0; i < f->count; i++) {
		if (f->rows[i].prefix == prefix && nested[i] & others)
			return false;
	}
	return true;
}
