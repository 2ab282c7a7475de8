// SPDX-License-Identifier: MIT
/* The pages lie in the one hash table; a page without a block is not in it. */
#include "core/extents.h"

#define PAGE        4096
#define GRAIN       8 /* bytes a bit */
#define PAGE_WORDS  (PAGE / GRAIN / 64)
#define PAGES_ABOVE 1024
#define PAGES_BELOW 64
#define MAX_PAGES   (8 << 20) /* 32 GiB in which blocks begin */

void extents_init(struct extents *x)
{
	table_init(&x->pages, sizeof(uint64_t), PAGE_WORDS * sizeof(uint64_t), MAX_PAGES);
}

void extents_fini(struct extents *x)
{
	table_fini(&x->pages);
}

static unsigned int grain_of(uint64_t addr)
{
	return (unsigned int)(addr % PAGE / GRAIN);
}

static uint64_t address_of(uint64_t page, unsigned int word, unsigned int bit)
{
	return page * PAGE + (word * 64 + bit) * GRAIN;
}

void extents_add(struct extents *x, uint64_t addr)
{
	uint64_t page = addr / PAGE, *words;
	bool fresh;

	words = table_insert(&x->pages, &page, &fresh);
	if (words)
		words[grain_of(addr) / 64] |= 1ULL << grain_of(addr) % 64;
}

void extents_remove(struct extents *x, uint64_t addr)
{
	uint64_t page = addr / PAGE, *words = table_find(&x->pages, &page), left = 0;

	if (!words)
		return;
	words[grain_of(addr) / 64] &= ~(1ULL << grain_of(addr) % 64);
	for (unsigned int i = 0; i < PAGE_WORDS; i++)
		left |= words[i];
	if (!left)
		table_remove(&x->pages, &page);
}

/* In one page, from that bit on. */
static bool first_from(const uint64_t *words, uint64_t page, unsigned int from, uint64_t *found)
{
	for (unsigned int i = from / 64; i < PAGE_WORDS; i++) {
		uint64_t bits = words[i];

		if (i == from / 64)
			bits &= ~0ULL << from % 64;
		if (bits) {
			*found = address_of(page, i, (unsigned int)__builtin_ctzll(bits));
			return true;
		}
	}
	return false;
}

/* In one page, before that bit. */
static bool last_before(const uint64_t *words, uint64_t page, unsigned int before, uint64_t *found)
{
	for (unsigned int i = PAGE_WORDS; i-- > 0;) {
		uint64_t bits = i * 64 >= before ? 0 : words[i];

		if (bits && before - i * 64 < 64)
			bits &= (1ULL << (before - i * 64)) - 1;
		if (bits) {
			*found = address_of(page, i, 63 - (unsigned int)__builtin_clzll(bits));
			return true;
		}
	}
	return false;
}

bool extents_above(const struct extents *x, uint64_t addr, uint64_t end, uint64_t *found)
{
	uint64_t page = addr / PAGE;
	unsigned int from = grain_of(addr);

	for (int i = 0; i < PAGES_ABOVE && page * PAGE < end; i++, page++, from = 0) {
		const uint64_t *words = table_find(&x->pages, &page);

		if (words && first_from(words, page, from, found))
			return *found < end;
	}
	return false;
}

bool extents_below(const struct extents *x, uint64_t addr, uint64_t *found)
{
	uint64_t page = addr / PAGE;
	unsigned int before = grain_of(addr);

	for (int i = 0; i < PAGES_BELOW; i++, page--, before = PAGE / GRAIN) {
		const uint64_t *words = table_find(&x->pages, &page);

		if (words && last_before(words, page, before, found))
			return true;
		if (!page)
			break;
	}
	return false;
}
