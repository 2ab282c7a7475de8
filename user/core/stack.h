/* SPDX-License-Identifier: MIT */
/*
 * The stacks that the kernel side has told, by their numbers: each comes once, and events refer to
 * it.
 */
#ifndef ALLOCTRACE_CORE_STACK_H
#define ALLOCTRACE_CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"
#include "core/table.h"

#define STACK_MAX (1U << 18) /* twice as many as the kernel side gives numbers to */

struct stack {
	uint64_t layout; /* it was walked by; 0: none */
	uint16_t frames;
	uint8_t grade, why; /* enum event_grade, enum event_why */
	uint64_t words[];   /* as in struct event */
};

struct stacks {
	struct table by_id; /* u64 -> struct stack * */
	uint64_t refused; /* stacks beyond STACK_MAX or memory: their events have a caller alone */
	uint64_t unknown; /* events whose stack has not come, or is another's: the same */
	uint64_t seen[EVENT_NR_GRADES];    /* stacks of events, by grade … */
	uint64_t truncated[EVENT_NR_WHYS]; /* … and the truncated ones by reason */
};

void stacks_init(struct stacks *s);
void stacks_fini(struct stacks *s);

/* Keeps the words of an EVENT_STACK. One that is known already changes nothing. */
void stacks_add(struct stacks *s, const struct event *e);

/*
 * Gives an event with a stack_id the words, grade and reason of its stack, and its layout; an event
 * without one is left alone. An event whose stack is not known, or begins with another caller,
 * keeps its own, EVENT_CALL_SITE, and has no stack_id any more.
 */
void stacks_resolve(struct stacks *s, struct event *e);

/* Counts the stack of an event as it will be shown. One without a caller has none, and where a pool
 * was made is none. */
void stacks_count(struct stacks *s, const struct event *e);

/* Ends the event's stack behind its first `frames` words, at least one: what lay above was walked
 * by mappings that had changed. */
void stack_cut(struct event *e, unsigned int frames);

/* In a few words that stay, for people and for JSON ("truncated", "no unwind rules"); NULL for
 * EVENT_WHY_NONE. */
const char *stack_grade_name(enum event_grade grade);
const char *stack_why_text(enum event_why why);

#endif
