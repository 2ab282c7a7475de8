// SPDX-License-Identifier: MIT
/*
 * A bitmap with a summary.
 *
 *	summary	bit i: words[i] is not 0	one word of it stands for 4 KiB of the region
 *	words	bit i: a chunk begins at base + i
 */
#include "core/starts.h"

#include <errno.h>
#include <stdlib.h>

#define NONE SIZE_MAX

/* The end of the region may be the place of a chunk of size 0. */
static size_t words_of(uint64_t region_bytes)
{
	return (size_t)(region_bytes / 64 + 1);
}

size_t starts_bytes(uint64_t region_bytes)
{
	size_t words = words_of(region_bytes);

	return 8 * (words + words / 64 + 1);
}

int starts_init(struct starts *s, uint64_t base, uint64_t region_bytes)
{
	size_t words = words_of(region_bytes), summary = words / 64 + 1;
	uint64_t *memory = calloc(words + summary, sizeof(*memory));

	*s = (struct starts){0};
	if (!memory)
		return -ENOMEM;
	*s = (struct starts){.base = base,
			     .words = memory,
			     .summary = memory + words,
			     .word_count = words,
			     .summary_count = summary};
	return 0;
}

void starts_fini(struct starts *s)
{
	free(s->words);
	*s = (struct starts){0};
}

void starts_add(struct starts *s, uint64_t addr)
{
	uint64_t bit = addr - s->base;

	if (bit / 64 >= s->word_count)
		return;
	s->words[bit / 64] |= 1ULL << bit % 64;
	s->summary[bit / 4096] |= 1ULL << bit / 64 % 64;
}

void starts_remove(struct starts *s, uint64_t addr)
{
	uint64_t bit = addr - s->base;

	if (bit / 64 >= s->word_count)
		return;
	s->words[bit / 64] &= ~(1ULL << bit % 64);
	if (!s->words[bit / 64])
		s->summary[bit / 4096] &= ~(1ULL << bit / 64 % 64);
}

/* The bits below, or above, the one of that number. */
static uint64_t lower(uint64_t word, uint64_t bit)
{
	return word & ((1ULL << bit % 64) - 1);
}

static uint64_t higher(uint64_t word, uint64_t bit)
{
	return word & (~0ULL << bit % 64) << 1;
}

static uint64_t highest(uint64_t word)
{
	return 63 - (uint64_t)__builtin_clzll(word);
}

static uint64_t lowest_of(uint64_t word)
{
	return (uint64_t)__builtin_ctzll(word);
}

/* The last word before `word` that is not empty, looked for down to `first`. */
static size_t word_before(const struct starts *s, size_t word, size_t first)
{
	size_t at = word / 64;
	uint64_t bits = lower(s->summary[at], word);

	while (!bits && at > first / 64)
		bits = s->summary[--at];
	return bits ? at * 64 + highest(bits) : NONE;
}

static size_t word_after(const struct starts *s, size_t word, size_t last)
{
	size_t at = word / 64;
	uint64_t bits = higher(s->summary[at], word);

	while (!bits && at < last / 64)
		bits = s->summary[++at];
	return bits ? at * 64 + lowest_of(bits) : NONE;
}

bool starts_below(const struct starts *s, uint64_t addr, uint64_t lowest, uint64_t *found)
{
	uint64_t bit = addr - s->base, first = lowest > s->base ? lowest - s->base : 0, bits;
	size_t word = bit / 64;

	if (word >= s->word_count)
		return false;
	bits = lower(s->words[word], bit);
	if (!bits) {
		word = word_before(s, word, first / 64);
		if (word == NONE)
			return false;
		bits = s->words[word];
	}
	*found = s->base + word * 64 + highest(bits);
	return *found >= lowest;
}

bool starts_above(const struct starts *s, uint64_t addr, uint64_t end, uint64_t *found)
{
	uint64_t bit = addr - s->base, bits;
	size_t word = bit / 64, last = (end - s->base) / 64;

	if (word >= s->word_count)
		return false;
	bits = higher(s->words[word], bit);
	if (!bits) {
		word = word_after(s, word, last < s->word_count ? last : s->word_count - 1);
		if (word == NONE)
			return false;
		bits = s->words[word];
	}
	*found = s->base + word * 64 + lowest_of(bits);
	return *found < end;
}
