/* SPDX-License-Identifier: MIT */
/*
 * Bugs that are planted on purpose, one of each kind that a watcher of pools should find.
 */
#ifndef DEMO_BUGS_H
#define DEMO_BUGS_H

enum bug_kind {
	BUG_NONE,
	BUG_STRIDE,       /* the last chunks of a pool lie outside its region */
	BUG_DOUBLE_FREE,  /* a chunk is freed twice */
	BUG_FOREIGN_FREE, /* a chunk is freed to another pool, which takes it */
	BUG_LEAK,         /* chunks are out when their pool is destroyed */
	BUG_KINDS
};

/* "stride", "double-free" … */
const char *bug_name(enum bug_kind kind);

/*
 * Makes pools of its own, does in them what has the one bug and is otherwise as it should be, and
 * destroys them. Nothing is left behind, and the program can go on. On stdout, the truth: where the
 * calls stand that belong to the bug.
 *	bug stride alloc=FILE:LINE
 *	bug double-free first=FILE:LINE second=FILE:LINE
 *	bug foreign-free alloc=FILE:LINE free=FILE:LINE
 *	bug leak alloc=FILE:LINE count=N bytes=N
 * 0, or -ENOMEM.
 */
int bug_plant(enum bug_kind kind);

#endif
