// SPDX-License-Identifier: MIT
/*
 * Every piece is a profile of its own with one part: pieces, one behind the other, are one profile.
 * A text, a function, a place in the code is written when it is first met, and has the next number.
 * Mappings come last, when it is known how far each reaches.
 *
 * Addresses are those of the file, as addr2line takes them, so each file is mapped at 0: the same
 * code in two processes is one place, wherever they have mapped it.
 */
#include "out/pprof_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "out/gzip.h"
#include "profile.pb-c.h"

#define MOST (1U << 22) /* of each: texts, functions, places */

/* In place of frames. */
static const char signal_mark[] = "[signal handler called]";
static const char unknown_mark[] = "[unknown]";

struct function_key {
	const char *name, *file;
};

/* The function tells apart what is generated: there one address has held several. */
struct location_key {
	const char *function, *module;
	uint64_t address;
	int64_t line;
};

struct mapping {
	const char *module;
	uint64_t limit;
};

struct pprof_file {
	ProtobufCBuffer base; /* what protobuf-c writes to */
	struct gzip gzip;
	struct table texts;     /* pointer -> number; names are one pointer each */
	struct table functions; /* struct function_key -> id */
	struct table locations; /* struct location_key -> id */
	struct table modules;   /* pointer -> index in mappings */
	struct mapping *mappings;
	size_t mapping_count, mapping_room, main_mapping;
	uint64_t text_count, function_count, location_count;
	uint64_t *path; /* of the sample at hand */
	size_t path_room;
	bool ran_short;
};

/* ---- pieces ---- */

static void append(ProtobufCBuffer *base, size_t length, const uint8_t *data)
{
	gzip_write(&((struct pprof_file *)base)->gzip, data, length);
}

static void put(struct pprof_file *f, const Pprof__Profile *piece)
{
	pprof__profile__pack_to_buffer(piece, &f->base);
}

/* The number of a key, and whether it is to be written first; NULL: no room. */
static uint64_t *number_of(struct pprof_file *f, struct table *t, const void *key, bool *fresh)
{
	uint64_t *number = table_insert(t, key, fresh);

	f->ran_short |= !number;
	return number;
}

static int64_t new_text(struct pprof_file *f, const char *text)
{
	size_t room = 4 * strlen(text) + 1;
	char *quoted = malloc(room);
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	if (!quoted) {
		f->ran_short = true;
		return 0;
	}
	log_quote(quoted, room, text);
	piece.string_table = &quoted;
	piece.n_string_table = 1;
	put(f, &piece);
	free(quoted);
	return (int64_t)f->text_count++;
}

/* Of a text that stays where it is; NULL is the empty one. */
static int64_t text_of(struct pprof_file *f, const char *text)
{
	uint64_t *number;
	bool fresh;

	if (!text || !*text)
		return 0;
	number = number_of(f, &f->texts, &text, &fresh);
	if (!number)
		return 0;
	if (fresh)
		*number = (uint64_t)new_text(f, text);
	return (int64_t)*number;
}

/* ---- code ---- */

static uint64_t new_function(struct pprof_file *f, int64_t name, const char *file)
{
	Pprof__Function function = PPROF__FUNCTION__INIT, *all = &function;
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	function.id = ++f->function_count;
	function.name = name;
	function.filename = text_of(f, file);
	piece.function = &all;
	piece.n_function = 1;
	put(f, &piece);
	return function.id;
}

/* Where nothing is known but the address, that is its name. */
static uint64_t new_place(struct pprof_file *f, const struct sym_frame *frame)
{
	const char *slash = strrchr(frame->module, '/');
	char name[300];

	snprintf(name, sizeof(name), "%.255s+0x%" PRIx64, slash ? slash + 1 : frame->module,
		 frame->module_offset);
	return new_function(f, new_text(f, name), frame->file);
}

static uint64_t function_of(struct pprof_file *f, const struct sym_frame *frame)
{
	const struct function_key key = {frame->function, frame->file};
	uint64_t *id;
	bool fresh;

	if (!frame->function)
		return new_place(f, frame);
	id = number_of(f, &f->functions, &key, &fresh);
	if (!id)
		return 0;
	if (fresh)
		*id = new_function(f, text_of(f, frame->function), frame->file);
	return *id;
}

static bool make_mapping(struct pprof_file *f, const char *module)
{
	if (f->mapping_count == f->mapping_room) {
		size_t room = f->mapping_room ? 2 * f->mapping_room : 16;
		struct mapping *mappings = realloc(f->mappings, room * sizeof(mappings[0]));

		if (!mappings)
			return false;
		f->mappings = mappings;
		f->mapping_room = room;
	}
	f->mappings[f->mapping_count++] = (struct mapping){.module = module};
	return true;
}

/* 0: none. */
static uint64_t mapping_of(struct pprof_file *f, const struct sym_frame *frame)
{
	uint64_t *index;
	bool fresh;

	if (!frame->module)
		return 0;
	index = number_of(f, &f->modules, &frame->module, &fresh);
	if (!index)
		return 0;
	if (fresh) {
		*index = f->mapping_count;
		if (!make_mapping(f, frame->module)) {
			table_remove(&f->modules, &frame->module);
			f->ran_short = true;
			return 0;
		}
	}
	if (frame->module_offset >= f->mappings[*index].limit)
		f->mappings[*index].limit = frame->module_offset + 1;
	if (frame->function && !strcmp(frame->function, "main"))
		f->main_mapping = *index;
	return *index + 1;
}

/* The frames of one address, from the innermost on: `count` nodes, each the parent of the one
 * before. */
static uint64_t new_location(struct pprof_file *f, const struct tree *t, uint32_t node,
			     size_t count)
{
	Pprof__Location location = PPROF__LOCATION__INIT, *all = &location;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__Line *lines = calloc(count, sizeof(lines[0]));
	Pprof__Line **pointers = calloc(count, sizeof(void *));

	if (lines && pointers) {
		location.address = t->nodes[node].frame.module_offset;
		location.mapping_id = mapping_of(f, &t->nodes[node].frame);
		for (size_t i = 0; i < count; i++, node = t->nodes[node].parent) {
			pprof__line__init(&lines[i]);
			lines[i].function_id = function_of(f, &t->nodes[node].frame);
			lines[i].line = t->nodes[node].frame.line;
			pointers[i] = &lines[i];
		}
		location.id = ++f->location_count;
		location.line = pointers;
		location.n_line = count;
		piece.location = &all;
		piece.n_location = 1;
		put(f, &piece);
	} else {
		f->ran_short = true;
	}
	free(lines);
	free(pointers);
	return location.id;
}

/* 0: no memory. */
static uint64_t location_of(struct pprof_file *f, const struct tree *t, uint32_t node, size_t count)
{
	const struct sym_frame *frame = &t->nodes[node].frame;
	const struct location_key key = {frame->function, frame->module, frame->module_offset,
					 frame->line};
	uint64_t *id;
	bool fresh;

	id = number_of(f, &f->locations, &key, &fresh);
	if (!id)
		return 0;
	if (fresh)
		*id = new_location(f, t, node, count);
	return *id;
}

/* What stands in the place of a frame. */
static uint64_t mark_of(struct pprof_file *f, const char *name)
{
	struct tree_node node = {.frame = {.function = name}};
	const struct tree t = {.nodes = &node, .count = 1};

	return location_of(f, &t, 0, 1);
}

/* ---- samples ---- */

static bool add_step(struct pprof_file *f, size_t count, uint64_t id)
{
	if (count == f->path_room) {
		size_t room = f->path_room ? 2 * f->path_room : 64;
		uint64_t *path = realloc(f->path, room * sizeof(path[0]));

		if (!path)
			return false;
		f->path = path;
		f->path_room = room;
	}
	f->path[count] = id;
	return id != 0;
}

/* How many nodes, this one first, are of one address. */
static size_t inlined_at(const struct tree *t, uint32_t node)
{
	size_t count = 1;

	for (; t->nodes[node].frame.inlined && t->nodes[node].parent; count++)
		node = t->nodes[node].parent;
	return count;
}

/* Fills f->path from the innermost place on. What there is no memory for is left out. */
static size_t make_path(struct pprof_file *f, const struct tree *t, uint32_t node)
{
	size_t steps = 0;

	if (!node)
		return add_step(f, 0, mark_of(f, unknown_mark)) ? 1 : 0;
	while (node) {
		size_t count = inlined_at(t, node);

		if (t->nodes[node].interrupted)
			steps += add_step(f, steps, mark_of(f, signal_mark));
		steps += add_step(f, steps, location_of(f, t, node, count));
		while (count-- > 0)
			node = t->nodes[node].parent;
	}
	return steps;
}

static int64_t clamp(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

void pprof_sample(struct pprof_file *f, const struct tree *t, uint32_t node, const char *pool,
		  const uint64_t values[PPROF_VALUES])
{
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *all = &sample;
	Pprof__Label label = PPROF__LABEL__INIT, *labels = &label;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	int64_t numbers[PPROF_VALUES];

	for (size_t i = 0; i < PPROF_VALUES; i++)
		numbers[i] = clamp(values[i]);
	sample.value = numbers;
	sample.n_value = PPROF_VALUES;
	sample.n_location_id = make_path(f, t, node);
	sample.location_id = f->path;
	if (pool) {
		label.key = text_of(f, "pool");
		label.str = text_of(f, pool);
		sample.label = &labels;
		sample.n_label = 1;
	}
	piece.sample = &all;
	piece.n_sample = 1;
	put(f, &piece);
}

/* ---- the file ---- */

static void put_about(struct pprof_file *f, const struct pprof_about *about)
{
	Pprof__ValueType types[PPROF_VALUES], *pointers[PPROF_VALUES];
	Pprof__ValueType period = PPROF__VALUE_TYPE__INIT;
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	for (size_t i = 0; i < PPROF_VALUES; i++) {
		pprof__value_type__init(&types[i]);
		types[i].type = text_of(f, about->types[i]);
		types[i].unit = text_of(f, about->units[i]);
		pointers[i] = &types[i];
	}
	piece.sample_type = pointers;
	piece.n_sample_type = PPROF_VALUES;
	piece.default_sample_type = text_of(f, about->shown);
	piece.time_nanos = clamp(about->time_ns);
	piece.duration_nanos = clamp(about->duration_ns);
	if (about->sample_bytes) {
		period.type = text_of(f, "space");
		period.unit = text_of(f, "bytes");
		piece.period_type = &period;
		piece.period = clamp(about->sample_bytes);
	}
	put(f, &piece);
}

struct pprof_file *pprof_begin(FILE *out, const struct pprof_about *about)
{
	struct pprof_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (!gzip_begin(&f->gzip, out)) {
		free(f);
		return NULL;
	}
	f->base.append = append;
	table_init(&f->texts, sizeof(const char *), sizeof(uint64_t), MOST);
	table_init(&f->functions, sizeof(struct function_key), sizeof(uint64_t), MOST);
	table_init(&f->locations, sizeof(struct location_key), sizeof(uint64_t), MOST);
	table_init(&f->modules, sizeof(const char *), sizeof(uint64_t), MOST);
	new_text(f, "");
	put_about(f, about);
	return f;
}

void pprof_comment(struct pprof_file *f, const char *text)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	int64_t number = new_text(f, text);

	piece.comment = &number;
	piece.n_comment = 1;
	put(f, &piece);
}

static void put_mapping(struct pprof_file *f, size_t index)
{
	Pprof__Mapping mapping = PPROF__MAPPING__INIT, *all = &mapping;
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	mapping.id = index + 1;
	mapping.memory_limit = f->mappings[index].limit;
	mapping.filename = text_of(f, f->mappings[index].module);
	/* Whatever can be known has been looked up. */
	mapping.has_functions = mapping.has_filenames = true;
	mapping.has_line_numbers = mapping.has_inline_frames = true;
	piece.mapping = &all;
	piece.n_mapping = 1;
	put(f, &piece);
}

/* The first one is taken for the program: the one with `main`, if there is one. */
static void put_mappings(struct pprof_file *f)
{
	if (f->mapping_count)
		put_mapping(f, f->main_mapping);
	for (size_t i = 0; i < f->mapping_count; i++) {
		if (i != f->main_mapping)
			put_mapping(f, i);
	}
}

bool pprof_end(struct pprof_file *f)
{
	bool whole;

	put_mappings(f);
	whole = !f->ran_short;
	gzip_end(&f->gzip);
	table_fini(&f->texts);
	table_fini(&f->functions);
	table_fini(&f->locations);
	table_fini(&f->modules);
	free(f->mappings);
	free(f->path);
	free(f);
	return whole;
}
