// SPDX-License-Identifier: MIT
/* The table of traced functions, and the option that chooses from it. */
#include "probe/functions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Of two names at one address the first row wins: the standard name before the old one. C++'s
 * operators are looked for only in objects that define malloc as well (jemalloc, tcmalloc,
 * mimalloc): elsewhere they end in a malloc that is traced anyway. The mangled names are those of
 * the Itanium C++ ABI.
 */
const struct function functions[] = {
	{.name = "malloc", .shape = SHAPE_SIZE},
	{.name = "calloc", .shape = SHAPE_COUNT_SIZE},
	{.name = "realloc", .shape = SHAPE_REALLOC},
	{.name = "reallocarray", .shape = SHAPE_REALLOCARRAY},
	{.name = "free", .shape = SHAPE_FREE},
	{.name = "posix_memalign", .shape = SHAPE_MEMPTR},
	{.name = "aligned_alloc", .shape = SHAPE_ALIGN_SIZE},
	{.name = "memalign", .shape = SHAPE_ALIGN_SIZE},
	{.name = "valloc", .shape = SHAPE_SIZE},
	{.name = "pvalloc", .shape = SHAPE_SIZE},
	{.name = "cfree", .shape = SHAPE_FREE},
	{.name = "free_sized", .shape = SHAPE_FREE},
	{.name = "free_aligned_sized", .shape = SHAPE_FREE},
	{.name = "operator new",
	 .shape = SHAPE_SIZE,
	 .symbols = {"_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t"}},
	{.name = "operator new(align)",
	 .shape = SHAPE_SIZE_ALIGN,
	 .symbols = {"_ZnwmSt11align_val_t", "_ZnamSt11align_val_t",
		     "_ZnwmSt11align_val_tRKSt9nothrow_t", "_ZnamSt11align_val_tRKSt9nothrow_t"}},
	{.name = "operator delete",
	 .shape = SHAPE_FREE,
	 .symbols = {"_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_ZdlPvRKSt9nothrow_t",
		     "_ZdaPvRKSt9nothrow_t", "_ZdlPvSt11align_val_t", "_ZdaPvSt11align_val_t",
		     "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t",
		     "_ZdlPvSt11align_val_tRKSt9nothrow_t", "_ZdaPvSt11align_val_tRKSt9nothrow_t"}},
};

const size_t function_count = sizeof(functions) / sizeof(functions[0]);

bool function_has_symbol(const struct function *f, const char *symbol)
{
	if (!f->symbols[0])
		return !strcmp(f->name, symbol);
	for (size_t i = 0; i < FUNCTION_MAX_SYMBOLS && f->symbols[i]; i++) {
		if (!strcmp(f->symbols[i], symbol))
			return true;
	}
	return false;
}

struct function_set function_set_all(void)
{
	return (struct function_set){.functions = (1ULL << function_count) - 1, .pools = true};
}

static bool is_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && !strncmp(text, word, n);
}

/* One name at most: with two, which of them a pool is would be asked for every event. */
static int add_pool(struct function_set *set, const char *name, size_t n)
{
	bool named = set->pools && set->pool_name[0];

	if (!n || n >= sizeof(set->pool_name))
		return -EINVAL;
	if (named && !is_word(name, n, set->pool_name))
		return -E2BIG;
	if (!set->pools || named)
		snprintf(set->pool_name, sizeof(set->pool_name), "%.*s", (int)n, name);
	set->pools = true;
	return 0;
}

static int add_word(struct function_set *set, const char *word, size_t n)
{
	if (is_word(word, n, "pool")) {
		set->pools = true;
		set->pool_name[0] = '\0';
		return 0;
	}
	if (n >= 5 && !strncmp(word, "pool:", 5))
		return add_pool(set, word + 5, n - 5);
	for (size_t i = 0; i < function_count; i++) {
		if (is_word(word, n, functions[i].name)) {
			set->functions |= 1ULL << i;
			return 0;
		}
	}
	return -EINVAL;
}

int function_set_add(struct function_set *set, const char *list, char *refused, size_t len)
{
	for (;;) {
		size_t n = strcspn(list, ",");
		int err = add_word(set, list, n);

		if (err) {
			snprintf(refused, len, "%.*s", (int)n, list);
			return err;
		}
		if (!list[n])
			return 0;
		list += n + 1;
	}
}

bool function_set_pairs(const struct function_set *set)
{
	bool frees = false, allocates = false;

	for (size_t i = 0; i < function_count; i++) {
		if (!(set->functions >> i & 1))
			continue;
		if (functions[i].shape == SHAPE_FREE)
			frees = true;
		else
			allocates = true;
	}
	return frees && allocates;
}
