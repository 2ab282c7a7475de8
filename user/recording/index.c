// SPDX-License-Identifier: MIT
/* The index of a recording. format.h tells how it looks in the file. */
#include "recording/index.h"

#include <errno.h>
#include <stdlib.h>

#include "recording/format.h"

#define LEAST_ENTRY 5 /* bytes */

void index_fini(struct index *x)
{
	free(x->entries);
	*x = (struct index){0};
}

static int make_room(struct index *x, size_t count)
{
	struct index_entry *bigger;
	size_t room = x->room ? x->room : 64;

	while (room < count)
		room *= 2;
	if (room <= x->room)
		return 0;
	bigger = realloc(x->entries, room * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	x->entries = bigger;
	x->room = room;
	return 0;
}

static void join(struct index_entry *e, const struct index_entry *next)
{
	if (next->calls) {
		if (!e->calls || next->first_ns < e->first_ns)
			e->first_ns = next->first_ns;
		if (next->last_ns > e->last_ns)
			e->last_ns = next->last_ns;
	}
	e->calls += next->calls;
	e->others |= next->others;
}

/* From now on twice as many frames are one entry. INDEX_MAX is even. */
static void halve(struct index *x)
{
	for (size_t i = 0; i < x->count / 2; i++) {
		x->entries[i] = x->entries[2 * i];
		join(&x->entries[i], &x->entries[2 * i + 1]);
	}
	x->count /= 2;
	x->run *= 2;
	x->in_last = x->run;
}

int index_add(struct index *x, const struct index_entry *frame)
{
	int err;

	if (!x->run)
		x->run = 1;
	if (x->count == INDEX_MAX && x->in_last == x->run)
		halve(x);
	if (x->count && x->in_last < x->run) {
		join(&x->entries[x->count - 1], frame);
		x->in_last++;
		return 0;
	}
	err = make_room(x, x->count + 1);
	if (err)
		return err;
	x->entries[x->count++] = *frame;
	x->in_last = 1;
	return 0;
}

uint64_t index_calls(const struct index *x)
{
	uint64_t calls = 0;

	for (size_t i = 0; i < x->count; i++)
		calls += x->entries[i].calls;
	return calls;
}

void index_write(const struct index *x, struct bytes *b)
{
	struct index_entry before = {0};

	bytes_number(b, x->count);
	bytes_number(b, index_calls(x));
	for (size_t i = 0; i < x->count; i++) {
		const struct index_entry *e = &x->entries[i];

		bytes_number(b, e->offset - before.offset);
		bytes_number(b, e->others);
		bytes_number(b, e->calls);
		bytes_signed(b, (int64_t)(e->first_ns - before.first_ns));
		bytes_number(b, e->last_ns - e->first_ns);
		before = *e;
	}
}

static void read_entries(struct index *x, struct cursor *c, size_t count, uint64_t end)
{
	struct index_entry before = {0};

	for (size_t i = 0; i < count && !c->failed; i++) {
		struct index_entry *e = &x->entries[x->count++];

		e->offset = before.offset + cursor_number(c);
		e->others = cursor_up_to(c, 1);
		e->calls = cursor_number(c);
		e->first_ns = before.first_ns + (uint64_t)cursor_signed(c);
		e->last_ns = e->first_ns + cursor_number(c);
		if (e->last_ns < e->first_ns || e->offset >= end ||
		    (i ? e->offset <= before.offset : e->offset != FORMAT_BEGINNING))
			c->failed = true;
		before = *e;
	}
}

int index_read(struct index *x, struct cursor *c, uint64_t end)
{
	uint64_t most = (uint64_t)(c->end - c->at) / LEAST_ENTRY;
	uint64_t count = cursor_up_to(c, most < INDEX_MAX ? most : INDEX_MAX);
	uint64_t calls = cursor_number(c);

	*x = (struct index){0};
	if (make_room(x, count))
		return -ENOMEM;
	read_entries(x, c, count, end);
	if (!c->failed && c->at == c->end && calls == index_calls(x))
		return 0;
	index_fini(x);
	return -EBADMSG;
}

static bool is_wanted(const struct index_entry *e, uint64_t from_ns, uint64_t until_ns)
{
	return e->others || (e->last_ns >= from_ns && e->first_ns <= until_ns);
}

/* The first entry that begins at `offset` or behind it. */
static size_t find(const struct index *x, uint64_t offset)
{
	size_t low = 0, high = x->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t index_next(const struct index *x, uint64_t offset, uint64_t from_ns, uint64_t until_ns,
		    uint64_t end)
{
	size_t i = find(x, offset);

	if (i == x->count || x->entries[i].offset != offset)
		return offset;
	while (i < x->count && !is_wanted(&x->entries[i], from_ns, until_ns))
		i++;
	return i < x->count ? x->entries[i].offset : end;
}
