// SPDX-License-Identifier: MIT
/* Packed rules against a search through the sorted ones. Linked with libcore.a alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/unwind.h"

#define BASE 0x400000ULL

static uint64_t seed = 77;

static uint64_t roll(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % sides;
}

/* A rule that says something else than its neighbours. */
static struct unwind_rule numbered(uint64_t address)
{
	static int16_t number;

	return (struct unwind_rule){
		.address = (uint32_t)address,
		.cfa_words = ++number,
		.kind = UNWIND_KIND(UNWIND_SP, UNWIND_FP_SAME),
	};
}

static void add(struct unwind_rules *r, uint64_t address)
{
	struct unwind_rule rule = numbered(address);

	assert_int_equal(unwind_add(r, &rule), 0);
}

/* ---- adding ---- */

static void test_add(void **state)
{
	struct unwind_rule a = numbered(10), b = numbered(20), none = {.address = 20};
	struct unwind_rules r = {0};

	(void)state;
	assert_true(unwind_rules_valid(&r));
	assert_int_equal(unwind_add(&r, &a), 0);
	assert_int_equal(unwind_add(&r, &b), 0);
	assert_int_equal(unwind_add(&r, &a), -EINVAL);
	/* The last one's place, and the same as before it. */
	assert_int_equal(unwind_add(&r, &none), 0);
	assert_int_equal(r.count, 2);
	assert_int_equal(UNWIND_CFA(r.at[1].kind), UNWIND_NONE);
	a.address = 20;
	assert_int_equal(unwind_add(&r, &a), 0);
	assert_int_equal(r.count, 1);
	a.address = 30;
	assert_int_equal(unwind_add(&r, &a), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.at[0].address, 10);
	/* The first one's place. */
	none.address = 10;
	assert_int_equal(unwind_add(&r, &none), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.at[0].kind, 0);
	unwind_rules_fini(&r);
	assert_null(r.at);
	assert_int_equal(r.count, 0);
}

static void test_add_ends(void **state)
{
	struct unwind_rules r = {0};
	struct unwind_rule rule;

	(void)state;
	for (uint64_t i = 0; i < UNWIND_MAX_RULES; i++)
		add(&r, i);
	rule = numbered(UNWIND_MAX_RULES);
	assert_int_equal(unwind_add(&r, &rule), -ENOSPC);
	assert_int_equal(r.count, UNWIND_MAX_RULES);
	assert_true(unwind_rules_valid(&r));
	unwind_rules_fini(&r);
}

static void test_valid(void **state)
{
	struct unwind_rule at[] = {numbered(0), numbered(1), numbered(2)};
	struct unwind_rules r = {.at = at, .count = 3};

	(void)state;
	assert_true(unwind_rules_valid(&r));
	at[1].kind = UNWIND_KIND(UNWIND_NR_CFAS - 1, UNWIND_NR_FPS - 1);
	assert_true(unwind_rules_valid(&r));
	at[1].kind = UNWIND_KIND(UNWIND_NR_CFAS, 0);
	assert_false(unwind_rules_valid(&r));
	at[1].kind = UNWIND_KIND(0, UNWIND_NR_FPS);
	assert_false(unwind_rules_valid(&r));
	at[1].kind = 0;
	at[2].address = 1;
	assert_false(unwind_rules_valid(&r));
	at[2].address = 0;
	assert_false(unwind_rules_valid(&r));
	at[2].address = UINT32_MAX;
	assert_true(unwind_rules_valid(&r));
	r.base = UINT64_MAX - UINT32_MAX;
	assert_true(unwind_rules_valid(&r));
	r.base++;
	assert_false(unwind_rules_valid(&r));
	r.base = 0;
	r.count = UNWIND_MAX_RULES + 1;
	assert_false(unwind_rules_valid(&r));
}

/* ---- packing ---- */

/* What the kernel side relies on. */
static void check_piece(const struct unwind_piece *p)
{
	const uint32_t *words = p->blocks[0].directory;
	const struct unwind_rule *rules = p->blocks[1].rules;
	size_t rows = (p->block_count - 1) * (size_t)UNWIND_BLOCK_ROWS;

	assert_in_range(p->block_count, 2, UNWIND_MAX_BLOCKS);
	assert_in_range((p->end - p->start - 1) >> p->shift, 0, UNWIND_DIRECTORY - 2);
	if (p->shift)
		assert_true((p->end - p->start - 1) >> (p->shift - 1) >= UNWIND_DIRECTORY - 1);
	assert_int_equal(rules[0].address, 0);
	for (size_t i = 1; i < rows; i++)
		assert_true(rules[i - 1].address < rules[i].address ||
			    !memcmp(&rules[i], &rules[rows - 1], sizeof(rules[i])));
	for (uint64_t b = 0; b + 1 < UNWIND_DIRECTORY; b++) {
		assert_true(words[b] <= words[b + 1]);
		assert_true(words[b + 1] - words[b] < UNWIND_BLOCK_ROWS);
		assert_true(words[b + 1] < rows);
		assert_true(rules[words[b]].address <= b << p->shift);
	}
}

/* The piece that holds the address; the pieces follow one another without a gap. */
static const struct unwind_piece *piece_of(const struct unwind_pieces *p, uint64_t address)
{
	for (size_t i = 0; i < p->count; i++)
		if (address >= p->at[i].start && address < p->at[i].end)
			return &p->at[i];
	return NULL;
}

static void ask(const struct unwind_pieces *p, const struct unwind_rule *want, uint64_t address)
{
	const struct unwind_piece *piece = piece_of(p, BASE + address);
	const struct unwind_rule *got;

	assert_non_null(piece);
	got = unwind_find(piece, BASE + address - piece->start);
	if (got->cfa_words != want->cfa_words || got->kind != want->kind)
		fail_msg("at %#llx: rule %d of piece offset %#x, expected %d",
			 (unsigned long long)address, got->cfa_words, got->address,
			 want->cfa_words);
}

/* Both ends of every rule, and somewhere within it. */
static void ask_all(const struct unwind_pieces *p, const struct unwind_rules *r, uint64_t end)
{
	for (size_t i = 0; i < r->count; i++) {
		uint64_t from = r->at[i].address;
		uint64_t to = i + 1 < r->count ? r->at[i + 1].address : end;

		ask(p, &r->at[i], from);
		ask(p, &r->at[i], to - 1);
		ask(p, &r->at[i], from + roll(to - from));
	}
	/* Both ends of every piece, whose rule the slow way finds. */
	for (size_t i = 0; i < p->count; i++) {
		uint64_t edges[] = {p->at[i].start - BASE, p->at[i].end - 1 - BASE};

		for (size_t k = 0; k < 2; k++) {
			size_t at = 0;

			while (at + 1 < r->count && r->at[at + 1].address <= edges[k])
				at++;
			ask(p, &r->at[at], edges[k]);
		}
	}
}

/* Packs up to `end`, asks, frees the rules. How many pieces there are. */
static size_t pack_and_ask(struct unwind_rules *r, uint64_t end)
{
	struct unwind_pieces p;
	size_t count;

	r->base = BASE;
	assert_true(unwind_rules_valid(r));
	assert_int_equal(unwind_pack(&p, r, BASE + end), 0);
	count = p.count;
	assert_in_range(count, 1, UNWIND_MAX_PIECES);
	assert_int_equal(p.at[0].start, BASE + r->at[0].address);
	assert_int_equal(p.at[count - 1].end, BASE + end);
	for (size_t i = 0; i < count; i++) {
		check_piece(&p.at[i]);
		if (i)
			assert_int_equal(p.at[i].start, p.at[i - 1].end);
	}
	ask_all(&p, r, end);
	unwind_pieces_fini(&p);
	assert_null(p.at);
	unwind_rules_fini(r);
	return count;
}

static void test_one_rule(void **state)
{
	static const uint64_t spans[] = {1, 2, 2047, 2048, 1 << 20, 1ULL << 32};

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		struct unwind_rules r = {0};

		add(&r, 0);
		assert_int_equal(pack_and_ask(&r, spans[i]), 1);
	}
}

/* Rules as far apart as `far` at most, from few to more than two blocks. */
static void test_random(void **state)
{
	static const uint64_t farthest[] = {1, 2, 5, 40, 300, 5000, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(farthest) / sizeof(farthest[0]); i++)
		for (size_t round = 0; round < 60; round++) {
			uint64_t at = roll(2) * roll(5000), n = 1 + roll(1U << (1 + round % 12));
			struct unwind_rules r = {0};

			for (uint64_t k = 0; k < n; k++)
				add(&r, at += 1 + roll(farthest[i]));
			pack_and_ask(&r, at + 1 + roll(round % 2 ? 10 : 100000));
		}
}

/* As large libraries are: a rule every few bytes, over many megabytes. */
static void test_dense(void **state)
{
	struct unwind_rules r = {0};
	uint64_t at = 0;

	(void)state;
	for (size_t i = 0; i < 1200000; i++)
		add(&r, at += 1 + roll(60));
	assert_in_range(pack_and_ask(&r, at + 100), 2, 6);
}

/* Every byte has a rule: no directory holds more than a bucket of 512 of them. */
static void test_every_byte(void **state)
{
	struct unwind_rules r = {0};

	(void)state;
	for (uint64_t at = 0; at < 3 << 20; at++)
		add(&r, at);
	assert_in_range(pack_and_ask(&r, 3 << 20), 4, 4);
}

/* A crowd somewhere in a wide and empty file. */
static void test_crowd(void **state)
{
	static const uint64_t where[] = {1, 4096, 123456789, UINT32_MAX - 1024};

	(void)state;
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		struct unwind_rules r = {0};

		add(&r, 0);
		for (uint64_t k = 0; k < 1024; k++)
			add(&r, where[i] + k);
		assert_in_range(pack_and_ask(&r, 1ULL << 32), 2, 32);
	}
}

/* As many rules in one bucket as it may hold, and one more. */
static void test_full_bucket(void **state)
{
	(void)state;
	for (uint64_t crowd = 1022; crowd <= 1026; crowd++) {
		struct unwind_rules r = {0};

		add(&r, 0);
		for (uint64_t k = 0; k < crowd; k++)
			add(&r, (5 << 20) + 1 + k);
		if (crowd < UNWIND_BLOCK_ROWS)
			assert_int_equal(pack_and_ask(&r, 2047 << 20), 1);
		else
			assert_in_range(pack_and_ask(&r, 2047 << 20), 2, 32);
	}
}

static void test_too_many_pieces(void **state)
{
	struct unwind_rules r = {0};
	struct unwind_pieces p;

	(void)state;
	/* 70 MiB at a rule a byte would be 70 pieces; crowds far apart need fewer rules. */
	for (uint64_t crowd = 0; crowd < 1000; crowd++)
		for (uint64_t k = 0; k < 2000; k++)
			add(&r, crowd * 4000000 + k);
	r.base = BASE;
	assert_int_equal(unwind_pack(&p, &r, BASE + (1ULL << 32)), -ENOSPC);
	assert_null(p.at);
	assert_int_equal(p.count, 0);
	unwind_rules_fini(&r);
}

static void test_nothing_to_pack(void **state)
{
	struct unwind_rules r = {.base = BASE};
	struct unwind_pieces p;

	(void)state;
	assert_int_equal(unwind_pack(&p, &r, BASE + 100), -EINVAL);
	add(&r, 50);
	assert_int_equal(unwind_pack(&p, &r, 0), -EINVAL);
	assert_int_equal(unwind_pack(&p, &r, BASE + 50), -EINVAL);
	assert_int_equal(p.count, 0);
	assert_int_equal(unwind_pack(&p, &r, BASE + 51), 0);
	assert_int_equal(p.at[0].end - p.at[0].start, 1);
	unwind_pieces_fini(&p);
	/* Rules have addresses of 32 bits: what lies behind has none. */
	assert_int_equal(unwind_pack(&p, &r, UINT64_MAX), 0);
	assert_int_equal(p.at[p.count - 1].end, BASE + (1ULL << 32));
	unwind_pieces_fini(&p);
	unwind_rules_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_add_ends),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_one_rule),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_dense),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_full_bucket),
		cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_nothing_to_pack),
	};

	return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
