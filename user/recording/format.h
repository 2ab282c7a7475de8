/* SPDX-License-Identifier: MIT */
/*
 * How a recording lies in its file. All fixed numbers are little-endian.
 *
 *	+-----------------+----------+----------+- … -+-----------+---------+
 *	| beginning, 20 B | frame    | frame    |     | index     | trailer |
 *	+-----------------+----------+----------+- … -+-----------+---------+
 *
 *	beginning   "\x89alltrc\n" | u32 version | u64 sum of those 12 bytes
 *	frame       u32 type | u32 raw | u32 packed | u64 sum of the packed bytes
 *	            | u64 sum of those 20 bytes | `packed` bytes, which become `raw`
 *	index       a frame of another type, once, the last one
 *	trailer     "alltrend" | u64 offset of the index | u64 sum of those 16 bytes
 *
 * The file can be written into a pipe and read out of one: nothing is ever gone back to. Who is
 * killed while he writes leaves whole frames and part of one; that there is no trailer tells it. A
 * byte that has changed is seen by a sum before anything behind it is believed: the sum takes eight
 * bytes at a time by steps that can each be undone, so that no change within eight bytes can
 * cancel itself out. zstd's own checksum is there besides, for whoever takes a frame out by its
 * tools.
 *
 * What is in a frame. The packed bytes are one frame of zstd; the raw ones are columns:
 *
 *	u32 length of column 0 … of the last | column 0 | … | last column
 *
 * A call is a line of a table, and its fields lie in different columns: numbers of one kind follow
 * one another, and zstd, which is made to begin anew at each column, takes each by its own
 * statistics. Numbers are of variable length, 7 bits a byte, the low ones first; the 8th bit says
 * that more follow. "Signed" ones have their sign in bit 0. Of gaps of time and latencies, which
 * are close to random, the first bytes are one column, and what follows them is another: that saves
 * a tenth of the file.
 *
 * Column SHAPES has a number for each record, in the order in which they came, and tells where the
 * rest of it is:
 *
 *	0    no call: REST has the kind, a byte, and its fields (body_put.c, body_get.c)
 *	1    a call of a new shape: REST tells the shape, which gets the next number, from 2
 *	n    a call of the shape n
 *
 * A shape is all that two calls have in common when the same line of a program made them: kind,
 * function, flags, stack, alignment, pool, and which of the fields below are not 0. What the shape
 * says is there follows, each in its column:
 *
 *	THREADS        0: a new thread, which REST tells, and which gets the next number, from 1
 *	GAPS, GAPS_…   signed: the call's beginning less the end of the call before it, in ns
 *	LATENCIES, …   ns
 *	SIZES          signed: less the size of the shape's last call
 *	PLACES, FRESH  the block; then of a realloc that has one, the old block before it:
 *	               PLACES n + 2: the same address as n addresses before, n from 0;
 *	               0 or 1: FRESH has it, signed, less the last address of the shape;
 *	               0: in units of 16 bytes
 *	REST           weighted bytes; base, chunks and name of a pool that is made
 *
 * Shapes, threads, addresses and times begin anew with each frame: each can be read alone, and one
 * that is damaged takes no other with it. Only two things refer back: stacks and modules are
 * numbered in the order in which their records came. No frame that has such a record is ever
 * skipped, for it holds not only calls.
 *
 * A call with a stack_id refers to the number of its RECORD_STACK, if that has come and begins with
 * the call's caller, which then is not repeated; else id and caller are in the shape.
 *
 * The index. One frame, whose raw bytes are numbers:
 *
 *	entries | calls of all | for each entry:
 *	offset, less the one before | 0: nothing but calls, 1: others, too | calls
 *	| signed: first ts_ns, less the one before | last ts_ns less first
 *
 * An entry tells of all frames from its offset to that of the next one. There are INDEX_MAX of
 * them at most: when there would be more, each two that are neighbours become one.
 *
 * What may change. Another version is refused, so anything may change with it. Within a version
 * there are no unknown kinds, types or flags: they are damage.
 */
#ifndef ALLOCTRACE_RECORDING_FORMAT_H
#define ALLOCTRACE_RECORDING_FORMAT_H

#include <stdint.h>

#define FORMAT_VERSION 1U

/* The first eight bytes, and the first of the trailer, as numbers. */
#define FORMAT_MAGIC 0x0a6372746c6c6189ULL
#define FORMAT_END   0x646e6572746c6c61ULL

#define FORMAT_BEGINNING 20 /* bytes, as drawn */
#define FORMAT_HEAD      28
#define FORMAT_TRAILER   24

enum format_type { FORMAT_RECORDS = 1, FORMAT_INDEX };

enum format_column {
	COLUMN_SHAPES,
	COLUMN_THREADS,
	COLUMN_GAPS,
	COLUMN_GAPS_MORE,
	COLUMN_LATENCIES,
	COLUMN_LATENCIES_MORE,
	COLUMN_SIZES,
	COLUMN_PLACES,
	COLUMN_FRESH,
	COLUMN_REST,
	FORMAT_NR_COLUMNS,
};

#define FORMAT_LENGTHS (4 * FORMAT_NR_COLUMNS) /* bytes before the first column */

/*
 * A frame is closed when it has FORMAT_FULL bytes, or one of the counts is reached. What a reader
 * takes is larger, for the sake of the largest records: books of 65536 pools, and names of 1024
 * frames with 4 KiB each for function and file.
 */
#define FORMAT_FULL        (256U << 10)
#define FORMAT_MAX_RAW     (16U << 20)
#define FORMAT_MAX_CALLS   65536U
#define FORMAT_MAX_SHAPES  16384U
#define FORMAT_MAX_THREADS 4096U
#define FORMAT_MAX_PLACES  (2 * FORMAT_MAX_CALLS) /* a realloc has two */

/* The flags of a call, and which of its fields are not 0. */
enum format_flag {
	FLAG_FAILED = 1 << 0,
	FLAG_BY_REALLOC = 1 << 1,
	FLAG_MEASURED = 1 << 2,
	FLAG_OTEL = 1 << 3,
	FLAG_OLD_UNSAMPLED = 1 << 4,
	FLAG_NEW_UNSAMPLED = 1 << 5,
	FLAG_ALL = (1 << 6) - 1,
};

enum format_field {
	FIELD_LATENCY = 1 << 0,
	FIELD_SIZE = 1 << 1,
	FIELD_ADDR = 1 << 2,
	FIELD_OLD_ADDR = 1 << 3,
	FIELD_WEIGHT = 1 << 4,
	FIELD_ALL = (1 << 5) - 1,
};

/* Where the stack of a shape is. */
enum format_stack {
	STACK_WORDS,  /* grade, why, layout, the number of words, and the words, 8 bytes each */
	STACK_NUMBER, /* the number of a RECORD_STACK that has come, from 0 */
	STACK_ID,     /* layout, the number of words (0 or 1), the words, and the id */
	FORMAT_NR_STACKS,
};

#endif
