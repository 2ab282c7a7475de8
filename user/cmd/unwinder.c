// SPDX-License-Identifier: MIT
/* Which process has which rules where. */
#include "cmd/unwinder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/stack.h"
#include "sym/module.h"

#define MAX_FILES     (1 << 16)
#define MAX_PROCESSES (1 << 13) /* as the kernel side has room for */

struct file_piece {
	uint64_t start, end; /* ELF addresses */
	uint32_t table;
	uint8_t shift;
};

struct unwinder_file {
	bool known; /* its rules have come, or it has none */
	size_t count;
	struct file_piece pieces[];
};

struct unwinder_told {
	uint64_t serial; /* of the layout that the kernel side has */
	bool waits;      /* for rules of some file */
};

void unwinder_init(struct unwinder *u, struct symbolizer *symbolizer, struct tables *tables,
		   const struct layouts *layouts)
{
	*u = (struct unwinder){.symbolizer = symbolizer, .tables = tables, .layouts = *layouts};
	table_init(&u->files, sizeof(uint64_t), sizeof(struct unwinder_file *), MAX_FILES);
	table_init(&u->told, sizeof(uint64_t), sizeof(struct unwinder_told), MAX_PROCESSES);
}

static bool free_file(const void *key, void *value, void *context)
{
	(void)key;
	(void)context;
	free(*(struct unwinder_file **)value);
	return true;
}

void unwinder_fini(struct unwinder *u)
{
	if (!u->tables)
		return;
	table_sweep(&u->files, free_file, NULL);
	table_fini(&u->files);
	table_fini(&u->told);
	u->tables = NULL;
}

/* ---- files ---- */

static const struct unwinder_file *find_file(const struct unwinder *u, uint32_t id)
{
	uint64_t key = id;
	struct unwinder_file *const *slot = table_find(&u->files, &key);

	return slot ? *slot : NULL;
}

static void put_file(struct unwinder *u, uint32_t id, struct unwinder_file *file)
{
	uint64_t key = id;
	bool fresh;
	struct unwinder_file **slot = file ? table_insert(&u->files, &key, &fresh) : NULL;

	if (!slot) {
		u->refused++;
		free(file);
		return;
	}
	if (!fresh)
		free(*slot);
	*slot = file;
}

static struct unwinder_file *new_file(size_t pieces, bool known)
{
	struct unwinder_file *file = calloc(1, sizeof(*file) + pieces * sizeof(struct file_piece));

	if (file)
		file->known = known;
	return file;
}

/* What has not been asked for yet is; code that lies in no file has no rules. */
static const struct unwinder_file *get_file(struct unwinder *u, const struct module *m)
{
	const struct unwinder_file *file = find_file(u, module_id(m));
	bool readable = module_fd(m) >= 0;

	if (file)
		return file;
	if (readable && tables_want(u->tables, module_id(m), module_fd(m)))
		return NULL;
	put_file(u, module_id(m), new_file(0, !readable));
	return find_file(u, module_id(m));
}

static void take_rules(void *context, uint32_t id, const struct unwind_rules *rules, uint64_t end)
{
	struct unwind_pieces pieces = {0};
	struct unwinder *u = context;
	struct unwinder_file *file;

	u->arrivals++;
	u->rules += rules->count;
	if (rules->count && unwind_pack(&pieces, rules, end))
		u->refused++;
	file = new_file(pieces.count, true);
	for (size_t i = 0; file && i < pieces.count; i++) {
		struct file_piece *p = &file->pieces[file->count];

		*p = (struct file_piece){
			.start = pieces.at[i].start,
			.end = pieces.at[i].end,
			.shift = pieces.at[i].shift,
		};
		if (layouts_add_piece(&u->layouts, &pieces.at[i], &p->table))
			u->refused++;
		else
			file->count++;
	}
	unwind_pieces_fini(&pieces);
	put_file(u, id, file);
}

/* ---- processes ---- */

static void add_map(struct unwinder *u, struct unwind_layout *layout, const struct unwind_map *map)
{
	if (map->start >= map->end)
		return;
	if (layout->count == UNWIND_MAX_MAPS)
		u->refused++;
	else
		layout->maps[layout->count++] = *map;
}

/* By how much the mapping's addresses lie above those of the file. */
static bool find_bias(const struct space_mapping *m, uint64_t *bias)
{
	uint64_t address;

	/* The first page of a mapping may hold the end of another segment. */
	for (uint64_t offset = 0; offset < m->end - m->start; offset += 4095) {
		if (!module_address(m->module, m->offset + offset, &address))
			continue;
		*bias = m->start + offset - address;
		return true;
	}
	return false;
}

/* Code before, between and behind the pieces has no rules. */
static void add_pieces(struct unwinder *u, struct unwind_layout *layout,
		       const struct space_mapping *m, const struct unwinder_file *file,
		       uint64_t bias)
{
	struct unwind_map rest = {.start = m->start, .end = m->end, .table = UNWIND_NO_RULES};

	for (size_t i = 0; i < file->count; i++) {
		const struct file_piece *p = &file->pieces[i];
		uint64_t start = p->start + bias, end = p->end + bias;
		struct unwind_map map = {
			.start = start > m->start ? start : m->start,
			.end = end < m->end ? end : m->end,
			.base = start,
			.table = p->table,
			.shift = p->shift,
		};

		if (map.start >= map.end)
			continue;
		rest.end = map.start;
		add_map(u, layout, &rest);
		add_map(u, layout, &map);
		rest.start = map.end;
		rest.end = m->end;
	}
	add_map(u, layout, &rest);
}

/* Adds one mapping; false while it is not known what is to be said of it. */
static bool add_mapping(struct unwinder *u, struct unwind_layout *layout,
			const struct space_mapping *m)
{
	const struct unwinder_file *file;
	struct unwind_map map = {.start = m->start, .end = m->end, .table = UNWIND_NO_RULES};
	uint64_t bias;

	/* The page of [vsyscall] lies in the kernel's half, where the search does not look. */
	if (m->start >> 63 || !strcmp(module_path(m->module), "[uprobes]"))
		return true;
	file = get_file(u, m->module);
	if (file && file->known && file->count && find_bias(m, &bias)) {
		add_pieces(u, layout, m, file, bias);
		return true;
	}
	if (!file || !file->known)
		map.table = UNWIND_NO_TABLE;
	add_map(u, layout, &map);
	return file && file->known;
}

static void tell_process(void *context, pid_t pid, uint64_t changed, const struct space *space)
{
	static struct unwind_layout layout; /* too large for the stack */
	struct unwinder *u = context;
	struct unwinder_told *told;
	uint64_t key = (uint64_t)pid;
	bool fresh;

	told = table_find(&u->told, &key);
	if (told && told->serial >= changed && !(told->waits && u->arrivals != u->arrivals_seen))
		return;
	told = table_insert(&u->told, &key, &fresh);
	if (!told) {
		u->refused++;
		return;
	}
	layout.count = 0;
	layout.serial = symbolizer_count_change(u->symbolizer);
	*told = (struct unwinder_told){.serial = layout.serial};
	for (size_t i = 0; i < space->count; i++)
		told->waits |= !add_mapping(u, &layout, &space->at[i]);
	if (layout.count && layouts_set(&u->layouts, pid, &layout))
		u->refused++;
}

static bool forget_dead(const void *key, void *value, void *context)
{
	(void)value;
	(void)context;
	return !proc_exists((pid_t) * (const uint64_t *)key);
}

static void tell_all(struct unwinder *u)
{
	if (u->seen == symbolizer_changes(u->symbolizer) && u->arrivals_seen == u->arrivals)
		return;
	if (u->told.count > MAX_PROCESSES / 2)
		table_sweep(&u->told, forget_dead, NULL);
	symbolizer_each_process(u->symbolizer, tell_process, u);
	u->seen = symbolizer_changes(u->symbolizer);
	u->arrivals_seen = u->arrivals;
}

/* ---- */

static void say_when_done(struct unwinder *u)
{
	bool busy = tables_pending(u->tables);

	if (u->busy && !busy)
		log_debug("the unwind rules of %" PRIu64 " files are in: %" PRIu64, u->arrivals,
			  u->rules);
	u->busy = busy;
}

void unwinder_update(struct unwinder *u)
{
	if (!u->tables)
		return;
	tables_step(u->tables, take_rules, u);
	tell_all(u);
	say_when_done(u);
}

void unwinder_wait(struct unwinder *u, int ms)
{
	if (!u->tables)
		return;
	tell_all(u);
	u->busy = tables_pending(u->tables);
	tables_wait(u->tables, ms, take_rules, u);
	tell_all(u);
	say_when_done(u);
}

int unwinder_fd(const struct unwinder *u)
{
	return u->tables ? tables_fd(u->tables) : -1;
}

void unwinder_judge(const struct unwinder *u, struct event *e)
{
	uint64_t addresses[EVENT_MAX_FRAMES];
	size_t good;

	if (!u->tables || e->frames < 2 || !e->layout)
		return;
	for (unsigned int i = 0; i < e->frames; i++)
		addresses[i] = event_frame_address(e, i) - event_frame_is_return(e, i);
	good = symbolizer_unchanged(u->symbolizer, (pid_t)e->pid, e->layout, addresses, e->frames);
	/* The first one that is not good is itself an address that was found by good ones. */
	if (good + 1 < e->frames)
		stack_cut(e, (unsigned int)good + 1);
}
