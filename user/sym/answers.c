// SPDX-License-Identifier: MIT
/*
 * Hides the form of a record:
 *
 *	version, path, n x (wanted path, given?, key of what was given),
 *	n x text, n x (address, is_return, count, count x frame)
 *
 * A frame names its texts by their numbers, from 1; 0 is none. A record is taken as a whole or not
 * at all, and holds what one run has added.
 */
#include "sym/answers.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/pack.h"
#include "core/table.h"
#include "sym/arena.h"
#include "sym/debuginfo.h"
#include "sym/names.h"
#include "sym/reading.h"
#include "sym/store.h"

/* The first number grows when the same file would be answered otherwise. */
#define VERSION     "1 " ALLOCTRACE_VERSION
#define MAX_ANSWERS (1 << 18)
#define MAX_WANTED  64
#define FRAME_BYTES (6 * sizeof(uint64_t))

struct wanted {
	const char *path; /* of `names` */
	bool given;
	struct store_key key; /* of what was given */
};

struct place {
	uint64_t address, is_return;
};

struct answer {
	const struct sym_frame *frames;
	uint64_t count;
};

struct answers {
	struct store *store;
	int fd;
	const char *path;
	struct names *names;
	answers_open_fn open_file;
	void *open_context;
	struct store_key key;
	bool loaded, spoiled;
	struct wanted wanted[MAX_WANTED];
	size_t wanted_count;
	struct table known; /* struct place -> struct answer: of earlier runs */
	struct table added; /* the same, of this run */
	struct arena arena; /* the frames of earlier runs */
};

struct answers *answers_new(struct store *store, int fd, const char *path, struct names *names,
			    answers_open_fn open_file, void *context)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (!a || !store_identify(fd, &a->key)) {
		free(a);
		return NULL;
	}
	a->store = store;
	a->fd = fd;
	a->path = path;
	a->names = names;
	a->open_file = open_file;
	a->open_context = context;
	table_init(&a->known, sizeof(struct place), sizeof(struct answer), MAX_ANSWERS);
	table_init(&a->added, sizeof(struct place), sizeof(struct answer), MAX_ANSWERS);
	return a;
}

void answers_spoil(struct answers *a)
{
	a->spoiled = true;
}

/* ---- debug files ---- */

/* False: one that others may have made. */
static bool wanted_read(const char *path, int fd, struct wanted *w)
{
	*w = (struct wanted){.path = path, .given = fd >= 0};
	return fd < 0 || store_identify(fd, &w->key);
}

static bool wanted_equal(const struct wanted *a, const struct wanted *b)
{
	return a->given == b->given && store_key_equal(&a->key, &b->key);
}

/* Of a file that came or went within the run, answers are of both kinds. */
static void keep_wanted(struct answers *a, const struct wanted *w)
{
	for (size_t i = 0; i < a->wanted_count; i++) {
		if (a->wanted[i].path != w->path)
			continue;
		a->spoiled |= !wanted_equal(&a->wanted[i], w);
		return;
	}
	if (a->wanted_count < MAX_WANTED)
		a->wanted[a->wanted_count++] = *w;
	else
		a->spoiled = true;
}

void answers_wanted(struct answers *a, const char *path, int fd)
{
	struct wanted now;

	if (wanted_read(names_intern(a->names, path), fd, &now) && now.path)
		keep_wanted(a, &now);
	else
		a->spoiled = true;
}

/* Whether the helper process would be given the same today. */
static bool is_as_before(const struct answers *a, const struct wanted *before)
{
	struct wanted now;
	bool same;
	int fd;

	for (size_t i = 0; i < a->wanted_count; i++)
		if (a->wanted[i].path == before->path)
			return wanted_equal(before, &a->wanted[i]);
	fd = a->open_file(a->open_context, before->path);
	same = wanted_read(before->path, fd, &now) && wanted_equal(before, &now);
	if (fd >= 0)
		close(fd);
	return same;
}

static void pack_key(struct pack *p, const struct store_key *k)
{
	pack_number(p, k->device);
	pack_number(p, k->inode);
	pack_number(p, k->size);
	pack_number(p, (uint64_t)k->modified_ns);
	pack_number(p, (uint64_t)k->changed_ns);
}

static void unpack_key(struct pack *p, struct store_key *k)
{
	k->device = unpack_number(p);
	k->inode = unpack_number(p);
	k->size = unpack_number(p);
	k->modified_ns = (int64_t)unpack_number(p);
	k->changed_ns = (int64_t)unpack_number(p);
}

/* False: the record was made of other files than there are now. */
static bool take_wanted(struct answers *a, struct pack *in)
{
	uint64_t count = unpack_number(in);

	if (count > MAX_WANTED)
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *path = names_intern(a->names, unpack_text(in));
		struct wanted w = {.path = path, .given = unpack_number(in)};

		unpack_key(in, &w.key);
		if (!path || in->failed || !is_as_before(a, &w))
			return false;
		keep_wanted(a, &w);
	}
	return !in->failed;
}

/* ---- reading ---- */

struct texts {
	const char **at;
	uint64_t count;
};

static bool take_texts(struct answers *a, struct pack *in, struct texts *t)
{
	t->count = unpack_number(in);
	if (t->count > (in->size - in->used) / sizeof(uint64_t))
		return false;
	t->at = calloc(t->count + 1, sizeof(*t->at));
	for (size_t i = 1; t->at && i <= t->count; i++)
		t->at[i] = names_intern(a->names, unpack_text(in));
	return t->at && !in->failed;
}

static bool take_frame(struct pack *in, const struct texts *t, struct sym_frame *f)
{
	uint64_t function = unpack_number(in), file = unpack_number(in);
	uint64_t line = unpack_number(in), column = unpack_number(in);

	f->offset = unpack_number(in);
	f->inlined = unpack_number(in);
	if (function > t->count || file > t->count || line > INT_MAX || column > INT_MAX)
		return false;
	f->function = t->at[function];
	f->file = t->at[file];
	f->line = (int)line;
	f->column = (int)column;
	return !in->failed;
}

static bool take_answer(struct answers *a, struct pack *in, const struct texts *t)
{
	uint64_t address = unpack_number(in), is_return = unpack_number(in);
	const struct place at = {address, is_return};
	uint64_t count = unpack_number(in);
	struct sym_frame *frames;
	struct answer *slot;
	bool fresh;

	if (!count || count > DEBUGINFO_FRAMES_MAX || in->failed)
		return false;
	frames = arena_alloc(&a->arena, count * sizeof(*frames), 1);
	if (!frames)
		return false;
	memset(frames, 0, count * sizeof(*frames));
	for (size_t i = 0; i < count; i++)
		if (!take_frame(in, t, &frames[i]))
			return false;
	slot = table_insert(&a->known, &at, &fresh);
	if (slot)
		*slot = (struct answer){frames, count};
	return slot;
}

static void take_record(void *context, const void *bytes, size_t n)
{
	struct pack in = pack_over((void *)bytes, n);
	const char *version = unpack_text(&in), *path = unpack_text(&in);
	struct answers *a = context;
	struct texts texts = {0};
	uint64_t count;

	if (!version || strcmp(version, VERSION) || !path || strcmp(path, a->path))
		return;
	if (!take_wanted(a, &in) || !take_texts(a, &in, &texts)) {
		free(texts.at);
		return;
	}
	count = unpack_number(&in);
	for (size_t i = 0; i < count && take_answer(a, &in, &texts); i++)
		;
	free(texts.at);
}

size_t answers_find(struct answers *a, const struct sym_address *at,
		    const struct sym_frame **frames)
{
	const struct place place = {at->address, at->is_return};
	const struct answer *found;

	if (!a->loaded)
		store_each(a->store, &a->key, take_record, a);
	a->loaded = true;
	found = table_find(&a->known, &place);
	if (!found)
		return 0;
	*frames = found->frames;
	return found->count;
}

/* ---- writing ---- */

void answers_add(struct answers *a, const struct sym_address *at, const struct sym_frame *frames,
		 size_t count)
{
	const struct place place = {at->address, at->is_return};
	struct answer *slot;
	bool fresh;

	if (a->spoiled || table_find(&a->known, &place))
		return;
	slot = table_insert(&a->added, &place, &fresh);
	if (slot)
		*slot = (struct answer){frames, count};
}

/* What is to be written, in two passes over `added`: the texts get their numbers in the first. */
struct writing {
	struct table numbers; /* where a text is -> its number */
	struct pack texts, out;
	size_t bytes; /* that are needed at most, of both */
};

static void count_text(struct writing *w, const char *text)
{
	if (text)
		w->bytes += 2 * sizeof(uint64_t) + strnlen(text, READING_MAX_NAME) + 1;
}

static bool count_answer(const void *key, void *value, void *context)
{
	const struct answer *answer = value;
	struct writing *w = context;

	(void)key;
	w->bytes += 3 * sizeof(uint64_t) + answer->count * FRAME_BYTES;
	for (size_t i = 0; i < answer->count; i++) {
		count_text(w, answer->frames[i].function);
		count_text(w, answer->frames[i].file);
	}
	return false;
}

static uint64_t number_of(struct writing *w, const char *text)
{
	uint64_t at = (uintptr_t)text, *number;
	bool fresh;

	if (!text)
		return 0;
	number = table_insert(&w->numbers, &at, &fresh);
	if (!number)
		return 0;
	if (fresh) {
		*number = w->numbers.count;
		pack_text(&w->texts, text, READING_MAX_NAME);
	}
	return *number;
}

static bool pack_answer(const void *key, void *value, void *context)
{
	const struct answer *answer = value;
	const struct place *at = key;
	struct writing *w = context;

	pack_number(&w->out, at->address);
	pack_number(&w->out, at->is_return);
	pack_number(&w->out, answer->count);
	for (size_t i = 0; i < answer->count; i++) {
		const struct sym_frame *f = &answer->frames[i];

		pack_number(&w->out, number_of(w, f->function));
		pack_number(&w->out, number_of(w, f->file));
		pack_number(&w->out, (uint64_t)f->line);
		pack_number(&w->out, (uint64_t)f->column);
		pack_number(&w->out, f->offset);
		pack_number(&w->out, f->inlined);
	}
	return false;
}

static void pack_head(const struct answers *a, struct pack *p)
{
	pack_text(p, VERSION, PATH_MAX);
	pack_text(p, a->path, PATH_MAX);
	pack_number(p, a->wanted_count);
	for (size_t i = 0; i < a->wanted_count; i++) {
		pack_text(p, a->wanted[i].path, PATH_MAX);
		pack_number(p, a->wanted[i].given);
		pack_key(p, &a->wanted[i].key);
	}
}

/* Head, texts, answers: in the room of `bytes`, of which the answers' lie in `out`. */
static void write_record(struct answers *a, struct writing *w, unsigned char *bytes, size_t size)
{
	struct pack record = pack_over(bytes, size);

	pack_head(a, &record);
	pack_number(&record, w->numbers.count);
	if (record.failed || size - record.used < w->texts.used + w->out.used + sizeof(uint64_t))
		return;
	memcpy(bytes + record.used, w->texts.bytes, w->texts.used);
	record.used += w->texts.used;
	pack_number(&record, a->added.count);
	memcpy(bytes + record.used, w->out.bytes, w->out.used);
	record.used += w->out.used;
	store_append(a->store, &a->key, bytes, record.used);
}

static void write_added(struct answers *a)
{
	struct writing w = {.bytes = (MAX_WANTED + 4) * (size_t)PATH_MAX};
	unsigned char *rooms[3];

	table_init(&w.numbers, sizeof(uint64_t), sizeof(uint64_t), SIZE_MAX / 2);
	table_sweep(&a->added, count_answer, &w);
	for (size_t i = 0; i < 3; i++)
		rooms[i] = malloc(w.bytes);
	if (rooms[0] && rooms[1] && rooms[2]) {
		w.texts = pack_over(rooms[0], w.bytes);
		w.out = pack_over(rooms[1], w.bytes);
		table_sweep(&a->added, pack_answer, &w);
		if (!w.texts.failed && !w.out.failed)
			write_record(a, &w, rooms[2], w.bytes);
	}
	for (size_t i = 0; i < 3; i++)
		free(rooms[i]);
	table_fini(&w.numbers);
}

void answers_free(struct answers *a)
{
	struct store_key now;

	if (!a)
		return;
	if (!a->spoiled && a->added.count && store_identify(a->fd, &now) &&
	    store_key_equal(&now, &a->key))
		write_added(a);
	table_fini(&a->known);
	table_fini(&a->added);
	arena_fini(&a->arena);
	free(a);
}
