/*
 * Hides how code that replaces other code is kept in order. What was added since the last lookup is
 * painted over a line of its own, the last one first, so that no place is painted twice; then the
 * result is laid over what was there, in one pass. So a compiler that goes on adding costs a pass
 * and no sorting of all.
 */
#include "sym/jit.h"

#include <stdlib.h>
#include <string.h>

/* One table's share of the room. */
#define SHARE 4

struct jit_entry {
	uint64_t start, end; /* end is the first address outside */
	size_t name;         /* offset */
};

/* A stretch of the address space and whose it is. */
struct jit_piece {
	uint64_t start, end;
	uint64_t begin; /* of the code, part of which may have been replaced */
	size_t name;
};

/* ---- lines ---- */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A hexadecimal number and the blanks behind it. */
static bool take_number(const char **at, const char *end, uint64_t *value)
{
	const char *p = *at;
	int digits = 0;

	*value = 0;
	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (; p < end && digit_value(*p) >= 0; p++, digits++)
		*value = *value << 4 | (uint64_t)digit_value(*p);
	if (!digits || digits > 16 || p == end || *p != ' ')
		return false;
	while (p < end && *p == ' ')
		p++;
	*at = p;
	return true;
}

static bool has_room(const struct jit *j, size_t bytes)
{
	return j->room->entries && j->room->bytes >= bytes &&
	       j->entries < JIT_MAX_ENTRIES / SHARE &&
	       j->names_used + bytes <= JIT_MAX_BYTES / SHARE;
}

static bool grow(struct jit *j, size_t bytes)
{
	if (j->added_count == j->added_capacity) {
		size_t capacity = j->added_capacity ? j->added_capacity * 2 : 256;
		struct jit_entry *added = reallocarray(j->added, capacity, sizeof(*added));

		if (!added)
			return false;
		j->added = added;
		j->added_capacity = capacity;
	}
	if (j->names_capacity - j->names_used < bytes) {
		size_t capacity = j->names_capacity * 2 + bytes + 4096;
		char *names = realloc(j->names, capacity);

		if (!names)
			return false;
		j->names = names;
		j->names_capacity = capacity;
	}
	return true;
}

static void add_line(struct jit *j, const char *line, size_t len)
{
	const char *at = line, *end = line + len;
	struct jit_entry e;
	uint64_t size;
	size_t name;

	if (!take_number(&at, end, &e.start) || !take_number(&at, end, &size) || !size ||
	    __builtin_add_overflow(e.start, size, &e.end))
		return;
	name = strnlen(at, (size_t)(end - at));
	if (!name || !has_room(j, name + 1) || !grow(j, name + 1))
		return;
	e.name = j->names_used;
	memcpy(j->names + e.name, at, name);
	j->names[e.name + name] = '\0';
	j->names_used += name + 1;
	j->added[j->added_count++] = e;
	j->entries++;
	j->room->entries--;
	j->room->bytes -= name + 1;
}

void jit_add(struct jit *j, const char *bytes, size_t len)
{
	while (len) {
		const char *newline = memchr(bytes, '\n', len);
		size_t n = newline ? (size_t)(newline - bytes) : len;

		if (j->line_length + n >= JIT_MAX_LINE) {
			j->line_length = JIT_MAX_LINE;
		} else {
			memcpy(j->line + j->line_length, bytes, n);
			j->line_length += n;
		}
		if (newline) {
			if (j->line_length < JIT_MAX_LINE)
				add_line(j, j->line, j->line_length);
			j->line_length = 0;
			n++;
		}
		bytes += n;
		len -= n;
	}
}

/* ---- order ---- */

static int address_order(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static size_t index_of(const uint64_t *bounds, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bounds[middle] < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first stretch from `i` on that has no owner; halves the way for who asks next. */
static size_t first_free(size_t *next, size_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

/*
 * What was added, without overlaps: `bounds` are all starts and ends in order, and the stretch i
 * between two of them belongs to the last entry that covers it. Returns how many pieces there are.
 */
static size_t paint(const struct jit *j, uint64_t *bounds, size_t *next, size_t *owner,
		    struct jit_piece *out)
{
	size_t bound_count = 0, count = 0;

	for (size_t i = 0; i < j->added_count; i++) {
		bounds[bound_count++] = j->added[i].start;
		bounds[bound_count++] = j->added[i].end;
	}
	qsort(bounds, bound_count, sizeof(*bounds), address_order);
	for (size_t i = 0; i <= bound_count; i++) {
		next[i] = i;
		owner[i] = SIZE_MAX;
	}
	for (size_t e = j->added_count; e--;) {
		size_t end = index_of(bounds, bound_count, j->added[e].end);
		size_t i = first_free(next, index_of(bounds, bound_count, j->added[e].start));

		for (; i < end; i = first_free(next, i)) {
			owner[i] = e;
			next[i] = i + 1;
		}
	}
	for (size_t i = 0; i + 1 < bound_count; i++) {
		const struct jit_entry *e = &j->added[owner[i] == SIZE_MAX ? 0 : owner[i]];

		if (owner[i] == SIZE_MAX || bounds[i] == bounds[i + 1])
			continue;
		out[count++] = (struct jit_piece){bounds[i], bounds[i + 1], e->start, e->name};
	}
	return count;
}

/* Lays `over` on top of the pieces, into `out`, which has room for all. *replaced: some were hit.
 */
static size_t lay(const struct jit *j, const struct jit_piece *over, size_t over_count,
		  struct jit_piece *out, bool *replaced)
{
	struct jit_piece none = {UINT64_MAX, UINT64_MAX, 0, 0}, old = none;
	size_t i = 0, count = 0;

	if (j->piece_count)
		old = j->pieces[i++];
#define NEXT_OLD() (i < j->piece_count ? j->pieces[i++] : none)
	for (size_t n = 0; n < over_count; n++) {
		const struct jit_piece *new = &over[n];

		for (; old.end <= new->start; old = NEXT_OLD())
			out[count++] = old;
		if (old.start < new->start) {
			out[count] = old;
			out[count++].end = new->start;
			old.start = new->start;
			*replaced = true;
		}
		for (; old.end <= new->end &&old.start != none.start; old = NEXT_OLD())
			*replaced = true;
		if (old.start < new->end) {
			old.start = new->end;
			*replaced = true;
		}
		out[count++] = *new;
	}
	for (; old.start != none.start; old = NEXT_OLD())
		out[count++] = old;
#undef NEXT_OLD
	return count;
}

/* Without memory for it, what was added is not known. */
static void merge(struct jit *j)
{
	size_t most = j->added_count * 2 + 1, all = j->piece_count + 2 * most;
	uint64_t *bounds = calloc(most, sizeof(*bounds));
	size_t *next = calloc(most, sizeof(*next)), *owner = calloc(most, sizeof(*owner));
	struct jit_piece *over = calloc(most, sizeof(*over)), *out = calloc(all, sizeof(*out));
	bool replaced = false;

	if (bounds && next && owner && over && out) {
		size_t count = paint(j, bounds, next, owner, over);

		j->piece_count = lay(j, over, count, out, &replaced);
		free(j->pieces);
		j->pieces = out;
		out = NULL;
	}
	j->generation += replaced;
	j->added_count = 0;
	free(bounds);
	free(next);
	free(owner);
	free(over);
	free(out);
}

/* ---- answers ---- */

const char *jit_find(struct jit *j, uint64_t address, uint64_t *start)
{
	size_t low = 0, high;

	if (j->added_count)
		merge(j);
	high = j->piece_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (j->pieces[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == j->piece_count || j->pieces[low].start > address)
		return NULL;
	*start = j->pieces[low].begin;
	return j->names + j->pieces[low].name;
}

void jit_clear(struct jit *j)
{
	struct jit_room *room = j->room;
	uint64_t generation = j->generation + 1;

	room->entries += j->entries;
	room->bytes += j->names_used;
	free(j->added);
	free(j->pieces);
	free(j->names);
	memset(j, 0, sizeof(*j));
	j->room = room;
	j->generation = generation;
}
