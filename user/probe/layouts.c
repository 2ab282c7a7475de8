// SPDX-License-Identifier: MIT
#include "probe/layouts.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

/*
 * To enter an inner map the kernel waits until no program can be looking at what was there before,
 * 15 ms or so: too long for each of the libraries that a program loads one after another. What is
 * written into an inner map that is there already is seen at once.
 */
#define SHARED_BLOCKS 512 /* 4 MiB */
#define SMALL_BLOCKS  64  /* pieces up to that size share */

void layouts_init(struct layouts *l, int tables, int layouts)
{
	*l = (struct layouts){.tables = tables, .layouts = layouts};
}

static void close_shared(struct layouts *l)
{
	if (l->shared_room)
		close(l->shared);
	l->shared_room = 0;
}

void layouts_fini(struct layouts *l)
{
	close_shared(l);
}

/* An inner map of so many blocks, which has the number l->used - 1 from then on. Its descriptor, or
 * a negative errno. */
static int enter_map(struct layouts *l, uint32_t blocks)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	int map, err;

	if (l->used >= UNWIND_MAX_TABLES ||
	    l->blocks + blocks > LAYOUTS_MAX_BYTES / sizeof(struct unwind_block))
		return -ENOSPC;
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_piece", sizeof(uint32_t),
			     sizeof(struct unwind_block), blocks, &options);
	if (map < 0)
		return map;
	if (bpf_map_update_elem(l->tables, &l->used, &map, BPF_ANY)) {
		err = -errno;
		close(map);
		return err;
	}
	l->used++;
	l->blocks += blocks;
	return map;
}

/* Nobody looks there yet: the piece's place is told when all of it is in. */
static int fill(int map, uint32_t first, const struct unwind_piece *piece)
{
	for (uint32_t i = 0; i < piece->block_count; i++) {
		uint32_t block = first + i;

		if (bpf_map_update_elem(map, &block, &piece->blocks[i], BPF_ANY))
			return -errno;
	}
	return 0;
}

static int add_alone(struct layouts *l, const struct unwind_piece *piece, uint32_t *table)
{
	int map = enter_map(l, piece->block_count), err;

	if (map < 0)
		return map;
	err = fill(map, 0, piece);
	close(map); /* the outer map holds it */
	*table = UNWIND_PLACE(l->used - 1, 0);
	return err;
}

static int add_shared(struct layouts *l, const struct unwind_piece *piece, uint32_t *table)
{
	uint32_t first;
	int map, err;

	if (l->shared_room < piece->block_count) {
		map = enter_map(l, SHARED_BLOCKS);
		if (map < 0)
			return map;
		close_shared(l);
		l->shared = map;
		l->shared_table = l->used - 1;
		l->shared_room = SHARED_BLOCKS;
	}
	first = SHARED_BLOCKS - l->shared_room;
	err = fill(l->shared, first, piece);
	if (err)
		return err;
	*table = UNWIND_PLACE(l->shared_table, first);
	if (l->shared_room == piece->block_count)
		close_shared(l);
	else
		l->shared_room -= piece->block_count;
	return 0;
}

int layouts_add_piece(struct layouts *l, const struct unwind_piece *piece, uint32_t *table)
{
	return piece->block_count > SMALL_BLOCKS ? add_alone(l, piece, table)
						 : add_shared(l, piece, table);
}

int layouts_set(const struct layouts *l, pid_t pid, const struct unwind_layout *layout)
{
	uint32_t tgid = (uint32_t)pid;

	return bpf_map_update_elem(l->layouts, &tgid, layout, BPF_ANY) ? -errno : 0;
}

void layouts_drop(const struct layouts *l, pid_t pid)
{
	uint32_t tgid = (uint32_t)pid;

	bpf_map_delete_elem(l->layouts, &tgid);
}

bool layouts_has(const struct layouts *l, pid_t pid)
{
	static struct unwind_layout layout; /* too large for the stack */
	uint32_t tgid = (uint32_t)pid;

	return !bpf_map_lookup_elem(l->layouts, &tgid, &layout);
}
