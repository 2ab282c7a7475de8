/*
 * Hides which process has what mapped where, and which answers were given before. The decisions:
 *
 * - A process is known by its number until its number is reported anew. One that has ended is kept
 *   for a while, since the events of its last moments are resolved later: `ended` is a ring that
 *   says whose turn it is to be forgotten.
 * - Answers are remembered per file and ELF address, so they serve all processes that map the file,
 *   wherever they map it.
 */
#include "sym/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "sym/cache.h"
#include "sym/module.h"
#include "sym/modules.h"
#include "sym/names.h"
#include "sym/question.h"
#include "sym/reader.h"
#include "sym/space.h"
#include "sym/store.h"

/* More than a machine runs; each costs one or two kilobytes. */
#define PROCESSES_MAX 65536

#define UNKNOWN    "[unknown]"
#define UNKNOWN_ID 0 /* no module has it */

struct process {
	pid_t pid;
	bool complete; /* the mappings were read, or are those of a parent that was complete */
	bool ended;
	uint64_t serial; /* tells it from others that had the number */
	struct space space;
};

struct symbolizer {
	struct names *names;
	struct reader *reader;
	struct reader *guests; /* NULL: no answers are kept, and nobody else is needed */
	struct store *store;
	symbolizer_wait_fn wait;
	void *wait_context;
	struct modules *modules;
	struct cache *cache;
	struct process **processes; /* sorted by pid */
	size_t count, capacity;
	struct process *recent; /* the last one found: events come in runs */
	uint64_t next_serial;
	struct {
		pid_t pid;
		uint64_t serial;
	} ended[SYMBOLIZER_ENDED_MAX];
	size_t next_ended;
	struct symbolizer_losses losses;
	uint64_t kept; /* answers of earlier runs that were asked for */
};

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return NULL;
	s->next_serial = 1;
	s->reader = reader_new("alloctrace-sym");
	err = errno;
	if (!s->reader)
		goto out;
	s->names = names_new();
	s->cache = cache_new();
	s->modules = s->names ? modules_new(s->names, s->reader) : NULL;
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

static void process_free(struct process *p)
{
	space_fini(&p->space);
	free(p);
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		process_free(s->processes[i]);
	free(s->processes);
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
	losses->deaths = reader_deaths(s->reader);
	losses->reader = reader_is_lost(s->reader);
	if (!s->guests)
		return;
	losses->deaths += reader_deaths(s->guests);
	losses->reader |= reader_is_lost(s->guests);
}

uint64_t symbolizer_kept(const struct symbolizer *s)
{
	return s->kept;
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

/* ---- processes ---- */

static size_t first_not_below(const struct symbolizer *s, pid_t pid)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->processes[middle]->pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct process *process_find(struct symbolizer *s, pid_t pid)
{
	size_t i;

	if (s->recent && s->recent->pid == pid)
		return s->recent;
	i = first_not_below(s, pid);
	if (i == s->count || s->processes[i]->pid != pid)
		return NULL;
	s->recent = s->processes[i];
	return s->recent;
}

static void process_remove(struct symbolizer *s, pid_t pid)
{
	size_t i = first_not_below(s, pid);

	if (i == s->count || s->processes[i]->pid != pid)
		return;
	process_free(s->processes[i]);
	s->count--;
	memmove(&s->processes[i], &s->processes[i + 1], (s->count - i) * sizeof(struct process *));
	s->recent = NULL;
}

static int process_insert(struct symbolizer *s, pid_t pid, struct process **added)
{
	size_t i = first_not_below(s, pid);
	struct process *p;

	if (s->count >= PROCESSES_MAX) {
		s->losses.processes++;
		return -ENOSPC;
	}
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 64;
		struct process **all =
			reallocarray(s->processes, capacity, sizeof(struct process *));

		if (!all)
			return -ENOMEM;
		s->processes = all;
		s->capacity = capacity;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pid = pid;
	p->serial = s->next_serial++;
	memmove(&s->processes[i + 1], &s->processes[i], (s->count - i) * sizeof(struct process *));
	s->processes[i] = p;
	s->count++;
	*added = p;
	return 0;
}

/* The process of that number that runs now: one that has ended makes way for a new one. */
static int process_get(struct symbolizer *s, pid_t pid, struct process **p)
{
	*p = process_find(s, pid);
	if (*p && !(*p)->ended)
		return 0;
	process_remove(s, pid);
	return process_insert(s, pid, p);
}

/* ---- mappings ---- */

static int map_into(struct symbolizer *s, struct space *space, pid_t pid,
		    const struct proc_mapping *m)
{
	struct space_mapping added = {.start = m->start, .end = m->end, .offset = m->offset};
	bool lost = false;
	int err = 0, inserted;

	if (m->start >= m->end)
		return 0;
	if (m->executable)
		err = modules_get(s->modules, pid, m, &added.module, &lost);
	/* Also without a module: what was there before is gone. */
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
	bool any; /* the process has memory */
};

static int snapshot_mapping(const struct proc_mapping *m, void *ctx)
{
	struct snapshot *snapshot = ctx;
	int err;

	snapshot->any = true;
	if (!m->executable)
		return 0;
	err = map_into(snapshot->symbolizer, &snapshot->space, snapshot->pid, m);
	/* A mapping too many is counted; the others are as good as before. */
	return err == -ENOSPC ? 0 : err;
}

int symbolizer_refresh(struct symbolizer *s, pid_t pid)
{
	struct snapshot snapshot = {.symbolizer = s, .pid = pid};
	struct process *p;
	int err = proc_each_mapping(pid, snapshot_mapping, &snapshot);

	if (!err && !snapshot.any)
		err = -ESRCH;
	if (!err)
		err = process_get(s, pid, &p);
	if (err) {
		space_fini(&snapshot.space);
		return err;
	}
	space_fini(&p->space);
	p->space = snapshot.space;
	p->complete = true;
	return 0;
}

int symbolizer_add_process(struct symbolizer *s, pid_t pid)
{
	const struct process *p = process_find(s, pid);

	return p && p->complete && !p->ended ? 0 : symbolizer_refresh(s, pid);
}

int symbolizer_map(struct symbolizer *s, pid_t pid, const struct proc_mapping *m)
{
	struct process *p;
	int err = process_get(s, pid, &p);

	return err ? err : map_into(s, &p->space, pid, m);
}

/* ---- the life of a process ---- */

void symbolizer_exec(struct symbolizer *s, pid_t pid)
{
	process_remove(s, pid);
}

int symbolizer_fork(struct symbolizer *s, pid_t parent, pid_t child)
{
	const struct process *from;
	struct process *to;
	int err;

	if (parent == child)
		return 0;
	/* Whoever had the child's number before is gone, even when the parent is not known. */
	process_remove(s, child);
	from = process_find(s, parent);
	if (!from)
		return -ESRCH;
	err = process_insert(s, child, &to);
	if (err)
		return err;
	err = space_copy(&to->space, &from->space);
	if (err) {
		process_remove(s, child);
		return err;
	}
	to->complete = from->complete;
	return 0;
}

void symbolizer_exit(struct symbolizer *s, pid_t pid)
{
	struct process *p = process_find(s, pid);
	const struct process *oldest;
	size_t turn = s->next_ended;

	if (!p || p->ended)
		return;
	p->ended = true;
	oldest = process_find(s, s->ended[turn].pid);
	if (oldest && oldest->serial == s->ended[turn].serial)
		process_remove(s, oldest->pid);
	s->ended[turn].pid = pid;
	s->ended[turn].serial = p->serial;
	s->next_ended = (turn + 1) % SYMBOLIZER_ENDED_MAX;
}

/* ---- answers ---- */

static const struct sym_frame no_answer = {.module = UNKNOWN};

/* The address as the module counts, see sym_frame. */
static uint64_t address_in_module(const struct space_mapping *m, uint64_t address)
{
	uint64_t offset = address - m->start + m->offset, elf_address;

	if (module_address(m->module, offset, &elf_address))
		return elf_address;
	return strcmp(module_path(m->module), "[anon]") ? offset : address;
}

/* False: the answer is known, and in *known. */
static bool put_question(struct symbolizer *s, const struct process *p, uint64_t address,
			 bool is_return, struct question *q, struct sym_stack *known)
{
	const struct space_mapping *m;

	*q = (struct question){.key.module = UNKNOWN_ID};
	q->key.is_return = is_return && address;
	q->key.address = address - q->key.is_return;
	m = p ? space_find(&p->space, q->key.address) : NULL;
	if (m) {
		q->module = m->module;
		q->key.module = module_id(m->module);
		q->key.address = address_in_module(m, q->key.address);
	}
	return !cache_find(s->cache, &q->key, known);
}

/* What is asked of one module. */
struct asking {
	struct symbolizer *symbolizer;
	const struct question *questions;
	struct sym_stack answer; /* the last one */
};

static void take_answer(void *context, size_t index, struct sym_frame *frames, size_t count)
{
	struct asking *a = context;
	struct symbolizer *s = a->symbolizer;
	const struct question *q = &a->questions[index];
	const struct sym_address at = question_address(q);

	for (size_t i = 0; i < count; i++)
		frames[i].module_offset = at.address;
	if (cache_find(s->cache, &q->key, &a->answer))
		return;
	a->answer = (struct sym_stack){1, &no_answer};
	if (cache_add(s->cache, &q->key, frames, count, &a->answer))
		s->losses.addresses++;
	else if (q->module)
		module_keep_answer(q->module, &at, a->answer.frames, a->answer.count);
}

struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	struct question q;
	struct asking asking = {.symbolizer = s, .questions = &q};
	struct sym_address at;

	if (!put_question(s, process_find(s, pid), address, is_return, &q, &asking.answer))
		return asking.answer;
	at = question_address(&q);
	if (q.module) {
		s->kept += module_frames(q.module, &at, 1, take_answer, &asking);
	} else {
		struct sym_frame unknown = {.module = UNKNOWN, .offset = at.address};

		take_answer(&asking, 0, &unknown, 1);
	}
	return asking.answer;
}

/* Asks the module of the first question what is asked of it; how many questions that were. */
static size_t ask_one_module(struct symbolizer *s, const struct question *questions, size_t n)
{
	struct asking asking = {.symbolizer = s, .questions = questions};
	struct sym_address at[MODULE_AT_ONCE];
	size_t count = 0;

	for (; count < n && count < MODULE_AT_ONCE; count++) {
		if (questions[count].module != questions[0].module)
			break;
		at[count] = question_address(&questions[count]);
	}
	s->kept += module_frames(questions[0].module, at, count, take_answer, &asking);
	return count;
}

void symbolizer_prepare(struct symbolizer *s, pid_t pid, const uint64_t *words, size_t n)
{
	const struct process *p = process_find(s, pid);
	struct question *questions;
	struct sym_stack known;
	size_t count = 0;

	if (!p || cache_is_full(s->cache))
		return;
	questions = calloc(n, sizeof(*questions));
	if (!questions)
		return;
	for (size_t i = 0; i < n; i++) {
		struct question *q = &questions[count];

		if (put_question(s, p, words[i] & ~EVENT_EXACT, !(words[i] & EVENT_EXACT), q,
				 &known))
			count += q->module ? 1 : 0;
	}
	count = questions_sort(questions, count);
	for (size_t done = 0; done < count;)
		done += ask_one_module(s, questions + done, count - done);
	free(questions);
}
