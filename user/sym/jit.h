/*
 * Names of generated code, as a just-in-time compiler writes them down for perf, a line each:
 *
 *	7f0a4c201000 1c0 LazyCompile:*fill /srv/app.js:12
 *
 * which is the start and the size in hexadecimal, and the name. Code that is made later replaces
 * what lay at its place. The text is whatever the traced program has written there.
 */
#ifndef ALLOCTRACE_SYM_JIT_H
#define ALLOCTRACE_SYM_JIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JIT_MAX_LINE 4096 /* bytes; a longer line is left out */

/* What all such tables together may still take up. */
struct jit_room {
	size_t entries, bytes; /* lines; bytes of names */
};

#define JIT_MAX_ENTRIES (1u << 20)
#define JIT_MAX_BYTES   (64u << 20)

struct jit_entry;
struct jit_piece;

/* All zero with a room, which is borrowed, is an empty table. */
struct jit {
	struct jit_room *room;
	struct jit_entry *added; /* since the last lookup, as they came */
	size_t added_count, added_capacity;
	struct jit_piece *pieces; /* sorted, without overlaps */
	size_t piece_count;
	char *names; /* each ends with a zero */
	size_t names_used, names_capacity;
	size_t entries;      /* taken from the room */
	uint64_t generation; /* grows when a name has replaced another one, or all are forgotten */
	char line[JIT_MAX_LINE]; /* the one that has not ended yet */
	size_t line_length;      /* JIT_MAX_LINE: it is too long */
};

/*
 * Takes the next bytes of the text, which may end within a line. What is no such line is left out,
 * and so is what exceeds the room or a quarter of all of it.
 */
void jit_add(struct jit *j, const char *bytes, size_t len);

/* The name of the code at `address`, and where that starts; NULL: none. A view, until the next
 * call. */
const char *jit_find(struct jit *j, uint64_t address, uint64_t *start);

/* Forgets all and gives the room back. */
void jit_clear(struct jit *j);

#endif
