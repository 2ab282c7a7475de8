// SPDX-License-Identifier: MIT
/* The table of traced functions, and the option that chooses from it. */
#include "probe/functions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of two names at one address the first row wins: the standard name before the old one. */
const struct function functions[] = {
	{"malloc", SHAPE_SIZE},
	{"calloc", SHAPE_COUNT_SIZE},
	{"realloc", SHAPE_REALLOC},
	{"reallocarray", SHAPE_REALLOCARRAY},
	{"free", SHAPE_FREE},
	{"posix_memalign", SHAPE_MEMPTR},
	{"aligned_alloc", SHAPE_ALIGN_SIZE},
	{"memalign", SHAPE_ALIGN_SIZE},
	{"valloc", SHAPE_SIZE},
	{"pvalloc", SHAPE_SIZE},
	{"cfree", SHAPE_FREE},
};

const size_t function_count = sizeof(functions) / sizeof(functions[0]);

struct function_set function_set_all(void)
{
	return (struct function_set){.functions = (1ULL << function_count) - 1, .pools = true};
}

static int add_word(struct function_set *set, const char *word, size_t n)
{
	if (n == 4 && !strncmp(word, "pool", 4)) {
		set->pools = true;
		return 0;
	}
	if (n > 5 && !strncmp(word, "pool:", 5) && n - 5 < sizeof(set->pool_name)) {
		set->pools = true;
		memcpy(set->pool_name, word + 5, n - 5);
		set->pool_name[n - 5] = 0;
		return 0;
	}
	for (size_t i = 0; i < function_count; i++) {
		if (strlen(functions[i].name) == n && !strncmp(word, functions[i].name, n)) {
			set->functions |= 1ULL << i;
			return 0;
		}
	}
	return -EINVAL;
}

int function_set_parse(struct function_set *set, const char *list, char *unknown, size_t len)
{
	*set = (struct function_set){0};
	for (;;) {
		size_t n = strcspn(list, ",");

		if (add_word(set, list, n)) {
			snprintf(unknown, len, "%.*s", (int)n, list);
			return -EINVAL;
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
