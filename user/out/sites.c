// SPDX-License-Identifier: MIT
/*
 * A stack becomes a site once; from then on its number is looked up by what the event carries of
 * it. These keys are many where mappings change often, and come back at once: when there are too
 * many all are dropped. Site 0 is that of calls whose stack is not known, of those that hand out
 * nothing, and of what there is no room for.
 */
#include "out/sites.h"

#include <stdlib.h>

#define STACKS_MAX (1U << 20)

/* `serial` is of what the process has mapped, as in rendered.c; a stack that was cut is another
 * one. */
struct stack_key {
	uint64_t id; /* of the stack; frames 0: the caller itself, which is all */
	uint64_t serial;
	uint32_t pid, pool;
	uint32_t frames;
	uint16_t grade, why;
};

struct node_key {
	uint32_t node, pool;
};

_Static_assert(sizeof(struct stack_key) == 32, "a key has no padding");

static bool make_room(struct sites *all)
{
	uint32_t room = all->room ? 2 * all->room : 64;
	struct site_place *places;

	if (all->count < all->room)
		return true;
	if (all->count >= PROFILE_MAX_SITES)
		return false;
	places = realloc(all->places, room * sizeof(places[0]));
	if (!places)
		return false;
	all->places = places;
	all->room = room;
	return true;
}

/* The site of that place, which is copied when it is new; 0: no room. */
static uint32_t number_of(struct sites *all, const struct site_place *place)
{
	const struct node_key key = {place->node, place->pool};
	uint64_t *number = table_find(&all->by_node, &key);
	bool fresh;

	if (!number) {
		number = make_room(all) ? table_insert(&all->by_node, &key, &fresh) : NULL;
		if (!number) {
			all->refused++;
			return 0;
		}
		all->places[all->count] = *place;
		*number = all->count++;
	}
	return (uint32_t)*number;
}

static uint32_t resolve(struct sites *all, const struct sink *s, const struct event *e,
			uint32_t pool)
{
	const struct site_place place = {
		.node = tree_add(&all->tree, s, e),
		.pool = pool,
		.grade = e->grade,
		.why = s->info->stacks && e->frames ? sink_extent(s, e).why : e->why,
	};

	return number_of(all, &place);
}

/* False: there is nothing shorter than the words themselves. */
static bool make_key(struct stack_key *key, const struct sink *s, const struct event *e,
		     uint32_t pool)
{
	bool alone = !s->info->stacks || (!e->stack_id && e->frames == 1);

	if (!e->frames || (!alone && !e->stack_id))
		return false;
	*key = (struct stack_key){
		.id = alone ? e->stack[0] : e->stack_id,
		.serial = symbolizer_serial(s->info->symbolizer, (pid_t)e->pid),
		.pid = e->pid,
		.pool = pool,
		.frames = alone ? 0 : e->frames,
		.grade = (uint16_t)e->grade,
		.why = (uint16_t)e->why,
	};
	return true;
}

static uint32_t site_of(struct sites *all, const struct sink *s, const struct event *e,
			uint32_t pool)
{
	struct stack_key key;
	uint64_t *known;
	uint32_t site;
	bool fresh;

	if (!make_key(&key, s, e, pool))
		return resolve(all, s, e, pool);
	known = table_find(&all->by_stack, &key);
	if (known)
		return (uint32_t)*known;
	site = resolve(all, s, e, pool);
	if (all->by_stack.count == all->by_stack.cap) {
		table_fini(&all->by_stack);
		table_init(&all->by_stack, sizeof(key), sizeof(*known), STACKS_MAX);
	}
	known = table_insert(&all->by_stack, &key, &fresh);
	if (known)
		*known = site;
	return site;
}

void sites_start(struct sink *s)
{
	const struct site_place unknown = {0};
	struct sites *all = s->state;

	profile_init(&all->profile, s->info->heap, s->info->older_ns, s->info->within);
	tree_init(&all->tree); /* without it no stack is known */
	table_init(&all->by_node, sizeof(struct node_key), sizeof(uint64_t), PROFILE_MAX_SITES);
	table_init(&all->by_stack, sizeof(struct stack_key), sizeof(uint64_t), STACKS_MAX);
	number_of(all, &unknown);
}

static bool hands_out(const struct event *e)
{
	return e->kind == EVENT_ALLOC || e->kind == EVENT_REALLOC || e->kind == EVENT_POOL_ALLOC;
}

void sites_event(struct sink *s, const struct event *e, const struct heap_note *note)
{
	struct sites *all = s->state;
	uint32_t pool = note->pool ? (uint32_t)note->row + 1 : 0;

	profile_apply(&all->profile, e, note, hands_out(e) ? site_of(all, s, e, pool) : 0);
}

void sites_fini(struct sink *s)
{
	struct sites *all = s->state;

	if (!all->profile.heap)
		return;
	profile_fini(&all->profile);
	tree_fini(&all->tree);
	table_fini(&all->by_node);
	table_fini(&all->by_stack);
	free(all->places);
}
