// SPDX-License-Identifier: MIT
/*
 * Hides how rules are cut into pieces and looked up. The decisions:
 *
 * - A piece ends where a bucket of its directory would hold a block's worth of rules or more, so
 * that what is looked for lies in one of two blocks. Of all directories that begin at one address,
 * the one that reaches farthest is taken: files have one or two pieces, and only made-up ones have
 * many.
 * - A piece that begins within a rule repeats it, at its own address 0.
 */
#include "core/unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS     (UNWIND_DIRECTORY - 1)
#define FIRST_RULES 1024
#define MAX_SHIFT   32 /* addresses have 32 bits */

static bool says_the_same(const struct unwind_rule *a, const struct unwind_rule *b)
{
	return a->cfa_words == b->cfa_words && a->fp_words == b->fp_words && a->kind == b->kind;
}

static int make_room(struct unwind_rules *r)
{
	size_t capacity = r->capacity ? 2 * r->capacity : FIRST_RULES;
	struct unwind_rule *at;

	if (r->at && r->count < r->capacity)
		return 0;
	if (r->count >= UNWIND_MAX_RULES)
		return -ENOSPC;
	at = reallocarray(r->at, capacity, sizeof(*at));
	if (!at)
		return -ENOMEM;
	r->at = at;
	r->capacity = capacity;
	return 0;
}

int unwind_add(struct unwind_rules *r, const struct unwind_rule *rule)
{
	const struct unwind_rule *last = r->count ? &r->at[r->count - 1] : NULL;
	int err;

	if (last && rule->address < last->address)
		return -EINVAL;
	if (last && rule->address == last->address)
		last = --r->count ? last - 1 : NULL;
	if (last && says_the_same(last, rule))
		return 0;
	err = make_room(r);
	if (err)
		return err;
	r->at[r->count++] = *rule;
	return 0;
}

void unwind_rules_fini(struct unwind_rules *r)
{
	free(r->at);
	*r = (struct unwind_rules){0};
}

bool unwind_rules_valid(const struct unwind_rules *r)
{
	if (r->count > UNWIND_MAX_RULES || r->base > UINT64_MAX - UINT32_MAX)
		return false;
	for (size_t i = 0; i < r->count; i++) {
		const struct unwind_rule *rule = &r->at[i];

		if (UNWIND_CFA(rule->kind) >= UNWIND_NR_CFAS ||
		    UNWIND_RULE_FP(rule->kind) >= UNWIND_NR_FPS)
			return false;
		if (i && rule->address <= rule[-1].address)
			return false;
	}
	return true;
}

/* ---- cutting ---- */

/* What is still to be packed: from `start`, which counts from the base, on; `first` is the rule
 * that holds there. */
struct rest {
	const struct unwind_rules *rules;
	size_t first;
	uint64_t start, end;
};

/* The last rule at or below the address, which is not below rule `from`; looks near `from` first.
 */
static size_t rule_at(const struct unwind_rules *r, size_t from, uint64_t address)
{
	size_t step = 1, at = from;

	while (at + step < r->count && r->at[at + step].address <= address) {
		at += step;
		step *= 2;
	}
	for (; step; step /= 2)
		if (at + step < r->count && r->at[at + step].address <= address)
			at += step;
	return at;
}

/* How far a directory of that shift reaches: to its end, to the end of the rest, or to the bucket
 * that would hold too many. */
static uint64_t reach(const struct rest *rest, unsigned int shift)
{
	size_t low = rest->first;

	for (uint64_t b = 0; b < BUCKETS; b++) {
		uint64_t end = rest->start + ((b + 1) << shift);
		size_t high = rule_at(rest->rules, low, end);

		if (high - low >= UNWIND_BLOCK_ROWS)
			return rest->start + (b << shift);
		if (end >= rest->end)
			return rest->end;
		low = high;
	}
	return rest->start + ((uint64_t)BUCKETS << shift);
}

static unsigned int shift_for(uint64_t length)
{
	unsigned int shift = 0;

	while ((length - 1) >> shift >= BUCKETS)
		shift++;
	return shift;
}

/* Where the piece that begins with the rest ends. One with shift 0 always reaches its end. */
static uint64_t piece_end(const struct rest *rest)
{
	uint64_t farthest = rest->start;

	for (unsigned int shift = shift_for(rest->end - rest->start) + 1; shift-- > 0;) {
		uint64_t end;

		if (farthest - rest->start >= (uint64_t)BUCKETS << shift)
			break;
		end = reach(rest, shift);
		if (end > farthest)
			farthest = end;
	}
	return farthest;
}

/* ---- laying out ---- */

static void fill_directory(struct unwind_piece *piece, const struct unwind_rule *rules,
			   uint32_t count)
{
	uint32_t k = 0;

	for (uint64_t b = 0; b < UNWIND_DIRECTORY; b++) {
		while (k + 1 < count && rules[k + 1].address <= b << piece->shift)
			k++;
		piece->blocks[0].directory[b] = k;
	}
}

static int lay_out(struct unwind_piece *piece, const struct rest *rest, uint64_t end)
{
	size_t last = rule_at(rest->rules, rest->first, end - 1);
	uint32_t count = (uint32_t)(last - rest->first + 1);
	uint32_t rows = (count + UNWIND_BLOCK_ROWS - 1) / UNWIND_BLOCK_ROWS * UNWIND_BLOCK_ROWS;
	struct unwind_rule *rules;

	piece->start = rest->rules->base + rest->start;
	piece->end = rest->rules->base + end;
	piece->shift = (uint8_t)shift_for(end - rest->start);
	piece->block_count = 1 + rows / UNWIND_BLOCK_ROWS;
	piece->blocks = calloc(piece->block_count, sizeof(*piece->blocks));
	if (!piece->blocks)
		return -ENOMEM;
	rules = piece->blocks[1].rules;
	memcpy(rules, &rest->rules->at[rest->first], count * sizeof(*rules));
	rules[0].address = 0;
	for (uint32_t i = 1; i < count; i++)
		rules[i].address -= (uint32_t)rest->start;
	for (uint32_t i = count; i < rows; i++)
		rules[i] = rules[count - 1];
	fill_directory(piece, rules, count);
	return 0;
}

static int add_piece(struct unwind_pieces *p, struct rest *rest)
{
	uint64_t end = piece_end(rest);
	struct unwind_piece *at;
	int err;

	if (p->count >= UNWIND_MAX_PIECES)
		return -ENOSPC;
	at = reallocarray(p->at, p->count + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	p->at = at;
	err = lay_out(&at[p->count], rest, end);
	if (err)
		return err;
	p->count++;
	rest->first = rule_at(rest->rules, rest->first, end);
	rest->start = end;
	return 0;
}

int unwind_pack(struct unwind_pieces *p, const struct unwind_rules *r, uint64_t end)
{
	struct rest rest = {.rules = r, .end = end - r->base};
	int err = 0;

	*p = (struct unwind_pieces){0};
	/* The last address that a rule can have is the last one of a piece, too. */
	if (!r->count || end <= r->base + r->at[r->count - 1].address)
		return -EINVAL;
	if (rest.end > 1ULL << MAX_SHIFT)
		rest.end = 1ULL << MAX_SHIFT;
	rest.start = r->at[0].address;
	while (!err && rest.start < rest.end)
		err = add_piece(p, &rest);
	if (err)
		unwind_pieces_fini(p);
	return err;
}

void unwind_pieces_fini(struct unwind_pieces *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->at[i].blocks);
	free(p->at);
	*p = (struct unwind_pieces){0};
}

/* ---- looking up ---- */

const struct unwind_rule *unwind_find(const struct unwind_piece *piece, uint64_t offset)
{
	const uint32_t *word = &piece->blocks[0].directory[offset >> piece->shift];
	uint32_t low = word[0], high = word[1], block = high / UNWIND_BLOCK_ROWS, row;
	const struct unwind_rule *rules = piece->blocks[1 + block].rules;

	if (low / UNWIND_BLOCK_ROWS != block) {
		if (rules[0].address <= offset) {
			low = block * UNWIND_BLOCK_ROWS;
		} else {
			high = block * UNWIND_BLOCK_ROWS - 1;
			rules -= UNWIND_BLOCK_ROWS;
		}
	}
	row = low % UNWIND_BLOCK_ROWS;
	for (uint32_t step = UNWIND_BLOCK_ROWS / 2; step; step /= 2)
		if (row + step <= high % UNWIND_BLOCK_ROWS && rules[row + step].address <= offset)
			row += step;
	return &rules[row];
}
