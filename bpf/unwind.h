/* SPDX-License-Identifier: MIT */
/*
 * How the rules by which the code of a file is unwound lie in memory that both sides know: bpf/,
 *and user/core/unwind.h for the rest of the user side. All numbers are little-endian, as the
 *processors are that this is for.
 *
 * A rule holds from its address to that of the next one, and says of the function that is suspended
 * there: where its frame begins (the CFA, which is the stack pointer that its caller gets back; the
 * return address lies below it), and where its caller's frame pointer is.
 *
 *	piece of a file   = directory block | rule blocks
 *	directory block   = 2048 x u32, word b: the last rule whose address is <= b << shift
 *	rule block        = 1024 rules, by ascending address; the last one is filled with its last
 *rule
 *
 * Addresses of rules count from the beginning of the piece, where rule 0 lies. What is looked for
 *at address a is found between the words a >> shift and (a >> shift) + 1, which are less than one
 *block apart: so it lies in one of two blocks, and a few steps find it.
 *
 * Pieces lie in inner maps of `tables`: large ones have one each, small ones share one, since the
 *kernel takes some 15 ms for every inner map that is entered. A place is the number of the inner
 *map and that of the piece's first block in it.
 */
#ifndef ALLOCTRACE_BPF_UNWIND_H
#define ALLOCTRACE_BPF_UNWIND_H

#include <linux/types.h>

#define UNWIND_BLOCK_BYTES 8192
#define UNWIND_BLOCK_ROWS  1024 /* rules in a block … */
#define UNWIND_DIRECTORY   2048 /* … or words; the last one only ends the last bucket */
#define UNWIND_MAX_MAPS    512  /* pieces that one process has mapped */
#define UNWIND_MAX_TABLES  8192 /* inner maps, a power of two */
#define UNWIND_MAX_BLOCKS  4096 /* of an inner map, a power of two */

#define UNWIND_PLACE(table, block) ((table) | (block)*UNWIND_MAX_TABLES)
#define UNWIND_PLACE_TABLE(place)  ((place) & (UNWIND_MAX_TABLES - 1))
#define UNWIND_PLACE_BLOCK(place)  ((place) / UNWIND_MAX_TABLES & (UNWIND_MAX_BLOCKS - 1))

/* What the CFA is. Numbers are on disk as well: append only. */
enum unwind_cfa {
	UNWIND_NONE,      /* the file says nothing here: by frame pointer, and that is a guess */
	UNWIND_SP,        /* stack pointer + cfa_words */
	UNWIND_FP,        /* frame pointer + cfa_words */
	UNWIND_AT_SP,     /* the word at stack pointer + cfa_words */
	UNWIND_AT_FP,     /* the word at frame pointer + cfa_words */
	UNWIND_PLT,       /* stack pointer + 8, and 8 more where (address & 15) >= cfa_words */
	UNWIND_SIGNAL,    /* the frame of a signal: all registers lie in the ucontext at sp */
	UNWIND_OUTERMOST, /* nobody called this */
	UNWIND_STOP,      /* a rule of another kind */
	UNWIND_NR_CFAS,
};

/* Where the caller's frame pointer is. */
enum unwind_fp {
	UNWIND_FP_SAME,    /* in the register */
	UNWIND_FP_AT_CFA,  /* the word at CFA + fp_words */
	UNWIND_FP_AT_FP,   /* the word at frame pointer + fp_words */
	UNWIND_FP_UNKNOWN, /* lost, or saved where no rule here can say */
	UNWIND_NR_FPS,
};

#define UNWIND_KIND(cfa, fp) ((__u8)((cfa) | (fp) << 4))
#define UNWIND_CFA(kind)     ((kind)&15)
#define UNWIND_RULE_FP(kind) ((kind) >> 4)

struct unwind_rule {
	__u32 address;
	__s16 cfa_words; /* of 8 bytes */
	__s8 fp_words;
	__u8 kind; /* UNWIND_KIND */
};

struct unwind_block {
	union {
		struct unwind_rule rules[UNWIND_BLOCK_ROWS];
		__u32 directory[UNWIND_DIRECTORY];
	};
};

/* A part of a process's code, and the piece that tells of it. */
struct unwind_map {
	__u64 start, end; /* addresses in the process; end is the first one outside */
	__u64 base;       /* the address at which the piece begins */
	__u32 table;      /* its place, or one of the two below */
	__u8 shift;
	__u8 reserved[3];
};

#define UNWIND_NO_TABLE 0xffffffffU /* not there yet, or not to be had */
#define UNWIND_NO_RULES                                                          \
	0xfffffffeU /* there are none: code without a file, or that says nothing \
		     */

/* Sorted by address, without overlaps; a process has one, which is replaced as a whole. */
struct unwind_layout {
	__u64 serial;   /* of no other layout, never 0 */
	__u64 known_ns; /* all that was mapped until then is in it */
	__u32 count;
	__u32 reserved;
	struct unwind_map maps[UNWIND_MAX_MAPS];
};

_Static_assert(sizeof(struct unwind_rule) == 8, "the rules have no hidden padding");
_Static_assert(sizeof(struct unwind_block) == UNWIND_BLOCK_BYTES, "a block is full");
_Static_assert(sizeof(struct unwind_map) == 32, "the maps have no hidden padding");

#endif
