// SPDX-License-Identifier: MIT
/*
 * Names of the symbolizer are one pointer each, so that two frames are told apart without a look at
 * their letters. Lines tell calls apart where they are known, addresses in the file where not:
 * the same code of two processes is one node either way.
 */
#include "out/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct key {
	const char *function, *file, *module;
	uint64_t at; /* 0 where there is a line */
	uint32_t parent;
	int line, column;
	uint32_t flags; /* inlined, interrupted */
};

_Static_assert(sizeof(struct key) == 48, "a key has no padding");

int tree_init(struct tree *t)
{
	*t = (struct tree){.room = 64};
	table_init(&t->index, sizeof(struct key), sizeof(uint64_t), TREE_MAX_NODES);
	t->nodes = calloc(t->room, sizeof(t->nodes[0]));
	if (!t->nodes)
		return -ENOMEM;
	t->count = 1;
	return 0;
}

void tree_fini(struct tree *t)
{
	free(t->nodes);
	table_fini(&t->index);
	*t = (struct tree){0};
}

static uint64_t place_of(const struct sym_frame *f)
{
	if (f->file)
		return 0;
	return f->function ? f->offset : f->module_offset;
}

static bool make_room(struct tree *t)
{
	struct tree_node *nodes;

	if (t->count < t->room)
		return true;
	if (t->room >= TREE_MAX_NODES)
		return false;
	nodes = realloc(t->nodes, 2 * (size_t)t->room * sizeof(nodes[0]));
	if (!nodes)
		return false;
	t->nodes = nodes;
	t->room *= 2;
	return true;
}

/* The child of *node with that frame, made when it is new. False: no room, *node stays. */
static bool descend(struct tree *t, uint32_t *node, const struct sym_frame *f, bool interrupted)
{
	const struct key key = {
		.function = f->function,
		.file = f->file,
		.module = f->module,
		.at = place_of(f),
		.parent = *node,
		.line = f->line,
		.column = f->column,
		.flags = (uint32_t)f->inlined | (uint32_t)interrupted << 1,
	};
	uint64_t *child = table_find(&t->index, &key);
	bool fresh;

	if (!child) {
		child = make_room(t) ? table_insert(&t->index, &key, &fresh) : NULL;
		if (!child)
			return false;
		t->nodes[t->count] = (struct tree_node){*node, interrupted, *f};
		*child = t->count++;
	}
	*node = (uint32_t)*child;
	return true;
}

/* Word `i` of the stack: the frame that others are inlined into first. */
static bool add_word(struct tree *t, uint32_t *node, const struct sink *s, const struct event *e,
		     unsigned int i)
{
	struct sym_stack stack = sink_frames_at(s, e->pid, e->stack, e->frames, i);

	for (size_t k = stack.count; k-- > 0;) {
		if (!descend(t, node, &stack.frames[k], k == 0 && sink_is_interrupted(e->stack, i)))
			return false;
	}
	return true;
}

uint32_t tree_add(struct tree *t, const struct sink *s, const struct event *e)
{
	uint32_t node = 0;

	if (!t->count || !e->frames || !e->stack[0])
		return 0;
	for (unsigned int i = s->info->stacks ? sink_extent(s, e).depth : 1; i-- > 0;) {
		if (!add_word(t, &node, s, e, i)) {
			t->refused++;
			break;
		}
	}
	return node;
}

/* NULL before everything else. */
static int compare_text(const char *a, const char *b)
{
	if (a == b)
		return 0;
	if (!a || !b)
		return a ? 1 : -1;
	return strcmp(a, b);
}

static int compare_frames(const struct sym_frame *a, const struct sym_frame *b)
{
	uint64_t at_a = place_of(a), at_b = place_of(b);
	int order = compare_text(a->function, b->function);

	order = order ? order : compare_text(a->file, b->file);
	order = order ? order : a->line - b->line;
	order = order ? order : a->column - b->column;
	order = order ? order : compare_text(a->module, b->module);
	return order ? order : (at_a > at_b) - (at_a < at_b);
}

int tree_compare(const struct tree *t, uint32_t a, uint32_t b)
{
	while (a != b && a && b) {
		int order = compare_frames(&t->nodes[a].frame, &t->nodes[b].frame);

		if (order)
			return order;
		a = t->nodes[a].parent;
		b = t->nodes[b].parent;
	}
	return a == b ? 0 : a ? 1 : -1;
}
