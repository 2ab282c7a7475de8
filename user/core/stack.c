// SPDX-License-Identifier: MIT
/* Stacks by number: a table of pointers, and for each stack a piece of memory of just its size. */
#include "core/stack.h"

#include <stdlib.h>
#include <string.h>

void stacks_init(struct stacks *s)
{
	*s = (struct stacks){0};
	table_init(&s->by_id, sizeof(uint64_t), sizeof(struct stack *), STACK_MAX);
}

static bool drop(const void *key, void *value, void *context)
{
	struct stack **slot = value;

	(void)key;
	(void)context;
	free(*slot);
	return false;
}

void stacks_fini(struct stacks *s)
{
	table_sweep(&s->by_id, drop, NULL);
	table_fini(&s->by_id);
}

static struct stack *copy_of(const struct event *e)
{
	struct stack *stack = malloc(sizeof(*stack) + e->frames * sizeof(stack->words[0]));

	if (!stack)
		return NULL;
	stack->layout = e->layout;
	stack->frames = (uint16_t)e->frames;
	stack->grade = (uint8_t)e->grade;
	stack->why = (uint8_t)e->why;
	memcpy(stack->words, e->stack, e->frames * sizeof(stack->words[0]));
	return stack;
}

void stacks_add(struct stacks *s, const struct event *e)
{
	struct stack *stack, **slot;
	bool fresh;

	if (table_find(&s->by_id, &e->stack_id))
		return;
	stack = copy_of(e);
	slot = stack ? table_insert(&s->by_id, &e->stack_id, &fresh) : NULL;
	if (slot) {
		*slot = stack;
		return;
	}
	free(stack);
	s->refused++;
}

/* The stack that the event says it came along; one that begins elsewhere is not it. */
static const struct stack *stack_of(const struct stacks *s, const struct event *e)
{
	struct stack *const *slot = table_find(&s->by_id, &e->stack_id);

	if (!slot || (e->frames && e->stack[0] != (*slot)->words[0]))
		return NULL;
	return *slot;
}

void stacks_resolve(struct stacks *s, struct event *e)
{
	const struct stack *stack;

	if (!e->stack_id)
		return;
	stack = stack_of(s, e);
	if (!stack) {
		s->unknown++;
		e->stack_id = 0;
		e->frames = e->frames ? 1 : 0;
		e->grade = EVENT_CALL_SITE;
		e->why = EVENT_WHY_NONE;
		return;
	}
	e->layout = stack->layout;
	e->frames = stack->frames;
	e->grade = (enum event_grade)stack->grade;
	e->why = (enum event_why)stack->why;
	memcpy(e->stack, stack->words, stack->frames * sizeof(stack->words[0]));
}

void stacks_count(struct stacks *s, const struct event *e)
{
	if (!e->frames || !e->stack[0] || e->kind == EVENT_POOL_CREATE)
		return;
	s->seen[e->grade]++;
	if (e->grade == EVENT_TRUNCATED)
		s->truncated[e->why]++;
}

void stack_cut(struct event *e, unsigned int frames)
{
	if (!frames)
		frames = 1;
	if (frames >= e->frames)
		return;
	e->frames = frames;
	e->why = EVENT_WHY_CHANGED;
	if (e->grade == EVENT_COMPLETE)
		e->grade = EVENT_TRUNCATED;
}

const char *stack_grade_name(enum event_grade grade)
{
	static const char *const names[EVENT_NR_GRADES] = {
		[EVENT_CALL_SITE] = "call-site",
		[EVENT_COMPLETE] = "complete",
		[EVENT_TRUNCATED] = "truncated",
		[EVENT_GUESSED] = "guessed",
	};

	return names[grade];
}

const char *stack_why_text(enum event_why why)
{
	static const char *const texts[EVENT_NR_WHYS] = {
		[EVENT_WHY_DEPTH] = "no more frames were asked for",
		[EVENT_WHY_NO_LAYOUT] = "mappings not known yet",
		[EVENT_WHY_NO_MAPPING] = "outside known code",
		[EVENT_WHY_NO_TABLE] = "no unwind rules yet",
		[EVENT_WHY_NO_RULE] = "an unwind rule that cannot be followed",
		[EVENT_WHY_NO_INFO] = "no unwind rules",
		[EVENT_WHY_UNREADABLE] = "unreadable stack",
		[EVENT_WHY_NO_GROWTH] = "the next frame would not lie above",
		[EVENT_WHY_TRAMPOLINE] = "another tracer's return probe",
		[EVENT_WHY_CHANGED] = "mappings had changed",
	};

	return texts[why];
}
