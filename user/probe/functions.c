// SPDX-License-Identifier: MIT
/* The table of traced functions, and the option that chooses from it. */
#include "probe/functions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_SYMBOLS 12

struct catalogue_row {
	const char *name; /* and the symbol where there is no other */
	enum function_family family;
	bool key;
	struct event_args args;
	const char *symbols[MAX_SYMBOLS];
};

/*
 * Of two names at one address the first row wins: the standard name before the old one. C++'s
 * operators are looked for only in objects that define malloc as well (jemalloc, tcmalloc,
 * mimalloc): elsewhere they end in a malloc that is traced anyway. The mangled names are those of
 * the Itanium C++ ABI. The arguments of jemalloc's own functions are in jemalloc(3), those of
 * Rust's in core::alloc::GlobalAlloc, whose Layout is a size and an alignment.
 */
static const struct catalogue_row catalogue[] = {
	{.name = "malloc", .args = {.size = 1}, .key = true},
	{.name = "calloc", .args = {.count = 1, .size = 2}},
	{.name = "realloc", .args = {.ptr = 1, .size = 2}},
	{.name = "reallocarray", .args = {.ptr = 1, .count = 2, .size = 3}},
	{.name = "free", .args = {.ptr = 1}, .key = true},
	{.name = "posix_memalign", .args = {.out = 1, .align = 2, .size = 3}},
	{.name = "aligned_alloc", .args = {.align = 1, .size = 2}},
	{.name = "memalign", .args = {.align = 1, .size = 2}},
	{.name = "valloc", .args = {.size = 1}},
	{.name = "pvalloc", .args = {.size = 1}},
	{.name = "cfree", .args = {.ptr = 1}},
	{.name = "free_sized", .args = {.ptr = 1}},
	{.name = "free_aligned_sized", .args = {.ptr = 1}},
	{.name = "operator new",
	 .args = {.size = 1},
	 .symbols = {"_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t"}},
	{.name = "operator new(align)",
	 .args = {.size = 1, .align = 2},
	 .symbols = {"_ZnwmSt11align_val_t", "_ZnamSt11align_val_t",
		     "_ZnwmSt11align_val_tRKSt9nothrow_t", "_ZnamSt11align_val_tRKSt9nothrow_t"}},
	{.name = "operator delete",
	 .args = {.ptr = 1},
	 .symbols = {"_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_ZdlPvRKSt9nothrow_t",
		     "_ZdaPvRKSt9nothrow_t", "_ZdlPvSt11align_val_t", "_ZdaPvSt11align_val_t",
		     "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t",
		     "_ZdlPvSt11align_val_tRKSt9nothrow_t", "_ZdaPvSt11align_val_tRKSt9nothrow_t"}},
	{.name = "mallocx", .family = FAMILY_ALLOCX, .key = true, .args = {.size = 1, .flags = 2}},
	{.name = "rallocx", .family = FAMILY_ALLOCX, .args = {.ptr = 1, .size = 2, .flags = 3}},
	{.name = "xallocx",
	 .family = FAMILY_ALLOCX,
	 .args = {.ptr = 1, .size = 2, .flags = 4, .returns_size = true}},
	{.name = "dallocx", .args = {.ptr = 1}, .family = FAMILY_ALLOCX, .key = true},
	{.name = "sdallocx", .args = {.ptr = 1}, .family = FAMILY_ALLOCX},
	{.name = "__rust_alloc",
	 .args = {.size = 1, .align = 2},
	 .family = FAMILY_RUST,
	 .key = true},
	{.name = "__rust_alloc_zeroed", .args = {.size = 1, .align = 2}, .family = FAMILY_RUST},
	{.name = "__rust_realloc",
	 .family = FAMILY_RUST,
	 .args = {.ptr = 1, .align = 3, .size = 4}},
	{.name = "__rust_dealloc", .args = {.ptr = 1}, .family = FAMILY_RUST, .key = true},
};

#define CATALOGUE_ROWS (sizeof(catalogue) / sizeof(catalogue[0]))

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	return h;
}

/* The first one to have a symbol keeps it. */
static void add_symbol(struct functions *f, const char *symbol, size_t row)
{
	uint64_t key = hash(symbol), *value;
	bool fresh;

	value = table_insert(&f->names, &key, &fresh);
	if (value && fresh)
		*value = row;
}

#define NO_ROW_LEFT EVENT_MAX_FUNCTIONS /* in `names`: it was refused, and counted */

/* -1: it is not known. */
static int find_symbol(const struct functions *f, const char *symbol)
{
	uint64_t key = hash(symbol);
	const uint64_t *row = table_find(&f->names, &key);

	return row ? (int)*row : -1;
}

static struct function *add_row(struct functions *f, const char *prefix, const char *name)
{
	struct function *row = &f->rows[f->count];

	if (f->count == EVENT_MAX_FUNCTIONS || strlen(prefix) + strlen(name) >= sizeof(row->name)) {
		f->refused++;
		return NULL;
	}
	f->count++;
	*row = (struct function){.family = FAMILY_OWN, .wanted = true};
	snprintf(row->name, sizeof(row->name), "%s%s", prefix, name);
	return row;
}

void functions_init(struct functions *f)
{
	static const char *const known[] = {"je_", "mi_", "tc_", "_rjem_"};

	memset(f, 0, sizeof(*f));
	f->pools = true;
	table_init(&f->names, sizeof(uint64_t), sizeof(uint64_t), 1 << 12);
	for (size_t i = 0; i < CATALOGUE_ROWS; i++) {
		const struct catalogue_row *c = &catalogue[i];
		struct function *row = add_row(f, "", c->name);

		row->args = c->args;
		row->family = c->family;
		row->key = c->key;
		if (!c->symbols[0])
			add_symbol(f, c->name, i);
		for (size_t k = 0; k < MAX_SYMBOLS && c->symbols[k]; k++)
			add_symbol(f, c->symbols[k], i);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		functions_add_prefix(f, known[i]);
}

void functions_fini(struct functions *f)
{
	table_fini(&f->names);
}

int functions_add_prefix(struct functions *f, const char *prefix)
{
	if (f->prefix_count == FUNCTIONS_MAX_PREFIXES)
		return -ENOSPC;
	f->prefixes[f->prefix_count++] = prefix;
	return 0;
}

/* ---- --function */

struct own_key {
	const char *name;
	size_t field; /* offset into struct event_args */
};

static const struct own_key own_keys[] = {
	{"size", offsetof(struct event_args, size)},
	{"count", offsetof(struct event_args, count)},
	{"align", offsetof(struct event_args, align)},
	{"ptr", offsetof(struct event_args, ptr)},
	{"out", offsetof(struct event_args, out)},
};

static bool is_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && !strncmp(text, word, n);
}

/* One "key=argN" or "ret=ptr"; NULL, or what is wrong with it. */
static const char *take_pair(struct event_args *args, bool *returns, const char *pair, size_t n)
{
	const char *equals = memchr(pair, '=', n);
	size_t key = equals ? (size_t)(equals - pair) : n;
	const char *value = pair + key + 1;

	if (!equals)
		return "is no key=value";
	if (is_word(pair, key, "ret")) {
		if (*returns || !is_word(value, n - key - 1, "ptr"))
			return *returns ? "comes twice" : "must be ret=ptr";
		*returns = true;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(own_keys) / sizeof(own_keys[0]); i++) {
		uint8_t *field = (uint8_t *)args + own_keys[i].field;

		if (!is_word(pair, key, own_keys[i].name))
			continue;
		if (*field)
			return "comes twice";
		if (n - key - 1 != 4 || strncmp(value, "arg", 3) || value[3] < '1' ||
		    value[3] > '6')
			return "must name one of arg1 to arg6";
		*field = (uint8_t)(value[3] - '0');
		return NULL;
	}
	return "has a key that is none of size, count, align, ptr, out, ret";
}

/* What is between the parentheses. */
static int take_pairs(struct event_args *args, bool *returns, const char *list, size_t n, char *why,
		      size_t len)
{
	const char *end = list + n;

	for (;;) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;
		const char *wrong = take_pair(args, returns, list, (size_t)(stop - list));

		if (wrong) {
			snprintf(why, len, "'%.*s' %s", (int)(stop - list), list, wrong);
			return -EINVAL;
		}
		if (!comma)
			return 0;
		list = comma + 1;
	}
}

static const char *check_own(const struct event_args *args, bool returns)
{
	if (returns && args->out)
		return "ret=ptr and out=argN exclude each other";
	if (!args->ptr && !returns && !args->out)
		return "it says neither where a block comes from (ret=ptr, out=argN) nor which one "
		       "goes (ptr=argN)";
	if ((returns || args->out) && !args->size)
		return "it does not say which argument is the size";
	return NULL;
}

/* As a symbol or as what a row is called. One with a prefix may be told anew: it is the user's. */
static bool is_known(const struct functions *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++) {
		if (!strcmp(f->rows[i].name, name))
			return true;
	}
	return find_symbol(f, name) >= 0;
}

int functions_add_own(struct functions *f, const char *spec, char *why, size_t len)
{
	const char *open = strchr(spec, '('), *end = spec + strlen(spec), *wrong;
	struct event_args args = {0};
	struct function *row;
	char name[FUNCTION_NAME_LEN];
	bool returns = false;
	int err;

	if (!open || open == spec || end[-1] != ')' || (size_t)(open - spec) >= sizeof(name)) {
		snprintf(why, len, "it must look like 'SYMBOL(size=arg1,ret=ptr)'");
		return -EINVAL;
	}
	err = take_pairs(&args, &returns, open + 1, (size_t)(end - open - 2), why, len);
	if (err)
		return err;
	wrong = check_own(&args, returns);
	snprintf(name, sizeof(name), "%.*s", (int)(open - spec), spec);
	if (!wrong && is_known(f, name))
		wrong = "that function is known already";
	row = wrong ? NULL : add_row(f, "", name);
	if (!row) {
		snprintf(why, len, "%s", wrong ? wrong : "there are too many functions");
		return wrong ? -EINVAL : -ENOSPC;
	}
	if (returns || args.out)
		row->args = args;
	else
		row->args = (struct event_args){.ptr = args.ptr, .paired = true};
	add_symbol(f, name, f->count - 1);
	return 0;
}

/* ---- -e */

void functions_want_none(struct functions *f)
{
	f->pools = false;
	f->pool_name[0] = '\0';
	for (size_t i = 0; i < f->count; i++)
		f->rows[i].wanted = f->rows[i].family == FAMILY_OWN;
}

/* One name at most: with two, which of them a pool is would be asked for every event. */
static int select_pool(struct functions *f, const char *name, size_t n)
{
	bool named = f->pools && f->pool_name[0];

	if (!n || n >= sizeof(f->pool_name))
		return -EINVAL;
	if (named && !is_word(name, n, f->pool_name))
		return -E2BIG;
	if (!f->pools || named)
		snprintf(f->pool_name, sizeof(f->pool_name), "%.*s", (int)n, name);
	f->pools = true;
	return 0;
}

static int select_word(struct functions *f, const char *word, size_t n)
{
	char name[FUNCTION_NAME_LEN];
	int row = -1;

	if (is_word(word, n, "pool")) {
		f->pools = true;
		f->pool_name[0] = '\0';
		return 0;
	}
	if (n >= 5 && !strncmp(word, "pool:", 5))
		return select_pool(f, word + 5, n - 5);
	for (size_t i = 0; i < f->count && row < 0; i++) {
		if (is_word(word, n, f->rows[i].name))
			row = (int)i;
	}
	if (row < 0 && n < sizeof(name)) {
		snprintf(name, sizeof(name), "%.*s", (int)n, word);
		row = functions_match(f, name, true);
		if (row >= 0 && !f->rows[row].prefix)
			row = -1; /* a mangled name is not what is written here */
	}
	if (row < 0)
		return -EINVAL;
	f->rows[row].wanted = true;
	return 0;
}

int functions_select(struct functions *f, const char *list, char *refused, size_t len)
{
	for (;;) {
		size_t n = strcspn(list, ",");
		int err = select_word(f, list, n);

		if (err) {
			snprintf(refused, len, "%.*s", (int)n, list);
			return err;
		}
		if (!list[n])
			return 0;
		list += n + 1;
	}
}

/* ---- symbols of files */

/*
 * Rust's symbols since 1.87 carry the crate's hash in front (the v0 mangling, Rust RFC 2603):
 * _RNvCs…_7___rustc12___rust_alloc. What is behind it is the plain name and its length.
 */
static int match_rust(const struct functions *f, const char *symbol)
{
	const char *name;

	if (symbol[0] != '_' || symbol[1] != 'R')
		return -1;
	name = strstr(symbol, "7___rustc");
	if (!name)
		return -1;
	name += strlen("7___rustc");
	name += strspn(name, "0123456789");
	return *name == '_' ? find_symbol(f, name + 1) : -1;
}

/* The row of the catalogue that the symbol is, but for its prefix; -1: none. */
static int base_of(const struct functions *f, const char *symbol, const char *prefix)
{
	size_t n = strlen(prefix);
	int base;

	if (strncmp(symbol, prefix, n))
		return -1;
	base = find_symbol(f, symbol + n);
	if (base < 0 || base >= (int)CATALOGUE_ROWS || catalogue[base].symbols[0] ||
	    catalogue[base].family == FAMILY_RUST)
		return -1;
	return base;
}

static int match_prefixed(struct functions *f, const char *symbol, size_t i)
{
	int base = base_of(f, symbol, f->prefixes[i]);
	struct function *row;

	if (base < 0)
		return -1;
	row = add_row(f, f->prefixes[i], catalogue[base].name);
	if (!row) {
		add_symbol(f, symbol, NO_ROW_LEFT);
		return -1;
	}
	row->args = catalogue[base].args;
	row->family = catalogue[base].family;
	row->key = catalogue[base].key;
	row->prefix = (unsigned int)i + 1;
	row->wanted = f->rows[base].wanted;
	add_symbol(f, symbol, f->count - 1);
	return (int)f->count - 1;
}

int functions_match(struct functions *f, const char *symbol, bool exported)
{
	int row = find_symbol(f, symbol);

	if (row == NO_ROW_LEFT)
		return -1;
	if (row < 0)
		row = match_rust(f, symbol);
	for (size_t i = 0; i < f->prefix_count && row < 0; i++)
		row = match_prefixed(f, symbol, i);
	if (row < 0 || exported)
		return row;
	return f->rows[row].prefix || f->rows[row].family >= FAMILY_RUST ? row : -1;
}

bool functions_know(const struct functions *f, const char *symbol)
{
	bool known = find_symbol(f, symbol) >= 0 || match_rust(f, symbol) >= 0;

	for (size_t i = 0; i < f->prefix_count && !known; i++)
		known = base_of(f, symbol, f->prefixes[i]) >= 0;
	return known;
}

bool functions_pair(const struct functions *f)
{
	bool frees = false, allocates = false;

	for (size_t i = 0; i < f->count; i++) {
		if (!f->rows[i].wanted)
			continue;
		if (function_frees(&f->rows[i]))
			frees = true;
		else
			allocates = true;
	}
	return frees && allocates;
}
