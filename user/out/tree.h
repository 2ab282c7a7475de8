/* SPDX-License-Identifier: MIT */
/*
 * Call stacks as paths of a tree, from the outermost frame to the caller of the allocator, so that
 * what processes have in common is one path, wherever they have mapped it. Node 0 is the root and
 * has no frame.
 */
#ifndef ALLOCTRACE_OUT_TREE_H
#define ALLOCTRACE_OUT_TREE_H

#include "core/table.h"
#include "out/sink.h"

#define TREE_MAX_NODES (1u << 22)

struct tree_node {
	uint32_t parent;
	bool interrupted;       /* a signal came here: what lies below is the handler */
	struct sym_frame frame; /* its strings live as long as the symbolizer */
};

struct tree {
	struct tree_node *nodes;
	uint32_t count, room;
	struct table index; /* what tells two children of a node apart -> the child */
	uint64_t refused;   /* stacks that were cut at the node where there was no room for more */
};

/* 0 or -ENOMEM. */
int tree_init(struct tree *t);
void tree_fini(struct tree *t);

/* The node of the innermost frame of the event's stack, as much of it as is shown (sink_extent);
 * without whole stacks, that of the caller alone. 0: the stack could not be read. */
uint32_t tree_add(struct tree *t, const struct sink *s, const struct event *e);

/* An order of the paths that depends on nothing but what their frames are called, the innermost
 * first: below 0, 0 or above. */
int tree_compare(const struct tree *t, uint32_t a, uint32_t b);

#endif
