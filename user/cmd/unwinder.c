// SPDX-License-Identifier: MIT
/* Which process has which rules where. */
#include "cmd/unwinder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/stack.h"
#include "sym/module.h"

/* That is waited for rules in one turn of the loop: who reads a stream that never pauses must not
 * put them off, nor they him. */
#define TURN_MS 20

#define LOOK_NS        2000000ULL /* between looks at what processes have mapped, and … */
#define LOOK_PROCESSES 16         /* … of how many that is done */

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
	uint64_t serial;   /* of the process, as the symbolizer has it */
	uint64_t hash;     /* of the layout that the kernel side has … */
	uint64_t known_ns; /* … and what had been mapped until then is in it */
	bool waits;        /* for rules of some file */
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
	layouts_fini(&u->layouts);
	u->tables = NULL;
}

/* ---- files ---- */

static const struct unwinder_file *find_file(const struct unwinder *u, uint32_t id)
{
	uint64_t key = id;
	struct unwinder_file *const *slot = table_find(&u->files, &key);

	return slot ? *slot : NULL;
}

/* Keeps the file, which may be NULL for want of memory; what is kept of it, or NULL. */
static const struct unwinder_file *put_file(struct unwinder *u, uint32_t id,
					    struct unwinder_file *file)
{
	uint64_t key = id;
	bool fresh;
	struct unwinder_file **slot = file ? table_insert(&u->files, &key, &fresh) : NULL;

	if (!slot) {
		u->refused++;
		free(file);
		return NULL;
	}
	if (!fresh)
		free(*slot);
	*slot = file;
	return file;
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
	static const struct unwinder_file none = {.known = true};
	const struct unwinder_file *file;

	if (module_fd(m) < 0)
		return &none;
	file = find_file(u, module_id(m));
	if (file)
		return file;
	file = put_file(u, module_id(m), new_file(0, false));
	if (!file) /* more than are kept */
		return &none;
	return tables_want(u->tables, module_id(m), module_fd(m)) ? NULL : file;
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

	if (!module_code(m->module, m->offset, m->end - m->start, &address))
		return false;
	*bias = m->start - address;
	return true;
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

/* So that what is the same is not told again: with every layout all stacks get new numbers. */
static uint64_t hash_of(const struct unwind_layout *layout)
{
	const uint64_t *words = (const uint64_t *)layout->maps;
	uint64_t hash = layout->count;

	for (size_t i = 0; i < layout->count * sizeof(layout->maps[0]) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	return hash;
}

/* `since_ns`: since when all of the space has been there. */
static void tell_space(struct unwinder *u, pid_t pid, uint64_t serial, const struct space *space,
		       uint64_t since_ns, uint64_t known_ns)
{
	static struct unwind_layout layout; /* too large for the stack */
	uint64_t key = (uint64_t)pid, hash;
	struct unwinder_told *told;
	bool fresh;

	told = table_insert(&u->told, &key, &fresh);
	if (!told) {
		u->refused++;
		return;
	}
	layout.count = 0;
	told->serial = serial;
	told->waits = false;
	for (size_t i = 0; i < space->count; i++)
		told->waits |= !add_mapping(u, &layout, &space->at[i]);
	hash = hash_of(&layout);
	/* A program may be executed anew at one place: then the kernel side has forgotten it. */
	if (!fresh && hash == told->hash && since_ns <= told->known_ns &&
	    layouts_has(&u->layouts, pid))
		return;
	told->hash = hash;
	told->known_ns = known_ns;
	layout.known_ns = known_ns;
	layout.serial = ++u->serial;
	if (layout.count && layouts_set(&u->layouts, pid, &layout))
		u->refused++;
}

/* What it has mapped now; what is to be read before that is known may be much. */
static void tell_present(struct unwinder *u, pid_t pid, uint64_t serial)
{
	struct space space;
	uint64_t when_ns;

	if (!symbolizer_look(u->symbolizer, pid, &space, &when_ns))
		tell_space(u, pid, serial, &space, 0, when_ns);
	space_fini(&space);
}

static uint64_t newest(const struct space *space)
{
	uint64_t since = 0;

	for (size_t i = 0; i < space->count; i++)
		since = space->at[i].since > since ? space->at[i].since : since;
	return since;
}

/* A process that is not told of, or whose mappings or rules have changed since. */
static void tell_process(void *context, pid_t pid, uint64_t serial, uint64_t changed_ns,
			 const struct space *space)
{
	struct unwinder *u = context;
	uint64_t key = (uint64_t)pid;
	const struct unwinder_told *told = table_find(&u->told, &key);

	if (told && told->serial == serial && !(told->waits && u->arrivals != u->arrivals_seen))
		return;
	if (u->lags)
		tell_present(u, pid, serial);
	else
		tell_space(u, pid, serial, space, newest(space),
			   changed_ns > u->known_ns ? changed_ns : u->known_ns);
}

static bool forget_dead(const void *key, void *value, void *context)
{
	const struct unwinder *u = context;
	pid_t pid = (pid_t) * (const uint64_t *)key;

	(void)value;
	if (proc_exists(pid))
		return false;
	layouts_drop(&u->layouts, pid);
	return true;
}

static bool look_again(const void *key, void *value, void *context)
{
	const struct unwinder_told *told = value;

	tell_present(context, (pid_t) * (const uint64_t *)key, told->serial);
	return false;
}

static void tell_all(struct unwinder *u)
{
	if (u->seen == symbolizer_changes(u->symbolizer) && u->arrivals_seen == u->arrivals)
		return;
	if (u->told.count > MAX_PROCESSES / 2)
		table_sweep(&u->told, forget_dead, u);
	symbolizer_each_process(u->symbolizer, tell_process, u);
	u->seen = symbolizer_changes(u->symbolizer);
	u->arrivals_seen = u->arrivals;
}

/* Who has more to read than he can learns late what has been mapped; of few processes he can look
 * it up. */
static void look_ahead(struct unwinder *u, uint64_t now_ns)
{
	if (!u->lags || now_ns < u->next_look_ns || u->told.count > LOOK_PROCESSES)
		return;
	u->next_look_ns = now_ns + LOOK_NS;
	table_sweep(&u->told, look_again, u);
}

/* ---- */

static void say_when_done(struct unwinder *u)
{
	if (u->arrivals == u->arrivals_said || tables_pending(u->tables))
		return;
	u->arrivals_said = u->arrivals;
	log_debug("the unwind rules of %" PRIu64 " files are in: %" PRIu64, u->arrivals, u->rules);
}

/* Rules that come in the meantime make processes be told anew. */
static void take_turn(struct unwinder *u, int ms)
{
	tell_all(u);
	if (tables_pending(u->tables))
		tables_wait(u->tables, ms, take_rules, u);
	tell_all(u);
	say_when_done(u);
}

void unwinder_update(struct unwinder *u, uint64_t known_ns, bool lags)
{
	if (!u->tables)
		return;
	u->known_ns = known_ns;
	u->lags = lags;
	look_ahead(u, known_ns);
	take_turn(u, TURN_MS);
}

void unwinder_wait(struct unwinder *u, uint64_t known_ns, int ms)
{
	if (!u->tables)
		return;
	u->known_ns = known_ns;
	take_turn(u, ms);
}

int unwinder_fd(const struct unwinder *u)
{
	return u->tables ? tables_fd(u->tables) : -1;
}

void unwinder_judge(const struct unwinder *u, struct event *e)
{
	size_t good;

	if (!u->tables || !e->layout)
		return;
	good = symbolizer_unchanged(u->symbolizer, (pid_t)e->pid, e->layout, e->stack, e->frames);
	/* The first one that is not good is itself an address that was found by good ones; how it
	 * went on from there was not, even if it did not go on. */
	if (good < e->frames)
		stack_cut(e, (unsigned int)good + 1);
}
