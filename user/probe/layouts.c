// SPDX-License-Identifier: MIT
#include "probe/layouts.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

void layouts_init(struct layouts *l, int tables, int layouts)
{
	*l = (struct layouts){.tables = tables, .layouts = layouts};
}

static int fill(int map, const struct unwind_piece *piece)
{
	for (uint32_t i = 0; i < piece->block_count; i++) {
		if (bpf_map_update_elem(map, &i, &piece->blocks[i], BPF_ANY))
			return -errno;
	}
	return 0;
}

int layouts_add_piece(struct layouts *l, const struct unwind_piece *piece, uint32_t *table)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	int map, err;

	if (l->used >= UNWIND_MAX_TABLES ||
	    l->blocks + piece->block_count > LAYOUTS_MAX_BYTES / sizeof(struct unwind_block))
		return -ENOSPC;
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_piece", sizeof(uint32_t),
			     sizeof(struct unwind_block), piece->block_count, &options);
	if (map < 0)
		return map;
	err = fill(map, piece);
	if (!err && bpf_map_update_elem(l->tables, &l->used, &map, BPF_ANY))
		err = -errno;
	close(map); /* the outer map holds it */
	if (err)
		return err;
	*table = l->used++;
	l->blocks += piece->block_count;
	return 0;
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
