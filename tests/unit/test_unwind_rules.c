// SPDX-License-Identifier: MIT
/*
 * The rules of call frame information that is spelt out byte by byte.
 * Compilers' own is compared with readelf's view of it in tests/integration/16-unwind-rules.bats.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "frame_file.h"
#include "sym/unwind.h"

/* ---- sections ---- */

struct section {
	uint8_t bytes[65536];
	size_t size, cie;
};

static struct section eh, debug;
static struct unwind_rules rules;
static uint64_t code_end;

static void put(struct section *s, const void *from, size_t size)
{
	assert_true(s->size + size <= sizeof(s->bytes));
	memcpy(s->bytes + s->size, from, size);
	s->size += size;
}

static void put_number(struct section *s, uint64_t value, size_t size)
{
	put(s, &value, size);
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define NOTHING    NULL, 0

/* An entry of its identity and its body; its length comes first, DW_CFA_nop at its end. */
static void put_entry(struct section *s, uint32_t id, const void *body, size_t body_size,
		      const uint8_t *code, size_t code_size)
{
	size_t size = 4 + body_size + code_size, padded = (size + 7) / 8 * 8 + 4;

	put_number(s, padded, 4);
	put_number(s, id, 4);
	put(s, body, body_size);
	if (code_size)
		put(s, code, code_size);
	for (; size < padded; size++)
		put_number(s, 0, 1);
}

/* The usual one of .eh_frame: addresses relative to themselves, CFA = rsp + 8, rip at CFA - 8. */
static void eh_cie(void)
{
	static const uint8_t body[] = {1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b};

	eh.cie = eh.size;
	put_entry(&eh, 0, body, sizeof(body), BYTES(0x0c, 7, 8, 0x90, 1));
}

static void debug_cie(void)
{
	static const uint8_t body[] = {3, 0, 1, 0x78, 16};

	debug.cie = debug.size;
	put_entry(&debug, UINT32_MAX, body, sizeof(body), BYTES(0x0c, 7, 8, 0x90, 1));
}

/* A function that lies that far from the beginning of the code. */
static void eh_fde(uint64_t start, uint32_t size, const uint8_t *code, size_t code_size)
{
	uint64_t here = FRAME_EH_ADDRESS + eh.size + 8;
	uint32_t body[3] = {(uint32_t)(FRAME_CODE + start - here), size, 0};

	put_entry(&eh, (uint32_t)(eh.size + 4 - eh.cie), body, 9, code, code_size);
}

static void debug_fde(uint64_t start, uint64_t size, const uint8_t *code, size_t code_size)
{
	uint64_t body[2] = {FRAME_CODE + start, size};

	put_entry(&debug, (uint32_t)debug.cie, body, sizeof(body), code, code_size);
}

static int setup(void **state)
{
	(void)state;
	memset(&eh, 0, sizeof(eh));
	memset(&debug, 0, sizeof(debug));
	eh_cie();
	debug_cie();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unwind_rules_fini(&rules);
	return 0;
}

static int read_fd(int fd)
{
	Elf *elf;
	int err;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	unwind_rules_fini(&rules);
	err = unwind_read(elf, &rules, &code_end);
	elf_end(elf);
	close(fd);
	return err;
}

static void read_sections(void)
{
	const struct frame_file file = {eh.bytes, debug.bytes, eh.size, debug.size, NULL};

	assert_int_equal(read_fd(frame_file(&file)), 0);
	assert_int_equal(code_end, FRAME_CODE + FRAME_CODE_SIZE);
	assert_true(unwind_rules_valid(&rules));
}

/* The next rule that was not asked for yet, its address counted from the beginning of the code. */
static size_t asked;

static void expect(uint64_t address, enum unwind_cfa cfa, int cfa_words, enum unwind_fp fp,
		   int fp_words)
{
	const struct unwind_rule *r = &rules.at[asked];

	if (asked >= rules.count)
		fail_msg("there are %zu rules, none at %#lx", rules.count, address);
	asked++;
	if (rules.base + r->address != FRAME_CODE + address || UNWIND_CFA(r->kind) != cfa ||
	    UNWIND_RULE_FP(r->kind) != fp || r->cfa_words != cfa_words || r->fp_words != fp_words)
		fail_msg("rule %zu: %#lx %d %d %d %d, expected %#lx %d %d %d %d", asked - 1,
			 rules.base + r->address - FRAME_CODE, UNWIND_CFA(r->kind), r->cfa_words,
			 UNWIND_RULE_FP(r->kind), r->fp_words, address, cfa, cfa_words, fp,
			 fp_words);
}

static void expect_end(uint64_t address)
{
	expect(address, UNWIND_NONE, 0, UNWIND_FP_SAME, 0);
	assert_int_equal(asked, rules.count);
	asked = 0;
}

#define SAME    UNWIND_FP_SAME, 0
#define UNKNOWN UNWIND_FP_UNKNOWN, 0

/* ---- instructions ---- */

static void test_push(void **state)
{
	(void)state;
	eh_fde(0, 64,
	       BYTES(0x41, 0x0e, 16, 0x86, 2,          /* +1: CFA = rsp + 16, rbp at CFA - 16 */
		     0x43, 0x0d, 6,                    /* +4: CFA = rbp + 16 */
		     0x02, 40, 0x0a, 0x0c, 7, 8, 0xc6, /* +44: remember; rsp + 8, rbp restored */
		     0x41, 0x0b));                     /* +45: as before */
	read_sections();
	expect(0, UNWIND_SP, 1, SAME);
	expect(1, UNWIND_SP, 2, UNWIND_FP_AT_CFA, -2);
	expect(4, UNWIND_FP, 2, UNWIND_FP_AT_CFA, -2);
	expect(44, UNWIND_SP, 1, SAME);
	expect(45, UNWIND_FP, 2, UNWIND_FP_AT_CFA, -2);
	expect_end(64);
}

static void test_expressions(void **state)
{
	(void)state;
	eh_fde(0, 16,
	       BYTES(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0)); /* *(rbp - 8), rbp at rbp */
	eh_fde(16, 16,
	       BYTES(0x0f, 3, 0x77, 24, 0x06, 0x10, 6, 2, 0x76,
		     0x70)); /* *(rsp + 24), at rbp - 16 */
	eh_fde(32, 16, BYTES(0x0f, 2, 0x77, 24, 0x10, 6, 2, 0x77, 8));    /* rsp + 24; at rsp + 8 */
	eh_fde(48, 16, BYTES(0x0f, 2, 0x76, 16, 0x10, 6, 3, 0x76, 0, 6)); /* rbp + 16; at *rbp */
	eh_fde(64, 16, BYTES(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x22));
	eh_fde(80, 16, BYTES(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x23));
	eh_fde(96, 16, BYTES(0x0f, 4, 0x77, 24, 0x06, 0x06)); /* something behind it */
	eh_fde(112, 16, BYTES(0x0f, 3, 0x73, 0x78, 0x06));    /* of rbx */
	eh_fde(128, 16, BYTES(0x0f, 0));
	read_sections();
	expect(0, UNWIND_AT_FP, -1, UNWIND_FP_AT_FP, 0);
	expect(16, UNWIND_AT_SP, 3, UNWIND_FP_AT_FP, -2);
	expect(32, UNWIND_SP, 3, UNKNOWN);
	expect(48, UNWIND_FP, 2, UNKNOWN);
	expect(64, UNWIND_PLT, 10, SAME);
	expect(80, UNWIND_STOP, 0, SAME);
	expect_end(144);
}

static void test_signal(void **state)
{
	(void)state;
	eh_fde(0, 9,
	       BYTES(0x0f, 4, 0x77, 0xa0, 1, 0x06, 0x10, 7, 3, 0x77, 0xa0, 1, 0x10, 16, 3, 0x77,
		     0xa8, 1));
	eh_fde(9, 9, BYTES(0x0f, 4, 0x77, 0xa0, 1, 0x06, 0x10, 16, 3, 0x77, 0xb0, 1));
	read_sections();
	expect(0, UNWIND_SIGNAL, 0, SAME);
	expect(9, UNWIND_STOP, 0, SAME);
	expect_end(18);
}

static void test_outermost(void **state)
{
	(void)state;
	eh_fde(0, 16,
	       BYTES(0x07, 16, 0x41, 0x08, 16, 0x41, 0xd0)); /* undefined, the same, at CFA - 8 */
	read_sections();
	expect(0, UNWIND_OUTERMOST, 0, SAME);
	expect(1, UNWIND_STOP, 0, SAME);
	expect(2, UNWIND_SP, 1, SAME);
	expect_end(16);
}

/* What no rule can say. */
static void test_stops(void **state)
{
	(void)state;
	eh_fde(0, 16, BYTES(0x0d, 10));                /* CFA = r10 + 8 */
	eh_fde(16, 16, BYTES(0x0e, 12));               /* not whole words */
	eh_fde(32, 16, BYTES(0x0e, 0x80, 0x80, 0x10)); /* 32768 words */
	eh_fde(48, 16, BYTES(0x0e, 0xf8, 0xff, 0x0f)); /* 32767 */
	eh_fde(64, 16, BYTES(0x90, 2));                /* rip elsewhere */
	eh_fde(80, 16, BYTES(0x09, 16, 3));            /* rip in rbx */
	eh_fde(96, 16, BYTES(0x14, 16, 1));            /* rip is CFA - 8 */
	eh_fde(112, 16, BYTES(0x87, 2));               /* rsp is not the CFA */
	eh_fde(128, 16, BYTES(0x14, 7, 0));            /* rsp is the CFA */
	eh_fde(144, 16, BYTES(0x12, 7, 1));            /* CFA = rsp - 8 */
	read_sections();
	expect(0, UNWIND_STOP, 0, SAME);
	expect(48, UNWIND_SP, 32767, SAME);
	expect(64, UNWIND_STOP, 0, SAME);
	expect(128, UNWIND_SP, 1, SAME);
	expect(144, UNWIND_SP, -1, SAME);
	expect_end(160);
}

static void test_frame_pointers(void **state)
{
	(void)state;
	eh_fde(0, 8, BYTES(0x07, 6));                 /* undefined */
	eh_fde(8, 8, BYTES(0x86, 128 | 0, 1));        /* CFA - 128 words */
	eh_fde(16, 8, BYTES(0x86, 128 | 1, 1));       /* one more */
	eh_fde(24, 8, BYTES(0x11, 6, 0x81, 0x7f));    /* CFA + 127 words */
	eh_fde(32, 8, BYTES(0x11, 6, 0x80, 0x7f));    /* one more */
	eh_fde(40, 8, BYTES(0x09, 6, 3));             /* in rbx */
	eh_fde(48, 8, BYTES(0x14, 6, 2));             /* is CFA - 16 */
	eh_fde(56, 8, BYTES(0x16, 6, 2, 0x76, 0));    /* is rbp */
	eh_fde(64, 8, BYTES(0x05, 6, 3, 0x41, 8, 6)); /* CFA - 24, then the same */
	eh_fde(72, 8, BYTES(0x2f, 6, 3, 0x41, 6, 6)); /* CFA + 24, then restored */
	read_sections();
	expect(0, UNWIND_SP, 1, UNKNOWN);
	expect(8, UNWIND_SP, 1, UNWIND_FP_AT_CFA, -128);
	expect(16, UNWIND_SP, 1, UNKNOWN);
	expect(24, UNWIND_SP, 1, UNWIND_FP_AT_CFA, 127);
	expect(32, UNWIND_SP, 1, UNKNOWN);
	expect(64, UNWIND_SP, 1, UNWIND_FP_AT_CFA, -3);
	expect(65, UNWIND_SP, 1, SAME);
	expect(72, UNWIND_SP, 1, UNWIND_FP_AT_CFA, 3);
	expect(73, UNWIND_SP, 1, SAME);
	expect_end(80);
}

static void test_locations(void **state)
{
	uint8_t set[] = {0x01, 0, 0, 0, 0, 0x0e, 32};
	uint32_t away = (uint32_t)(FRAME_CODE + 0x3000 - (FRAME_EH_ADDRESS + eh.size + 18));

	(void)state;
	memcpy(set + 1, &away, sizeof(away));
	eh_fde(0, 0x4000, set, sizeof(set));
	eh_fde(0x4000, 0x4000,
	       BYTES(0x03, 0, 1, 0x0e, 16,                   /* +0x100 */
		     0x04, 0, 2, 0, 0, 0x0e, 24,             /* +0x300 */
		     0x2e, 16,                               /* arguments that are pushed */
		     0x1d, 0, 4, 0, 0, 0, 0, 0, 0, 0x0e, 32, /* +0x700 */
		     0x40, 0x0e, 40,                         /* 0 further: takes its place */
		     0x04, 0, 0, 0, 1, 0x0e, 8));            /* behind its end */
	read_sections();
	expect(0, UNWIND_SP, 1, SAME);
	expect(0x3000, UNWIND_SP, 4, SAME);
	expect(0x4000, UNWIND_SP, 1, SAME);
	expect(0x4100, UNWIND_SP, 2, SAME);
	expect(0x4300, UNWIND_SP, 3, SAME);
	expect(0x4700, UNWIND_SP, 5, SAME);
	/* The code ends there as well: no rule ends it. */
	assert_int_equal(asked, rules.count);
	asked = 0;
}

/* Instructions that nobody knows, or that make no sense: from there on there is no rule. */
static void test_nonsense(void **state)
{
	uint8_t back[] = {0x44, 0x01, 0, 0, 0, 0};
	uint32_t away;

	(void)state;
	eh_fde(0, 8, BYTES(0x41, 0x0e, 16, 0x3e, 0x41, 0x0e, 8));  /* unknown */
	eh_fde(8, 8, BYTES(0x41, 0x0b));                           /* nothing remembered */
	eh_fde(16, 8, BYTES(0x0f, 3, 0x77, 8, 6, 0x41, 0x0e, 16)); /* an expression has no offset */
	eh_fde(24, 8, BYTES(0x0f, 99, 0x77, 8));                   /* longer than what is left */
	eh_fde(32, 8, BYTES(0, 0, 0, 0, 0, 0, 0x0e, 0xff));        /* a number that does not end */
	away = (uint32_t)(FRAME_CODE + 41 - (FRAME_EH_ADDRESS + eh.size + 19));
	memcpy(back + 2, &away, sizeof(away));
	eh_fde(40, 8, back, sizeof(back)); /* from +4 to +1 */
	read_sections();
	expect(0, UNWIND_SP, 1, SAME);
	expect(1, UNWIND_STOP, 0, SAME);
	expect(8, UNWIND_SP, 1, SAME);
	expect(9, UNWIND_STOP, 0, SAME);
	expect(16, UNWIND_AT_SP, 1, SAME);
	expect(17, UNWIND_STOP, 0, SAME);
	expect(40, UNWIND_SP, 1, SAME);
	expect(44, UNWIND_STOP, 0, SAME);
	expect_end(48);
}

static void test_remembering_ends(void **state)
{
	uint8_t code[201];

	(void)state;
	memset(code, 0x0a, sizeof(code));
	code[0] = 0x41;
	eh_fde(0, 8, code, sizeof(code));
	read_sections();
	expect(0, UNWIND_SP, 1, SAME);
	expect(1, UNWIND_STOP, 0, SAME);
	expect_end(8);
}

/* ---- functions ---- */

/* In any order, with gaps, one within another, twice. */
static void test_order(void **state)
{
	(void)state;
	eh_fde(100, 10, BYTES(0x0e, 32));
	eh_fde(50, 10, BYTES(0x0e, 24));
	eh_fde(60, 10, BYTES(0x0e, 24));
	eh_fde(104, 3, BYTES(0x0e, 40));
	eh_fde(50, 5, BYTES(0x0e, 48));
	eh_fde(200, 0, BYTES(0x0e, 48));
	eh_fde(FRAME_CODE_SIZE - 1, 100, BYTES(0x0e, 64));
	eh_fde(FRAME_CODE_SIZE, 100, BYTES(0x0e, 72));
	eh_fde(-FRAME_CODE, 0x20000, BYTES(0x0e, 80));
	read_sections();
	expect(50, UNWIND_SP, 3, SAME);
	expect(70, UNWIND_NONE, 0, SAME);
	expect(100, UNWIND_SP, 4, SAME);
	expect(104, UNWIND_SP, 5, SAME);
	expect(107, UNWIND_NONE, 0, SAME);
	expect(FRAME_CODE_SIZE - 1, UNWIND_SP, 8, SAME);
	assert_int_equal(asked, rules.count);
	asked = 0;
}

/* .debug_frame says what .eh_frame does not, and nothing else. */
static void test_both(void **state)
{
	(void)state;
	eh_fde(100, 10, BYTES(0x0e, 32));
	debug_fde(100, 10, BYTES(0x0e, 80));
	debug_fde(95, 6, BYTES(0x0e, 80));
	debug_fde(109, 1, BYTES(0x0e, 80));
	debug_fde(90, 5, BYTES(0x0e, 40));
	debug_fde(110, 5, BYTES(0x0e, 48));
	debug_fde(-FRAME_CODE, 5, BYTES(0x0e, 80));
	read_sections();
	expect(90, UNWIND_SP, 5, SAME);
	expect(95, UNWIND_NONE, 0, SAME);
	expect(100, UNWIND_SP, 4, SAME);
	expect(110, UNWIND_SP, 6, SAME);
	expect_end(115);
}

/* What linkers put together from several files has a zero between them. */
static void test_zero(void **state)
{
	(void)state;
	eh_fde(0, 10, BYTES(0x0e, 32));
	put_number(&eh, 0, 4);
	eh_cie();
	eh_fde(20, 10, BYTES(0x0e, 40));
	read_sections();
	expect(0, UNWIND_SP, 4, SAME);
	expect(10, UNWIND_NONE, 0, SAME);
	expect(20, UNWIND_SP, 5, SAME);
	expect_end(30);
}

/* A section that ends anywhere: what is whole is read. */
static void test_cut(void **state)
{
	size_t whole;

	(void)state;
	eh_fde(0, 10, BYTES(0x0e, 32));
	whole = eh.size;
	eh_fde(20, 10, BYTES(0x0e, 40));
	for (; eh.size > whole; eh.size--) {
		read_sections();
		expect(0, UNWIND_SP, 4, SAME);
		if (rules.count > 2) {
			expect(10, UNWIND_NONE, 0, SAME);
			expect(20, UNWIND_SP, 5, SAME);
			expect_end(30);
		} else {
			expect_end(10);
		}
	}
	for (; eh.size; eh.size--)
		read_sections();
}

/* ---- files ---- */

static void test_other_files(void **state)
{
	Elf64_Ehdr h = frame_header();
	const struct frame_file file = {eh.bytes, NULL, eh.size, 0, &h};

	(void)state;
	assert_int_equal(read_fd(frame_file(&file)), 0);
	assert_int_equal(rules.count, 0);
	assert_int_equal(code_end, FRAME_CODE + FRAME_CODE_SIZE);
	h.e_machine = EM_AARCH64;
	assert_int_equal(read_fd(frame_file(&file)), -EINVAL);
	h = frame_header();
	h.e_type = ET_REL;
	assert_int_equal(read_fd(frame_file(&file)), -EINVAL);
	h = frame_header();
	h.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(read_fd(frame_file(&file)), -EINVAL);
	h = frame_header();
	h.e_phnum = 0;
	assert_int_equal(read_fd(frame_file(&file)), 0);
	assert_int_equal(code_end, 0);
	assert_int_equal(read_fd(open("/etc/passwd", O_RDONLY | O_CLOEXEC)), -EINVAL);
	assert_int_equal(read_fd(-1), -EINVAL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_push),      CASE(test_expressions), CASE(test_signal),
		CASE(test_outermost), CASE(test_stops),       CASE(test_frame_pointers),
		CASE(test_locations), CASE(test_nonsense),    CASE(test_remembering_ends),
		CASE(test_order),     CASE(test_both),        CASE(test_zero),
		CASE(test_cut),       CASE(test_other_files),
	};

	return cmocka_run_group_tests_name("unwind_rules", tests, NULL, NULL);
}
