// SPDX-License-Identifier: MIT
#include "sym/processes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sym/perfmap.h"

/* More than a machine runs; each costs one or two kilobytes. */
#define PROCESSES_MAX 65536

static void process_free(struct process *p)
{
	space_fini(&p->space);
	perfmap_unref(p->perfmap);
	free(p);
}

void processes_fini(struct processes *t)
{
	for (size_t i = 0; i < t->count; i++)
		process_free(t->at[i]);
	free(t->at);
}

uint64_t processes_next_serial(struct processes *t)
{
	return ++t->last_serial;
}

static size_t first_not_below(const struct processes *t, pid_t pid)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->at[middle]->pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct process *processes_find(struct processes *t, pid_t pid)
{
	size_t i;

	if (t->recent && t->recent->pid == pid)
		return t->recent;
	i = first_not_below(t, pid);
	if (i == t->count || t->at[i]->pid != pid)
		return NULL;
	t->recent = t->at[i];
	return t->recent;
}

void processes_remove(struct processes *t, pid_t pid)
{
	size_t i = first_not_below(t, pid);

	if (i == t->count || t->at[i]->pid != pid)
		return;
	processes_hold(t, t->at[i], 0);
	process_free(t->at[i]);
	t->count--;
	memmove(&t->at[i], &t->at[i + 1], (t->count - i) * sizeof(struct process *));
	t->recent = NULL;
}

void processes_renumber(struct processes *t, struct process *p)
{
	uint64_t before = p->serial;

	p->serial = processes_next_serial(t);
	for (size_t i = 0; i < PROCESSES_ENDED_MAX && p->ended; i++)
		if (t->ended[i].serial == before)
			t->ended[i].serial = p->serial;
}

bool processes_hold(struct processes *t, struct process *p, size_t count)
{
	bool fits;

	t->held -= p->held;
	fits = count <= PROCESSES_MAX_HELD - t->held;
	p->held = fits ? count : 0;
	t->held += p->held;
	return fits;
}

int processes_insert(struct processes *t, pid_t pid, struct process **added)
{
	size_t i = first_not_below(t, pid);
	struct process *p;

	if (t->count >= PROCESSES_MAX)
		return -ENOSPC;
	if (t->count == t->capacity) {
		size_t capacity = t->capacity ? t->capacity * 2 : 64;
		struct process **all = reallocarray(t->at, capacity, sizeof(struct process *));

		if (!all)
			return -ENOMEM;
		t->at = all;
		t->capacity = capacity;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pid = pid;
	p->serial = processes_next_serial(t);
	memmove(&t->at[i + 1], &t->at[i], (t->count - i) * sizeof(struct process *));
	t->at[i] = p;
	t->count++;
	*added = p;
	return 0;
}

int processes_get(struct processes *t, pid_t pid, struct process **p)
{
	*p = processes_find(t, pid);
	if (*p && !(*p)->ended)
		return 0;
	processes_remove(t, pid);
	return processes_insert(t, pid, p);
}

void processes_end(struct processes *t, struct process *p)
{
	size_t turn = t->next_ended;
	const struct process *oldest = processes_find(t, t->ended[turn].pid);

	p->ended = true;
	if (p->perfmap)
		perfmap_end(p->perfmap);
	if (oldest && oldest->serial == t->ended[turn].serial)
		processes_remove(t, oldest->pid);
	t->ended[turn].pid = p->pid;
	t->ended[turn].serial = p->serial;
	t->next_ended = (turn + 1) % PROCESSES_ENDED_MAX;
}
