/*
 * Hides what a process has mapped where, and which process reads the files of whom. A process is
 * known by its number until its number is reported anew.
 */
#include "sym/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/event.h"
#include "sym/cache.h"
#include "sym/module.h"
#include "sym/modules.h"
#include "sym/names.h"
#include "sym/perfmap.h"
#include "sym/processes.h"
#include "sym/reader.h"
#include "sym/resolver.h"
#include "sym/space.h"
#include "sym/state.h"
#include "sym/store.h"

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return NULL;
	s->perfmaps.room = (struct jit_room){JIT_MAX_ENTRIES, JIT_MAX_BYTES};
	s->reader = reader_new("alloctrace-sym");
	err = errno;
	if (!s->reader)
		goto out;
	s->names = names_new();
	s->cache = cache_new();
	s->modules = s->names ? modules_new(s->names, s->reader) : NULL;
	resolver_init(&s->resolver, s->names, s->cache);
	if (s->names && s->cache && s->modules)
		return s;
	err = ENOMEM;
out:
	symbolizer_free(s);
	errno = err;
	return NULL;
}

int symbolizer_keep(struct symbolizer *s, int dir)
{
	s->store = store_open(dir);
	if (!s->store)
		return 0;
	s->guests = reader_new("alloctrace-usr");
	if (!s->guests)
		return -errno;
	reader_on_wait(s->guests, s->wait, s->wait_context);
	reader_use_fetch(s->guests, s->fetch);
	modules_keep(s->modules, s->store, s->guests);
	return 0;
}

void symbolizer_on_wait(struct symbolizer *s, symbolizer_wait_fn wait, void *context)
{
	s->wait = wait;
	s->wait_context = context;
	reader_on_wait(s->reader, wait, context);
	if (s->guests)
		reader_on_wait(s->guests, wait, context);
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	processes_fini(&s->processes);
	restored_fini(&s->restored);
	modules_free(s->modules); /* what is new is kept now */
	store_close(s->store);
	cache_free(s->cache);
	names_free(s->names);
	reader_free(s->reader);
	reader_free(s->guests);
	free(s);
}

void symbolizer_losses(const struct symbolizer *s, struct symbolizer_losses *losses)
{
	*losses = s->losses;
	losses->addresses = s->resolver.refused;
	losses->deaths = reader_deaths(s->reader);
	losses->unanswered = reader_unanswered(s->reader);
	losses->reader = reader_is_lost(s->reader);
	if (!s->guests)
		return;
	losses->deaths += reader_deaths(s->guests);
	losses->reader |= reader_is_lost(s->guests);
}

uint64_t symbolizer_kept(const struct symbolizer *s)
{
	return s->resolver.kept;
}

void symbolizer_use_fetch(struct symbolizer *s, struct fetch *fetch)
{
	s->fetch = fetch;
	reader_use_fetch(s->reader, fetch);
	if (s->guests)
		reader_use_fetch(s->guests, fetch);
}

pid_t symbolizer_keeper(const struct symbolizer *s)
{
	return reader_keeper(s->reader);
}

pid_t symbolizer_guest_keeper(const struct symbolizer *s)
{
	return s->guests ? reader_keeper(s->guests) : 0;
}

bool symbolizer_owns(const struct symbolizer *s, pid_t pid)
{
	return reader_owns(s->reader, pid) || (s->guests && reader_owns(s->guests, pid));
}

/* ---- mappings ---- */

int state_count_refused(struct symbolizer *s, int err)
{
	s->losses.processes += err == -ENOSPC;
	return err;
}

/* Code without a file, which is what compilers at run time make. */
static bool is_generated(const struct proc_mapping *m)
{
	if (!m->executable || m->inode)
		return m->executable && !strncmp(m->path, "/memfd:", 7);
	return m->path[0] != '[' || !strncmp(m->path, "[anon", 5);
}

static void have_perfmap(struct symbolizer *s, struct process *p)
{
	if (!p->perfmap)
		p->perfmap = perfmap_new(p->pid, &s->perfmaps, NULL);
}

static int map_into(struct symbolizer *s, struct space *space, pid_t pid,
		    const struct proc_mapping *m)
{
	struct space_mapping added = {
		.start = m->start, .end = m->end, .offset = m->offset, .since = m->made_ns};
	bool lost = false;
	int err = 0, inserted;

	if (m->start >= m->end)
		return 0;
	if (m->executable)
		err = modules_get(s->modules, pid, m, &added.module, &lost);
	/* A mapping may be told twice: by /proc, and by a record that was made before. */
	if (added.module && space_has(space, &added)) {
		module_unref(added.module);
		return 0;
	}
	/* Also without a module: what was there before is gone. */
	s->changes++;
	inserted = space_insert(space, &added);
	module_unref(added.module);
	s->losses.files += lost;
	s->losses.mappings += inserted == -ENOSPC;
	return err ? err : inserted;
}

struct snapshot {
	struct symbolizer *symbolizer;
	struct space space;
	pid_t pid;
	uint64_t begun_ns;
	bool any;       /* the process has memory */
	bool generated; /* some of it is code without a file */
};

static int snapshot_mapping(const struct proc_mapping *m, void *ctx)
{
	struct snapshot *snapshot = ctx;
	struct proc_mapping mapping = *m;
	int err;

	snapshot->any = true;
	if (!m->executable)
		return 0;
	mapping.made_ns = snapshot->begun_ns;
	snapshot->generated |= is_generated(m);
	err = map_into(snapshot->symbolizer, &snapshot->space, snapshot->pid, &mapping);
	/* A mapping too many is counted; the others are as good as before. */
	return err == -ENOSPC ? 0 : err;
}

static uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Also on error there may be something in the space. */
static int take_snapshot(struct snapshot *snapshot)
{
	int err;

	if (snapshot->symbolizer->restored.any) /* its processes are not those of this machine */
		return -ESRCH;
	snapshot->begun_ns = clock_now();
	err = proc_each_mapping(snapshot->pid, snapshot_mapping, snapshot);
	return !err && !snapshot->any ? -ESRCH : err;
}

int symbolizer_look(struct symbolizer *s, pid_t pid, struct space *space, uint64_t *when_ns)
{
	struct snapshot snapshot = {.symbolizer = s, .pid = pid};
	int err = take_snapshot(&snapshot);

	if (err)
		space_fini(&snapshot.space);
	*space = snapshot.space;
	*when_ns = snapshot.begun_ns;
	return err;
}

int symbolizer_refresh(struct symbolizer *s, pid_t pid)
{
	struct snapshot snapshot = {.symbolizer = s, .pid = pid};
	struct process *p;
	int err = take_snapshot(&snapshot);

	if (!err)
		err = state_count_refused(s, processes_get(&s->processes, pid, &p));
	if (err) {
		space_fini(&snapshot.space);
		return err;
	}
	if (space_inherit(&snapshot.space, &p->space))
		p->changed = snapshot.begun_ns;
	space_fini(&p->space);
	p->space = snapshot.space;
	p->complete = true;
	p->serial = processes_next_serial(&s->processes);
	if (snapshot.generated)
		have_perfmap(s, p);
	return 0;
}

int symbolizer_add_process(struct symbolizer *s, pid_t pid)
{
	const struct process *p = processes_find(&s->processes, pid);

	return p && p->complete && !p->ended ? 0 : symbolizer_refresh(s, pid);
}

int symbolizer_map(struct symbolizer *s, pid_t pid, const struct proc_mapping *m)
{
	struct process *p;
	int err = state_count_refused(s, processes_get(&s->processes, pid, &p));
	uint64_t before = s->changes;
	struct proc_mapping mapping = *m;

	if (err)
		return err;
	if (!mapping.made_ns)
		mapping.made_ns = clock_now();
	if (is_generated(m))
		have_perfmap(s, p);
	err = map_into(s, &p->space, pid, &mapping);
	if (s->changes != before)
		p->serial = processes_next_serial(&s->processes);
	if (s->changes != before && mapping.made_ns > p->changed)
		p->changed = mapping.made_ns;
	return err;
}

/* ---- the life of a process ---- */

/* The number, or the process, is that of another program from now on. Children may still ask for
 * names of the code that they have in common with the old one, and not for those of the new. */
static void forget(struct symbolizer *s, pid_t pid)
{
	const struct process *p = processes_find(&s->processes, pid);

	if (p && p->perfmap)
		perfmap_end(p->perfmap);
	processes_remove(&s->processes, pid);
}

void symbolizer_exec(struct symbolizer *s, pid_t pid)
{
	forget(s, pid);
}

static struct perfmap *inherit_perfmap(struct symbolizer *s, pid_t child, struct perfmap *parent)
{
	if (!parent)
		return NULL;
	return s->restored.any ? perfmap_restored(&s->perfmaps, parent)
			       : perfmap_new(child, &s->perfmaps, parent);
}

int symbolizer_fork(struct symbolizer *s, pid_t parent, pid_t child)
{
	const struct process *from;
	struct process *to;
	int err;

	if (parent == child)
		return 0;
	/* Whoever had the child's number before is gone, even when the parent is not known. */
	forget(s, child);
	from = processes_find(&s->processes, parent);
	if (!from)
		return -ESRCH;
	err = state_count_refused(s, processes_insert(&s->processes, child, &to));
	if (err)
		return err;
	if (!processes_hold(&s->processes, to, from->held))
		err = -ENOSPC;
	s->losses.mappings += err == -ENOSPC;
	if (!err)
		err = space_copy(&to->space, &from->space);
	if (err) {
		processes_remove(&s->processes, child);
		return err;
	}
	to->complete = from->complete;
	s->changes++; /* there is one more to be told of */
	to->changed = from->changed;
	to->perfmap = inherit_perfmap(s, child, from->perfmap);
	return 0;
}

void symbolizer_exit(struct symbolizer *s, pid_t pid)
{
	struct process *p = processes_find(&s->processes, pid);

	if (p && !p->ended)
		processes_end(&s->processes, p);
}

/* ---- for those who walk stacks ---- */

uint64_t symbolizer_changes(const struct symbolizer *s)
{
	return s->changes;
}

void symbolizer_refresh_all(struct symbolizer *s)
{
	for (size_t i = 0; i < s->processes.count; i++) {
		if (!s->processes.at[i]->ended)
			symbolizer_refresh(s, s->processes.at[i]->pid);
	}
}

void symbolizer_each_process(const struct symbolizer *s, symbolizer_process_fn fn, void *ctx)
{
	for (size_t i = 0; i < s->processes.count; i++) {
		const struct process *p = s->processes.at[i];

		if (!p->ended)
			fn(ctx, p->pid, p->serial, p->changed, &p->space);
	}
}

size_t symbolizer_unchanged(struct symbolizer *s, pid_t pid, uint64_t since_ns,
			    const uint64_t *words, size_t count)
{
	const struct process *p = processes_find(&s->processes, pid);

	if (!p || p->changed <= since_ns)
		return count;
	for (size_t i = 0; i < count; i++) {
		/* A call lies before what it returns to. */
		uint64_t at = event_word_address(words[i]) - event_word_is_return(words[i]);
		const struct space_mapping *m = space_find(&p->space, at);

		if (m && m->since > since_ns)
			return i;
	}
	return count;
}

/* ---- answers ---- */

void symbolizer_advance(struct symbolizer *s)
{
	s->perfmaps.moment++;
}

uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	const struct process *p = processes_find(&s->processes, pid);
	uint64_t readings = p && p->perfmap ? perfmap_readings(p->perfmap) : 0;

	/* Names of generated code come and go as mappings do. */
	return p ? p->serial ^ readings << 48 : 0;
}

struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	struct process *p = processes_find(&s->processes, pid);

	return resolver_find(&s->resolver, p, address, is_return);
}

void symbolizer_prepare(struct symbolizer *s, pid_t pid, const uint64_t *words, size_t n)
{
	const struct process *p = processes_find(&s->processes, pid);

	if (p)
		resolver_prepare(&s->resolver, p, words, n);
}
